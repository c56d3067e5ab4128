/*
 * AssumeRole is a signed form post to the root path, for the service `sts`. The answer is
 * opaque but for its expiry.
 */
#include "minio/sts.h"

#include "minio/listing.h"

#include <stdio.h>
#include <string.h>

#define FORM "application/x-www-form-urlencoded"
#define BODY_MAX (4 * STS_POLICY_MAX)

static enum td_rc
key_from_text(const struct sts_text *text, struct sts_key *ret, struct td_err *reterr)
{
	struct sts_key key = { 0 };

	if (!td_time_parse(text->expiration, &key.expires_ms))
		return td_err_set(reterr, TD_CORRUPT,
				  "minio: expiration of temporary key");
	snprintf(key.access_key, sizeof(key.access_key), "%s", text->access_key);
	key.secret = td_secret_new(text->secret_key, strlen(text->secret_key));
	key.session_token =
		td_secret_new(text->session_token, strlen(text->session_token));
	if (!key.secret || !key.session_token) {
		sts_key_done(&key);
		return td_err_set(reterr, TD_NOMEM, "no memory for a temporary key");
	}
	*ret = key;
	return TD_OK;
}

enum td_rc
sts_assume_role(const struct minio_call *call, const struct sts_wish *wish,
		struct sts_key *ret, struct td_err *reterr)
{
	struct sigv4_header headers[] = { { "content-type", FORM } };
	struct minio_request req = {
		.what = "assume-role",
		.method = "POST",
		.path = "/",
		.headers = headers,
		.header_count = 1,
		.service = SIGV4_STS,
		.as = wish->parent,
		.member = MINIO_ANY_MEMBER,
	};
	struct sts_text text;
	struct minio_answer a;
	struct td_buf body;
	enum td_rc rc;

	if (wish->seconds < STS_SECONDS_MIN || wish->seconds > STS_SECONDS_MAX)
		return td_err_set(reterr, TD_INVALID, "temporary key for %u seconds",
				  wish->seconds);
	if (wish->policy && strlen(wish->policy) > STS_POLICY_MAX)
		return td_err_set(reterr, TD_TOO_LARGE, "session policy of %zu bytes",
				  strlen(wish->policy));
	td_buf_init(&body, BODY_MAX);
	td_buf_fmt(&body, "Action=AssumeRole&Version=2011-06-15&DurationSeconds=%u",
		   wish->seconds);
	if (wish->policy) {
		td_buf_str(&body, "&Policy=");
		td_buf_uri(&body, wish->policy, strlen(wish->policy), TD_URI_COMPONENT);
	}
	rc = td_buf_rc(&body);
	if (rc == TD_OK) {
		req.body = (struct td_bytes){ body.data, body.len };
		rc = minio_client_expect(call, &req, &a, reterr);
	} else {
		td_err_set(reterr, rc, "assume-role: body");
	}
	td_buf_done(&body);
	if (rc != TD_OK)
		return rc;
	rc = sts_parse(td_buf_cstr(&a.body), a.body.len, &text, reterr);
	minio_answer_done(&a);
	if (rc == TD_OK)
		rc = key_from_text(&text, ret, reterr);
	explicit_bzero(&text, sizeof(text));
	return rc;
}

void
sts_key_done(struct sts_key *key)
{
	td_secret_free(key->secret);
	td_secret_free(key->session_token);
	key->secret = NULL;
	key->session_token = NULL;
}
