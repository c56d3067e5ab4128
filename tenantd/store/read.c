/*
 * Snapshots. A thread's first read takes an LMDB reader slot; ending a read only resets
 * the transaction, the next one renews it, and the end of the thread gives the slot back.
 * So a read costs no lock and no system call. All readers are also on a list, so that
 * store_close finds those of threads that still live.
 */
#include "internal.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

struct store_read {
	struct store *store;
	MDB_txn *txn;
	bool active;
	struct store_read *next, **link;
};

static void
read_free(struct store_read *r)
{
	mdb_txn_abort(r->txn);
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	free(r);
}

void
store_read_thread_exit(void *read)
{
	struct store_read *r = read;
	struct store *s = r->store;

	pthread_mutex_lock(&s->reads_lock);
	read_free(r);
	pthread_mutex_unlock(&s->reads_lock);
}

void
store_reads_close(struct store *s)
{
	pthread_mutex_lock(&s->reads_lock);
	while (s->reads != NULL)
		read_free(s->reads);
	pthread_mutex_unlock(&s->reads_lock);
}

/* The first read of this thread. */
static enum td_rc
read_new(struct store *s, struct store_read **ret_read, struct td_err *reterr)
{
	struct store_read *r = calloc(1, sizeof(*r));
	int m, dead;

	if (r == NULL)
		return td_err_set(reterr, TD_NOMEM, "no memory for a reader");
	r->store = s;
	m = mdb_txn_begin(s->control.mdb, NULL, MDB_RDONLY, &r->txn);
	if (m == MDB_READERS_FULL && mdb_reader_check(s->control.mdb, &dead) == 0)
		m = mdb_txn_begin(s->control.mdb, NULL, MDB_RDONLY, &r->txn);
	if (m != 0) {
		free(r);
		return env_error(m, "read", reterr);
	}
	m = pthread_setspecific(s->read_key, r);
	if (m != 0) {
		mdb_txn_abort(r->txn);
		free(r);
		return td_err_set(reterr, TD_NOMEM, "no memory for a reader");
	}
	pthread_mutex_lock(&s->reads_lock);
	r->next = s->reads;
	r->link = &s->reads;
	if (r->next != NULL)
		r->next->link = &r->next;
	s->reads = r;
	pthread_mutex_unlock(&s->reads_lock);
	*ret_read = r;
	return TD_OK;
}

enum td_rc
store_read_begin(struct store *s, struct store_read **ret_read, struct td_err *reterr)
{
	struct store_read *r = pthread_getspecific(s->read_key);
	enum td_rc rc = TD_OK;

	if (r == NULL) {
		rc = read_new(s, &r, reterr);
	} else if (r->active) {
		return td_err_set(reterr, TD_INTERNAL, "this thread reads already");
	} else {
		int m = mdb_txn_renew(r->txn);
		if (m != 0)
			rc = env_error(m, "read", reterr);
	}
	if (rc != TD_OK)
		return rc;
	assert(r != NULL);
	r->active = true;
	*ret_read = r;
	return TD_OK;
}

void
store_read_end(struct store_read *r)
{
	if (r == NULL)
		return;
	mdb_txn_reset(r->txn);
	r->active = false;
}

static MDB_val
val(const void *data, size_t len)
{
	MDB_val v = { .mv_size = len };

	memcpy(&v.mv_data, &data, sizeof(data));
	return v;
}

static enum td_rc
unpack(const struct store_read *r, enum store_table t, const MDB_val *v,
       struct store_value *ret_value, struct td_err *reterr)
{
	uint64_t le;

	if (v->mv_size < ENV_VERSION_LEN)
		return td_err_set(reterr, TD_CORRUPT, "a %s record is damaged",
				  r->store->control.layout->tables[t]);
	memcpy(&le, v->mv_data, sizeof(le));
	ret_value->data = (const unsigned char *)v->mv_data + ENV_VERSION_LEN;
	ret_value->len = v->mv_size - ENV_VERSION_LEN;
	ret_value->version = le64toh(le);
	return TD_OK;
}

