#!/usr/bin/env bash
# Calls that have a safer form, and clocks and chance outside of struct td_env.
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

CALLS='strcpy|strcat|sprintf|vsprintf|strncpy|stpcpy|strtok|strtok_r|atoi|atol|atoll|atof|scanf|sscanf|fscanf|vsscanf|gets|system|popen|alloca|rand|rand_r|srand|random|drand48|gmtime|localtime|localtime_r|ctime|ctime_r|asctime|strerror|mktemp|tmpnam|tempnam|vfork|bcopy'
# Only in base/env.c, which is struct td_env; tests and benchmarks measure real time.
CLOCKS='time|gettimeofday|clock_gettime|getrandom|getentropy|arc4random|sleep|usleep|nanosleep|clock_nanosleep|RAND_bytes|RAND_priv_bytes'

while IFS= read -r f; do
	words=$CALLS
	case $f in
	tenantd/base/env.c | tests/*) ;;
	tenantd/* | policies/* | quota/* | lvm/* | kube/* | meter/*) words="$CALLS|$CLOCKS" ;;
	esac
	while IFS=: read -r line call; do
		bad "$f:$line: ${call%%(*}() is banned"
	done < <(strip "$f" | grep -noP "(?<![\\w.>])($words)\\s*\\(")
	# Secrets come from files or credentials, never from the environment.
	while IFS=: read -r line call; do
		bad "$f:$line: setenv or putenv in the daemon: pass values"
	done < <(case $f in tests/* | tenantd/ctl/*) ;; *)
		strip "$f" | grep -noP '(?<![\w.>])(setenv|putenv)\s*\(' ;; esac)
done < <(files '*.c' '*.h')
finish
