/*
 * Opening a store: what is refused, and why; what an upgrade does. Damage is done to real
 * files with plain writes, or with LMDB's own functions. Where a wrong answer would be a
 * crash, the opening is done in a child process.
 */
#include "test_store_support.h"

#include "base/crypto.h"
#include "store/records.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PAGE 4096
#define META_BYTES 152

struct fixture {
	char *dir;
	char path[256];
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = support_dir();
	(void)snprintf(f->path, sizeof(f->path), "%s/control.mdb", f->dir);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	support_remove(f->dir);
	free(f->dir);
	free(f);
	return 0;
}

/* A store with some records in it, closed again. */
static void
make_store(const struct fixture *f)
{
	struct store_options opt = support_options(f->dir);
	struct store *s = support_open(&opt);
	char key[32];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(key, sizeof(key), "tenant%d", i);
		assert_int_equal(support_put(s, STORE_NORMAL, key, "value"), TD_OK);
	}
	store_close(s);
}

static enum td_rc
try_open(const struct fixture *f, struct td_err *err)
{
	struct store_options opt = support_options(f->dir);
	struct store *s = NULL;
	enum td_rc rc;

	*err = (struct td_err){ .rc = TD_OK };
	rc = store_open(&opt, &s, err);
	if (rc == TD_OK) {
		char out[16];
		support_get(s, "tenant0", out, sizeof(out));
		store_close(s);
	}
	return rc;
}

