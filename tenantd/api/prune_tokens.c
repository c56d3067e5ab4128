/*
 * Expired tokens are refused from their last moment on (auth.c); their records stay for a
 * while, so that a list still says whose token it was that stopped working. Then they go, a
 * few at a time, each with an audit entry in the same commit.
 *
 * The last token never goes: a store without any is what makes api_admin_token give out a new
 * admin token, and that must not come of mere waiting.
 */
#include "internal.h"

#include "base/crypto.h"

#include <string.h>

#define LOOK_MAX 2000 /* records read per call */
#define TAKE_MAX 200  /* records deleted per call, one commit */

struct prune {
	struct store_read *read;
	struct store_commit *commit;
	struct api_token_prune *at;
	int64_t now_ms;
	uint64_t stay; /* tokens that are left when the commit is through */
	unsigned looked, taken;
	bool more;
	struct td_buf entry;
};

static void
take(struct prune *p, const struct rec_token *rec, const unsigned char *hash,
     uint64_t version)
{
	struct rec_audit entry = { .time_ms = p->now_ms,
				   .action = API_AUDIT_TOKEN_PRUNE,
				   .count = 1 };

	/* Whoever deletes it meanwhile has changed the index: then nothing of this is done,
	 * and the next pass does the rest. */
	token_remove(p->commit, rec, hash, version);
	memcpy(entry.appid, rec->appid, sizeof(entry.appid));
	memcpy(entry.object, rec->id, sizeof(rec->id));
	memcpy(entry.detail, "expired", sizeof("expired"));
	td_buf_reset(&p->entry);
	rec_audit_encode(&entry, &p->entry);
	store_commit_audit(p->commit, p->entry.data, p->entry.len);
	p->taken++;
	p->stay--;
}

static enum td_rc
look_at(void *ctx, const void *key, size_t key_len, const struct store_value *index)
{
	struct prune *p = ctx;
	struct rec_token rec;
	struct store_value v;

	if (p->looked == LOOK_MAX || p->taken == TAKE_MAX) {
		p->more = true;
		return (enum td_rc)STORE_STOP;
	}
	p->looked++;
	/* What is damaged opens nothing, and must not keep the others. */
	if (key_len != sizeof(p->at->after) - 1 || index->len != TD_SHA256_LEN)
		return TD_OK;
	memcpy(p->at->after, key, key_len);
	enum td_rc rc =
		store_get(p->read, STORE_TOKEN, index->data, index->len, &v, NULL);
	if (rc != TD_OK || v.version == 0)
		return rc;
	if (rec_token_decode(v.data, v.len, &rec, NULL) != TD_OK)
		return TD_OK;
	if (rec.expires_ms != 0 && rec.expires_ms <= p->now_ms - API_TOKEN_KEEP_MS &&
	    p->stay > 1)
		take(p, &rec, index->data, index->version);
	return TD_OK;
}

enum td_rc
api_prune_tokens(struct store *store, int64_t now_ms, struct api_token_prune *at,
		 unsigned *ret_pruned, struct td_err *reterr)
{
	struct prune p = { .at = at, .now_ms = now_ms };
	char after[sizeof(at->after)];
	struct store_range range = { .after = after, .after_len = strlen(at->after) };
	enum td_rc rc = store_read_begin(store, &p.read, reterr);

	if (rc != TD_OK)
		return rc;
	memcpy(after, at->after, sizeof(after));
	p.commit = store_commit_new(STORE_RESERVE);
	td_buf_init(&p.entry, STORE_VALUE_MAX);
	p.stay = store_count(p.read, STORE_TOKEN);
	rc = p.commit == NULL
		     ? td_err_set(reterr, TD_NOMEM, "out of memory")
		     : store_walk(p.read, STORE_TOKEN_ID, &range, look_at, &p, reterr);
	store_read_end(p.read);
	if (!p.more)
		memset(at->after, 0, sizeof(at->after));
	td_buf_done(&p.entry);
	if (rc != TD_OK || p.taken == 0) {
		store_commit_free(p.commit);
	} else {
		rc = store_commit(store, p.commit, NULL, reterr);
		if (rc == TD_PRECONDITION) {
			p.taken = 0;
			rc = TD_OK;
		}
	}
	if (rc == TD_OK)
		*ret_pruned = p.taken;
	return rc;
}
