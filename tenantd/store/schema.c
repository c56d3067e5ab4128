/*
 * The layout of the control environment, and how an older one becomes today's.
 *
 * Schema 0: without `store.clock`; versions and audit sequences were counted on from the
 * highest found in the tables.
 * Schema 1: `store.clock` holds the last version and the next audit sequence, so that
 * neither is given twice after the highest one was deleted.
 * Schema 2: bucket and resource records are of format 2: whether access to a bucket that
 * is being purged is closed.
 * Schema 3: the tables `brake` and `budget`. What they hold must not be passed over by a
 * tenantd that does not know them, so it is refused by the number.
 */
#include "internal.h"
#include "records.h"

#include <endian.h>
#include <string.h>

#define CLOCK_NAME "store.clock"
#define INSTANCE_NAME "store.instance"

static const char *const control_tables[STORE_TABLE_COUNT] = {
	[STORE_META] = "meta",	       [STORE_TENANT] = "tenant",
	[STORE_RESOURCE] = "resource", [STORE_BUCKET] = "bucket",
	[STORE_SLOT] = "slot",	       [STORE_CREDENTIAL] = "credential",
	[STORE_DATAKEY] = "datakey",   [STORE_INTENT] = "intent",
	[STORE_PENDING] = "pending",   [STORE_TOMBSTONE] = "tombstone",
	[STORE_TOKEN] = "token",       [STORE_TOKEN_ID] = "token_id",
	[STORE_AUDIT] = "audit",       [STORE_TOKEN_TENANT] = "token_tenant",
	[STORE_BRAKE] = "brake",       [STORE_BUDGET] = "budget",
};

enum td_rc
store_clock_save(const struct env *e, MDB_txn *txn, const struct store_clock *clock,
		 struct td_err *reterr)
{
	struct td_buf b;
	enum td_rc rc;

	td_buf_init(&b, 64);
	td_buf_u64(&b, clock->version);
	td_buf_u64(&b, clock->audit_next);
	rc = env_meta_put(e, txn, CLOCK_NAME, &b, reterr);
	td_buf_done(&b);
	return rc;
}

static enum td_rc
clock_read(const struct env *e, MDB_txn *txn, struct store_clock *ret_clock,
	   struct td_err *reterr)
{
	MDB_val v;
	enum td_rc rc = env_meta_get(e, txn, CLOCK_NAME, &v, reterr);

	if (rc != TD_OK)
		return rc;
	struct td_cur c = td_cur_make(v.mv_data, v.mv_size);
	ret_clock->version = td_cur_u64(&c);
	ret_clock->audit_next = td_cur_u64(&c);
	if (!td_cur_ok(&c) || c.left != 0)
		return td_err_set(reterr, TD_CORRUPT,
				  "meta record " CLOCK_NAME " is damaged");
	ret_clock->audit_first = store_audit_oldest(e, txn, ret_clock->audit_next);
	return TD_OK;
}

enum td_rc
store_clock_load(struct store *s, struct td_err *reterr)
{
	MDB_txn *txn;
	enum td_rc rc;
	int m = mdb_txn_begin(s->control.mdb, NULL, MDB_RDONLY, &txn);

	if (m != 0)
		return env_error(m, "store", reterr);
	rc = clock_read(&s->control, txn, &s->clock, reterr);
	atomic_store(&s->used_bytes,
		     env_used_pages(&s->control, txn) * s->control.page_bytes);
	atomic_store(&s->audit_next, s->clock.audit_next);
	atomic_store(&s->audit_first, s->clock.audit_first);
	mdb_txn_abort(txn);
	return rc;
}

enum td_rc
store_instance_load(struct store *s, struct td_err *reterr)
{
	MDB_txn *txn;
	MDB_val v;
	enum td_rc rc;
	int m = mdb_txn_begin(s->control.mdb, NULL, MDB_RDONLY, &txn);

	if (m != 0)
		return env_error(m, "store", reterr);
	rc = env_meta_get(&s->control, txn, INSTANCE_NAME, &v, reterr);
	if (rc == TD_OK && v.mv_size != STORE_INSTANCE_LEN)
		rc = td_err_set(reterr, TD_CORRUPT, "the store has no instance id");
	if (rc == TD_OK)
		memcpy(s->instance, v.mv_data, STORE_INSTANCE_LEN);
	mdb_txn_abort(txn);
	return rc;
}

