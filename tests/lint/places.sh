#!/usr/bin/env bash
# Nothing in the tree belongs to one machine: no home folders, no package registries or
# mirrors (a client of theirs knows where they are).
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

# Places are written with a bracket each, so that this file does not find itself; registries in
# rot13 with a blank for a dot, so that it holds none of their names.
PLACES='/[h]ome/[a-z]|/[r]oot/|/[w]ork/(main|shared)|/[U]sers/[a-z]'
HOSTS=$(tr 'a-mn-z' 'n-za-m' <<<'ertvfgel aczwf|svyrf clgubaubfgrq|clcv (bet|clguba)|cebkl tbynat|tbcebkl |qro qrovna bet|pengrf vb|eholtrzf bet|ertvfgel-1 qbpxre|negvsnpgbel|arkhf ')
HOSTS=${HOSTS// /\\.}

while IFS=: read -r f line text; do
	bad "$f:$line: a place of one machine or a registry: $(cut -c1-100 <<<"$text")"
done < <(files '*' | tr '\n' '\0' | xargs -0 grep -nIE "$PLACES|$HOSTS" -- 2>/dev/null)
finish
