/*
 * The credential document in chunks.
 *
 * Chunk 0 is: length of the head (one byte), head, and the sealed bytes that fit; the other
 * chunks are the rest. All are written in one commit, so a snapshot never holds a mixture.
 * The head is readable without a key and bound to the seal: a head that somebody changed
 * does not go with its document. It brings the wrapped data key along: a B-tree walk less.
 */
#include "seal_internal.h"

#include <stdlib.h>
#include <string.h>

#define CHUNKS_MAX 4
#define DOC_MAX (CHUNKS_MAX * STORE_VALUE_MAX)

/* One chunk, or its deletion when there is nothing left. */
static void
put_chunk(struct store_commit *c, const char *appid, uint8_t chunk, struct td_bytes part)
{
	unsigned char key[STORE_KEY_MAX];
	size_t n = rec_key_credential(appid, chunk, key);

	if (part.len > 0)
		store_commit_put(c, STORE_CREDENTIAL, key, n, part.data, part.len);
	else
		store_commit_del(c, STORE_CREDENTIAL, key, n);
}

static void
put_chunks(struct store_commit *c, const char *appid, const struct td_buf *head,
	   const struct td_buf *sealed)
{
	unsigned char first[STORE_VALUE_MAX];
	size_t room = sizeof(first) - 1 - head->len;
	size_t at = sealed->len < room ? sealed->len : room;

	first[0] = (unsigned char)head->len;
	memcpy(first + 1, head->data, head->len);
	if (at > 0)
		memcpy(first + 1 + head->len, sealed->data, at);
	put_chunk(c, appid, 0, (struct td_bytes){ first, 1 + head->len + at });
	for (uint8_t i = 1; i < CHUNKS_MAX; i++) {
		size_t n = sealed->len - at;

		if (n > STORE_VALUE_MAX)
			n = STORE_VALUE_MAX;
		put_chunk(c, appid, i,
			  (struct td_bytes){ n > 0 ? sealed->data + at : NULL, n });
		at += n;
	}
}

static struct seal_ad
cred_ad(const char *appid, uint64_t serial)
{
	return (struct seal_ad){ .table = STORE_CREDENTIAL,
				 .appid = appid,
				 .serial = serial };
}

enum td_rc
/* NOLINTNEXTLINE(readability-function-size): the contract has its parameters */
seal_cred_put(struct seal *s, const struct rec_datakey *dk, const char *appid,
	      const struct rec_cred_head *head, const struct rec_cred *doc,
	      struct store_commit *c, struct td_err *reterr)
{
	struct seal_ad ad = cred_ad(appid, head->serial);
	struct rec_cred_head h = *head;
	struct td_buf plain, top, sealed;
	enum td_rc rc = TD_OK;

	td_buf_init_secret(&plain, DOC_MAX);
	td_buf_init(&top, UINT8_MAX);
	td_buf_init(&sealed, DOC_MAX);
	if (doc != NULL) {
		rec_cred_encode(doc, &plain);
		rc = td_buf_rc(&plain);
	}
	h.total_len =
		doc == NULL ? 0
			    : (uint32_t)(plain.len + TD_AEAD_NONCE_LEN + TD_AEAD_TAG_LEN);
	h.datakey = *dk;
	rec_cred_head_encode(&h, &top);
	if (rc == TD_OK)
		rc = td_buf_rc(&top);
	if (rc == TD_OK && doc != NULL)
		rc = seal_close_bound(s, dk, &ad, (struct td_bytes){ top.data, top.len },
				      (struct td_bytes){ plain.data, plain.len },
				      &sealed);
	if (rc == TD_OK)
		put_chunks(c, appid, &top, &sealed);
	else
		td_err_set(reterr, rc, "the credential document of %s was not sealed",
			   appid);
	td_buf_done(&plain);
	td_buf_done(&top);
	td_buf_done(&sealed);
	return rc;
}

/* A document that is being read: what it belongs to and what chunk 0 holds, borrowed. */
struct opened {
	struct seal_ad ad;
	const struct rec_datakey *datakey;
	size_t total;	      /* sealed bytes over all chunks */
	struct td_bytes head; /* encoded */
	struct td_bytes rest; /* sealed bytes of this chunk */
};

static enum td_rc
damaged(const char *appid, struct td_err *reterr)
{
	return td_err_set(reterr, TD_CORRUPT, "the credential document of %s is damaged",
			  appid);
}

