/*
 * The member that answered last is asked first; one that does not is passed over until
 * the next one fails. Connections are kept in a pool, one per request under way.
 */
#include "minio/client.h"

#include "minio/keyring.h"
#include "minio/sealed.h"

#include "base/http.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_MIN 3    /* of one request, whatever the number of members */
#define MEMBER_TRIES 2 /* where it must be that member */
#define KEY_SWITCHES 2 /* per request: to what the files hold, then to the other pair */
#define BACKOFF_MS 50  /* doubled with every round, plus as much jitter */
#define BACKOFF_MAX_MS 1000
#define MEMBER_TIMEOUT_MS 10000 /* for one member, when there are others to ask */
#define REPLY_CEILING (1 << 20)
#define BODY_CEILING (1 << 20)
#define URL_CEILING 10240
#define POOL_MAX 32
#define ENDPOINT_MAX 300

struct endpoint {
	char *url;  /* without a trailing slash */
	char *host; /* as curl sends it: without the scheme's own port */
};

struct minio_client {
	const struct td_env *env;
	const struct drv_trace *trace;
	char *region;
	char *ca_file;
	struct endpoint endpoints[MINIO_ENDPOINTS_MAX];
	size_t endpoint_count;
	struct keyring *keys;
	atomic_size_t preferred;
	pthread_mutex_t lock; /* over what follows */
	struct td_http *pool[POOL_MAX];
	size_t pool_count;
};

/* ---- making and ending ---- */

static bool
copy(char **out, const char *text)
{
	if (!text)
		return true;
	*out = strdup(text);
	return *out != NULL;
}

static enum td_rc
endpoint_init(struct endpoint *e, const char *url, struct td_err *reterr)
{
	static const struct {
		const char *scheme;
		const char *port;
	} known[] = { { "http://", ":80" }, { "https://", ":443" } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t scheme_len = strlen(known[i].scheme);
		size_t port_len = strlen(known[i].port);
		size_t len = strlen(url);
		size_t host_len;

		if (strncmp(url, known[i].scheme, scheme_len) != 0)
			continue;
		if (len > scheme_len && url[len - 1] == '/')
			len--;
		host_len = len - scheme_len;
		if (host_len == 0 || len > ENDPOINT_MAX ||
		    strcspn(url + scheme_len, "/?#@ \t\r\n") < host_len)
			break;
		e->url = strndup(url, len);
		if (host_len > port_len &&
		    strncmp(url + len - port_len, known[i].port, port_len) == 0)
			host_len -= port_len;
		e->host = strndup(url + scheme_len, host_len);
		if (!e->url || !e->host)
			return td_err_set(reterr, TD_NOMEM, "no memory for an endpoint");
		return TD_OK;
	}
	return td_err_set(
		reterr, TD_INVALID,
		"minio endpoint %.100s: http://HOST[:PORT] or https:// is expected", url);
}

static enum td_rc
options_check(const struct minio_driver_options *opt, struct td_err *reterr)
{
	if (opt->endpoint_count < 1 || opt->endpoint_count > MINIO_ENDPOINTS_MAX)
		return td_err_set(reterr, TD_INVALID,
				  "minio: 1 to %d endpoints are expected",
				  MINIO_ENDPOINTS_MAX);
	return TD_OK;
}

enum td_rc
minio_client_new(const struct minio_driver_options *opt, struct minio_client **ret,
		 struct td_err *reterr)
{
	struct minio_client *c;
	enum td_rc rc;

	rc = options_check(opt, reterr);
	if (rc != TD_OK)
		return rc;
	c = calloc(1, sizeof(*c));
	if (!c)
		return td_err_set(reterr, TD_NOMEM, "no memory for a client");
	pthread_mutex_init(&c->lock, NULL);
	c->env = opt->env ? opt->env : td_env_system();
	c->trace = opt->trace;
	if (!copy(&c->region, opt->region ? opt->region : "us-east-1") ||
	    !copy(&c->ca_file, opt->ca_file))
		rc = td_err_set(reterr, TD_NOMEM, "no memory for a client");
	for (size_t i = 0; rc == TD_OK && i < opt->endpoint_count; i++) {
		c->endpoint_count++;
		rc = endpoint_init(&c->endpoints[i], opt->endpoints[i], reterr);
	}
	if (rc == TD_OK)
		rc = keyring_new(&opt->current, &opt->next, &c->keys, reterr);
	if (rc != TD_OK) {
		minio_client_free(c);
		return rc;
	}
	*ret = c;
	return TD_OK;
}