static enum td_rc
instance_create(struct env *e, MDB_txn *txn, struct td_err *reterr)
{
	unsigned char id[STORE_INSTANCE_LEN / 2];
	struct td_buf b;
	enum td_rc rc;

	td_random(e->chance, id, sizeof(id));
	td_buf_init(&b, 64);
	td_buf_hex(&b, id, sizeof(id));
	rc = env_meta_put(e, txn, INSTANCE_NAME, &b, reterr);
	td_buf_done(&b);
	return rc;
}

static enum td_rc
create(struct env *e, MDB_txn *txn, struct td_err *reterr)
{
	static const struct store_clock zero = { .version = 0, .audit_next = 1 };
	enum td_rc rc = store_clock_save(e, txn, &zero, reterr);

	return rc == TD_OK ? instance_create(e, txn, reterr) : rc;
}

/* The highest version in front of any value of the table. */
static int
highest_version(const struct env *e, MDB_txn *txn, unsigned table, uint64_t *version)
{
	MDB_cursor *cur;
	MDB_val key, v;
	int m = mdb_cursor_open(txn, e->dbi[table], &cur);

	if (m != 0)
		return m;
	for (m = mdb_cursor_get(cur, &key, &v, MDB_FIRST); m == 0;
	     m = mdb_cursor_get(cur, &key, &v, MDB_NEXT)) {
		uint64_t le = 0;

		if (v.mv_size >= sizeof(le))
			memcpy(&le, v.mv_data, sizeof(le));
		if (le64toh(le) > *version)
			*version = le64toh(le);
	}
	mdb_cursor_close(cur);
	return m == MDB_NOTFOUND ? 0 : m;
}

static enum td_rc
upgrade_0(struct env *e, MDB_txn *txn, struct td_err *reterr)
{
	struct store_clock clock = { .version = 0, .audit_next = 1 };
	MDB_cursor *cur;
	MDB_val key, v;
	int m = 0;

	for (unsigned t = 0; t < STORE_TABLE_COUNT && m == 0; t++)
		m = highest_version(e, txn, t, &clock.version);
	if (m == 0)
		m = mdb_cursor_open(txn, e->dbi[STORE_AUDIT], &cur);
	if (m != 0)
		return env_error(m, "reading all versions", reterr);
	if (mdb_cursor_get(cur, &key, &v, MDB_LAST) == 0 &&
	    key.mv_size == sizeof(uint64_t)) {
		uint64_t be;
		memcpy(&be, key.mv_data, sizeof(be));
		clock.audit_next = be64toh(be) + 1;
	}
	mdb_cursor_close(cur);
	return store_clock_save(e, txn, &clock, reterr);
}

/* Format 2 of every record of the table, which is format 1 and a zero byte at the end. What
 * is of no known format stays: it is told when somebody reads it. */
static enum td_rc
grow_to_format_2(const struct env *e, MDB_txn *txn, enum store_table table,
		 struct td_err *reterr)
{
	unsigned char at[STORE_KEY_MAX], grown[ENV_VERSION_LEN + STORE_VALUE_MAX + 1];
	MDB_cursor *cur;
	MDB_val key, v;
	int m = mdb_cursor_open(txn, e->dbi[table], &cur);

