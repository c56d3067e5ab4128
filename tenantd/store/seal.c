/*
 * Sealing. Two layers of AES-256-GCM: the master key wraps a data key per tenant, the data
 * key seals that tenant's values. Nonces are random: a data key seals a few values per
 * rotation, the master key one value per tenant, both far from the 2^32 where random nonces
 * of 96 bits begin to be a risk.
 *
 * Associated data, in bytes: the word "tenantd", table, length and bytes of the appid,
 * resource, slot, serial (little-endian), and for documents the readable head. So a value
 * opens only where it was put.
 */
#include "seal_internal.h"

#include <stdlib.h>
#include <string.h>

#define AD_MAX 256
#define MASTER_NAME "master"
#define CHECK_TEXT "tenantd master key check"
#define OVERHEAD (TD_AEAD_NONCE_LEN + TD_AEAD_TAG_LEN)

_Static_assert(sizeof(((struct rec_datakey *)0)->wrapped) == OVERHEAD + TD_AEAD_KEY_LEN,
	       "a wrapped key is nonce, key and tag");
_Static_assert(REC_SEALED_MAX > OVERHEAD, "a slot holds some secret");

enum td_rc
seal_new(const struct td_env *env, const struct td_secret *master, struct seal **ret_seal,
	 struct td_err *reterr)
{
	unsigned char digest[TD_SHA256_LEN];
	struct seal *s;

	if (td_secret_len(master) != TD_AEAD_KEY_LEN)
		return td_err_set(reterr, TD_INVALID, "a master key has %d bytes",
				  TD_AEAD_KEY_LEN);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return td_err_set(reterr, TD_NOMEM, "no memory for the seal");
	s->env = env;
	s->master = td_secret_dup(master);
	if (s->master == NULL || seal_cache_init(&s->cache) != 0) {
		td_secret_free(s->master);
		free(s);
		return td_err_set(reterr, TD_NOMEM, "no memory for the seal");
	}
	td_sha256(td_secret_bytes(master), td_secret_len(master), digest);
	memcpy(s->master_id, digest, sizeof(s->master_id));
	explicit_bzero(digest, sizeof(digest));
	*ret_seal = s;
	return TD_OK;
}

void
seal_free(struct seal *s)
{
	if (s == NULL)
		return;
	seal_cache_done(&s->cache);
	td_secret_free(s->master);
	free(s);
}

enum td_rc
seal_read_master_file(const char *path, struct td_secret **ret_master,
		      struct td_err *reterr)
{
	TD_CLEAN_SECRET struct td_secret *text = NULL;
	unsigned char key[TD_AEAD_KEY_LEN];
	enum td_rc rc = td_secret_read_file(path, &text, reterr);

	if (rc != TD_OK) {
		td_err_prefix(reterr, "master key");
		return rc;
	}
	if (!td_hex_decode(td_secret_bytes(text), td_secret_len(text), key, sizeof(key)))
		return td_err_set(
			reterr, TD_INVALID,
			"master key: %s: not 64 hex digits (make one with: openssl "
			"rand -hex 32)",
			path);
	*ret_master = td_secret_new(key, sizeof(key));
	explicit_bzero(key, sizeof(key));
	return *ret_master != NULL ? TD_OK : td_err_set(reterr, TD_NOMEM, "master key");
}

/* ---- the primitive ---- */

static void
add_ad(struct td_buf *b, const struct seal_ad *ad, struct td_bytes bound)
{
	td_buf_str(b, "tenantd");
	td_buf_u8(b, (uint8_t)ad->table);
	td_buf_str8(b, ad->appid);
	td_buf_u8(b, ad->resource);
	td_buf_u8(b, ad->slot);
	td_buf_u64(b, ad->serial);
	td_buf_add(b, bound.data, bound.len);
}

static enum td_rc
close_with(const struct td_env *env, const unsigned char *key, struct td_bytes ad,
	   struct td_bytes data, struct td_buf *out)
{
	unsigned char nonce[TD_AEAD_NONCE_LEN];
	enum td_rc rc = TD_NOMEM;
	unsigned char *sealed = malloc(data.len + TD_AEAD_TAG_LEN);

