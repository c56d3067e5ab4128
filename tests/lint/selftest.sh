#!/usr/bin/env bash
# The checks find what they are there for: a small tree with one planted fault per check
# and a clean one beside it.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

tree=$(mktemp -d "${TMPDIR:-/tmp}/tenantd-lint.XXXXXX")
trap 'rm -rf "$tree"' EXIT

# fresh: an empty tree with a clean room.
fresh()
{
	rm -rf "$tree" && mkdir -p "$tree/tenantd/base" "$tree/tenantd/store" "$tree/tests/unit"
	git -C "$tree" init -q
	cp "$ROOT/.clang-format" "$tree/"
	printf 'td_room(base\n\tSOURCES a.c\n\tPUBLIC_HEADERS a.h)\n' >"$tree/tenantd/base/CMakeLists.txt"
	printf '#pragma once\n\nint base_a(void);\n' >"$tree/tenantd/base/a.h"
	printf '#include "a.h"\n\nint\nbase_a(void)\n{\n\treturn 1; /* strcpy(a, b) */\n}\n' \
		>"$tree/tenantd/base/a.c"
}

# finds CHECK EXPECTED: the check fails on the tree and says so.
finds()
{
	local out
	out=$(LINT_ROOT=$tree "$LINT_DIR/$1.sh" 2>&1) && bad "$1 missed: $2"
	grep -qF -- "$2" <<<"$out" || bad "$1 said: $out"$'\n'"  instead of: $2"
}

checks="includes banned size headers format places scripts registered"
fresh
for check in $checks; do
	out=$(LINT_ROOT=$tree "$LINT_DIR/$check.sh" 2>&1) || bad "$check on a clean tree: $out"
done

fresh && echo '#include "store/store.h"' >>"$tree/tenantd/base/a.c"
finds includes "tenantd/base/a.c:8: base may not use store"
fresh && echo '#include "../store/store.h"' >>"$tree/tenantd/base/a.c"
finds includes "no paths with dots"
fresh && echo '#include <lmdb.h>' >>"$tree/tenantd/base/a.c"
finds includes "<lmdb.h> belongs to: store"
fresh && echo '#include <curl/curl.h>' >>"$tree/tenantd/base/a.h"
finds includes "tenantd/base/a.h:4: <curl/curl.h> in a public header"
fresh && printf '#include <jansson.h>\n' >"$tree/tenantd/store/x.c"
finds includes "<jansson.h> belongs to: api"
fresh && printf 'int x(void) { return atoi("1"); }\n' >>"$tree/tenantd/base/a.c"
finds banned "tenantd/base/a.c:8: atoi() is banned"
fresh && printf 'long x(void) { return time(0); }\n' >>"$tree/tenantd/base/a.c"
finds banned "tenantd/base/a.c:8: time() is banned"
fresh && { printf 'int\nlong_one(void)\n{\n' && seq 100 | sed 's|.*|\t;|' && printf '}\n'; } \
	>>"$tree/tenantd/base/a.c"
finds size "tenantd/base/a.c:10: long_one: 102 lines, at most 100"
fresh && seq 1000 | sed 's|.*||' >>"$tree/tenantd/base/a.c"
finds size "tenantd/base/a.c: 1007 lines, at most 1000"
fresh && printf 'int x(size_t);\n' >>"$tree/tenantd/base/a.h"
finds headers "tenantd/base/a.h: does not compile alone"
fresh && printf 'int x(void);\n' >"$tree/tenantd/base/b.h"
finds headers "tenantd/base/b.h: no #pragma once"
fresh && printf 'int x;   int y;\n' >>"$tree/tenantd/base/a.c"
finds format "tenantd/base/a.c: 1 place(s) differ"
fresh && printf 'see /%s/someone\n' home >"$tree/notes.md"
finds places "notes.md:1: a place of one machine"
fresh && printf '#!/bin/bash\nif\n' >"$tree/broken"
finds scripts "broken: line"
fresh && printf 'def x(:\n' >"$tree/broken.py"
finds scripts "broken.py: "
fresh && printf 'int x;\n' >"$tree/tests/unit/test_base_x.c"
finds registered "test_base_x.c is in none of:"
fresh && printf 'int x;\n' >"$tree/tenantd/base/b.c"
finds registered "b.c is in none of:"
finish
