#!/usr/bin/env bash
# clang-tidy with .clang-tidy. A clean file is remembered by the hash of all that it is
# made of, so that only what changed is looked at again.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

command -v clang-tidy >/dev/null || skip "clang-tidy is not installed"
if [ ! -f build/debug/compile_commands.json ]; then
	cmake --preset debug >/dev/null || { bad "cmake --preset debug fails" && finish; }
fi
exec python3 "$LINT_DIR/tidy.py" build/debug \
	"${XDG_CACHE_HOME:-$HOME/.cache}/tenantd/clang-tidy"