	if (sealed == NULL)
		return rc;
	td_random(env, nonce, sizeof(nonce));
	rc = td_aead_seal(TD_AES_256_GCM, key, nonce, ad, data, sealed);
	if (rc == TD_OK) {
		td_buf_add(out, nonce, sizeof(nonce));
		td_buf_add(out, sealed, data.len + TD_AEAD_TAG_LEN);
		rc = td_buf_rc(out);
	}
	free(sealed);
	return rc;
}

/* Appends the plaintext to out, opened in place in its memory. */
static enum td_rc
open_with(const unsigned char *key, struct td_bytes ad, struct td_bytes sealed,
	  struct td_buf *out)
{
	const unsigned char *p = sealed.data;
	size_t at = out->len;
	size_t len;
	enum td_rc rc;

	if (sealed.len < OVERHEAD)
		return TD_CRYPTO;
	len = sealed.len - OVERHEAD;
	unsigned char *text = td_buf_space(out, len);
	if (text == NULL)
		return td_buf_rc(out);
	struct td_bytes in = { p + TD_AEAD_NONCE_LEN, sealed.len - TD_AEAD_NONCE_LEN };
	rc = td_aead_open(TD_AES_256_GCM, key, p, ad, in, text);
	if (rc != TD_OK)
		out->len = at;
	return rc;
}

/* ---- data keys ---- */

static const char datakey_ad[] = "tenantd data key ";

static void
add_datakey_ad(struct td_buf *b, const char *appid)
{
	td_buf_str(b, datakey_ad);
	td_buf_str(b, appid);
}

enum td_rc
seal_datakey_new(struct seal *s, const char *appid, struct rec_datakey *ret_rec,
		 struct td_err *reterr)
{
	unsigned char key[TD_AEAD_KEY_LEN];
	struct td_buf ad, out;
	enum td_rc rc;

	td_buf_init(&ad, AD_MAX);
	td_buf_init(&out, sizeof(ret_rec->wrapped));
	add_datakey_ad(&ad, appid);
	td_random(s->env, key, sizeof(key));
	rc = td_buf_rc(&ad);
	if (rc == TD_OK)
		rc = close_with(s->env, td_secret_bytes(s->master),
				(struct td_bytes){ ad.data, ad.len },
				(struct td_bytes){ key, sizeof(key) }, &out);
	explicit_bzero(key, sizeof(key));
	if (rc == TD_OK) {
		memcpy(ret_rec->master_id, s->master_id, sizeof(ret_rec->master_id));
		memcpy(ret_rec->wrapped, out.data, sizeof(ret_rec->wrapped));
	}
	td_buf_done(&ad);
	td_buf_done(&out);
	return rc == TD_OK ? TD_OK : td_err_set(reterr, rc, "a data key was not made");
}

static enum td_rc
unwrap_key(struct seal *s, const char *appid, const struct rec_datakey *dk,
	   unsigned char key[TD_AEAD_KEY_LEN], struct td_err *reterr)
{
	struct td_buf ad, out;
	enum td_rc rc;

	if (memcmp(dk->master_id, s->master_id, sizeof(s->master_id)) != 0)
		return td_err_set(
			reterr, TD_CRYPTO,
			"the data key of %s is wrapped under another master key", appid);
	td_buf_init(&ad, AD_MAX);
	td_buf_init_secret(&out, TD_AEAD_KEY_LEN);
	add_datakey_ad(&ad, appid);
	rc = td_buf_rc(&ad);
	if (rc == TD_OK)
		rc = open_with(
			td_secret_bytes(s->master), (struct td_bytes){ ad.data, ad.len },
			(struct td_bytes){ dk->wrapped, sizeof(dk->wrapped) }, &out);
	if (rc == TD_OK)
		memcpy(key, out.data, TD_AEAD_KEY_LEN);
	td_buf_done(&ad);
	td_buf_done(&out);
	return rc == TD_OK ? TD_OK
			   : td_err_set(reterr, rc, "the data key of %s does not open",
					appid);
}

enum td_rc
seal_unwrap(struct seal *s, const char *appid, const struct rec_datakey *dk,
	    struct seal_entry **ret_entry, struct td_err *reterr)
{
	size_t n = strnlen(appid, DRV_APPID_SIZE);
	struct seal_entry *e;
	enum td_rc rc;

