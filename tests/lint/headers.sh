#!/usr/bin/env bash
# Every header guards itself with #pragma once and compiles alone, under the warnings of
# the build.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

flags=(-std=c11 -D_GNU_SOURCE '-DTD_VERSION="0"' -Wall -Wextra -Wpedantic -Wshadow -Wundef
	-Wstrict-prototypes -Werror -fsyntax-only -I tenantd -I . -I tests/unit)
for module in libmongoc-1.0 libbson-1.0; do
	# As system headers: their warnings are not ours.
	read -ra more < <(pkg-config --cflags "$module" 2>/dev/null | sed 's/-I/-isystem /g')
	flags+=("${more[@]}")
done

while IFS= read -r f; do
	grep -q '^#pragma once$' "$f" || bad "$f: no #pragma once"
	# Included, not compiled as itself: "#pragma once in main file" is a warning.
	out=$(printf '#include "%s"\n' "$PWD/$f" | "${CC:-cc}" "${flags[@]}" -x c - 2>&1) ||
		bad "$f: does not compile alone:"$'\n'"$out"
done < <(files '*.h')
finish
