/*
 * A token is looked up by its SHA-256: what an attacker can time is the search for a hash
 * that he cannot choose, never a comparison with a secret. Each request reads the last
 * commit, so a deleted token is dead at once on every thread.
 */
#include "internal.h"

#include "base/crypto.h"

#include <string.h>

static void
count_refused(struct req *r)
{
	metrics_add(&r->t->metrics.refused_logins, 1);
	agg_count(r->t, &(struct agg_key){ .action = API_AUDIT_LOGIN_REFUSED,
					   .appid = "",
					   .token_id = "",
					   .address = r->conn->address });
}

/* Only keeps nonsense from the store: what is not one of ours is not found there. */
static bool
token_text_ok(const char *text, size_t len)
{
	return len == API_TOKEN_LEN && memcmp(text, "tnd_", 4) == 0;
}

/* The record behind r->token_hash. */
static enum td_rc
load(struct req *r, struct td_err *reterr)
{
	struct store_read *read = NULL;
	struct store_value v = { 0 };
	enum td_rc rc = store_read_begin(r->t->api->store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	rc = store_get(read, STORE_TOKEN, r->token_hash, sizeof(r->token_hash), &v,
		       reterr);
	if (rc == TD_OK && v.version == 0)
		rc = td_err_set(reterr, TD_UNAUTHENTICATED, "unknown token");
	if (rc == TD_OK)
		rc = rec_token_decode(v.data, v.len, &r->token, reterr);
	store_read_end(read);
	if (rc == TD_OK && r->token.expires_ms != 0 &&
	    r->token.expires_ms <= td_now_ms(r->t->api->env))
		rc = td_err_set(reterr, TD_UNAUTHENTICATED, "expired token");
	r->authed = rc == TD_OK;
	return rc;
}

enum td_rc
auth_request(struct req *r, struct td_err *reterr)
{
	const char *text = NULL;
	size_t len = 0;
	enum td_rc rc;

	if (MHD_lookup_connection_value_n(r->mhd, MHD_HEADER_KIND, "Authorization",
					  sizeof("Authorization") - 1, &text,
					  &len) == MHD_NO ||
	    text == NULL)
		return td_err_set(reterr, TD_UNAUTHENTICATED, "no token");
	if (len > 7 && strncasecmp(text, "Bearer ", 7) == 0) {
		text += 7;
		len -= 7;
		while (len > 0 && *text == ' ') {
			text++;
			len--;
		}
	} else if ((r->route->flags & API_BARE_TOKEN) == 0) {
		count_refused(r);
		return td_err_set(reterr, TD_UNAUTHENTICATED, "not a bearer token");
	}
	if (!token_text_ok(text, len)) {
		count_refused(r);
		return td_err_set(reterr, TD_UNAUTHENTICATED, "malformed token");
	}
	td_sha256(text, len, r->token_hash);
	rc = load(r, reterr);
	if (rc == TD_UNAUTHENTICATED)
		count_refused(r);
	return rc;
}

enum td_rc
auth_again(struct req *r, struct td_err *reterr)
{
	return load(r, reterr);
}
