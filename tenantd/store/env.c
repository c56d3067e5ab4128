/*
 * Opening an environment. The order matters: the file is checked before LMDB maps it; the
 * schema is read in a transaction of its own before anything is written, so that a newer
 * store is refused untouched; upgrades, new tables and the schema number then go in one
 * transaction, so that a crash leaves the old store or the new one.
 *
 * The address space is reserved once (map_bytes): growing the map under a live reader moves
 * pages under its feet. How much of it may be used is the writer's business.
 *
 * The file is kept longer than LMDB needs and its blocks are allocated ahead, in steps: so a
 * full disk is met by fallocate(2), before a transaction, and not in the middle of one, where
 * LMDB 0.9.24 reports a short write as EIO, the same as a broken disk.
 *
 * MDB_NOMEMINIT is not used: it would write stale heap bytes, perhaps secrets, to disk.
 */
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SCHEMA_NAME "store.schema"
#define STEP_MIN (1024ull * 1024)
#define STEP_MAX (16ull * 1024 * 1024)
#define PATH_BYTES 4096

bool
env_is_full(int mdb_rc)
{
	return mdb_rc == MDB_MAP_FULL || mdb_rc == ENOSPC || mdb_rc == EDQUOT ||
	       mdb_rc == EFBIG;
}

enum td_rc
env_error(int mdb_rc, const char *what, struct td_err *reterr)
{
	if (mdb_rc == MDB_MAP_FULL)
		return td_err_set(reterr, TD_STORE_FULL,
				  "%s: the map is full "
				  "(store.map_bytes)",
				  what);
	if (env_is_full(mdb_rc))
		return td_err_sys(reterr, TD_STORE_FULL, mdb_rc, "%s", what);
	switch (mdb_rc) {
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_VERSION_MISMATCH:
		return td_err_set(reterr, TD_CORRUPT, "%s: %s", what,
				  mdb_strerror(mdb_rc));
	case MDB_TXN_FULL:
		return td_err_set(reterr, TD_TOO_LARGE, "%s: %s", what,
				  mdb_strerror(mdb_rc));
	case MDB_READERS_FULL:
		return td_err_set(reterr, TD_UNAVAILABLE,
				  "%s: all reader slots are taken "
				  "(store.max_readers)",
				  what);
	case ENOMEM:
		return td_err_set(reterr, TD_NOMEM, "%s: out of memory", what);
	case MDB_PANIC:
		return td_err_set(reterr, TD_IO, "%s: %s", what, mdb_strerror(mdb_rc));
	default:
		break;
	}
	if (mdb_rc < 0)
		return td_err_set(reterr, TD_INTERNAL, "%s: %s", what,
				  mdb_strerror(mdb_rc));
	return td_err_sys(reterr, TD_IO, mdb_rc, "%s", what);
}

uint64_t
env_used_pages(const struct env *e, MDB_txn *txn)
{
	uint64_t pages = 2; /* the meta pages */
	MDB_stat st;

	/* 0 and 1 are LMDB's own trees: free pages and the list of tables. */
	for (MDB_dbi dbi = 0; dbi < 2; dbi++) {
		if (mdb_stat(txn, dbi, &st) == 0)
			pages += st.ms_branch_pages + st.ms_leaf_pages +
				 st.ms_overflow_pages;
	}
	for (unsigned i = 0; i < e->layout->table_count; i++) {
		if (mdb_stat(txn, e->dbi[i], &st) == 0)
			pages += st.ms_branch_pages + st.ms_leaf_pages +
				 st.ms_overflow_pages;
	}
	return pages;
}

/* Reserve blocks up to `end`, or, where the file system cannot, at least reach it. */
static int
extend_to(struct env *e, int fd, uint64_t end)
{
	uint64_t start = e->file_bytes;

	if (!e->no_fallocate) {
		if (fallocate(fd, 0, (off_t)start, (off_t)(end - start)) == 0)
			goto reached;
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			return errno;
		e->no_fallocate = true;
	}
	if (env_space_tight(e, end - start))
		return ENOSPC;
	if (ftruncate(fd, (off_t)end) != 0)
		return errno;
reached:
	/* The new length must be on disk before a meta page speaks of pages in it. */
	if (fsync(fd) != 0)
		return errno;
	e->file_bytes = end;
	return 0;
}

