# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is for the checks
#
# What the checks share. A check is a script in this folder: it prints what is wrong, one
# line each with file and line, and ends with 0 (passed), 77 (skipped, and says why) or
# anything else (failed). LINT_ROOT points it at another tree; the self-test does that.

set -uo pipefail
LINT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=${LINT_ROOT:-$(cd "$LINT_DIR/../.." && pwd)}
export ROOT
cd "$ROOT" || exit 1

BAD=0

# bad TEXT...: one complaint.
bad()
{
	printf '%s\n' "$*"
	BAD=$((BAD + 1))
}

finish()
{
	[ "$BAD" = 0 ] && exit 0
	echo "$BAD complaint(s)"
	exit 1
}

skip()
{
	echo "skipped: $*"
	exit 77
}

# files GLOB...: what git knows or would take, and is there; one per line.
files()
{
	git ls-files -co --exclude-standard -- "$@" | sort -u | while IFS= read -r f; do
		if [ -f "$f" ]; then printf '%s\n' "$f"; fi
	done
}

# strip FILE: C without comments and with empty string literals, line for line.
strip()
{
	perl -0777 -pe '
		s{(/\*.*?\*/|//[^\n]*)|("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)}
		 { my ($c, $s) = ($1, $2);
		   defined $s ? ($s =~ /^"/ ? "\"\"" : "0") : join("", $c =~ /\n/g) . " " }gse' "$1"
}

# room_of FILE: its room, "main" for tenantd/*.c, "" elsewhere.
room_of()
{
	local dir=${1%/*} name
	case $1 in
	tenantd/*/*) name=${dir#tenantd/} && name=${name%%/*} ;;
	tenantd/*) name=main ;;
	policies/* | quota/* | lvm/* | kube/* | meter/*) name=${1%%/*} ;;
	*) name= ;;
	esac
	printf '%s' "$name"
}

# Rooms and what they may use, from cmake/arrows.txt.
declare -A ARROWS=()
while IFS=: read -r room below; do
	[[ $room =~ ^[a-z]+$ ]] && ARROWS[$room]=" $below "
done <"$LINT_DIR/../../cmake/arrows.txt"

# room_dir ROOM: its folder.
room_dir()
{
	if [ -d "tenantd/$1" ]; then echo "tenantd/$1"; else echo "$1"; fi
}

# public_headers ROOM: those its CMakeLists.txt names, or all of them.
public_headers()
{
	local dir list
	dir=$(room_dir "$1")
	[ -f "$dir/CMakeLists.txt" ] || return 0
	list=$(tr '\n' ' ' <"$dir/CMakeLists.txt" | grep -o 'PUBLIC_HEADERS [^)]*' |
		sed 's/PUBLIC_HEADERS//; s/\b[A-Z][A-Z_]*\b.*//')
	if [ -z "$list" ]; then list=$(cd "$dir" && ls -- *.h 2>/dev/null); fi
	for h in $list; do echo "$dir/$h"; done
}