	if (n == 0 || n == DRV_APPID_SIZE)
		return td_err_set(reterr, TD_INVALID, "an appid has 1 to %d bytes",
				  DRV_APPID_SIZE - 1);
	e = seal_cache_slot(&s->cache, appid);
	if (e == NULL)
		return td_err_set(reterr, TD_NOMEM, "no memory for data keys");
	if (strcmp(e->appid, appid) != 0 || memcmp(&e->record, dk, sizeof(*dk)) != 0) {
		explicit_bzero(e, sizeof(*e));
		rc = unwrap_key(s, appid, dk, e->key, reterr);
		if (rc != TD_OK)
			return rc;
		memcpy(e->appid, appid, n + 1);
		e->record = *dk;
	}
	*ret_entry = e;
	return TD_OK;
}

/* ---- values ---- */

enum td_rc
seal_close_bound(struct seal *s, const struct rec_datakey *dk, const struct seal_ad *ad,
		 struct td_bytes bound, struct td_bytes data, struct td_buf *out)
{
	struct seal_entry *e;
	struct td_buf b;
	enum td_rc rc = seal_unwrap(s, ad->appid, dk, &e, NULL);

	if (rc != TD_OK)
		return rc;
	td_buf_init(&b, AD_MAX);
	add_ad(&b, ad, bound);
	rc = td_buf_rc(&b);
	if (rc == TD_OK)
		rc = close_with(s->env, e->key, (struct td_bytes){ b.data, b.len }, data,
				out);
	td_buf_done(&b);
	return rc;
}

enum td_rc
seal_open_with(const unsigned char *key, const struct seal_ad *ad, struct td_bytes bound,
	       struct td_bytes sealed, struct td_buf *out)
{
	struct td_buf b;
	enum td_rc rc;

	td_buf_init(&b, AD_MAX);
	add_ad(&b, ad, bound);
	rc = td_buf_rc(&b);
	if (rc == TD_OK)
		rc = open_with(key, (struct td_bytes){ b.data, b.len }, sealed, out);
	td_buf_done(&b);
	return rc;
}

enum td_rc
seal_close(struct seal *s, const struct rec_datakey *dk, const struct seal_ad *ad,
	   struct td_bytes data, struct td_buf *out, struct td_err *reterr)
{
	enum td_rc rc =
		seal_close_bound(s, dk, ad, (struct td_bytes){ NULL, 0 }, data, out);

	return rc == TD_OK ? TD_OK
			   : td_err_set(reterr, rc, "a value of %s was not sealed",
					ad->appid);
}

enum td_rc
seal_open(struct seal *s, const struct rec_datakey *dk, const struct seal_ad *ad,
	  struct td_bytes sealed, struct td_buf *out, struct td_err *reterr)
{
	struct seal_entry *e;
	enum td_rc rc = seal_unwrap(s, ad->appid, dk, &e, reterr);

	if (rc != TD_OK)
		return rc;
	rc = seal_open_with(e->key, ad, (struct td_bytes){ NULL, 0 }, sealed, out);
	return rc == TD_OK ? TD_OK
			   : td_err_set(reterr, rc, "a sealed value of %s does not open",
					ad->appid);
}

enum td_rc
/* NOLINTNEXTLINE(readability-function-size): the contract has its parameters */
seal_slot_close(struct seal *s, const struct rec_datakey *dk, const char *appid,
		enum drv_resource r, enum drv_slot_id id, const struct td_secret *secret,
		struct rec_slot *slot, struct td_err *reterr)
{
	struct seal_ad ad = { .table = STORE_SLOT,
			      .appid = appid,
			      .resource = (uint8_t)r,
			      .slot = (uint8_t)id,
			      .serial = slot->serial };
	struct td_bytes data = { td_secret_bytes(secret), td_secret_len(secret) };
	struct td_buf out;
	enum td_rc rc;

	td_buf_init(&out, REC_SEALED_MAX);
	rc = seal_close(s, dk, &ad, data, &out, reterr);
	if (rc == TD_OK) {
		memset(slot->sealed, 0, sizeof(slot->sealed));
		memcpy(slot->sealed, out.data, out.len);
		slot->sealed_len = (uint16_t)out.len;
	}
	td_buf_done(&out);
	return rc;
}