int
env_extend(struct env *e, uint64_t pages)
{
	MDB_envinfo info;
	uint64_t want, end, step;
	int fd, rc;

	rc = mdb_env_info(e->mdb, &info);
	if (rc == 0)
		rc = mdb_env_get_fd(e->mdb, &fd);
	if (rc != 0)
		return rc;
	want = (info.me_last_pgno + 1 + pages) * e->page_bytes;
	if (want > e->map_bytes)
		want = e->map_bytes;
	if (want <= e->file_bytes)
		return 0;
	step = e->file_bytes / 8;
	step = step < STEP_MIN ? STEP_MIN : step > STEP_MAX ? STEP_MAX : step;
	step -= step % STEP_MIN;
	end = want + step > e->map_bytes ? e->map_bytes : want + step;
	rc = extend_to(e, fd, end);
	if (env_is_full(rc) && end > want)
		rc = extend_to(e, fd, want);
	return rc;
}

bool
env_free_bytes(const struct env *e, uint64_t *ret_bytes)
{
	struct statvfs fs;
	int fd;

	if (mdb_env_get_fd(e->mdb, &fd) != 0 || fstatvfs(fd, &fs) != 0)
		return false;
	*ret_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return true;
}

bool
env_space_tight(const struct env *e, uint64_t bytes)
{
	uint64_t left;

	return env_free_bytes(e, &left) && left < bytes;
}

enum td_rc
env_meta_get(const struct env *e, MDB_txn *txn, const char *name, MDB_val *ret_value,
	     struct td_err *reterr)
{
	MDB_val key = { .mv_size = strlen(name) };
	MDB_val v;
	int rc;

	memcpy(&key.mv_data, &name, sizeof(name)); /* LMDB's keys are not const */
	*ret_value = (MDB_val){ 0 };
	rc = mdb_get(txn, e->dbi[0], &key, &v);
	if (rc == MDB_NOTFOUND)
		return TD_OK;
	if (rc != 0)
		return env_error(rc, name, reterr);
	if (v.mv_size < ENV_VERSION_LEN)
		return td_err_set(reterr, TD_CORRUPT, "meta record %s is damaged", name);
	ret_value->mv_size = v.mv_size - ENV_VERSION_LEN;
	ret_value->mv_data = (unsigned char *)v.mv_data + ENV_VERSION_LEN;
	return TD_OK;
}

enum td_rc
env_meta_put(const struct env *e, MDB_txn *txn, const char *name, struct td_buf *value,
	     struct td_err *reterr)
{
	MDB_val key = { .mv_size = strlen(name) };
	MDB_val v = { .mv_size = ENV_VERSION_LEN + value->len };
	static const unsigned char one[ENV_VERSION_LEN] = { 1 };
	int rc;

	if (td_buf_rc(value) != TD_OK)
		return td_err_set(reterr, td_buf_rc(value), "meta record %s", name);
	memcpy(&key.mv_data, &name, sizeof(name));
	rc = mdb_put(txn, e->dbi[0], &key, &v, MDB_RESERVE);
	if (rc != 0)
		return env_error(rc, name, reterr);
	memcpy(v.mv_data, one, sizeof(one));
	memcpy((unsigned char *)v.mv_data + ENV_VERSION_LEN, value->data, value->len);
	return TD_OK;
}

static enum td_rc
put_schema(const struct env *e, MDB_txn *txn, uint32_t schema, struct td_err *reterr)
{
	struct td_buf b;
	enum td_rc rc;

	td_buf_init(&b, 64);
	td_buf_u32(&b, schema);
	rc = env_meta_put(e, txn, SCHEMA_NAME, &b, reterr);
	td_buf_done(&b);
	return rc;
}

/* How the store is found: empty, or with which schema. */
struct found {
	bool empty;
	uint32_t schema;
};

/* Read only: whatever is refused here has not been touched. */
static enum td_rc
look(struct env *e, MDB_txn *txn, struct found *ret_found, struct td_err *reterr)
{
	const char *name = e->layout->name;
	MDB_val v;
	MDB_stat st;
	enum td_rc rc;
	int m;

	*ret_found = (struct found){ .empty = true };
	m = mdb_stat(txn, 1, &st);
	if (m != 0)
		return env_error(m, name, reterr);
	if (st.ms_entries == 0)
		return TD_OK;
	ret_found->empty = false;
	m = mdb_dbi_open(txn, e->layout->tables[0], 0, &e->dbi[0]);
	if (m == MDB_NOTFOUND)
		return td_err_set(reterr, TD_CORRUPT, "%s.mdb is not a store of tenantd",
				  name);
	if (m != 0)
		return env_error(m, name, reterr);
	rc = env_meta_get(e, txn, SCHEMA_NAME, &v, reterr);
	if (rc != TD_OK)
		return rc;
	if (v.mv_data == NULL || v.mv_size != sizeof(uint32_t))
		return td_err_set(reterr, TD_CORRUPT, "%s.mdb has no schema number",
				  name);
	struct td_cur c = td_cur_make(v.mv_data, v.mv_size);
	ret_found->schema = td_cur_u32(&c);
	if (ret_found->schema > e->layout->schema)
		return td_err_set(
			reterr, TD_INVALID,
			"%s.mdb has schema %" PRIu32 ", this program knows up to "
			"%" PRIu32 ": it was written by a newer tenantd; start that "
			"one, or restore a backup from before the upgrade",
			name, ret_found->schema, e->layout->schema);
	return TD_OK;
}

