/*
 * Are the daemon's loops alive? Asked with every turn of the main thread; systemd's watchdog
 * is fed only while they are.
 *
 * Judged: each API thread, the store's writer, the spool's drainer and the engine's dispatcher.
 * Not judged: workers, whose calls have deadlines and which backends may hold up, and the deny
 * map's thread, whose file may lie on a file system that hangs: neither keeps pods from their
 * credentials, and a restart would.
 *
 * Thread rule: the main thread only.
 */
#pragma once

#include "api/api.h"
#include "base/pulse.h"

/* Zeroed, but for the pointers: those are borrowed. It must live until store_close. */
struct alive {
	struct api *api;
	struct engine *engine;
	struct store *store;
	struct spool_set *spools;
	const struct td_env *env;
	struct td_pulse writer, drainer;
	uint64_t drained; /* at the last look */
};

/* Ask all loops. NULL: none has owed an answer for limit_ms or longer; else what one of those
 * that have is called, a static text. Does not wait for any of them. */
const char *alive_stuck(struct alive *a, int64_t limit_ms);
