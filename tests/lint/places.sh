#!/usr/bin/env bash
# Nothing in the tree belongs to one machine: no home folders, no package registries or
# mirrors (a client of theirs knows where they are).
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# Written with a bracket each, and registries with a blank for a dot: this file neither finds
# itself nor holds their names.
PLACES='/[h]ome/[a-z]|/[r]oot/|/[w]ork/(main|shared)|/[U]sers/[a-z]'
HOSTS='registry [n]pmjs|[f]iles pythonhosted|[p]ypi (org|python)|proxy [g]olang|[g]oproxy |deb [d]ebian org|[c]rates io|[r]ubygems org|registry-1 [d]ocker|[a]rtifactory|[n]exus '
HOSTS=${HOSTS// /\\.}

while IFS=: read -r f line text; do
	bad "$f:$line: a place of one machine or a registry: $(cut -c1-100 <<<"$text")"
done < <(files '*' | tr '\n' '\0' | xargs -0 grep -nIE "$PLACES|$HOSTS" -- 2>/dev/null)
finish