void
minio_client_free(struct minio_client *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->endpoint_count; i++) {
		free(c->endpoints[i].url);
		free(c->endpoints[i].host);
	}
	for (size_t i = 0; i < c->pool_count; i++)
		td_http_free(c->pool[i]);
	keyring_free(c->keys);
	free(c->region);
	free(c->ca_file);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

enum td_rc
minio_client_reread(struct minio_client *c, struct td_err *reterr)
{
	return keyring_reread(c->keys, reterr);
}

bool
minio_client_is_self(struct minio_client *c, const char *access_key)
{
	struct credential *own = keyring_take(c->keys);
	bool same = strcmp(td_secret_bytes(own->access_key), access_key) == 0;

	keyring_give(c->keys, own);
	return same;
}

const struct td_env *
minio_client_env(const struct minio_client *c)
{
	return c->env;
}

size_t
minio_client_members(const struct minio_client *c)
{
	return c->endpoint_count;
}

int64_t
minio_call_left(const struct minio_call *call)
{
	int64_t left = call->deadline_mono_ms - td_mono_ms(call->client->env);

	return left > 0 ? left : 0;
}

/* ---- connections ---- */

static enum td_rc
pool_take(struct minio_client *c, struct td_http **ret, struct td_err *reterr)
{
	struct td_http_options opt = { .ca_file = c->ca_file };
	struct td_http *http = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->pool_count > 0)
		http = c->pool[--c->pool_count];
	pthread_mutex_unlock(&c->lock);
	if (!http)
		return td_http_new(&opt, ret, reterr);
	*ret = http;
	return TD_OK;
}

