#!/usr/bin/env bash
# No test is forgotten: every C test, fuzz target and room source is named where it is
# built, every fuzz target has a corpus, every room's CMakeLists.txt names what is there.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

named()
{
	local file=$1
	shift
	grep -qE "(^|[^A-Za-z0-9_./-])${file//./\\.}([^A-Za-z0-9_]|$)" "$@" 2>/dev/null ||
		bad "$file is in none of: $*"
}

while IFS= read -r f; do named "${f##*/}" tests/unit/*.cmake; done < <(files 'tests/unit/test_*.c')
while IFS= read -r f; do
	name=${f##*/fuzz_}
	named "${f##*/}" tests/fuzz/*.cmake
	[ -n "$(files "tests/fuzz/corpus/${name%.c}/*")" ] ||
		bad "$f: no corpus in tests/fuzz/corpus/${name%.c}"
done < <(files 'tests/fuzz/fuzz_*.c')
for room in "${!ARROWS[@]}"; do
	dir=$(room_dir "$room")
	[ -d "$dir" ] || continue
	while IFS= read -r f; do
		# main.c of a program stands beside its room's library.
		[ "${f##*/}" = main.c ] || named "${f#"$dir"/}" "$dir/CMakeLists.txt"
	done < <(files "$dir/*.c")
done
finish
