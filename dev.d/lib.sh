# shellcheck shell=bash
# Words on the terminal, and steps that take long.

say() { printf '%s\n' "$*" >&2; }
die()
{
	say "dev: $*"
	exit 1
}

# step WHAT CMD...: run CMD, show WHAT and the time it takes while it runs, keep its
# output to ourselves, and show the end of that output when it fails.
step()
{
	local what=$1 log pid start=$SECONDS rc=0 tick=0
	shift
	log=$(mktemp "${TMPDIR:-/tmp}/tenantd-step.XXXXXX")
	# 9 is where callers hold a lock; a server that a package starts must not keep it.
	"$@" >"$log" 2>&1 9>&- &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		sleep 0.2
		tick=$((tick + 1))
		if [ -t 2 ]; then
			printf '\r  ... %s (%d s)' "$what" $((SECONDS - start)) >&2
		elif [ $((tick % 150)) = 0 ]; then
			say "  ... $what ($((SECONDS - start)) s)"
		fi
	done
	wait $pid || rc=$?
	[ -t 2 ] && printf '\r\033[K' >&2
	if [ $rc = 0 ]; then
		say "  ok  $what ($((SECONDS - start)) s)"
		rm -f "$log"
	else
		say "  FAILED  $what ($((SECONDS - start)) s, exit status $rc); the end of $log:"
		tail -n 60 "$log" >&2
	fi
	return $rc
}
