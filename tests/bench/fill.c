/*
 * Fills an empty state folder with settled tenants, as tenantd would have left them, so
 * that a benchmark can start with a million of them; and writes the runtime token of each
 * to a file.
 *
 * usage: bench_fill STATE_DIR MASTER_KEY_FILE COUNT TOKENS_FILE
 */
#include "base/crypto.h"
#include "store/seal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PER_COMMIT 250

struct fill {
	struct store *store;
	struct seal *seal;
	FILE *tokens;
	struct store_commit *c;
	struct td_buf buf;
	struct td_err err;
};

static void
die(const char *what, const struct td_err *err)
{
	(void)fprintf(stderr, "bench_fill: %s: %s\n", what, err->detail);
	exit(1);
}

static void
put(struct fill *f, enum store_table t, const void *key, size_t len)
{
	if (td_buf_rc(&f->buf) != TD_OK)
		die("encode", &f->err);
	store_commit_put(f->c, t, key, len, f->buf.data, f->buf.len);
	td_buf_reset(&f->buf);
}

static void
add_parts(struct fill *f, const char *appid, const struct rec_datakey *dk)
{
	static const enum drv_slot_id ids[2][2] = { { DRV_SLOT_PARENT, DRV_SLOT_A },
						    { DRV_SLOT_A, DRV_SLOT_A } };
	unsigned char key[STORE_KEY_MAX];

	for (int r = 0; r <= DRV_DATABASE; r++) {
		struct rec_resource res = { .claimed = 1,
					    .access = DRV_ACCESS_FULL,
					    .access_known = 1,
					    .observed_generation = 1 };
		res.cond[REC_COND_READY].status = 1;
		res.cond[REC_COND_READY].since_ms = 1;
		(void)stpncpy(res.cond[REC_COND_READY].reason, "AsDesired",
			      DRV_REASON_SIZE - 1);
		rec_resource_encode(&res, &f->buf);
		put(f, STORE_RESOURCE, key,
		    rec_key_resource(appid, (enum drv_resource)r, key));
		for (int i = 0; i < (r == DRV_OBJECT ? 2 : 1); i++) {
			struct rec_slot slot = { .serial = 1, .state = REC_SLOT_LIVE };
			struct td_secret *s = td_secret_random_alnum(td_env_system(), 40);

			(void)stpncpy(slot.key_id, appid, sizeof(slot.key_id) - 1);
			if (seal_slot_close(f->seal, dk, appid, (enum drv_resource)r,
					    ids[r][i], s, &slot, &f->err) != TD_OK)
				die("seal", &f->err);
			td_secret_free(s);
			rec_slot_encode(&slot, &f->buf);
			put(f, STORE_SLOT, key,
			    rec_key_slot(appid, (enum drv_resource)r, ids[r][i], key));
		}
	}
}

static void
add_token(struct fill *f, const char *appid)
{
	unsigned char raw[32], hash[TD_SHA256_LEN], key[STORE_KEY_MAX];
	char text[4 + TD_B64URL_LEN(32) + 1] = "tnd_";
	struct rec_token t = { .role = REC_ROLE_RUNTIME, .created_ms = 1 };

	td_random(td_env_system(), raw, sizeof(raw));
	td_b64url(raw, sizeof(raw), text + 4);
	td_sha256(text, strlen(text), hash);
	td_random(td_env_system(), raw, 8);
	for (int i = 0; i < 8; i++)
		(void)snprintf(t.id + 2 * i, 3, "%02x", raw[i]);
	memcpy(t.appid, appid, strlen(appid) + 1);
	(void)stpncpy(t.label, "bench", sizeof(t.label) - 1);
	rec_token_encode(&t, &f->buf);
	put(f, STORE_TOKEN, hash, sizeof(hash));
	store_commit_put(f->c, STORE_TOKEN_ID, t.id, 16, hash, sizeof(hash));
	size_t n = rec_key_prefix(appid, key);
	memcpy(key + n, t.id, 16);
	store_commit_put(f->c, STORE_TOKEN_TENANT, key, n + 16, hash, sizeof(hash));
	(void)fprintf(f->tokens, "%s\n", text);
}

