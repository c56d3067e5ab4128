#!/usr/bin/env bash
# Shell scripts parse (and please shellcheck where it is installed); Python compiles.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

scripts=()
while IFS= read -r f; do
	case $f in
	*.sh) scripts+=("$f") ;;
	*.* ) ;;
	*) if head -c 64 "$f" | head -1 | grep -qE '^#!.*\b(ba)?sh\b'; then scripts+=("$f"); fi ;;
	esac
done < <(files '*')
for f in "${scripts[@]}"; do
	out=$(bash -n "$f" 2>&1) || bad "$out"
done
if command -v shellcheck >/dev/null && [ ${#scripts[@]} -gt 0 ]; then
	out=$(shellcheck -x -f gcc "${scripts[@]}" 2>&1) || bad "$out"
fi
while IFS= read -r f; do
	out=$(python3 - "$f" <<'PY' 2>&1
import sys
path = sys.argv[1]
with open(path, "rb") as source:
    compile(source.read(), path, "exec")
PY
	) || bad "$f: ${out##*$'\n'}"
done < <(files '*.py')
finish