enum td_rc
/* NOLINTNEXTLINE(readability-function-size): the contract has its parameters */
seal_slot_open(struct seal *s, const struct rec_datakey *dk, const char *appid,
	       enum drv_resource r, enum drv_slot_id id, const struct rec_slot *slot,
	       struct td_secret **ret_secret, struct td_err *reterr)
{
	struct seal_ad ad = { .table = STORE_SLOT,
			      .appid = appid,
			      .resource = (uint8_t)r,
			      .slot = (uint8_t)id,
			      .serial = slot->serial };
	struct td_bytes sealed = { slot->sealed, slot->sealed_len };
	struct td_buf out;
	enum td_rc rc;

	td_buf_init_secret(&out, REC_SEALED_MAX);
	rc = seal_open(s, dk, &ad, sealed, &out, reterr);
	if (rc == TD_OK) {
		*ret_secret = td_secret_new(out.data, out.len);
		if (*ret_secret == NULL)
			rc = td_err_set(reterr, TD_NOMEM, "no memory for a secret");
	}
	td_buf_done(&out);
	return rc;
}

/* ---- the master key against the store ---- */

static enum td_rc
write_check(struct seal *s, struct store *store, struct td_bytes ad,
	    struct td_err *reterr)
{
	struct td_buf out;
	enum td_rc rc;

	td_buf_init(&out, 256);
	rc = close_with(s->env, td_secret_bytes(s->master), ad,
			(struct td_bytes){ CHECK_TEXT, sizeof(CHECK_TEXT) - 1 }, &out);
	if (rc != TD_OK) {
		td_err_set(reterr, rc, "the check of the master key was not made");
	} else {
		struct store_commit *c = store_commit_new(STORE_RESERVE);
		if (c != NULL) {
			store_commit_expect(c, STORE_META, MASTER_NAME,
					    strlen(MASTER_NAME), 0);
			store_commit_put(c, STORE_META, MASTER_NAME, strlen(MASTER_NAME),
					 out.data, out.len);
		}
		rc = store_commit(store, c, NULL, reterr);
	}
	td_buf_done(&out);
	return rc;
}

static enum td_rc
read_check(struct seal *s, const struct store_value *v, struct td_bytes ad,
	   struct td_err *reterr)
{
	struct td_buf out;
	enum td_rc rc;

	td_buf_init(&out, 256);
	rc = open_with(td_secret_bytes(s->master), ad,
		       (struct td_bytes){ v->data, v->len }, &out);
	if (rc == TD_OK && (out.len != sizeof(CHECK_TEXT) - 1 ||
			    memcmp(out.data, CHECK_TEXT, out.len) != 0))
		rc = TD_CRYPTO;
	td_buf_done(&out);
	if (rc == TD_CRYPTO)
		td_err_set(
			reterr, rc,
			"this is not the master key that the store was made with; start "
			"with the right one (nothing was changed)");
	else if (rc != TD_OK)
		td_err_set(reterr, rc, "check of the master key");
	return rc;
}

enum td_rc
seal_check_master(struct seal *s, struct store *store, struct td_err *reterr)
{
	struct store_read *r;
	struct store_value v;
	struct td_buf b;
	struct td_bytes ad;
	bool used = false;
	enum td_rc rc;

	td_buf_init(&b, AD_MAX);
	td_buf_str(&b, "tenantd master ");
	td_buf_str(&b, store_instance_id(store));
	rc = td_buf_rc(&b);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "check of the master key");
	ad = (struct td_bytes){ b.data, b.len };
	rc = store_read_begin(store, &r, reterr);
	if (rc == TD_OK) {
		rc = store_get(r, STORE_META, MASTER_NAME, strlen(MASTER_NAME), &v,
			       reterr);
		if (rc == TD_OK && v.version != 0)
			rc = read_check(s, &v, ad, reterr);
		used = store_count(r, STORE_DATAKEY) > 0;
		store_read_end(r);
		if (rc == TD_OK && v.version == 0 && used)
			rc = td_err_set(
				reterr, TD_CORRUPT,
				"the store holds data keys, but the check of its master "
				"key is gone; restore it from a backup");
		else if (rc == TD_OK && v.version == 0)
			rc = write_check(s, store, ad, reterr);
	}
	td_buf_done(&b);
	return rc;
}
