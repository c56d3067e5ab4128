#!/usr/bin/env bash
# clang-format has nothing to change; `./dev fmt` changes it.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

command -v clang-format >/dev/null || skip "clang-format is not installed"
while IFS= read -r f; do
	clang-format --dry-run -Werror "$f" >/dev/null 2>&1 ||
		bad "$f: $(clang-format "$f" | diff -U0 "$f" - | grep -c '^@@') place(s) differ"
done < <(files '*.c' '*.h')
[ "$BAD" = 0 ] || echo "./dev fmt puts them right"
finish