static void
pool_give(struct minio_client *c, struct td_http *http)
{
	pthread_mutex_lock(&c->lock);
	if (c->pool_count < POOL_MAX) {
		c->pool[c->pool_count++] = http;
		http = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	td_http_free(http);
}

/* ---- one try ---- */

struct attempt {
	const struct minio_call *call;
	const struct minio_request *req;
	const struct endpoint *endpoint;
	const struct sigv4_key *key;
	int64_t timeout_ms;
};

static enum td_rc
send_signed(const struct attempt *a, const struct sigv4_signed *s, struct td_bytes body,
	    struct td_http_reply *ret, struct td_err *reterr)
{
	struct td_http_header headers[TD_HTTP_MAX_HEADERS];
	struct minio_client *c = a->call->client;
	struct td_http_request http_req = {
		.method = a->req->method,
		.headers = headers,
		.body = body.data,
		.body_len = body.len,
		.timeout_ms = a->timeout_ms,
		.reply_ceiling =
			a->req->reply_ceiling ? a->req->reply_ceiling : REPLY_CEILING,
	};
	struct td_http *http;
	struct td_buf url;
	size_t n = 0;
	enum td_rc rc;

	headers[n++] = (struct td_http_header){ "Authorization",
						td_buf_cstr(&s->authorization) };
	headers[n++] = (struct td_http_header){ "X-Amz-Date", s->date };
	if (a->req->service != SIGV4_STS)
		headers[n++] =
			(struct td_http_header){ "X-Amz-Content-Sha256", s->body_hash };
	if (a->key->session_token)
		headers[n++] =
			(struct td_http_header){ "X-Amz-Security-Token",
						 td_secret_bytes(a->key->session_token) };
	if (a->req->content_type)
		headers[n++] =
			(struct td_http_header){ "Content-Type", a->req->content_type };
	for (size_t i = 0; i < a->req->header_count; i++)
		headers[n++] = (struct td_http_header){ a->req->headers[i].name,
							a->req->headers[i].value };
	http_req.header_count = n;

	td_buf_init(&url, URL_CEILING);
	td_buf_str(&url, a->endpoint->url);
	td_buf_str(&url, td_buf_cstr(&s->target));
	rc = td_buf_rc(&url);
	if (rc == TD_OK)
		rc = pool_take(c, &http, reterr);
	else
		td_err_set(reterr, rc, "minio %s: url", a->req->what);
	if (rc == TD_OK) {
		http_req.url = td_buf_cstr(&url);
		rc = td_http_do(http, &http_req, ret, reterr);
		pool_give(c, http);
	}
	td_buf_done(&url);
	return rc;
}

/* An answer of 2xx that is sealed becomes clear. */
static enum td_rc
reply_open(const struct attempt *a, struct minio_answer *answer, struct td_err *reterr)
{
	struct td_buf clear;
	enum td_rc rc;

	td_buf_init_secret(&clear, answer->body.ceiling);
	rc = sealed_read(a->key->secret,
			 (struct td_bytes){ answer->body.data, answer->body.len }, &clear,
			 reterr);
	td_buf_done(&answer->body);
	answer->body = clear;
	if (rc != TD_OK)
		td_err_prefix(reterr, "minio %s", a->req->what);
	return rc;
}

static bool
is_success(int status)
{
	return status >= 200 && status <= 299;
}

static enum td_rc
exchange(const struct attempt *a, struct td_bytes body, struct minio_answer *ret,
	 struct td_err *reterr)
{
	struct minio_client *c = a->call->client;
	const struct minio_request *req = a->req;
	struct sigv4_request to_sign = {
		.method = req->method,
		.host = a->endpoint->host,
		.path = req->path,
		.params = req->params,
		.param_count = req->param_count,
		.headers = req->headers,
		.header_count = req->header_count,
		.body = body,
		.service = req->service,
		.region = c->region,
		.now_ms = td_now_ms(c->env),
	};
	struct td_http_reply reply = { 0 };
	struct sigv4_signed s;
	int64_t began;
	enum td_rc rc;

	rc = sigv4_sign(a->key, &to_sign, &s, reterr);
	if (rc != TD_OK)
		return rc;
	began = td_mono_ms(c->env);
	rc = send_signed(a, &s, body, &reply, reterr);
	if (c->trace)
		c->trace->call(c->trace->ctx, "minio", req->what,
			       (td_mono_ms(c->env) - began) * 1000,
			       rc == TD_OK ? reply.status : 0);
	sigv4_signed_done(&s);
	if (rc != TD_OK) {
		td_err_prefix(reterr, "minio %s", req->what);
		return rc;
	}
	memset(ret, 0, sizeof(*ret));
	ret->status = reply.status;
	ret->body = reply.body; /* moved, with its memory */
	if (!is_success(ret->status))
		minio_fault_parse(ret->body.data, ret->body.len, &ret->fault);
	else if (req->reply_form == MINIO_SEALED)
		rc = reply_open(a, ret, reterr);
	if (rc != TD_OK)
		minio_answer_done(ret);
	return rc;
}

static enum td_rc
attempt_run(const struct attempt *a, struct minio_answer *ret, struct td_err *reterr)
{
	struct td_buf sealed;
	enum td_rc rc;

	if (a->req->body_form == MINIO_PLAIN)
		return exchange(a, a->req->body, ret, reterr);
	td_buf_init(&sealed, BODY_CEILING);
	rc = sealed_write(a->call->client->env, a->key->secret, a->req->body, &sealed,
			  reterr);
	if (rc == TD_OK)
		rc = exchange(a, (struct td_bytes){ sealed.data, sealed.len }, ret,
			      reterr);
	td_buf_done(&sealed);
	return rc;
}

void
minio_answer_done(struct minio_answer *a)
{
	td_buf_done(&a->body);
}

/* ---- trying again ---- */

enum verdict { FINAL, SWITCH_KEY, AGAIN };

static enum verdict
judge(const struct minio_request *req, enum td_rc rc, const struct minio_answer *answer)
{
	if (rc == TD_UNREACHABLE || rc == TD_TIMEOUT)
		return AGAIN;
	if (rc != TD_OK || is_success(answer->status))
		return FINAL;
	if (!req->as && minio_fault_is_auth(answer->status, &answer->fault))
		return SWITCH_KEY;
	return minio_fault_retryable(answer->status, &answer->fault) ? AGAIN : FINAL;
}

static void
pause_before(const struct minio_call *call, unsigned tries)
{
	const struct td_env *env = call->client->env;
	size_t members = call->client->endpoint_count;
	int64_t ms = BACKOFF_MS;

	/* The first round over all members needs no pause. */
	if (tries < members)
		return;
	for (size_t i = members; i < tries && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	ms += (int64_t)td_random_below(env, (uint64_t)ms);
	if (ms > minio_call_left(call))
		ms = minio_call_left(call);
	td_sleep_ms(env, ms);
}

/* Another request may have moved on already: then its choice is as good. */
static void
member_pass_over(struct minio_client *c, size_t member)
{
	size_t next = (member + 1) % c->endpoint_count;

	atomic_compare_exchange_strong(&c->preferred, &member, next);
}

static void
attempt_prepare(struct attempt *a, size_t member)
{
	const struct minio_client *c = a->call->client;

	a->endpoint = &c->endpoints[member];
	a->timeout_ms = minio_call_left(a->call);
	if (a->timeout_ms > MEMBER_TIMEOUT_MS && a->req->member == MINIO_ANY_MEMBER &&
	    c->endpoint_count > 1)
		a->timeout_ms = MEMBER_TIMEOUT_MS;
}

/* One try with the right key; tells in *ret_verdict what to make of it. */
static enum td_rc
try_once(struct attempt *a, struct minio_answer *ret, enum verdict *ret_verdict,
	 struct td_err *reterr)
{
	struct minio_client *c = a->call->client;
	struct credential *own = NULL;
	struct sigv4_key own_key;
	enum td_rc rc;

	a->key = a->req->as;
	if (!a->key) {
		own = keyring_take(c->keys);
		own_key = (struct sigv4_key){ .access_key =
						      td_secret_bytes(own->access_key),
					      .secret = own->secret };
		a->key = &own_key;
	}
	rc = attempt_run(a, ret, reterr);
	*ret_verdict = judge(a->req, rc, ret);
	if (rc == TD_OK && *ret_verdict != FINAL) {
		rc = minio_fault_rc(ret->status, &ret->fault, a->req->what, reterr);
		minio_answer_done(ret);
	}
	if (*ret_verdict == SWITCH_KEY && !keyring_renew(c->keys, own))
		*ret_verdict = FINAL;
	keyring_give(c->keys, own);
	a->key = NULL;
	return rc;
}

enum td_rc
minio_client_do(const struct minio_call *call, const struct minio_request *req,
		struct minio_answer *ret, struct td_err *reterr)
{
	struct minio_client *c = call->client;
	struct attempt a = { .call = call, .req = req };
	unsigned tries_max = MEMBER_TRIES;
	unsigned switches = 0;
	unsigned tries = 0;
	enum td_rc rc = TD_OK;

	if (req->member == MINIO_ANY_MEMBER)
		tries_max = TRIES_MIN + (unsigned)c->endpoint_count - 1;
	while (minio_call_left(call) > 0) {
		size_t member = req->member >= 0 ? (size_t)req->member
						 : atomic_load(&c->preferred);
		struct minio_answer answer = { 0 };
		enum verdict verdict;

		attempt_prepare(&a, member);
		rc = try_once(&a, &answer, &verdict, reterr);
		if (verdict == FINAL ||
		    (verdict == SWITCH_KEY && ++switches > KEY_SWITCHES)) {
			if (rc == TD_OK)
				*ret = answer;
			return rc;
		}
		if (verdict == SWITCH_KEY)
			continue;
		if (++tries == tries_max)
			return rc;
		if (req->member == MINIO_ANY_MEMBER)
			member_pass_over(c, member);
		pause_before(call, tries);
	}
	if (rc != TD_OK)
		return rc; /* what the last try met says more than that the time is up */
	return td_err_set(reterr, TD_TIMEOUT, "minio %s: no time left", req->what);
}

enum td_rc
minio_client_expect(const struct minio_call *call, const struct minio_request *req,
		    struct minio_answer *ret, struct td_err *reterr)
{
	struct minio_answer answer = { 0 };
	enum td_rc rc;

	rc = minio_client_do(call, req, &answer, reterr);
	if (rc != TD_OK)
		return rc;
	if (!is_success(answer.status)) {
		rc = minio_fault_rc(answer.status, &answer.fault, req->what, reterr);
		minio_answer_done(&answer);
		return rc;
	}
	if (ret)
		*ret = answer;
	else
		minio_answer_done(&answer);
	return TD_OK;
}
