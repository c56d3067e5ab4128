#!/usr/bin/env bash
# cppcheck: warnings and portability.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

command -v cppcheck >/dev/null || skip "cppcheck is not installed"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tenantd/cppcheck
mkdir -p "$cache"
mapfile -t sources < <(files 'tenantd/*.c' 'policies/*.c' 'quota/*.c' 'lvm/*.c' 'kube/*.c' \
	'meter/*.c')
[ ${#sources[@]} -gt 0 ] || finish
# Left out:
# unknownMacro, missingInclude, syntaxError: it does not read the headers of libraries and
#   stumbles over X-macro rows; the compiler reads them.
# uninitvar, ctuuninitvar, nullPointer: it takes f_init(&x) for a use of x and a macro's
#   loop for one that may not have run; clang's analyzer follows both (tidy).
# comparePointers: the two linker symbols of an embedded file.
out=$(nice cppcheck --quiet --std=c11 --enable=warning,portability --error-exitcode=3 \
	--inline-suppr --suppress=unknownMacro --suppress=missingInclude \
	--suppress=syntaxError --suppress=uninitvar --suppress=ctuuninitvar \
	--suppress=nullPointer --suppress=comparePointers \
	--cppcheck-build-dir="$cache" -j2 -D_GNU_SOURCE '-DTD_VERSION="0"' -I tenantd -I . \
	--template='{file}:{line}: {id}: {message}' "${sources[@]}" 2>&1) || bad "$out"
finish