static enum td_rc
prepare(struct env *e, MDB_txn *txn, const struct found *found, struct td_err *reterr)
{
	const struct env_layout *l = e->layout;
	enum td_rc rc = TD_OK;

	for (unsigned i = 0; i < l->table_count; i++) {
		int m = mdb_dbi_open(txn, l->tables[i], MDB_CREATE, &e->dbi[i]);
		if (m != 0)
			return env_error(m, l->tables[i], reterr);
	}
	if (found->empty) {
		rc = l->create(e, txn, reterr);
	} else {
		for (uint32_t v = found->schema; v < l->schema && rc == TD_OK; v++) {
			rc = l->upgrades[v](e, txn, reterr);
			if (rc != TD_OK)
				td_err_prefix(reterr, "upgrade from schema %" PRIu32, v);
		}
	}
	if (rc == TD_OK && (found->empty || found->schema != l->schema))
		rc = put_schema(e, txn, l->schema, reterr);
	return rc;
}

static enum td_rc
open_tables(struct env *e, struct td_err *reterr)
{
	struct found found;
	MDB_txn *txn;
	enum td_rc rc;
	int m;

	m = mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &txn);
	if (m != 0)
		return env_error(m, e->layout->name, reterr);
	rc = look(e, txn, &found, reterr);
	/* The handle of the meta table stays only when the transaction ends well. */
	if (rc != TD_OK) {
		mdb_txn_abort(txn);
		return rc;
	}
	m = mdb_txn_commit(txn);
	if (m == 0)
		m = env_extend(e, 256);
	/* A full disk does not keep a settled store from opening: nothing is written then. */
	if (env_is_full(m))
		m = 0;
	if (m == 0)
		m = mdb_txn_begin(e->mdb, NULL, 0, &txn);
	if (m != 0)
		return env_error(m, e->layout->name, reterr);
	rc = prepare(e, txn, &found, reterr);
	if (rc != TD_OK) {
		mdb_txn_abort(txn);
		return rc;
	}
	m = mdb_txn_commit(txn);
	return m == 0 ? TD_OK : env_error(m, e->layout->name, reterr);
}

static enum td_rc
open_mdb(struct env *e, const struct env_options *opt, const char *path,
	 struct td_err *reterr)
{
	struct stat st;
	MDB_stat ms;
	int m, fd;

	m = mdb_env_create(&e->mdb);
	if (m != 0)
		return env_error(m, path, reterr);
	m = mdb_env_set_mapsize(e->mdb, opt->map_bytes);
	if (m == 0)
		m = mdb_env_set_maxdbs(e->mdb, e->layout->table_count);
	if (m == 0)
		m = mdb_env_set_maxreaders(e->mdb, opt->max_readers);
	if (m == 0)
		m = mdb_env_open(e->mdb, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
	if (m == 0)
		m = mdb_env_stat(e->mdb, &ms);
	if (m == 0)
		m = mdb_env_get_fd(e->mdb, &fd);
	if (m == 0 && fstat(fd, &st) != 0)
		m = errno;
	if (m != 0)
		return env_error(m, path, reterr);
	e->page_bytes = ms.ms_psize;
	e->file_bytes = (uint64_t)st.st_size;
	return TD_OK;
}

enum td_rc
env_open(const struct env_layout *layout, const struct env_options *opt,
	 struct env *ret_env, struct td_err *reterr)
{
	char path[PATH_BYTES];
	enum td_rc rc;
	int n;

	*ret_env = (struct env){ .layout = layout,
				 .chance = opt->chance,
				 .map_bytes = opt->map_bytes };
	n = snprintf(path, sizeof(path), "%s/%s.mdb", opt->dir, layout->name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return td_err_set(reterr, TD_INVALID,
				  "the path of the state is too long");
	rc = env_check_file(path, reterr);
	if (rc == TD_OK)
		rc = open_mdb(ret_env, opt, path, reterr);
	if (rc == TD_OK)
		rc = open_tables(ret_env, reterr);
	return rc;
}

void
env_close(struct env *e)
{
	if (e->mdb != NULL)
		mdb_env_close(e->mdb);
	e->mdb = NULL;
}