/* The code of opening, or -1 when the child died of a signal. */
static int
open_in_child(const struct fixture *f)
{
	struct td_err err;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit((int)try_open(f, &err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
read_at(const struct fixture *f, off_t at, void *data, size_t len)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static void
write_at(const struct fixture *f, off_t at, const void *data, size_t len)
{
	int fd = open(f->path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static void
test_a_second_process_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	struct store *s = support_open(&opt);
	struct td_err err;
	char pid[32];

	/* In this process, which is as good as another to flock(2), ... */
	assert_int_equal(try_open(f, &err), TD_UNAVAILABLE);
	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(err.detail, pid));
	/* ... and in another one. */
	assert_int_equal(open_in_child(f), TD_UNAVAILABLE);
	store_close(s);
	assert_int_equal(try_open(f, &err), TD_OK);
}

static void
test_a_lock_goes_with_its_process(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	struct td_err err;
	int ready[2], status;
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct store *s = NULL;
		if (store_open(&opt, &s, NULL) != TD_OK || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	assert_int_equal(try_open(f, &err), TD_UNAVAILABLE);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(try_open(f, &err), TD_OK);
}

static void
test_modes_of_what_is_made(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	char sub[128], path[256];
	struct stat st;

	(void)snprintf(sub, sizeof(sub), "%s/sub", f->dir);
	opt.dir = sub;
	store_close(support_open(&opt));
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	(void)snprintf(path, sizeof(path), "%s/control.mdb", sub);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
test_options_out_of_range(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	struct store *s = NULL;

	opt.max_bytes = opt.map_bytes + 1;
	assert_int_equal(store_open(&opt, &s, NULL), TD_INVALID);
	opt = support_options(f->dir);
	opt.reserve_bytes = opt.max_bytes;
	assert_int_equal(store_open(&opt, &s, NULL), TD_INVALID);
	opt = support_options(f->dir);
	opt.max_readers = 0;
	assert_int_equal(store_open(&opt, &s, NULL), TD_INVALID);
}

/* ---- damage ---- */

/* What must be noticed in a meta page. The rest is pad, bounds, address, map size, counts of
 * pages and entries, or cannot be told from a good value. */
static const struct {
	const char *what;
	unsigned from, to;
	bool newest_only; /* trees of the older page are never followed */
} meta_bytes[] = {
	{ "page number", 0, 8, false },
	{ "page flags", 10, 12, false },
	{ "magic and version", 16, 24, false },
	{ "page size", 40, 44, false },
	{ "flags of the free list", 44, 45, false },
	{ "depth of the free list", 46, 48, true },
	{ "root of the free list", 80, 88, true },
	{ "flags of the list of tables", 92, 94, false },
	{ "depth of the list of tables", 94, 96, true },
	{ "root of the list of tables", 128, 136, true },
	{ "last page", 137, 144, false },
	{ "transaction", 144, 152, false },
};

static const char *
must_be_noticed(unsigned at, bool newest)
{
	for (size_t i = 0; i < sizeof(meta_bytes) / sizeof(meta_bytes[0]); i++) {
		if (at >= meta_bytes[i].from && at < meta_bytes[i].to)
			return newest || !meta_bytes[i].newest_only ? meta_bytes[i].what
								    : NULL;
	}
	return NULL;
}

/* Every byte of both meta pages, turned over: never a crash, and what leads outside is
 * refused. */
static void
test_damaged_meta_pages(void **state)
{
	struct fixture *f = *state;
	unsigned char keep[2 * PAGE];
	uint64_t txn[2];
	struct td_err err;

	make_store(f);
	read_at(f, 0, keep, sizeof(keep));
	memcpy(&txn[0], keep + 144, 8);
	memcpy(&txn[1], keep + PAGE + 144, 8);
	for (unsigned page = 0; page < 2; page++) {
		for (unsigned i = 0; i < META_BYTES; i++) {
			unsigned char bad = keep[page * PAGE + i] ^ 0xff;
			const char *what = must_be_noticed(i, txn[page] > txn[1 - page]);
			int rc;

			write_at(f, (off_t)page * PAGE + i, &bad, 1);
			rc = open_in_child(f);
			write_at(f, 0, keep, sizeof(keep));
			if (rc == -1)
				fail_msg("page %u byte %u: killed by a signal", page, i);
			if (rc == TD_OK && what != NULL)
				fail_msg("page %u byte %u: %s: not noticed", page, i,
					 what);
			if (rc != TD_OK && rc != TD_CORRUPT && rc != TD_INVALID)
				fail_msg("page %u byte %u: rc %d", page, i, rc);
		}
	}
	assert_int_equal(try_open(f, &err), TD_OK);
}

static void
test_a_zeroed_meta_page(void **state)
{
	static const unsigned char zeros[PAGE];
	struct fixture *f = *state;
	unsigned char keep[PAGE];
	struct td_err err;

	make_store(f);
	for (unsigned page = 0; page < 2; page++) {
		read_at(f, (off_t)page * PAGE, keep, PAGE);
		write_at(f, (off_t)page * PAGE, zeros, PAGE);
		assert_int_equal(try_open(f, &err), TD_CORRUPT);
		assert_non_null(strstr(err.detail, "meta page"));
		assert_non_null(strstr(err.detail, "backup"));
		write_at(f, (off_t)page * PAGE, keep, PAGE);
	}
	assert_int_equal(try_open(f, &err), TD_OK);
}

static void
test_a_zeroed_root_page(void **state)
{
	static const unsigned char zeros[PAGE];
	struct fixture *f = *state;
	struct td_err err;
	uint64_t txn[2], root;
	unsigned newest;

	make_store(f);
	read_at(f, 144, &txn[0], 8);
	read_at(f, PAGE + 144, &txn[1], 8);
	newest = txn[1] > txn[0] ? 1 : 0;
	read_at(f, (off_t)newest * PAGE + 128, &root, 8);
	write_at(f, (off_t)(root * PAGE), zeros, PAGE);
	assert_int_equal(try_open(f, &err), TD_CORRUPT);
	assert_non_null(strstr(err.detail, "root page"));
}

static void
test_a_short_file(void **state)
{
	struct fixture *f = *state;
	struct td_err err;
	uint64_t last[2];
	off_t needed;

	make_store(f);
	read_at(f, 136, &last[0], 8);
	read_at(f, PAGE + 136, &last[1], 8);
	needed = (off_t)(((last[0] > last[1] ? last[0] : last[1]) + 1) * PAGE);
	assert_true(needed > 4 * PAGE);
	assert_int_equal(truncate(f->path, needed), 0);
	assert_int_equal(try_open(f, &err), TD_OK);
	/* Opening makes it longer again; so every length is tried on a cut file. */
	for (off_t size = needed - 1; size > 0; size -= size > 2 * PAGE ? PAGE - 1 : 61) {
		assert_int_equal(truncate(f->path, size), 0);
		assert_int_equal(open_in_child(f), TD_CORRUPT);
	}
	assert_int_equal(try_open(f, &err), TD_CORRUPT);
}

/* Beginning anew over a lost file would forget every tenant. */
static void
test_a_lost_file_is_not_a_new_store(void **state)
{
	struct fixture *f = *state;
	struct td_err err;

	make_store(f);
	assert_int_equal(truncate(f->path, 0), 0);
	assert_int_equal(try_open(f, &err), TD_CORRUPT);
	assert_non_null(strstr(err.detail, "missing or empty"));
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(try_open(f, &err), TD_CORRUPT);
	assert_int_equal(access(f->path, F_OK), -1);
}

static void
test_a_file_that_is_no_store(void **state)
{
	struct fixture *f = *state;
	char text[3 * PAGE];
	struct td_err err;
	int fd = open(f->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	memset(text, 'x', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	assert_int_equal(try_open(f, &err), TD_CORRUPT);
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(try_open(f, &err), TD_INVALID);
}

/* ---- schema, with LMDB's own hands ---- */

struct raw {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi meta, tenant, audit;
};

static void
raw_open(const struct fixture *f, struct raw *raw)
{
	assert_int_equal(mdb_env_create(&raw->env), 0);
	assert_int_equal(mdb_env_set_mapsize(raw->env, 64 * MIB), 0);
	assert_int_equal(mdb_env_set_maxdbs(raw->env, 32), 0);
	assert_int_equal(mdb_env_open(raw->env, f->path, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(raw->env, NULL, 0, &raw->txn), 0);
	assert_int_equal(mdb_dbi_open(raw->txn, "meta", 0, &raw->meta), 0);
	assert_int_equal(mdb_dbi_open(raw->txn, "tenant", 0, &raw->tenant), 0);
	assert_int_equal(mdb_dbi_open(raw->txn, "audit", 0, &raw->audit), 0);
}

static void
raw_close(struct raw *raw)
{
	assert_int_equal(mdb_txn_commit(raw->txn), 0);
	mdb_env_close(raw->env);
}

static void
raw_put(struct raw *raw, MDB_dbi dbi, struct td_bytes key, uint64_t version,
	struct td_bytes value)
{
	unsigned char kept[64], all[512];
	uint64_t le = htole64(version);
	MDB_val k = { .mv_size = key.len, .mv_data = kept };
	MDB_val v = { .mv_size = 8 + value.len, .mv_data = all };

	memcpy(kept, key.data, key.len);
	memcpy(all, &le, 8);
	memcpy(all + 8, value.data, value.len);
	assert_int_equal(mdb_put(raw->txn, dbi, &k, &v, 0), 0);
}

static void
raw_del(struct raw *raw, MDB_dbi dbi, const char *key)
{
	char kept[64];
	MDB_val k = { .mv_size = strlen(key), .mv_data = kept };

	memcpy(kept, key, k.mv_size);
	assert_int_equal(mdb_del(raw->txn, dbi, &k, NULL), 0);
}

static void
set_schema(struct raw *raw, uint32_t schema)
{
	uint32_t le = htole32(schema);

	raw_put(raw, raw->meta, (struct td_bytes){ "store.schema", 12 }, 1,
		(struct td_bytes){ &le, sizeof(le) });
}

static uint32_t
get_schema(struct raw *raw)
{
	char name[] = "store.schema";
	MDB_val k = { .mv_size = sizeof(name) - 1, .mv_data = name }, v;
	uint32_t le;

	assert_int_equal(mdb_get(raw->txn, raw->meta, &k, &v), 0);
	assert_int_equal(v.mv_size, 8 + sizeof(le));
	memcpy(&le, (const char *)v.mv_data + 8, sizeof(le));
	return le32toh(le);
}

static void
drop_table(struct raw *raw, const char *name)
{
	MDB_dbi dbi;

	assert_int_equal(mdb_dbi_open(raw->txn, name, 0, &dbi), 0);
	assert_int_equal(mdb_drop(raw->txn, dbi, 1), 0);
}

static void
test_a_newer_schema_is_refused_untouched(void **state)
{
	struct fixture *f = *state;
	static unsigned char before[2 * PAGE], after[2 * PAGE];
	struct td_err err;
	struct raw raw;

	make_store(f);
	raw_open(f, &raw);
	set_schema(&raw, 99);
	raw_close(&raw);
	read_at(f, 0, before, sizeof(before));
	assert_int_equal(try_open(f, &err), TD_INVALID);
	assert_non_null(strstr(err.detail, "schema 99"));
	assert_non_null(strstr(err.detail, "newer tenantd"));
	read_at(f, 0, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
}

static void
test_schema_0_is_upgraded(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	uint64_t be = htobe64(41), first, next, version;
	struct store_commit *c;
	struct store *s;
	struct raw raw;
	char out[16];

	make_store(f);
	raw_open(f, &raw);
	set_schema(&raw, 0);
	raw_del(&raw, raw.meta, "store.clock");
	raw_put(&raw, raw.tenant, (struct td_bytes){ "abc123", 6 }, 77000,
		(struct td_bytes){ "old", 3 });
	raw_put(&raw, raw.audit, (struct td_bytes){ &be, sizeof(be) }, 76000,
		(struct td_bytes){ "12345678 entry", 14 });
	raw_close(&raw);

	s = support_open(&opt);
	assert_int_equal(support_get(s, "abc123", out, sizeof(out)), 77000);
	assert_string_equal(out, "old");
	store_audit_range(s, &first, &next);
	assert_int_equal(first, 41);
	assert_int_equal(next, 42);
	c = store_commit_new(STORE_NORMAL);
	store_commit_del(c, STORE_TENANT, "abc123", 6);
	assert_int_equal(store_commit(s, c, &version, NULL), TD_OK);
	assert_int_equal(version, 77001);
	store_close(s);
	/* Upgraded once: now the clock is stored, not counted from the records. */
	s = support_open(&opt);
	c = store_commit_new(STORE_NORMAL);
	store_commit_put(c, STORE_TENANT, "abc123", 6, "new", 3);
	assert_int_equal(store_commit(s, c, &version, NULL), TD_OK);
	assert_int_equal(version, 77002);
	store_close(s);
}

/* A record of schema 1 from one of today: format 1, and without the last member. */
static void
put_format_1(struct raw *raw, MDB_dbi dbi, struct td_bytes key, struct td_buf *today)
{
	unsigned char old[512];

	assert_int_equal(td_buf_rc(today), TD_OK);
	assert_true(today->len < sizeof(old));
	assert_int_equal(today->data[0], 2);
	memcpy(old, today->data, today->len);
	old[0] = 1;
	raw_put(raw, dbi, key, 55, (struct td_bytes){ old, today->len - 1 });
	td_buf_reset(today);
}

static const struct {
	const char *appid, *bucket;
	bool purge;
	enum rec_closed closed; /* of the tenant, afterwards */
} upgrade_rows[] = {
	{ "quiet1", "data", false, REC_CLOSED_KNOWN },
	{ "purge1", "data", false, REC_CLOSED_CHANGED },
	{ "purge1", "gone", true, REC_CLOSED_CHANGED },
	{ "quiet2", "data", false, REC_CLOSED_KNOWN },
};
#define UPGRADE_ROWS (sizeof(upgrade_rows) / sizeof(upgrade_rows[0]))
#define UPGRADE_MANY 3000 /* buckets, over many pages */

static void
make_schema_1(const struct fixture *f)
{
	unsigned char key[STORE_KEY_MAX];
	struct raw raw;
	MDB_dbi buckets, resources;
	struct td_buf b;

	raw_open(f, &raw);
	set_schema(&raw, 1);
	assert_int_equal(mdb_dbi_open(raw.txn, "bucket", 0, &buckets), 0);
	assert_int_equal(mdb_dbi_open(raw.txn, "resource", 0, &resources), 0);
	td_buf_init(&b, 4096);
	for (size_t i = 0; i < UPGRADE_ROWS + UPGRADE_MANY; i++) {
		bool extra = i >= UPGRADE_ROWS;
		const char *appid = extra ? "large1" : upgrade_rows[i].appid;
		struct rec_resource part = { .claimed = 1, .observed_generation = 7 };
		struct rec_bucket rec = { .state = REC_BUCKET_OURS,
					  .quota_bytes = i,
					  .created_ms = 9 };
		char name[DRV_BUCKET_NAME_SIZE];

		(void)snprintf(name, sizeof(name), "b%zu", i);
		if (!extra && upgrade_rows[i].purge) {
			rec.state = REC_BUCKET_REMOVING;
			rec.purge = 1;
			rec.remove_due_ms = 99;
		}
		rec_bucket_encode(&rec, &b);
		put_format_1(
			&raw, buckets,
			(struct td_bytes){
				key, rec_key_bucket(appid,
						    extra ? name : upgrade_rows[i].bucket,
						    key) },
			&b);
		for (int r = DRV_OBJECT; r <= DRV_DATABASE; r++) {
			rec_resource_encode(&part, &b);
			put_format_1(
				&raw, resources,
				(struct td_bytes){
					key, rec_key_resource(appid, (enum drv_resource)r,
							      key) },
				&b);
		}
	}
	td_buf_done(&b);
	raw_close(&raw);
}

static enum rec_closed
closed_of(struct store_read *rd, const char *appid, enum drv_resource r)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value v;
	struct rec_resource part;

	assert_int_equal(store_get(rd, STORE_RESOURCE, key,
				   rec_key_resource(appid, r, key), &v, NULL),
			 TD_OK);
	assert_int_equal(v.version, 55);
	assert_int_equal(rec_resource_decode(v.data, v.len, &part, NULL), TD_OK);
	assert_int_equal(part.observed_generation, 7);
	return (enum rec_closed)part.closed;
}

static void
read_bucket(struct store_read *rd, const char *appid, const char *name,
	    struct rec_bucket *ret)
{
	unsigned char key[STORE_KEY_MAX];
	struct store_value v;

	assert_int_equal(store_get(rd, STORE_BUCKET, key,
				   rec_key_bucket(appid, name, key), &v, NULL),
			 TD_OK);
	assert_int_equal(v.version, 55);
	assert_int_equal(rec_bucket_decode(v.data, v.len, ret, NULL), TD_OK);
}

/* Nothing is lost, and what is being purged is to be closed now. */
static void
test_schema_1_is_upgraded(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	struct store_read *rd;
	struct rec_bucket rec;
	struct store *s;

	make_store(f);
	make_schema_1(f);
	for (int again = 0; again < 2; again++) {
		s = support_open(&opt);
		assert_int_equal(store_read_begin(s, &rd, NULL), TD_OK);
		for (size_t i = 0; i < UPGRADE_ROWS; i++) {
			read_bucket(rd, upgrade_rows[i].appid, upgrade_rows[i].bucket,
				    &rec);
			assert_int_equal(rec.purge, upgrade_rows[i].purge);
			assert_int_equal(rec.quota_bytes, i);
			assert_int_equal(rec.closed, 0);
			assert_int_equal(closed_of(rd, upgrade_rows[i].appid, DRV_OBJECT),
					 upgrade_rows[i].closed);
			assert_int_equal(
				closed_of(rd, upgrade_rows[i].appid, DRV_DATABASE),
				REC_CLOSED_KNOWN);
		}
		assert_int_equal(store_count(rd, STORE_BUCKET),
				 UPGRADE_ROWS + UPGRADE_MANY);
		for (size_t i = 0; i < UPGRADE_MANY; i++) {
			char name[DRV_BUCKET_NAME_SIZE];

			(void)snprintf(name, sizeof(name), "b%zu", UPGRADE_ROWS + i);
			read_bucket(rd, "large1", name, &rec);
			assert_int_equal(rec.quota_bytes, UPGRADE_ROWS + i);
		}
		store_read_end(rd);
		store_close(s);
	}
}

/* A store from before there were brakes has none, and the older program keeps off it. */
static void
test_schema_2_is_upgraded(void **state)
{
	struct fixture *f = *state;
	struct store_options opt = support_options(f->dir);
	struct store_read *rd;
	struct store *s;
	struct td_err err;
	struct raw raw;

	make_store(f);
	raw_open(f, &raw);
	drop_table(&raw, "brake");
	drop_table(&raw, "budget");
	set_schema(&raw, 2);
	raw_close(&raw);
	s = support_open(&opt);
	assert_int_equal(store_read_begin(s, &rd, NULL), TD_OK);
	assert_int_equal(store_count(rd, STORE_BRAKE), 0);
	assert_int_equal(store_count(rd, STORE_BUDGET), 0);
	assert_int_equal(store_count(rd, STORE_TENANT), 50);
	store_read_end(rd);
	store_close(s);
	raw_open(f, &raw);
	assert_int_equal(get_schema(&raw), 3);
	raw_close(&raw);
	assert_int_equal(try_open(f, &err), TD_OK);
}

static void
test_a_store_without_its_records(void **state)
{
	static const char *const names[] = { "store.schema", "store.clock",
					     "store.instance" };
	struct fixture *f = *state;
	struct td_err err;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct raw raw;

		make_store(f);
		raw_open(f, &raw);
		raw_del(&raw, raw.meta, names[i]);
		raw_close(&raw);
		assert_int_equal(try_open(f, &err), TD_CORRUPT);
		support_remove(f->dir);
		assert_int_equal(mkdir(f->dir, 0700), 0);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_a_second_process_is_refused),
		T(test_a_lock_goes_with_its_process),
		T(test_modes_of_what_is_made),
		T(test_options_out_of_range),
		T(test_damaged_meta_pages),
		T(test_a_zeroed_meta_page),
		T(test_a_zeroed_root_page),
		T(test_a_short_file),
		T(test_a_lost_file_is_not_a_new_store),
		T(test_a_file_that_is_no_store),
		T(test_a_newer_schema_is_refused_untouched),
		T(test_schema_0_is_upgraded),
		T(test_schema_1_is_upgraded),
		T(test_schema_2_is_upgraded),
		T(test_a_store_without_its_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
