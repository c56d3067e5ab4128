/*
 * One LMDB environment: its file, its tables, its schema version, its space on disk.
 * Private to store/: the only header that shows LMDB, besides internal.h.
 *
 * An environment is described by a struct env_layout, so that a second one (the ledger)
 * is opened by the same code. Table 0 of every layout is its meta table.
 *
 * Thread rule: opened and closed by one thread; env_extend from the writer only.
 */
#pragma once

#include "base/buf.h"
#include "base/env.h"

#include <lmdb.h>

#define ENV_TABLES_MAX 32
/* Every value has the version of the commit that wrote it in front, little-endian. */
#define ENV_VERSION_LEN 8

struct env;

/* Brings a store of schema n to n + 1, in the transaction that also records n + 1. */
typedef enum td_rc (*env_upgrade_fn)(struct env *e, MDB_txn *txn, struct td_err *reterr);

struct env_layout {
	const char *name; /* the file is NAME.mdb */
	const char *const *tables;
	unsigned table_count;
	uint32_t schema; /* what this program writes */
	const env_upgrade_fn
		*upgrades; /* [n] brings schema n to n + 1; `schema` of them */
	/* What else a new environment holds. */
	env_upgrade_fn create;
};

struct env {
	const struct env_layout *layout;
	const struct td_env *chance;
	MDB_env *mdb;
	MDB_dbi dbi[ENV_TABLES_MAX];
	uint64_t page_bytes;
	uint64_t map_bytes;
	uint64_t file_bytes; /* as far as the file is known to reach */
	bool no_fallocate;   /* the file system cannot reserve blocks */
};

struct env_options {
	const char *dir; /* exists and is locked by us */
	uint64_t map_bytes;
	unsigned max_readers;
	const struct td_env *chance;
};

/*
 * Open or create NAME.mdb: checks the file first (env_check_file), refuses a newer schema,
 * runs the upgrades of an older one. *ret_env is written in any case; end it with env_close.
 */
enum td_rc env_open(const struct env_layout *layout, const struct env_options *opt,
		    struct env *ret_env, struct td_err *reterr) TD_MUST_CHECK;
void env_close(struct env *e);

/*
 * Look at the two meta pages with plain reads: LMDB trusts them, and a short file would end
 * the process with SIGBUS. A missing or empty file is fine (it is about to be created).
 */
enum td_rc env_check_file(const char *path, struct td_err *reterr) TD_MUST_CHECK;

/* One sentence and our code for what LMDB (or the system under it) said. */
enum td_rc env_error(int mdb_rc, const char *what, struct td_err *reterr);
/* Out of space of some kind: map, file system, quota, file size limit. */
bool env_is_full(int mdb_rc);

/* Pages in use as this transaction sees them: all trees and the two meta pages. Exact, and
 * cheap, because LMDB counts the pages of each tree as it goes. */
uint64_t env_used_pages(const struct env *e, MDB_txn *txn);
/* Make sure that the file reaches `pages` beyond its last used page, with blocks behind it.
 * 0, or the errno (ENOSPC, EDQUOT, EFBIG: full). */
int env_extend(struct env *e, uint64_t pages);
/* What the file system has to give to this user; false (and nothing) when it does not say. */
bool env_free_bytes(const struct env *e, uint64_t *ret_bytes);
/* True when the file system has less than `bytes` to give. */
bool env_space_tight(const struct env *e, uint64_t bytes);

/* A meta record, without its version: absent gives *ret_value with mv_data NULL. */
enum td_rc env_meta_get(const struct env *e, MDB_txn *txn, const char *name,
			MDB_val *ret_value, struct td_err *reterr) TD_MUST_CHECK;
enum td_rc env_meta_put(const struct env *e, MDB_txn *txn, const char *name,
			struct td_buf *value, struct td_err *reterr) TD_MUST_CHECK;
