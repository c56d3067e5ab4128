/* Values of options, and where tenantd is: ctl/values.c, ctl/settings.c. */
#include "check.h"
#include "ctl/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef enum td_rc (*add_fn)(struct json_t *to, const char *text, struct td_err *err);

/* What adding text to an empty value gives, as JSON; "" when it is refused. */
static const char *
added(add_fn add, json_t *to, const char *text, char out[256])
{
	struct td_err err = { 0 };
	char *json;

	out[0] = '\0';
	if (add(to, text, &err) == TD_OK) {
		json = json_dumps(to, JSON_COMPACT | JSON_SORT_KEYS);
		assert_non_null(json);
		assert_true(strlen(json) < 256);
		memcpy(out, json, strlen(json) + 1);
		free(json);
	} else {
		assert_true(err.detail[0] != '\0');
	}
	json_decref(to);
	return out;
}

static void
buckets_labels_and_limits(void **state)
{
	static const struct {
		add_fn add;
		const char *text;
		const char *json;
	} rows[] = {
		{ ctl_bucket_add, "data", "[{\"name\":\"data\"}]" },
		{ ctl_bucket_add, "web:readonly",
		  "[{\"mode\":\"readonly\",\"name\":\"web\"}]" },
		{ ctl_bucket_add, "web:private:10Gi",
		  "[{\"mode\":\"private\",\"name\":\"web\",\"quota_bytes\":10737418240}"
		  "]" },
		{ ctl_bucket_add, "web:private:500M",
		  "[{\"mode\":\"private\",\"name\":\"web\",\"quota_bytes\":500000000}]" },
		{ ctl_bucket_add, "web:", "" },
		{ ctl_bucket_add, ":private", "" },
		{ ctl_bucket_add, "web:private:", "" },
		{ ctl_bucket_add, "web::1", "" },
		{ ctl_bucket_add, "web:private:1:2", "" },
		{ ctl_bucket_add, "web:private:much", "" },
		{ ctl_bucket_add, "web:private:-1", "" },
		{ ctl_bucket_add, "web:private:16Ei", "" },
		{ ctl_bucket_add, "\xff", "" },
		{ ctl_label_add, "team=x", "{\"team\":\"x\"}" },
		{ ctl_label_add, "team=", "{\"team\":\"\"}" },
		{ ctl_label_add, "a=b=c", "{\"a\":\"b=c\"}" },
		{ ctl_label_add, "team", "" },
		{ ctl_label_add, "=x", "" },
		{ ctl_label_add, "team=\xff", "" },
		{ ctl_limit_add, "object_bytes=10Gi", "{\"object_bytes\":10737418240}" },
		{ ctl_limit_add, "buckets=0", "{\"buckets\":0}" },
		{ ctl_limit_add, "requests_per_second=unlimited",
		  "{\"requests_per_second\":\"unlimited\"}" },
		{ ctl_limit_add, "object_bytes=9223372036854775807",
		  "{\"object_bytes\":9223372036854775807}" },
		{ ctl_limit_add, "object_bytes=9223372036854775808", "" },
		{ ctl_limit_add, "object_bytes=10 Gi", "" },
		{ ctl_limit_add, "object_bytes=", "" },
		{ ctl_limit_add, "object_bytes", "" },
	};

	(void)state;
	for (EACH(row, rows)) {
		json_t *to = row->add == ctl_bucket_add ? json_array() : json_object();
		char out[256];

		CHECK(row->text,
		      strcmp(added(row->add, to, row->text, out), row->json) == 0);
	}
}

static void
one_thing_is_not_said_twice(void **state)
{
	json_t *labels = json_object();
	struct td_err err;

	(void)state;
	assert_int_equal(ctl_label_add(labels, "a=1", &err), TD_OK);
	assert_int_equal(ctl_label_add(labels, "a=2", &err), TD_INVALID);
	assert_string_equal(err.detail, "a is given twice");
	json_decref(labels);
}

