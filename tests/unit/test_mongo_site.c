/* URIs of operators, and what is made of them. */
#include "mongo/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define URI "mongodb://one:27017,two:27018/?replicaSet=rs0"

static const struct {
	const char *uri;
	enum td_rc rc;
	const char *detail; /* part of it */
	const char *why;
} rows[] = {
	{ URI, TD_OK, "", "members and set" },
	{ "mongodb://h/?tls=true&tlsCAFile=/ca.pem", TD_OK, "", "TLS" },
	{ "mongodb://h/?ssl=true", TD_OK, "", "its old name" },
	{ "mongodb://h/?directConnection=true", TD_OK, "", "a single member" },
	{ "mongodb://h/?authSource=other", TD_OK, "", "where our user is" },
	{ "mongodb://[::1]:27017/", TD_OK, "", "IPv6" },
	{ "mongodb://u:hunter2@h/", TD_INVALID, "credentials", "credentials in the uri" },
	{ "mongodb://u@h/", TD_INVALID, "credentials", "a user name is one too" },
	{ "mongodb+srv://h.example.com/", TD_INVALID, "mongodb+srv", "names from DNS" },
	{ "mongodb://h/?tlsAllowInvalidCertificates=true", TD_INVALID,
	  "tlsallowinvalidcertificates", "checks switched off" },
	{ "mongodb://h/?tlsInsecure=true", TD_INVALID, "tlsinsecure",
	  "checks switched off" },
	{ "mongodb://h/?socketTimeoutMS=0", TD_INVALID, "sockettimeoutms",
	  "our own business" },
	{ "mongodb://h/?compressors=zlib", TD_INVALID, "compressors", "zlib" },
	{ "mongodb://h/?readPreference=secondary", TD_INVALID, "read preference",
	  "we read at the primary" },
	{ "mongodb://h/?w=1", TD_INVALID, "unknown option w", "we write to a majority" },
	{ "mongodb://h/?retryWrites=true", TD_INVALID, "retrywrites", "not listed" },
	{ "http://h/", TD_INVALID, "not a uri", "another scheme" },
	{ "", TD_INVALID, "not a uri", "nothing" },
	{ NULL, TD_INVALID, "not a uri", "nothing at all" },
	{ "mongodb://h:99999/", TD_INVALID, "not a uri", "no port" },
};

static void
test_accepted_and_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mongo_site *site = NULL;
		struct td_err err = { 0 };
		enum td_rc rc = mongo_site_new(rows[i].uri, NULL, &site, &err);

		if (rc != rows[i].rc || (rc == TD_OK) != (site != NULL) ||
		    (rc != TD_OK && !strcasestr(err.detail, rows[i].detail)))
			fail_msg("%s: %s, %s", rows[i].why, td_rc_info(rc)->name,
				 err.detail);
		assert_null(strstr(err.detail, "hunter2"));
		mongo_site_free(site);
	}
}

/* An authMechanism without a user would let libmongoc look for credentials by itself. */
static void
test_no_other_mechanism(void **state)
{
	static const char *const uris[] = {
		"mongodb://h/?authMechanism=MONGODB-AWS",
		"mongodb://h/?authMechanism=MONGODB-X509",
		"mongodb://h/?authMechanism=GSSAPI",
		"mongodb://h/?authMechanism=SCRAM-SHA-1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		struct mongo_site *site = NULL;

		assert_int_equal(mongo_site_new(uris[i], NULL, &site, NULL), TD_INVALID);
		assert_null(site);
	}
}

static mongoc_uri_t *
build(const char *base, const char *ca, const struct mongo_address *at, const char *user,
      const char *password)
{
	struct mongo_times times = { .select_ms = 11, .connect_ms = 12, .socket_ms = 13 };
	struct td_secret *secret = td_secret_new(password, strlen(password));
	struct mongo_identity who = { .username = user,
				      .password = secret,
				      .auth_source = "abc123" };
	struct mongo_site *site = NULL;
	mongoc_uri_t *uri;

	assert_non_null(secret);
	assert_int_equal(mongo_site_new(base, ca, &site, NULL), TD_OK);
	uri = mongo_site_uri(site, at, &who, &times);
	mongo_site_free(site);
	td_secret_free(secret);
	return uri;
}

