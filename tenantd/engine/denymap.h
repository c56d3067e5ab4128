/*
 * The gateways' deny maps: which tenants a region's gateway is to keep out. A second lock
 * behind the backend's own refusal, and the only one for anonymous requests to public buckets
 * while a backend is slow to change them. The file's format is docs/gateway.md's.
 *
 * One thread keeps the set of tenants that are not free (suspended, leaving, over a hard
 * limit), from one scan of the store at start and from the store's watchers afterwards. It
 * writes a region's file when its content would differ (at most every 100 ms; a temporary
 * file in the same folder, fsync, rename) and then tells the gateway's master by SIGHUP.
 * Nobody waits for it. What fails is logged once, counted, and tried again with growing
 * pauses, for ever: also the signal, since a gateway that was just starting may have read
 * the file of before. Until the first scan is through no file is touched.
 *
 * Thread rule: denymap_start, _stop and _free by one thread; denymap_stats by any thread
 * between start and free; the rest are pure.
 */
#pragma once

#include "base/buf.h"
#include "store/records.h"

#include <sys/types.h>

struct denymap;

struct denymap_target {
	const char *region;
	const char *file;     /* absolute path; its folder must be writable */
	const char *pid_file; /* of the gateway's master; NULL: nobody is signalled */
};

struct denymap_options {
	struct store *store;	  /* borrowed until denymap_stop; see denymap_free */
	const struct td_env *env; /* borrowed */
	const struct denymap_target *targets; /* copied */
	size_t target_count;		      /* at least 1 */
};

/* Starts the thread. A file that cannot be written is no failure of this. Fails with
 * TD_NOMEM or TD_UNAVAILABLE (no thread, no watcher); then nothing is left behind. */
enum td_rc denymap_start(const struct denymap_options *opt, struct denymap **ret_map,
			 struct td_err *reterr) TD_MUST_CHECK;
/* Writes what is due, once, and ends the thread. Before store_close. NULL is ok. */
void denymap_stop(struct denymap *d);
/* After store_close, since a store has no unwatch. NULL is ok. */
void denymap_free(struct denymap *d);

struct denymap_stats {
	const char *region;  /* borrowed */
	uint64_t entries;    /* tenants of the region that are not free */
	bool known;	     /* the first scan is through */
	bool write_failing;  /* the file is not what it should be */
	bool signal_failing; /* the gateway could not be told yet */
	uint64_t writes, signals;
};
/* Fills at most max, returns how many there are; NULL has none. */
size_t denymap_stats(struct denymap *d, struct denymap_stats *out, size_t max);

/* ---- the pure parts ---- */

enum denymap_mode { DENYMAP_FREE, DENYMAP_READONLY, DENYMAP_DENY };
enum denymap_fence { DENYMAP_NOT_FENCED, DENYMAP_FENCED }; /* the object resource */

enum denymap_mode denymap_mode(const struct rec_tenant *rec, enum denymap_fence fence);
/* One line of the file. Nothing for DENYMAP_FREE; an appid that is none marks the buffer
 * TD_INVALID. */
void denymap_line(struct td_buf *out, const char *appid, enum denymap_mode mode);
/* The content of a pid file: digits of a number from 2 up, then at most one newline. */
bool denymap_pid_parse(const char *text, size_t len, pid_t *ret_pid);
