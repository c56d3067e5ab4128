/*
 * The wall clock as far as it may be believed. What cannot be undone and goes by time (data
 * past its grace time, expired tokens, old audit entries) asks here and not the system: a
 * clock that somebody set years ahead must not take everything with it in the next second.
 *
 * Time that passed on the monotonic clock is believed, and so is a wall clock that is behind:
 * that only puts off. One that leapt ahead of both by more than TD_WALL_LEAP_MS is believed
 * when it has kept its course for the settling time; until then the believed time goes on
 * from where it was. A start after a longer pause is such a leap too, unless the time of
 * before is not known.
 *
 * Thread rule: init and done by one thread; the others by any thread in between.
 */
#pragma once

#include "env.h"

#include <pthread.h>

#define TD_WALL_LEAP_MS (5 * 60 * 1000)

/* Private. */
struct td_wall {
	const struct td_env *env;
	int64_t settle_ms;
	pthread_mutex_t lock;
	int64_t wall_ms, mono_ms; /* believed, and when that was */
	int64_t leap_ms;	  /* of the leap that is waiting: how far ahead */
	int64_t leap_mono_ms;	  /* since then */
	bool leapt;
};

/* env is borrowed. settle_ms: 0 believes at once. known_ms: the believed time of before, as
 * td_wall_ms gave it; 0 = not known. */
void td_wall_init(struct td_wall *w, const struct td_env *env, int64_t settle_ms,
		  int64_t known_ms);
void td_wall_done(struct td_wall *w);
/* Milliseconds since 1970-01-01 UTC; never ahead of the wall clock. Logs a leap when it sees
 * one, and its end. */
int64_t td_wall_ms(struct td_wall *w);
/* How far the wall clock is ahead of that, in milliseconds; 0 when it is believed. */
int64_t td_wall_ahead_ms(struct td_wall *w);
