/*
 * The store: two LMDB environments, one writer thread, reads that never block.
 *
 * A write is a value, struct store_commit: preconditions, puts, deletes and audit
 * appends. The writer batches many commits into one LMDB transaction (group commit); one
 * whose precondition fails drops only itself. A commit is reported when it is durable.
 *
 * Versions. Every record carries the version of the commit that wrote it: a number that
 * only grows, never reused, 0 = absent. The store keeps it in front of the value; it is
 * what preconditions and ETags speak of.
 *
 * A value is at most STORE_VALUE_MAX bytes: with LMDB's overflow pages, writing after
 * pruning was many times slower. Longer documents are chunked by their record codec.
 *
 * Full disk. Commits of class STORE_RESERVE may use the last part of `max_bytes` and,
 * when the file system itself is full, the ballast file; others get TD_STORE_FULL. One that
 * only deletes is never refused for `max_bytes`. The ballast is made again, and normal commits
 * go on, within a second of there being room.
 *
 * Thread rule: every function from any thread, except where said otherwise.
 */
#pragma once

#include "base/buf.h"
#include "base/env.h"

#include <stdint.h>

#define STORE_VALUE_MAX 2000 /* bytes of value, without the version */
#define STORE_KEY_MAX 128

/* Keys of one table are compared as plain bytes. */
enum store_table {
	STORE_META,	  /* name */
	STORE_TENANT,	  /* appid */
	STORE_RESOURCE,	  /* appid NUL resource(1) */
	STORE_BUCKET,	  /* appid NUL name */
	STORE_SLOT,	  /* appid NUL resource(1) slot(1) */
	STORE_CREDENTIAL, /* appid NUL chunk(1) */
	STORE_DATAKEY,	  /* appid */
	STORE_INTENT,	  /* appid NUL resource(1) */
	STORE_PENDING,	  /* appid: tenants with something left to do */
	STORE_TOMBSTONE,  /* appid */
	STORE_TOKEN,	  /* SHA-256 of the token */
	STORE_TOKEN_ID,	  /* token id (16 hex) -> SHA-256 of the token */
	STORE_AUDIT,	  /* sequence, 8 bytes big-endian */
	STORE_TOKEN_TENANT, /* appid NUL token id -> SHA-256: tokens that go with a tenant */
	STORE_BRAKE,	    /* scope: modes other than manage */
	STORE_BUDGET,	    /* region: what was destroyed in the last hour */
	STORE_TABLE_COUNT
};

struct store;

struct store_options {
	const char *dir;	/* made with mode 0700 when absent */
	uint64_t map_bytes;	/* address space to reserve, e.g. 64 GiB */
	uint64_t max_bytes;	/* real ceiling of the control environment (pages in use;
				 * at most 15/16 of map_bytes) */
	uint64_t reserve_bytes; /* of max_bytes, kept for STORE_RESERVE commits */
	uint64_t ballast_bytes; /* size of the ballast file, 0 = none */
	unsigned max_readers;	/* LMDB reader slots */
	const struct td_env *env; /* borrowed, outlives the store */
};

/*
 * Open or create. Refuses, with a detail that says what to do: a second process on the same
 * directory (TD_UNAVAILABLE), a newer schema (TD_INVALID), a file that is shorter than its
 * meta page says or a damaged meta page (TD_CORRUPT). An older schema is upgraded.
 */
enum td_rc store_open(const struct store_options *opt, struct store **ret_store,
		      struct td_err *reterr) TD_MUST_CHECK;
/* Waits for commits under way, then closes. No reader or caller may be left. NULL is ok. */
void store_close(struct store *s);
/* 32 hex digits, made at the first open; marks what we make on backends. Borrowed. */
const char *store_instance_id(const struct store *s);

/* ---- reading ---- */

/*
 * A read-only snapshot. Cheap (a reader slot of the thread is reused), to be ended soon:
 * an open one keeps old pages. Belongs to the thread that began it; may not nest.
 */
struct store_read;
enum td_rc store_read_begin(struct store *s, struct store_read **ret_read,
			    struct td_err *reterr) TD_MUST_CHECK;
void store_read_end(struct store_read *r); /* NULL is ok */

struct store_value {
	const void *data; /* borrowed until store_read_end; NULL: absent */
	size_t len;
	uint64_t version; /* 0: absent */
};
/* TD_OK with version 0 when there is no such record. */
enum td_rc store_get(struct store_read *r, enum store_table t, const void *key,
		     size_t key_len, struct store_value *ret_value,
		     struct td_err *reterr) TD_MUST_CHECK;

/*
 * Walk the keys that begin with `prefix` (or, with prefix_len 0, the whole table) in
 * order, starting at the first key > `after` when after_len > 0. fn returns TD_OK to go on,
 * anything else stops the walk and is returned (use STORE_STOP to stop with TD_OK).
 */