static void
times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0: refused */
	} rows[] = {
		{ "90", 90000 },
		{ "90s", 90000 },
		{ "15m", 900000 },
		{ "250ms", 250 },
		{ "12h", 43200000 },
		{ "30d", 2592000000 },
		{ "0", 0 },
		{ "0s", 0 },
		{ "-5", 0 },
		{ "5 s", 0 },
		{ "soon", 0 },
		{ "", 0 },
		{ "99999999999999999999", 0 },
		{ "9223372036854775807", 0 },
	};

	(void)state;
	for (EACH(row, rows)) {
		int64_t ms = -1;
		enum td_rc rc = ctl_duration(row->text, &ms, NULL);

		CHECK(row->text, (rc == TD_OK) == (row->ms != 0));
		CHECK(row->text, rc != TD_OK || ms == row->ms);
	}
}

static void
urls(void **state)
{
	static const struct {
		const char *text;
		const char *url; /* NULL: refused */
		const char *socket;
	} rows[] = {
		{ "http://127.0.0.1:8460", "http://127.0.0.1:8460", "" },
		{ "http://127.0.0.1:8460/", "http://127.0.0.1:8460", "" },
		{ "https://tenantd.example.org", "https://tenantd.example.org", "" },
		{ "http://[::1]:8460", "http://[::1]:8460", "" },
		{ "unix:/run/tenantd/control.sock", "http://localhost",
		  "/run/tenantd/control.sock" },
		{ "unix:control.sock", NULL, NULL },
		{ "127.0.0.1:8460", NULL, NULL },
		{ "ftp://127.0.0.1", NULL, NULL },
		{ "http://", NULL, NULL },
		{ "http:///", NULL, NULL },
		{ "http://h/path", NULL, NULL },
		{ "http://h?x=1", NULL, NULL },
		{ "http://user:password@h", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct ctl_settings set = { 0 };
		enum td_rc rc = ctl_url_set(row->text, &set, NULL);

		CHECK(row->text, (rc == TD_OK) == (row->url != NULL));
		CHECK(row->text, rc != TD_OK || strcmp(set.url, row->url) == 0);
		CHECK(row->text,
		      rc != TD_OK || strcmp(set.unix_socket, row->socket) == 0);
	}
}

static void
the_control_listener_is_found(void **state)
{
	static const struct {
		const char *says;
		const char *text;
		const char *url; /* NULL: none */
		const char *socket;
	} rows[] = {
		{ "the one named control",
		  "pods 127.0.0.1:1\ncontrol 127.0.0.1:2\nops [::1]:3\n",
		  "http://127.0.0.1:2", "" },
		{ "the first when none is", "pods 127.0.0.1:1\nops 127.0.0.1:3\n",
		  "http://127.0.0.1:1", "" },
		{ "a unix socket", "control /run/tenantd/control.sock\n",
		  "http://localhost", "/run/tenantd/control.sock" },
		{ "one that says its scheme", "control https://h:1\n", "https://h:1",
		  "" },
		{ "without a newline at the end", "control 127.0.0.1:2",
		  "http://127.0.0.1:2", "" },
		{ "an empty file", "", NULL, NULL },
		{ "a line without address", "control\n", NULL, NULL },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct ctl_settings set = { 0 };
		bool found = ctl_listener_pick(row->text, &set);

		CHECK(row->says, found == (row->url != NULL));
		CHECK(row->says, !found || strcmp(set.url, row->url) == 0);
		CHECK(row->says, !found || strcmp(set.unix_socket, row->socket) == 0);
	}
}

static void
statuses_become_exit_statuses(void **state)
{
	static const struct {
		int http;
		enum ctl_exit ex;
	} rows[] = {
		{ 200, CTL_OK },       { 202, CTL_OK },	       { 400, CTL_ERROR },
		{ 401, CTL_DENIED },   { 403, CTL_DENIED },    { 404, CTL_NOT_FOUND },
		{ 409, CTL_CONFLICT }, { 410, CTL_NOT_FOUND }, { 412, CTL_CONFLICT },
		{ 422, CTL_ERROR },    { 429, CTL_ERROR },     { 503, CTL_ERROR },
	};

	(void)state;
	for (EACH(row, rows))
		assert_int_equal(ctl_exit_of_status(row->http), row->ex);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_labels_and_limits),
		cmocka_unit_test(one_thing_is_not_said_twice),
		cmocka_unit_test(times),
		cmocka_unit_test(urls),
		cmocka_unit_test(the_control_listener_is_found),
		cmocka_unit_test(statuses_become_exit_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
