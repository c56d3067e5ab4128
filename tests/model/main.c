/*
 * model_test: many histories, each from its seed.
 *
 *   TENANTD_MODEL_SEEDS=N   how many (2,000)
 *   TENANTD_MODEL_SEED=S    only this one, with a trace on stdout
 *   TENANTD_MODEL_STEPS=N   events of the storm in each (700)
 *   TENANTD_MODEL_JUNIT=F   write the counts there as JUnit
 */
#include "base/yaml.h"
#include "model.h"

#include <inttypes.h>
#include <stdlib.h>

#define SEEDS 2000
#define STEPS 700
#define REPEAT_EVERY 100 /* of these, one is run twice and must be the same */
#define SHOW_FAILURES 10

struct totals {
	uint64_t passed, failed, events, crashes, faults, conflicts, actions, lates,
		freezes;
};

static uint64_t
env_uint(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);
	uint64_t value;

	if (text == NULL || *text == '\0')
		return fallback;
	if (!td_yaml_uint(text, &value)) {
		(void)fprintf(stderr, "model: %s is not a number: %s\n", name, text);
		exit(2);
	}
	return value;
}

static bool
same_again(const struct world *first, uint64_t seed, const struct m_options *opt)
{
	struct world *w = malloc(sizeof(*w));
	bool same;

	if (w == NULL)
		return false;
	(void)m_history(w, seed, opt);
	same = w->hash == first->hash && w->version == first->version;
	free(w);
	return same;
}

static void
one(struct world *w, uint64_t seed, const struct m_options *opt, struct totals *t)
{
	bool ok = m_history(w, seed, opt);
	const char *why = w->why;

	if (ok && seed % REPEAT_EVERY == 0 && !same_again(w, seed, opt)) {
		ok = false;
		why = "the same seed gives another history";
	}
	t->events += w->events;
	t->crashes += w->crashes;
	t->faults += w->faults;
	t->conflicts += w->conflicts;
	t->actions += w->actions;
	t->lates += w->lates;
	t->freezes += w->freezes;
	if (ok) {
		t->passed++;
		return;
	}
	t->failed++;
	if (t->failed <= SHOW_FAILURES)
		(void)printf("seed %" PRIu64 ": %s\n  replay: TENANTD_MODEL_SEED=%" PRIu64
			     " model_test\n",
			     seed, why, seed);
}

static bool
write_junit(const char *path, const struct totals *t)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		return false;
	(void)fprintf(f,
		      "<testsuite name=\"model\" tests=\"%" PRIu64
		      "\" failures=\"%" PRIu64 "\">\n",
		      t->passed + t->failed, t->failed);
	for (uint64_t i = 0; i < t->passed; i++)
		(void)fputs("<testcase name=\"history\"/>\n", f);
	for (uint64_t i = 0; i < t->failed; i++)
		(void)fputs("<testcase name=\"history\"><failure/></testcase>\n", f);
	(void)fputs("</testsuite>\n", f);
	return fclose(f) == 0;
}

int
main(void)
{
	struct m_options opt = { .steps = (unsigned)env_uint("TENANTD_MODEL_STEPS",
							     STEPS) };
	uint64_t seeds = env_uint("TENANTD_MODEL_SEEDS", SEEDS);
	const char *only = getenv("TENANTD_MODEL_SEED");
	const char *junit = getenv("TENANTD_MODEL_JUNIT");
	struct world *w = malloc(sizeof(*w));
	struct totals t = { 0 };

	if (w == NULL)
		return 2;
	if (only != NULL && *only != '\0') {
		opt.trace = stdout;
		one(w, env_uint("TENANTD_MODEL_SEED", 0), &opt, &t);
	} else {
		for (uint64_t seed = 1; seed <= seeds; seed++) {
			one(w, seed, &opt, &t);
			if (seed % 250 == 0) {
				(void)printf("model: %" PRIu64 " of %" PRIu64
					     " histories\n",
					     seed, seeds);
				(void)fflush(stdout);
			}
		}
	}
	free(w);
	(void)printf("model: %" PRIu64 " events, %" PRIu64 " driver calls, %" PRIu64
		     " crashes, %" PRIu64 " faults, %" PRIu64 " late requests, %" PRIu64
		     " conflicts, %" PRIu64 " times held\n",
		     t.events, t.actions, t.crashes, t.faults, t.lates, t.conflicts,
		     t.freezes);
	if (junit != NULL && *junit != '\0' && !write_junit(junit, &t)) {
		(void)fprintf(stderr, "model: cannot write %s\n", junit);
		return 2;
	}
	/* As cmocka says it: what counts the stages understands that. */
	(void)printf("[  PASSED  ] %" PRIu64 " test(s).\n", t.passed);
	if (t.failed > 0)
		(void)printf("[  FAILED  ] %" PRIu64 " test(s).\n", t.failed);
	(void)printf("model: %" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n",
		     t.passed, t.failed);
	return t.failed == 0 && t.passed > 0 ? 0 : 1;
}
