/*
 * The API over real sockets: tokens and what they open; expired ones go.
 */
#include "test_api_support.h"

#include "api/internal.h"
#include "base/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct reply_text r;

static void
test_credentials(void **state)
{
	struct bed *bed = *state;
	char token[48], header[160], etag[80];
	const char *at;

	make_tenant(bed, "cred01");
	make_token(bed, "runtime", "cred01", token);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"database\":{\"uri\":\"mongodb://cred01"));
	assert_non_null(strstr(r.text, "?authSource=cred01&replicaSet=rs0"));
	assert_non_null(strstr(r.text, "\"volume\":null"));
	assert_non_null(strstr(r.text, "Cache-Control: no-store"));
	at = strstr(r.text, "ETag: ");
	assert_non_null(at);
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
	snprintf(header, sizeof(header), "If-None-Match: %s\r\n", etag);
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials",
			       .token = token,
			       .headers = header },
	    &r);
	assert_int_equal(r.status, 304);
	/* One tag per format. */
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?format=env",
			       .token = token,
			       .headers = header },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\nOSS_REGION='us-east-1'\n"));
	/* As the AWS SDKs send it. */
	snprintf(header, sizeof(header), "Authorization: %s\r\n", token);
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?format=aws",
			       .headers = header },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"Token\":\"\",\"Expiration\":\"20"));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?appid=cred01",
			       .token = token },
	    &r);
	expect_code(&r, 403, "forbidden");
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tenants/cred01", .token = token },
	    &r);
	expect_code(&r, 403, "forbidden");
}

static void
test_not_ready_and_long_poll_until_ready(void **state)
{
	struct bed *bed = *state;
	char token[48];
	int fd;

	bed_hold();
	begin_tenant(bed, "slow01");
	make_token(bed, "runtime", "slow01", token);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	expect_code(&r, 503, "not_ready");
	assert_non_null(strstr(r.text, "Retry-After: "));
	fd = client_connect(bed);
	client_ask(fd, &(struct request){ .method = "GET",
					  .path = "/v1/credentials",
					  .token = token,
					  .headers = "Prefer: wait=60\r\n" });
	assert_false(client_closed(fd, 300));
	bed_release();
	client_read(fd, &r, 20000);
	assert_int_equal(r.status, 200);
	close(fd);
}

static void
test_tokens(void **state)
{
	struct bed *bed = *state;
	char id[20], token[48], path[64], header[160], etag[80];
	const char *at;
	int fd;

	make_tenant(bed, "tok001");
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tokens",
			       .token = bed->admin,
			       .body = "{\"role\":\"runtime\",\"appid\":\"tok001\","
				       "\"label\":\"pod\",\"ttl_seconds\":60}" },
	    &r);
	assert_int_equal(r.status, 201);
	member_text(&r, "id", id, sizeof(id));
	member_text(&r, "token", token, sizeof(token));
	snprintf(path, sizeof(path), "/v1/tokens/%s", id);
	ask(bed, &(struct request){ .method = "GET", .path = path, .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	assert_null(strstr(r.text, token));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tokens?appid=tok001",
			       .token = bed->admin },
	    &r);
	assert_non_null(strstr(r.text, id));
	assert_null(strstr(r.text, token));
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/tokens?limit=1", .token = bed->admin },
	    &r);
	assert_null(strstr(r.text, "\"next\":null"));

	/* A long poll of a token that is deleted meanwhile ends with 401. */
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	at = strstr(r.text, "ETag: ");
	assert_non_null(at);
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
	snprintf(header, sizeof(header), "If-None-Match: %s\r\nPrefer: wait=60\r\n",
		 etag);
	fd = client_connect(bed);
	client_ask(fd, &(struct request){ .method = "GET",
					  .path = "/v1/credentials",
					  .token = token,
					  .headers = header });
	assert_false(client_closed(fd, 300));
	ask(bed,
	    &(struct request){ .method = "DELETE", .path = path, .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 204);
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 401);
	close(fd);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	expect_code(&r, 401, "unauthenticated");
	ask(bed,
	    &(struct request){ .method = "DELETE", .path = path, .token = bed->admin },
	    &r);
	expect_code(&r, 404, "not_found");
	/* Nobody saws off the branch he sits on. */
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tokens?limit=1000",
			       .token = bed->admin },
	    &r);
	at = strstr(r.text, "first admin token");
	assert_non_null(at);
	while (strncmp(at, "\"id\":\"", 6) != 0)
		at--;
	snprintf(path, sizeof(path), "/v1/tokens/%.16s", at + 6);
	ask(bed,
	    &(struct request){ .method = "DELETE", .path = path, .token = bed->admin },
	    &r);
	expect_code(&r, 409, "own_token");
}

/* ---- expired tokens ---- */

#define DAY_MS (INT64_C(24) * 3600 * 1000)

/* Put a token into the store as h_token.c would; its text is tnd_ and n in 43 digits. */
static void
plant(struct store *store, unsigned n, const char *appid, int64_t expires_ms)
{
	struct rec_token rec = { .role = REC_ROLE_RUNTIME, .expires_ms = expires_ms };
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	unsigned char hash[TD_SHA256_LEN], key[STORE_KEY_MAX];
	char text[API_TOKEN_LEN + 1];
	struct td_buf b;

	snprintf(rec.id, sizeof(rec.id), "%016x", n);
	snprintf(rec.appid, sizeof(rec.appid), "%s", appid);
	snprintf(text, sizeof(text), "tnd_%043u", n);
	td_sha256(text, API_TOKEN_LEN, hash);
	td_buf_init(&b, STORE_VALUE_MAX);
	rec_token_encode(&rec, &b);
	assert_int_equal(td_buf_rc(&b), TD_OK);
	store_commit_put(c, STORE_TOKEN, hash, sizeof(hash), b.data, b.len);
	store_commit_put(c, STORE_TOKEN_ID, rec.id, strlen(rec.id), hash, sizeof(hash));
	if (appid[0] != '\0')
		store_commit_put(c, STORE_TOKEN_TENANT, key,
				 rec_key_token_tenant(appid, rec.id, key), hash,
				 sizeof(hash));
	td_buf_done(&b);
	assert_int_equal(store_commit(store, c, NULL, NULL), TD_OK);
}