	if (m != 0)
		return env_error(m, control_tables[table], reterr);
	for (m = mdb_cursor_get(cur, &key, &v, MDB_FIRST); m == 0;
	     m = mdb_cursor_get(cur, &key, &v, MDB_NEXT)) {
		unsigned char *format = grown + ENV_VERSION_LEN;

		if (v.mv_size <= ENV_VERSION_LEN || v.mv_size >= sizeof(grown) ||
		    key.mv_size > sizeof(at))
			continue;
		memcpy(at, key.mv_data, key.mv_size);
		memcpy(grown, v.mv_data, v.mv_size);
		if (*format != 1)
			continue;
		*format = 2;
		grown[v.mv_size] = 0;
		key.mv_data = at; /* what the cursor gave may move with the page */
		v = (MDB_val){ v.mv_size + 1, grown };
		m = mdb_cursor_put(cur, &key, &v, MDB_CURRENT);
		if (m != 0)
			break;
	}
	mdb_cursor_close(cur);
	return m == MDB_NOTFOUND ? TD_OK : env_error(m, control_tables[table], reterr);
}

/* The object resource of the tenant to which this bucket belongs has slots to set right. */
static int
mark_changed(const struct env *e, MDB_txn *txn, const MDB_val *bucket_key)
{
	unsigned char copy[ENV_VERSION_LEN + STORE_VALUE_MAX], at[STORE_KEY_MAX];
	char appid[STORE_KEY_MAX + 1] = "";
	MDB_val key = { 0, at }, v;
	int m;

	memcpy(appid, bucket_key->mv_data, bucket_key->mv_size);
	key.mv_size = rec_key_resource(appid, DRV_OBJECT, at);
	m = mdb_get(txn, e->dbi[STORE_RESOURCE], &key, &v);
	if (m != 0 || v.mv_size <= ENV_VERSION_LEN + 1 || v.mv_size > sizeof(copy))
		return m == MDB_NOTFOUND ? 0 : m;
	memcpy(copy, v.mv_data, v.mv_size);
	if (copy[ENV_VERSION_LEN] != 2)
		return 0;
	copy[v.mv_size - 1] = REC_CLOSED_CHANGED;
	v.mv_data = copy;
	return mdb_put(txn, e->dbi[STORE_RESOURCE], &key, &v, 0);
}

/* Buckets that are being purged were open to keys handed out before: now they are closed. */
static enum td_rc
upgrade_1(struct env *e, MDB_txn *txn, struct td_err *reterr)
{
	MDB_cursor *cur;
	MDB_val key, v;
	enum td_rc rc = grow_to_format_2(e, txn, STORE_BUCKET, reterr);
	int m;

	if (rc == TD_OK)
		rc = grow_to_format_2(e, txn, STORE_RESOURCE, reterr);
	if (rc != TD_OK)
		return rc;
	m = mdb_cursor_open(txn, e->dbi[STORE_BUCKET], &cur);
	if (m != 0)
		return env_error(m, "bucket", reterr);
	for (m = mdb_cursor_get(cur, &key, &v, MDB_FIRST); m == 0;
	     m = mdb_cursor_get(cur, &key, &v, MDB_NEXT)) {
		const unsigned char *value = v.mv_data;
		struct rec_bucket b;

		if (v.mv_size <= ENV_VERSION_LEN || key.mv_size > STORE_KEY_MAX ||
		    rec_bucket_decode(value + ENV_VERSION_LEN,
				      v.mv_size - ENV_VERSION_LEN, &b, NULL) != TD_OK ||
		    !b.purge)
			continue;
		m = mark_changed(e, txn, &key);
		if (m != 0)
			break;
	}
	mdb_cursor_close(cur);
	return m == MDB_NOTFOUND ? TD_OK : env_error(m, "bucket", reterr);
}

/* Tables that are missing are made before any upgrade runs. */
static enum td_rc
upgrade_2(struct env *e, MDB_txn *txn, struct td_err *reterr)
{
	(void)e;
	(void)txn;
	(void)reterr;
	return TD_OK;
}

static const env_upgrade_fn upgrades[STORE_SCHEMA] = {
	[0] = upgrade_0,
	[1] = upgrade_1,
	[2] = upgrade_2,
};

const struct env_layout store_control_layout = {
	.name = "control",
	.tables = control_tables,
	.table_count = STORE_TABLE_COUNT,
	.schema = STORE_SCHEMA,
	.upgrades = upgrades,
	.create = create,
};
