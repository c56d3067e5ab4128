/*
 * The believed wall clock (base/wall.h) over restarts: the store keeps its time.
 *
 * Thread rule: the main thread's.
 */
#pragma once

#include "base/wall.h"
#include "store/store.h"

struct wallclock {
	struct td_wall wall; /* any thread may ask it */
	struct store *store; /* borrowed; NULL: not started */
	int64_t saved_mono_ms;
};

/* Goes on from the time in the store; a store that knows none has its first start, and its
 * clock is believed. settle_ms: see td_wall_init. Fails as store_get does; then nothing is
 * to be stopped. */
enum td_rc wallclock_start(struct wallclock *c, struct store *store, int64_t settle_ms,
			   struct td_err *reterr) TD_MUST_CHECK;
/* Saves the time, once a minute however often it is called. That a save fails is the store's
 * to tell: the next start then only believes its clock later. */
void wallclock_tick(struct wallclock *c);
/* Saves the time and ends it. Before store_close. Safe when it was not started. */
void wallclock_stop(struct wallclock *c);
