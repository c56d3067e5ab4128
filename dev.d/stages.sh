# shellcheck shell=bash
# The stages of `./dev test`. A stage collects JUnit files in its own folder; the figures
# it prints are counted from those, so a stage that ran nothing is seen, and has failed.

ALL_STAGES="lint unit model service isolation brakes fault secrets"

# ctest_run PRESET LABELS: the tests of a built preset that carry one of the labels.
ctest_run()
{
	local preset=$1 labels=$2 wrap=()
	build "$preset"
	# gcc's thread sanitizer gives up where the kernel spreads mappings more widely
	# than it expects.
	if [ "$preset" = tsan ] && command -v setarch >/dev/null; then
		wrap=(setarch "$(uname -m)" -R)
	fi
	"${wrap[@]}" ctest --test-dir "build/$preset" -L "^($labels)\$" --output-on-failure \
		--no-tests=error --timeout "${CTEST_TIMEOUT:-900}" -j "$(nproc)" \
		--test-output-size-passed 1000000 --test-output-size-failed 1000000 \
		--output-junit "$STAGE_DIR/$preset.xml" >&2
}

# Files of tests side by side, each worker with servers of its own: most of the time a test
# waits for a server, so three or four of them keep two cores busy.
pytest_run()
{
	[ -d "tests/$1" ] || die "tests/$1 is missing"
	"$PYTHON" -m pytest -c tests/pytest.ini --rootdir tests "tests/$1" \
		-n "$2" --dist loadfile \
		--junitxml "$STAGE_DIR/pytest.xml" -o junit_suite_name="$1" \
		"${PYTEST_ARGS[@]}" >&2
}

stage_lint()
{
	setup_build
	need_apt clang clang-format clang-tidy cppcheck shellcheck
	[ -x tests/lint/run ] || die "tests/lint/run is missing"
	tests/lint/run --junit "$STAGE_DIR/lint.xml" >&2
}

stage_unit()
{
	local preset rc=0
	setup_build
	for preset in debug asan tsan; do
		say "  -- unit, preset $preset"
		ctest_run $preset unit || rc=1
	done
	return $rc
}

stage_model()
{
	local rc=0
	setup_build
	say "  -- model, preset debug${SEEDS:+, $SEEDS histories}"
	TENANTD_MODEL_SEEDS=${SEEDS:-} ctest_run debug model || rc=1
	return $rc
}

black_box()
{
	setup_build
	setup_testbed
	setup_node
	setup_promtool
	setup_faketime
	setup_ops
	build debug
	TENANTD_BUILD="$ROOT/build/debug" pytest_run "$1" "$2"
}

stage_service() { black_box service 4; }
stage_isolation() { black_box isolation 2; }
stage_brakes() { black_box brakes 3; }
stage_fault() { black_box fault 3; }
stage_secrets() { black_box secrets 0; }

# run_one STAGE: prints "STAGE: ..." and adds to the totals; non-zero if it failed.
run_one()
{
	local stage=$1 rc=0 counts start=$SECONDS
	say "== $stage (since the start: $SECONDS s)"
	STAGE_DIR=$TEST_RUN/$stage
	mkdir -p "$STAGE_DIR"
	(
		export STAGE_DIR TENANTD_TEST_RUN="$TEST_RUN" TENANTD_STAGE="$stage"
		"stage_$stage"
	) || rc=$?
	# Counting also turns "it failed but no test did" and "no test at all" into failures.
	counts=$(python3 dev.d/count.py "$rc" "$STAGE_DIR")
	say "== $stage took $((SECONDS - start)) s"
	# shellcheck disable=SC2086 # three numbers
	set -- $counts
	printf '%s: %d passed, %d failed, %d skipped\n' "$stage" "$1" "$2" "$3"
	PASSED=$((PASSED + $1)) FAILED=$((FAILED + $2)) SKIPPED=$((SKIPPED + $3))
	[ "$2" = 0 ]
}

run_stages()
{
	local stages=() rc=0 s
	PYTEST_ARGS=() SEEDS='' PASSED=0 FAILED=0 SKIPPED=0
	while [ $# -gt 0 ]; do
		case $1 in
		--seeds) SEEDS=${2:?--seeds takes a number} && shift ;;
		-k) PYTEST_ARGS+=(-k "${2:?-k takes an expression}") && shift ;;
		-x | -v | -s) PYTEST_ARGS+=("$1") ;;
		*)
			[[ " $ALL_STAGES " == *" $1 "* ]] || die "no such stage: $1 ($ALL_STAGES)"
			stages+=("$1")
			;;
		esac
		shift
	done
	# shellcheck disable=SC2206 # a list of words
	[ ${#stages[@]} -gt 0 ] || stages=($ALL_STAGES)
	TEST_RUN=$(mktemp -d "${TMPDIR:-/tmp}/tenantd-test.XXXXXX")
	say "run folder: $TEST_RUN"
	for s in "${stages[@]}"; do
		run_one "$s" || rc=1
	done
	if [ $rc = 0 ] && [ -z "${TENANTD_KEEP:-}" ]; then
		rm -rf "$TEST_RUN"
	else
		say "kept: $TEST_RUN"
	fi
	printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
	return $rc
}