static void
test_of_the_set(void **state)
{
	mongoc_uri_t *uri = build(URI, NULL, NULL, "tenantd", "p@ss/w:rd?%");
	const mongoc_host_list_t *host;

	(void)state;
	assert_non_null(uri);
	assert_string_equal(mongoc_uri_get_username(uri), "tenantd");
	assert_string_equal(mongoc_uri_get_password(uri), "p@ss/w:rd?%");
	assert_string_equal(mongoc_uri_get_auth_source(uri), "abc123");
	assert_string_equal(mongoc_uri_get_auth_mechanism(uri), "SCRAM-SHA-256");
	assert_string_equal(mongoc_uri_get_replica_set(uri), "rs0");
	host = mongoc_uri_get_hosts(uri);
	assert_string_equal(host->host_and_port, "one:27017");
	assert_string_equal(host->next->host_and_port, "two:27018");
	assert_int_equal(mongoc_uri_get_option_as_int32(
				 uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 0),
			 11);
	assert_int_equal(
		mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 0), 12);
	assert_int_equal(
		mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, 0), 13);
	mongoc_uri_destroy(uri);
}

static void
test_of_one_member(void **state)
{
	struct mongo_address at = { .host = "two", .port = 27018 };
	struct mongo_address six = { .host = "::1", .port = 27019 };
	mongoc_uri_t *uri = build(URI "&tls=true&tlsCAFile=/ca.pem", NULL, &at, "u", "p");

	(void)state;
	assert_non_null(uri);
	assert_string_equal(mongoc_uri_get_hosts(uri)->host_and_port, "two:27018");
	assert_null(mongoc_uri_get_hosts(uri)->next);
	assert_null(mongoc_uri_get_replica_set(uri));
	assert_true(
		mongoc_uri_get_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, false));
	assert_true(mongoc_uri_get_tls(uri));
	assert_string_equal(mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, ""),
			    "/ca.pem");
	mongoc_uri_destroy(uri);
	uri = build(URI, NULL, &six, "u", "p");
	assert_non_null(uri);
	assert_string_equal(mongoc_uri_get_hosts(uri)->host, "::1");
	assert_int_equal(mongoc_uri_get_hosts(uri)->port, 27019);
	assert_false(mongoc_uri_get_tls(uri));
	mongoc_uri_destroy(uri);
}

static void
test_ca_file_means_tls(void **state)
{
	mongoc_uri_t *uri = build(URI, "/our-ca.pem", NULL, "u", "p");

	(void)state;
	assert_non_null(uri);
	assert_true(mongoc_uri_get_tls(uri));
	assert_string_equal(mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, ""),
			    "/our-ca.pem");
	mongoc_uri_destroy(uri);
}

static void
test_auth_source(void **state)
{
	struct mongo_site *site = NULL;

	(void)state;
	assert_int_equal(mongo_site_new(URI, NULL, &site, NULL), TD_OK);
	assert_string_equal(mongo_site_auth_source(site), "admin");
	mongo_site_free(site);
	assert_int_equal(mongo_site_new(URI "&authSource=ops", NULL, &site, NULL), TD_OK);
	assert_string_equal(mongo_site_auth_source(site), "ops");
	mongo_site_free(site);
}

/* A NUL would cut the password without anybody noticing. */
static void
test_password_with_nul(void **state)
{
	struct mongo_times times = { .select_ms = 1, .connect_ms = 1, .socket_ms = 1 };
	struct td_secret *secret = td_secret_new("abc\0def", 7);
	struct mongo_identity who = { .username = "u",
				      .password = secret,
				      .auth_source = "admin" };
	struct mongo_site *site = NULL;

	(void)state;
	assert_int_equal(mongo_site_new(URI, NULL, &site, NULL), TD_OK);
	assert_null(mongo_site_uri(site, NULL, &who, &times));
	mongo_site_free(site);
	td_secret_free(secret);
}

static void
silent(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
	(void)level;
	(void)domain;
	(void)message;
	(void)ctx;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted_and_refused),
		cmocka_unit_test(test_no_other_mechanism),
		cmocka_unit_test(test_of_the_set),
		cmocka_unit_test(test_of_one_member),
		cmocka_unit_test(test_ca_file_means_tls),
		cmocka_unit_test(test_auth_source),
		cmocka_unit_test(test_password_with_nul),
	};
	int failed;

	mongoc_log_set_handler(silent, NULL);
	mongoc_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	mongoc_cleanup();
	return failed;
}