static void
add_credential(struct fill *f, const char *appid, const struct rec_datakey *dk)
{
	struct rec_cred_head head = { .state = REC_CRED_READY,
				      .serial = 1,
				      .region = "default" };
	struct rec_cred doc = { .has_object = 1,
				.has_database = 1,
				.bucket_total = 1,
				.bucket_count = 1,
				.buckets = { { .name = "data" } } };

	(void)stpncpy(doc.access_key, "ABCDEFGHIJKLMNOPQRST", sizeof(doc.access_key) - 1);
	memset(doc.secret_key, 's', 40);
	memset(doc.password, 'p', 64);
	memcpy(doc.username, appid, strlen(appid) + 1);
	memcpy(doc.database, appid, strlen(appid) + 1);
	if (seal_cred_put(f->seal, dk, appid, &head, &doc, f->c, &f->err) != TD_OK)
		die("seal", &f->err);
}

static void
add_tenant(struct fill *f, uint64_t number)
{
	unsigned char key[STORE_KEY_MAX];
	char appid[DRV_APPID_SIZE];
	struct rec_datakey dk;
	struct rec_tenant t = { .number = number,
				.plan = "standard",
				.region = "default",
				.phase = REC_CREATED,
				.generation = 1,
				.observed_generation = 1,
				.created_ms = 1,
				.bucket_count = 1,
				.credential_serial = 1 };
	struct rec_bucket b = { .state = REC_BUCKET_OURS,
				.observed = 1,
				.created_ms = 1 };

	(void)snprintf(appid, sizeof(appid), "b%09" PRIu64, number);
	if (seal_datakey_new(f->seal, appid, &dk, &f->err) != TD_OK)
		die("data key", &f->err);
	rec_datakey_encode(&dk, &f->buf);
	put(f, STORE_DATAKEY, key, rec_key_appid(appid, key));
	rec_tenant_encode(&t, &f->buf);
	put(f, STORE_TENANT, key, rec_key_appid(appid, key));
	rec_bucket_encode(&b, &f->buf);
	put(f, STORE_BUCKET, key, rec_key_bucket(appid, "data", key));
	add_parts(f, appid, &dk);
	add_credential(f, appid, &dk);
	add_token(f, appid);
}

int
main(int argc, char **argv)
{
	struct td_secret *master = NULL;
	struct fill f = { 0 };
	char dir[4096];

	if (argc != 5) {
		(void)fputs(
			"usage: bench_fill STATE_DIR MASTER_KEY_FILE COUNT TOKENS_FILE\n",
			stderr);
		return 2;
	}
	uint64_t count = strtoull(argv[3], NULL, 10);
	(void)mkdir(argv[1], 0700);
	(void)snprintf(dir, sizeof(dir), "%s/store", argv[1]);
	f.tokens = fopen(argv[4], "w");
	td_buf_init(&f.buf, STORE_VALUE_MAX);
	if (f.tokens == NULL ||
	    seal_read_master_file(argv[2], &master, &f.err) != TD_OK ||
	    seal_new(td_env_system(), master, &f.seal, &f.err) != TD_OK ||
	    store_open(&(struct store_options){ .dir = dir,
						.map_bytes = UINT64_C(64) << 30,
						.max_bytes = UINT64_C(32) << 30,
						.reserve_bytes = 1 << 26,
						.max_readers = 64,
						.env = td_env_system() },
		       &f.store, &f.err) != TD_OK ||
	    seal_check_master(f.seal, f.store, &f.err) != TD_OK)
		die("open", &f.err);
	for (uint64_t i = 1; i <= count; i++) {
		if (f.c == NULL)
			f.c = store_commit_new(STORE_NORMAL);
		add_tenant(&f, i);
		if (i % PER_COMMIT == 0 || i == count) {
			if (store_commit(f.store, f.c, NULL, &f.err) != TD_OK)
				die("commit", &f.err);
			f.c = NULL;
		}
	}
	store_close(f.store);
	seal_free(f.seal);
	td_secret_free(master);
	td_buf_done(&f.buf);
	return fclose(f.tokens) == 0 ? 0 : 1;
}
