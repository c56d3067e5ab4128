/*
 * What the files of the store share. Private to store/.
 */
#pragma once

#include "env.h"
#include "store.h"

#include <pthread.h>
#include <stdatomic.h>

#define STORE_SCHEMA 3
#define STORE_INSTANCE_LEN 32
#define STORE_WATCHERS_MAX 16
/* One transaction takes at most so many commits and so many bytes of them. */
#define STORE_BATCH_COMMITS 512
#define STORE_BATCH_BYTES (4u * 1024 * 1024)
/* A single commit. */
#define STORE_COMMIT_BYTES (16u * 1024 * 1024)
/* Names in the meta table that are the store's own. */
#define STORE_OWN_META "store."

/* ---- commits ---- */

enum store_op_kind {
	STORE_OP_EXPECT,
	STORE_OP_PUT,
	STORE_OP_DEL,
	STORE_OP_DEL_PREFIX,
	STORE_OP_AUDIT,
	STORE_OP_TOUCH,
	STORE_OP_PRUNE /* audit entries up to and with `version` */
};

/* One operation of a commit; key and value point into the commit. */
struct store_op {
	enum store_op_kind kind;
	enum store_table table;
	uint64_t version;
	const void *key;
	size_t key_len;
	const void *value;
	size_t value_len;
};

struct store_commit {
	enum store_class class;
	struct td_buf ops; /* encoded one after the other; sticky for memory and size */
	struct td_err err; /* the first error of building it */
	unsigned op_count;
	unsigned range_count; /* of them: deletions of a range */
	uint64_t put_bytes;   /* keys and values that it adds */
	bool touches;

	/* From here on the writer's. */
	struct store_commit *next;
	store_done_fn done;
	void *ctx;
	bool settled; /* its result stands: rc, version, err */
	enum td_rc rc;
	uint64_t version;
};

/* Step through the operations; *pos starts at 0. */
bool store_commit_next(const struct store_commit *c, size_t *pos,
		       struct store_op *ret_op);
/* Internal operation of store_audit_prune. */
void store_commit_prune(struct store_commit *c, uint64_t last);

/* ---- the store ---- */

/* The numbers that only grow; saved in every transaction. */
struct store_clock {
	uint64_t version;    /* last one given */
	uint64_t audit_next; /* next audit sequence */
	uint64_t
		audit_first; /* oldest one kept, audit_next when there is none (not saved) */
};

struct store_watcher {
	store_watch_fn fn;
	void *ctx;
};

struct store {
	struct env control;
	const struct td_env *env;
	char *dir;
	int dir_fd;
	int lock_fd;
	char instance[STORE_INSTANCE_LEN + 1];
	uint64_t max_bytes, reserve_bytes, ballast_bytes;

	/* Readers: one per thread, found through the key, freed at the thread's end. */
	pthread_key_t read_key;
	bool read_key_made;
	pthread_mutex_t reads_lock;
	struct store_read *reads;

	/* The queue. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct store_commit *head, **tail;
	bool stopping;
	pthread_t writer;
	bool writer_runs;

	struct store_watcher watchers[STORE_WATCHERS_MAX];
	atomic_uint watcher_count;

	/* The writer's own. */
	struct store_clock clock;
	struct store_commit *batch[STORE_BATCH_COMMITS];
	bool ballast_gone;
	int64_t ballast_tried_ms;

	/* What others may look at. */
	atomic_uint_fast64_t audit_first, audit_next;
	atomic_uint_fast64_t used_bytes, commits, conflicts, failures, queued;
	atomic_bool full, broken, ballast_used;
};

extern const struct env_layout store_control_layout;

/* schema.c: at the end of opening. */
enum td_rc store_clock_load(struct store *s, struct td_err *reterr) TD_MUST_CHECK;
enum td_rc store_clock_save(const struct env *e, MDB_txn *txn,
			    const struct store_clock *clock,
			    struct td_err *reterr) TD_MUST_CHECK;
enum td_rc store_instance_load(struct store *s, struct td_err *reterr) TD_MUST_CHECK;

/* apply.c: one commit into a transaction. *ret_hard: the transaction is spoilt and must
 * be aborted; otherwise a failing commit has changed nothing. */
enum td_rc store_apply(struct store *s, MDB_txn *txn, struct store_commit *c,
		       struct store_clock *clock, bool *ret_hard) TD_MUST_CHECK;
/* Oldest audit sequence, or `next` when there is none. */
uint64_t store_audit_oldest(const struct env *e, MDB_txn *txn, uint64_t next);

/* writer.c */
void *store_writer_main(void *arg);

/* ballast.c: the file that is given up when the file system is full. */
void store_ballast_open(struct store *s);
/* Frees its blocks; false when there was nothing to free. */
bool store_ballast_release(struct store *s);
/* Try to have it back, at most once per second; true when it is there. */
bool store_ballast_restore(struct store *s);

/* read.c */
void store_reads_close(struct store *s);
void store_read_thread_exit(void *read);
/* Bytes of the pages that a table fills. */
uint64_t store_table_bytes(struct store_read *r, enum store_table t);
