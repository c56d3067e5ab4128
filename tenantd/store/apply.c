/*
 * One commit into an open transaction. Everything that may refuse a commit without harm
 * (space, preconditions) is looked at before its first change, so that a refused commit
 * has changed nothing and the others of its batch go on. What fails later spoils the whole
 * transaction: the writer then aborts it and goes through the batch one by one.
 */
#include "internal.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

static MDB_val
val(const void *data, size_t len)
{
	MDB_val v = { .mv_size = len };

	memcpy(&v.mv_data, &data, sizeof(data)); /* LMDB's values are not const */
	return v;
}

static enum td_rc
check_expect(struct store *s, MDB_txn *txn, struct store_commit *c,
	     const struct store_op *op, bool *ret_hard)
{
	const struct env *e = &s->control;
	MDB_val key = val(op->key, op->key_len);
	uint64_t version = 0;
	MDB_val v;
	int m;

	m = mdb_get(txn, e->dbi[op->table], &key, &v);
	if (m == 0 && v.mv_size >= ENV_VERSION_LEN) {
		memcpy(&version, v.mv_data, sizeof(version));
		version = le64toh(version);
	} else if (m == 0) {
		return td_err_set(&c->err, TD_CORRUPT, "a %s record is damaged",
				  e->layout->tables[op->table]);
	} else if (m != MDB_NOTFOUND) {
		*ret_hard = true;
		return env_error(m, e->layout->tables[op->table], &c->err);
	}
	if (version == op->version)
		return TD_OK;
	return td_err_set(&c->err, TD_PRECONDITION,
			  "%s record: expected version %" PRIu64 ", found %" PRIu64,
			  e->layout->tables[op->table], op->version, version);
}

static enum td_rc
check_space(struct store *s, MDB_txn *txn, struct store_commit *c)
{
	uint64_t limit = s->max_bytes;
	uint64_t used;

	if (c->class == STORE_NORMAL)
		limit -= s->reserve_bytes;
	else if (c->put_bytes == 0)
		return TD_OK; /* what only deletes makes room, even over the ceiling */
	used = env_used_pages(&s->control, txn) * s->control.page_bytes;
	if (used + c->put_bytes <= limit)
		return TD_OK;
	return td_err_set(&c->err, TD_STORE_FULL,
			  "%" PRIu64 " of %" PRIu64 " bytes in use (store.max_bytes%s)",
			  used, s->max_bytes,
			  c->class == STORE_NORMAL ? ", less the reserve" : "");
}

static int
put(struct store *s, MDB_txn *txn, const struct store_op *op, MDB_val key,
    uint64_t version, unsigned flags)
{
	MDB_val v = { .mv_size = ENV_VERSION_LEN + op->value_len };
	uint64_t le = htole64(version);
	int m;

	m = mdb_put(txn, s->control.dbi[op->table], &key, &v, MDB_RESERVE | flags);
	if (m != 0)
		return m;
	memcpy(v.mv_data, &le, sizeof(le));
	if (op->value_len > 0)
		memcpy((unsigned char *)v.mv_data + sizeof(le), op->value, op->value_len);
	return 0;
}

static int
del(struct store *s, MDB_txn *txn, const struct store_op *op)
{
	MDB_val key = val(op->key, op->key_len);
	int m = mdb_del(txn, s->control.dbi[op->table], &key, NULL);

	return m == MDB_NOTFOUND ? 0 : m;
}

/* Sought anew after every deletion: slower than stepping, and right whatever the page
 * merges did to the cursor. */
static int
del_prefix(struct store *s, MDB_txn *txn, const struct store_op *op)
{
	MDB_cursor *cur;
	MDB_val key, v;
	int m;

	m = mdb_cursor_open(txn, s->control.dbi[op->table], &cur);
	if (m != 0)
		return m;
	for (;;) {
		key = val(op->key, op->key_len);
		m = mdb_cursor_get(cur, &key, &v, MDB_SET_RANGE);
		if (m != 0 || key.mv_size < op->key_len ||
		    memcmp(key.mv_data, op->key, op->key_len) != 0)
			break;
		m = mdb_cursor_del(cur, 0);
		if (m != 0)
			break;
	}
	mdb_cursor_close(cur);
	return m == MDB_NOTFOUND ? 0 : m;
}

static int
prune(struct store *s, MDB_txn *txn, uint64_t last)
{
	MDB_cursor *cur;
	MDB_val key, v;
	int m;

	m = mdb_cursor_open(txn, s->control.dbi[STORE_AUDIT], &cur);
	if (m != 0)
		return m;
	for (;;) {
		uint64_t be = 0;

		m = mdb_cursor_get(cur, &key, &v, MDB_FIRST);
		if (m != 0)
			break;
		if (key.mv_size == sizeof(be))
			memcpy(&be, key.mv_data, sizeof(be));
		if (be64toh(be) > last)
			break;
		m = mdb_cursor_del(cur, 0);
		if (m != 0)
			break;
	}
	mdb_cursor_close(cur);
	return m == MDB_NOTFOUND ? 0 : m;
}

uint64_t
store_audit_oldest(const struct env *e, MDB_txn *txn, uint64_t next)
{
	MDB_cursor *cur;
	MDB_val key, v;
	uint64_t be;

	if (mdb_cursor_open(txn, e->dbi[STORE_AUDIT], &cur) != 0)
		return next;
	if (mdb_cursor_get(cur, &key, &v, MDB_FIRST) == 0 && key.mv_size == sizeof(be)) {
		memcpy(&be, key.mv_data, sizeof(be));
		next = be64toh(be);
	}
	mdb_cursor_close(cur);
	return next;
}

static int
change(struct store *s, MDB_txn *txn, const struct store_op *op,
       struct store_clock *clock)
{
	uint64_t be;
	int m;

	switch (op->kind) {
	case STORE_OP_PUT:
		return put(s, txn, op, val(op->key, op->key_len), clock->version, 0);
	case STORE_OP_DEL:
		return del(s, txn, op);
	case STORE_OP_DEL_PREFIX:
		return del_prefix(s, txn, op);
	case STORE_OP_AUDIT:
		be = htobe64(clock->audit_next);
		m = put(s, txn, op, val(&be, sizeof(be)), clock->version, MDB_APPEND);
		/* A key beyond the counter: somebody else's hand in the file. */
		if (m == MDB_KEYEXIST)
			return MDB_CORRUPTED;
		clock->audit_next++;
		return m;
	case STORE_OP_PRUNE:
		m = prune(s, txn, op->version);
		clock->audit_first =
			store_audit_oldest(&s->control, txn, clock->audit_next);
		return m;
	case STORE_OP_EXPECT:
	case STORE_OP_TOUCH:
		break;
	}
	return 0;
}

enum td_rc
store_apply(struct store *s, MDB_txn *txn, struct store_commit *c,
	    struct store_clock *clock, bool *ret_hard)
{
	struct store_op op;
	enum td_rc rc;
	size_t pos = 0;

	*ret_hard = false;
	rc = check_space(s, txn, c);
	while (rc == TD_OK && store_commit_next(c, &pos, &op)) {
		if (op.kind == STORE_OP_EXPECT)
			rc = check_expect(s, txn, c, &op, ret_hard);
	}
	if (rc != TD_OK)
		return rc;
	clock->version++;
	c->version = clock->version;
	for (pos = 0; store_commit_next(c, &pos, &op);) {
		int m = change(s, txn, &op, clock);
		if (m != 0) {
			*ret_hard = true;
			return env_error(m, s->control.layout->tables[op.table], &c->err);
		}
	}
	return TD_OK;
}