struct store_range {
	const void *prefix;
	size_t prefix_len;
	const void *after;
	size_t after_len;
};
#define STORE_STOP TD_RC_COUNT
typedef enum td_rc (*store_walk_fn)(void *ctx, const void *key, size_t key_len,
				    const struct store_value *value);
enum td_rc store_walk(struct store_read *r, enum store_table t,
		      const struct store_range *range, store_walk_fn fn, void *ctx,
		      struct td_err *reterr) TD_MUST_CHECK;
/* Records in a table. */
uint64_t store_count(struct store_read *r, enum store_table t);

/* ---- writing ---- */

struct store_commit;
enum store_class { STORE_NORMAL, STORE_RESERVE };

/* NULL when out of memory. A commit keeps the first error of building it and gives it back
 * when submitted, so the building calls are void. Built by one thread at a time. */
struct store_commit *store_commit_new(enum store_class class);
void store_commit_free(struct store_commit *c); /* NULL is ok */
/* The record must have this version when the commit is applied; 0: must be absent. */
void store_commit_expect(struct store_commit *c, enum store_table t, const void *key,
			 size_t key_len, uint64_t version);
void store_commit_put(struct store_commit *c, enum store_table t, const void *key,
		      size_t key_len, const void *value, size_t value_len);
/* Absent is fine. */
void store_commit_del(struct store_commit *c, enum store_table t, const void *key,
		      size_t key_len);
/* Delete every key that begins with prefix (prefix_len >= 4). */
void store_commit_del_prefix(struct store_commit *c, enum store_table t,
			     const void *prefix, size_t prefix_len);
/* Append to the audit table under the next sequence number. */
void store_commit_audit(struct store_commit *c, const void *value, size_t value_len);
/* Say that this tenant changed: watchers hear of it after the commit. */
void store_commit_touch(struct store_commit *c, const char *appid);

/*
 * Called on the writer thread once the commit is durable (rc TD_OK) or dropped. Must be
 * quick and must not submit synchronously. version: of the records it put.
 * TD_PRECONDITION when a precondition failed, TD_STORE_FULL, TD_IO, ...
 */
typedef void (*store_done_fn)(void *ctx, enum td_rc rc, uint64_t version,
			      const struct td_err *err);
/* Takes the commit over, always. done is always called exactly once, perhaps before this
 * returns. Commits of one thread are applied in the order of their submission. */
void store_submit(struct store *s, struct store_commit *c, store_done_fn done, void *ctx);
/* The same, waiting for the end. Not from the writer thread. ret_version may be NULL. */
enum td_rc store_commit(struct store *s, struct store_commit *c, uint64_t *ret_version,
			struct td_err *reterr) TD_MUST_CHECK;

/* Told of every touched tenant after its commit and before the done of any commit of the same
 * batch, on the writer thread; must be quick.
 * At most 16 watchers; there is no unwatch short of store_close. */
typedef void (*store_watch_fn)(void *ctx, const char *appid);
enum td_rc store_watch(struct store *s, store_watch_fn fn, void *ctx) TD_MUST_CHECK;

/* Oldest audit sequence still kept and the next one to be given. */
void store_audit_range(struct store *s, uint64_t *ret_first, uint64_t *ret_next);
/* Drop audit records older than keep_from_ms or beyond max_bytes (estimated), at most
 * `limit` per call, in a STORE_RESERVE commit. ret_dropped may be NULL. A record's time is the
 * first 8 bytes of its value (little-endian milliseconds). */
enum td_rc store_audit_prune(struct store *s, int64_t keep_from_ms, uint64_t max_bytes,
			     unsigned limit, unsigned *ret_dropped,
			     struct td_err *reterr) TD_MUST_CHECK;

struct store_stats {
	uint64_t used_bytes; /* pages in use, control environment */
	uint64_t max_bytes;
	uint64_t reserve_bytes; /* of max_bytes, for STORE_RESERVE commits */
	uint64_t file_bytes;
	uint64_t free_bytes; /* of the file system, for this user */
	uint64_t commits;    /* durable ones */
	uint64_t conflicts;  /* dropped by a precondition */
	uint64_t failures;   /* dropped by anything else */
	uint64_t queue;	     /* commits waiting now */
	bool full;	     /* the last normal commit was refused for space */
	bool ballast_used;
	bool broken; /* a write or fsync failed for good: every commit is TD_IO until a restart
		      * on a sound disk. Reads go on. */
};
/* Asks the file system: for people and metrics, not for every step of the work. */
void store_stats(struct store *s, struct store_stats *ret_stats);
/* The member `full` alone, from memory. Any thread. */
bool store_full(const struct store *s);
