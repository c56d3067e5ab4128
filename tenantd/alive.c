/*
 * Loops of the API and the engine answer for themselves. The writer's answer is the end of
 * a commit that changes nothing: its precondition cannot hold, so it goes the whole way
 * through the queue, LMDB's write lock and back, and never to the disk. The drainer is
 * watched at work: what waits in a spool must get less, unless the store has no room or
 * cannot write, which no restart would mend.
 */
#include "alive.h"

#include "store/spool.h"

static void
writer_came_round(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	(void)rc;
	(void)version;
	(void)err;
	td_pulse_answer(ctx);
}

static int64_t
ask_writer(struct alive *a, int64_t now)
{
	bool under_way = td_pulse_open(&a->writer);
	int64_t ms = td_pulse_ask(&a->writer, now);

	if (!under_way) {
		struct store_commit *c = store_commit_new(STORE_RESERVE);

		if (c != NULL)
			store_commit_expect(c, STORE_META, "alive", 5, UINT64_MAX);
		store_submit(a->store, c, writer_came_round, &a->writer);
	}
	return ms;
}

static int64_t
ask_drainer(struct alive *a, int64_t now)
{
	struct store_stats store;
	struct spool_stats spool;

	store_stats(a->store, &store);
	spool_stats(a->spools, &spool);
	if (spool.waiting_bytes == 0 || spool.drained != a->drained ||
	    spool.damaged > 0 || store.full || store.ballast_used || store.broken)
		td_pulse_answer(&a->drainer);
	a->drained = spool.drained;
	return td_pulse_ask(&a->drainer, now);
}

const char *
alive_stuck(struct alive *a, int64_t limit_ms)
{
	int64_t now = td_mono_ms(a->env);
	/* All are asked, whatever the others say. */
	const struct {
		const char *name;
		int64_t ms;
	} loops[] = {
		{ "the store's writer", ask_writer(a, now) },
		{ "the spool's drainer", ask_drainer(a, now) },
		{ "the dispatcher", engine_pulse(a->engine, now) },
		{ "an API thread", api_pulse(a->api, now) },
	};

	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		if (loops[i].ms >= limit_ms)
			return loops[i].name;
	return NULL;
}
