/*
 * The audit spool: where a credential read is recorded before its answer goes out.
 *
 * One preallocated memory-mapped file per API thread. An entry is length, sequence, CRC-32C
 * and bytes, then a commit word stored with release order; so it survives kill -9 of the
 * process, and a power loss loses at most the last 100 ms (a background msync). A drainer
 * moves entries to the audit table; how far it got is written in the same commit (meta record
 * "spool.N"), so nothing is lost and nothing doubled by a crash between the two.
 *
 * Thread rule: one writer thread per spool (spool_append), one drainer for all.
 */
#pragma once

#include "store.h"

struct spool;	  /* one thread's file */
struct spool_set; /* all of them and the drainer thread */

struct spool_options {
	const char *dir;  /* `<state>/spool`, made when absent */
	unsigned count;	  /* one per API thread, 1..64 */
	uint32_t bytes;	  /* of each file, 64 KiB .. 1 GiB */
	int64_t drain_ms; /* 20..100: longest time until an entry is in the store */
	const struct td_env *env;
};
/* Opens all, drains what an earlier run left (also of spools beyond `count`), starts the
 * drainer. */
enum td_rc spool_open(const struct spool_options *opt, struct store *store,
		      struct spool_set **ret_set, struct td_err *reterr) TD_MUST_CHECK;
/* Drains and closes. NULL is ok. */
void spool_close(struct spool_set *set);
struct spool *spool_get(struct spool_set *set, unsigned index);
/* Append one entry (1..STORE_VALUE_MAX bytes, an encoded rec_audit). TD_UNAVAILABLE when the
 * spool is full or the drainer is failing for longer than a second: the caller refuses the
 * read with 503. Never blocks. */
enum td_rc spool_append(struct spool *sp, const void *entry, size_t len) TD_MUST_CHECK;
/* Wake the drainer now and wait until everything appended before is in the store. Test and
 * shutdown aid. */
enum td_rc spool_flush(struct spool_set *set, int64_t timeout_ms,
		       struct td_err *reterr) TD_MUST_CHECK;
struct spool_stats {
	uint64_t appended, drained, refused;
	uint64_t waiting_bytes; /* most full spool */
	uint32_t spool_bytes;
	bool failing; /* the last drain failed, or one is stuck, or a spool is damaged */
	unsigned damaged;    /* spools out of use, and files that this start set aside */
	struct td_err error; /* the last failure or damage; rc TD_OK = none yet */
};
void spool_stats(struct spool_set *set, struct spool_stats *ret_stats);
