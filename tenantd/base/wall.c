/*
 * One base point: a wall time that was believed and the monotonic time of that moment. Each
 * look either moves it or counts on from it.
 */
#include "wall.h"

#include "log.h"

#include <inttypes.h>

static const struct td_log_ctx LOG = { .room = "base" };

void
td_wall_init(struct td_wall *w, const struct td_env *env, int64_t settle_ms,
	     int64_t known_ms)
{
	*w = (struct td_wall){ .env = env,
			       .settle_ms = settle_ms,
			       .wall_ms = known_ms > 0 ? known_ms : td_now_ms(env),
			       .mono_ms = td_mono_ms(env) };
	pthread_mutex_init(&w->lock, NULL);
}

void
td_wall_done(struct td_wall *w)
{
	pthread_mutex_destroy(&w->lock);
}

static int64_t
believe(struct td_wall *w, int64_t wall, int64_t mono)
{
	if (w->leapt)
		td_log(TD_LOG_INFO, &LOG, "the wall clock is believed again");
	w->leapt = false;
	w->wall_ms = wall;
	w->mono_ms = mono;
	return wall;
}

/* With the lock held. *ret_ahead: how far the wall clock is ahead of the answer. */
static int64_t
look(struct td_wall *w, int64_t *ret_ahead)
{
	int64_t mono = td_mono_ms(w->env), wall = td_now_ms(w->env);
	int64_t counted = w->wall_ms + (mono - w->mono_ms);
	int64_t ahead = wall - counted;

	*ret_ahead = 0;
	if (ahead <= TD_WALL_LEAP_MS || w->settle_ms == 0)
		return believe(w, wall, mono);
	/* Another leap on top of it begins its time anew; one back is as good as the first. */
	if (!w->leapt || ahead > w->leap_ms + TD_WALL_LEAP_MS) {
		td_log(TD_LOG_WARN, &LOG,
		       "the wall clock is %" PRId64 " s ahead of what was known: what is "
		       "removed by time waits until it has kept its course for %" PRId64
		       " s; set the clock if it is wrong",
		       ahead / 1000, w->settle_ms / 1000);
		w->leapt = true;
		w->leap_mono_ms = mono;
	}
	w->leap_ms = ahead;
	if (mono - w->leap_mono_ms >= w->settle_ms)
		return believe(w, wall, mono);
	*ret_ahead = ahead;
	return counted;
}

int64_t
td_wall_ms(struct td_wall *w)
{
	int64_t ahead, ms;

	pthread_mutex_lock(&w->lock);
	ms = look(w, &ahead);
	pthread_mutex_unlock(&w->lock);
	return ms;
}

int64_t
td_wall_ahead_ms(struct td_wall *w)
{
	int64_t ahead;

	pthread_mutex_lock(&w->lock);
	(void)look(w, &ahead);
	pthread_mutex_unlock(&w->lock);
	return ahead;
}
