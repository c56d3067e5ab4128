#!/usr/bin/env bash
# No file over 1,000 lines, no function over 100. House style makes a function easy to
# find: its body opens and closes with a brace in the first column.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

MAX_FILE=1000 MAX_FUNCTION=100

while IFS= read -r f; do
	n=$(wc -l <"$f")
	[ "$n" -le $MAX_FILE ] || bad "$f: $n lines, at most $MAX_FILE"
	case $f in *.py) continue ;; esac
	while IFS= read -r complaint; do
		bad "$complaint"
	done < <(strip "$f" | awk -v file="$f" -v max=$MAX_FUNCTION '
		/^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
		/^\{[ \t]*$/ { start = NR; inside = 1 }
		/^\}/ && inside {
			inside = 0
			if (NR - start + 1 > max)
				printf "%s:%d: %s: %d lines, at most %d\n", file, start, name,
				       NR - start + 1, max
		}')
done < <(files '*.c' '*.h' '*.py')
finish