enum td_rc
store_get(struct store_read *r, enum store_table t, const void *key, size_t key_len,
	  struct store_value *ret_value, struct td_err *reterr)
{
	const struct env *e = &r->store->control;
	MDB_val k = val(key, key_len);
	MDB_val v;
	int m;

	if (key_len < 1 || key_len > STORE_KEY_MAX)
		return td_err_set(reterr, TD_INVALID, "a key has 1 to %d bytes",
				  STORE_KEY_MAX);
	m = mdb_get(r->txn, e->dbi[t], &k, &v);
	if (m == MDB_NOTFOUND) {
		*ret_value = (struct store_value){ 0 };
		return TD_OK;
	}
	if (m != 0)
		return env_error(m, e->layout->tables[t], reterr);
	return unpack(r, t, &v, ret_value, reterr);
}

/* The first key of the range. */
static int
walk_start(MDB_cursor *cur, const struct store_range *range, MDB_val *key, MDB_val *v)
{
	MDB_val after = val(range->after, range->after_len);
	size_t n = range->after_len < range->prefix_len ? range->after_len
							: range->prefix_len;
	int order = n == 0 ? 0 : memcmp(range->after, range->prefix, n);
	int m;

	/* `after` counts only when it is not in front of the prefix. */
	if (range->after_len > 0 &&
	    (order > 0 || (order == 0 && n == range->prefix_len))) {
		*key = after;
		m = mdb_cursor_get(cur, key, v, MDB_SET_RANGE);
		if (m == 0 && key->mv_size == range->after_len &&
		    memcmp(key->mv_data, range->after, range->after_len) == 0)
			m = mdb_cursor_get(cur, key, v, MDB_NEXT);
		return m;
	}
	if (range->prefix_len == 0)
		return mdb_cursor_get(cur, key, v, MDB_FIRST);
	*key = val(range->prefix, range->prefix_len);
	return mdb_cursor_get(cur, key, v, MDB_SET_RANGE);
}

enum td_rc
store_walk(struct store_read *r, enum store_table t, const struct store_range *range,
	   store_walk_fn fn, void *ctx, struct td_err *reterr)
{
	static const struct store_range all;
	const struct env *e = &r->store->control;
	enum td_rc rc = TD_OK;
	MDB_cursor *cur;
	MDB_val key, v;
	int m;

	if (range == NULL)
		range = &all;
	if (range->prefix_len > STORE_KEY_MAX || range->after_len > STORE_KEY_MAX)
		return td_err_set(reterr, TD_INVALID, "a key has at most %d bytes",
				  STORE_KEY_MAX);
	m = mdb_cursor_open(r->txn, e->dbi[t], &cur);
	if (m != 0)
		return env_error(m, e->layout->tables[t], reterr);
	for (m = walk_start(cur, range, &key, &v); m == 0;
	     m = mdb_cursor_get(cur, &key, &v, MDB_NEXT)) {
		struct store_value value;

		if (range->prefix_len > 0 &&
		    (key.mv_size < range->prefix_len ||
		     memcmp(key.mv_data, range->prefix, range->prefix_len) != 0))
			break;
		rc = unpack(r, t, &v, &value, reterr);
		if (rc == TD_OK)
			rc = fn(ctx, key.mv_data, key.mv_size, &value);
		if (rc != TD_OK)
			break;
	}
	mdb_cursor_close(cur);
	if (rc != TD_OK)
		return rc == STORE_STOP ? TD_OK : rc;
	if (m != 0 && m != MDB_NOTFOUND)
		return env_error(m, e->layout->tables[t], reterr);
	return TD_OK;
}

uint64_t
store_count(struct store_read *r, enum store_table t)
{
	MDB_stat st;

	return mdb_stat(r->txn, r->store->control.dbi[t], &st) == 0 ? st.ms_entries : 0;
}

uint64_t
store_table_bytes(struct store_read *r, enum store_table t)
{
	const struct env *e = &r->store->control;
	MDB_stat st;

	if (mdb_stat(r->txn, e->dbi[t], &st) != 0)
		return 0;
	return (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages) *
	       e->page_bytes;
}
