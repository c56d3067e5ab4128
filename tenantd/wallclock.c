/*
 * One meta record of 8 bytes. It is saved more often than TD_WALL_LEAP_MS, so that a crash
 * and the start after it are no leap.
 */
#include "wallclock.h"

#include "base/buf.h"

#include <string.h>

#define NAME "clock.believed"
#define SAVE_MS (60 * 1000)

static enum td_rc
load(struct store *store, int64_t *ret_ms, struct td_err *reterr)
{
	struct store_read *rd;
	struct store_value v;
	enum td_rc rc = store_read_begin(store, &rd, reterr);

	if (rc != TD_OK)
		return rc;
	rc = store_get(rd, STORE_META, NAME, strlen(NAME), &v, reterr);
	if (rc == TD_OK) {
		struct td_cur cur = td_cur_make(v.data, v.len);

		*ret_ms = v.version != 0 ? (int64_t)td_cur_u64(&cur) : 0;
	}
	store_read_end(rd);
	return rc;
}

static void
save(struct wallclock *c)
{
	struct store_commit *commit = store_commit_new(STORE_RESERVE);
	struct td_buf b;

	td_buf_init(&b, sizeof(uint64_t));
	td_buf_u64(&b, (uint64_t)td_wall_ms(&c->wall));
	if (commit != NULL)
		store_commit_put(commit, STORE_META, NAME, strlen(NAME), b.data, b.len);
	(void)!store_commit(c->store, commit, NULL, NULL);
	td_buf_done(&b);
	c->saved_mono_ms = td_mono_ms(c->wall.env);
}

enum td_rc
wallclock_start(struct wallclock *c, struct store *store, int64_t settle_ms,
		struct td_err *reterr)
{
	int64_t known_ms = 0;
	enum td_rc rc = load(store, &known_ms, reterr);

	if (rc != TD_OK)
		return rc;
	td_wall_init(&c->wall, td_env_system(), settle_ms, known_ms);
	c->store = store;
	save(c);
	return TD_OK;
}

void
wallclock_tick(struct wallclock *c)
{
	if (td_mono_ms(c->wall.env) - c->saved_mono_ms >= SAVE_MS)
		save(c);
}

void
wallclock_stop(struct wallclock *c)
{
	if (c->store == NULL)
		return;
	save(c);
	td_wall_done(&c->wall);
	c->store = NULL;
}