static uint64_t
count(struct store *store, enum store_table t)
{
	struct store_read *read = NULL;

	assert_int_equal(store_read_begin(store, &read, NULL), TD_OK);
	uint64_t n = store_count(read, t);
	store_read_end(read);
	return n;
}

/* One whole round at a time of the test's choice: tokens pruned, calls made. */
static unsigned
round_at(struct store *store, int64_t now_ms, unsigned *ret_calls)
{
	struct api_token_prune at = { "" };
	unsigned all = 0, calls = 0;

	do {
		unsigned n = 0;
		struct td_err err;

		assert_int_equal(api_prune_tokens(store, now_ms, &at, &n, &err), TD_OK);
		all += n;
		calls++;
		assert_true(calls < 100);
	} while (at.after[0] != '\0');
	if (ret_calls != NULL)
		*ret_calls = calls;
	return all;
}

static void
test_an_expired_token_is_refused_at_once_and_goes_a_week_later(void **state)
{
	struct bed *bed = *state;
	int64_t now = td_now_ms(td_env_system());
	char path[64], text[API_TOKEN_LEN + 1];

	make_tenant(bed, "exp001");
	uint64_t tokens = count(bed->store, STORE_TOKEN);
	plant(bed->store, 0xe1, "exp001", now - 1);
	plant(bed->store, 0xe2, "exp001", now + DAY_MS);
	plant(bed->store, 0xe3, "", 0);
	snprintf(text, sizeof(text), "tnd_%043u", 0xe1);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = text },
	    &r);
	expect_code(&r, 401, "unauthenticated");

	assert_int_equal(round_at(bed->store, now - 2 + API_TOKEN_KEEP_MS, NULL), 0);
	snprintf(path, sizeof(path), "/v1/tokens/%016x", 0xe1);
	ask(bed, &(struct request){ .method = "GET", .path = path, .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);

	assert_int_equal(round_at(bed->store, now - 1 + API_TOKEN_KEEP_MS, NULL), 1);
	ask(bed, &(struct request){ .method = "GET", .path = path, .token = bed->admin },
	    &r);
	expect_code(&r, 404, "not_found");
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tokens?appid=exp001",
			       .token = bed->admin },
	    &r);
	assert_null(strstr(r.text, "00000000000000e1"));
	assert_non_null(strstr(r.text, "00000000000000e2"));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/audit?appid=exp001&limit=1000",
			       .token = bed->admin },
	    &r);
	assert_non_null(strstr(r.text, "\"action\":\"token.prune\""));
	assert_non_null(strstr(r.text, "\"object\":\"00000000000000e1\""));
	assert_non_null(strstr(r.text, "\"role\":\"tenantd\""));
	assert_int_equal(count(bed->store, STORE_TOKEN), tokens + 2);
	assert_int_equal(count(bed->store, STORE_TOKEN_ID), tokens + 2);
}

static void
test_pruning_goes_in_bounded_steps(void **state)
{
	struct bed *bed = *state;
	int64_t now = td_now_ms(td_env_system());
	uint64_t tokens = count(bed->store, STORE_TOKEN);
	unsigned calls = 0;

	for (unsigned i = 0; i < 450; i++)
		plant(bed->store, 0x10000 + i, "", now - API_TOKEN_KEEP_MS - 1);
	assert_int_equal(round_at(bed->store, now, &calls), 450);
	assert_true(calls >= 3);
	assert_int_equal(count(bed->store, STORE_TOKEN), tokens);
}

/* An empty store is given a new admin token at the next start. */
static void
test_the_last_token_stays(void **state)
{
	struct bed *other = bed_new(&(struct bed_options){ 0 });
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	int64_t now = td_now_ms(td_env_system());
	unsigned char hash[TD_SHA256_LEN];
	struct td_err err = { 0 };
	char path[96];

	(void)state;
	plant(other->store, 0xa, "", 1);
	plant(other->store, 0xb, "", 1);
	td_sha256(other->admin, API_TOKEN_LEN, hash);
	store_commit_del(c, STORE_TOKEN, hash, sizeof(hash));
	assert_int_equal(store_commit(other->store, c, NULL, NULL), TD_OK);
	assert_int_equal(round_at(other->store, now, NULL), 1);
	assert_int_equal(round_at(other->store, now, NULL), 0);
	assert_int_equal(count(other->store, STORE_TOKEN), 1);
	snprintf(path, sizeof(path), "%s/second.token", other->dir);
	assert_int_equal(api_admin_token(other->store, td_env_system(), path, &err),
			 TD_OK);
	assert_int_not_equal(access(path, F_OK), 0);
	bed_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_not_ready_and_long_poll_until_ready),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(
			test_an_expired_token_is_refused_at_once_and_goes_a_week_later),
		cmocka_unit_test(test_pruning_goes_in_bounded_steps),
		cmocka_unit_test(test_the_last_token_stays),
	};

	return cmocka_run_group_tests(tests, bed_setup, bed_teardown);
}