static enum td_rc
read_head(const struct store_value *v, const char *appid, struct opened *ret_parts,
	  struct rec_cred_head *ret_head, struct td_err *reterr)
{
	struct td_cur cur = td_cur_make(v->data, v->len);
	size_t n = td_cur_u8(&cur);
	const void *head = td_cur_bytes(&cur, n);

	if (head == NULL)
		return damaged(appid, reterr);
	ret_parts->head = (struct td_bytes){ head, n };
	ret_parts->rest = (struct td_bytes){ cur.p, cur.left };
	return rec_cred_head_decode(head, n, ret_head, reterr);
}

/* Add the other chunks to what chunk 0 holds. */
static enum td_rc
gather(struct store_read *r, const struct opened *parts, struct td_buf *out,
       struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	td_buf_add(out, parts->rest.data, parts->rest.len);
	for (uint8_t i = 1; i < CHUNKS_MAX && out->len < parts->total && rc == TD_OK;
	     i++) {
		unsigned char key[STORE_KEY_MAX];
		struct store_value v;

		rc = store_get(r, STORE_CREDENTIAL, key,
			       rec_key_credential(parts->ad.appid, i, key), &v, reterr);
		if (rc == TD_OK)
			td_buf_add(out, v.data, v.len);
	}
	if (rc == TD_OK && td_buf_rc(out) != TD_OK)
		rc = td_err_set(reterr, td_buf_rc(out), "a credential document");
	return rc;
}

static enum td_rc
open_document(struct seal *s, const struct opened *parts, struct td_bytes sealed,
	      struct td_buf *plain, struct td_err *reterr)
{
	const struct seal_ad *ad = &parts->ad;
	struct seal_entry *e;
	enum td_rc rc = seal_unwrap(s, ad->appid, parts->datakey, &e, reterr);

	if (rc != TD_OK)
		return rc;
	rc = seal_open_with(e->key, ad, parts->head, sealed, plain);
	if (rc != TD_OK)
		td_err_set(reterr, rc, "the credential document of %s does not open",
			   ad->appid);
	return rc;
}

static enum td_rc
read_document(struct seal *s, struct store_read *r, const struct opened *parts,
	      struct rec_cred *doc, struct td_err *reterr)
{
	struct td_bytes sealed = parts->rest;
	struct td_buf all, plain;
	enum td_rc rc = TD_OK;

	td_buf_init(&all, DOC_MAX);
	td_buf_init_secret(&plain, DOC_MAX);
	if (sealed.len < parts->total) {
		rc = gather(r, parts, &all, reterr);
		sealed = (struct td_bytes){ all.data, all.len };
	}
	if (rc == TD_OK && sealed.len != parts->total)
		rc = damaged(parts->ad.appid, reterr);
	if (rc == TD_OK)
		rc = open_document(s, parts, sealed, &plain, reterr);
	if (rc == TD_OK)
		rc = rec_cred_decode(plain.data, plain.len, doc, reterr);
	td_buf_done(&all);
	td_buf_done(&plain);
	return rc;
}

enum td_rc
/* NOLINTNEXTLINE(readability-function-size): the contract has its parameters */
seal_cred_get(struct seal *s, struct store_read *r, const char *appid,
	      struct rec_cred_head *ret_head, struct rec_cred *doc, uint64_t *ret_version,
	      struct td_err *reterr)
{
	unsigned char key[STORE_KEY_MAX];
	struct rec_cred_head head;
	struct opened parts = { 0 };
	struct store_value v;
	enum td_rc rc;

	rc = store_get(r, STORE_CREDENTIAL, key, rec_key_credential(appid, 0, key), &v,
		       reterr);
	if (rc != TD_OK)
		return rc;
	if (v.version == 0)
		return td_err_set(reterr, TD_NOT_FOUND, "%s has no credential document",
				  appid);
	rc = read_head(&v, appid, &parts, &head, reterr);
	if (rc != TD_OK)
		return rc;
	if (doc != NULL && head.total_len == 0) {
		memset(doc, 0, sizeof(*doc));
	} else if (doc != NULL) {
		parts.ad = cred_ad(appid, head.serial);
		parts.datakey = &head.datakey;
		parts.total = head.total_len;
		rc = read_document(s, r, &parts, doc, reterr);
		if (rc != TD_OK)
			return rc;
	}
	*ret_head = head;
	if (ret_version != NULL)
		*ret_version = v.version;
	return TD_OK;
}
