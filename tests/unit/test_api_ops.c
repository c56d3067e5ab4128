/*
 * What an operator watches: /readyz and /metrics, when things go well and when they do not.
 */
#include "test_api_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct reply_text r;

static int
setup(void **state)
{
	*state = bed_new(&(struct bed_options){ .deny_map = true });
	return 0;
}

static void
get(const struct bed *bed, const char *path)
{
	ask(bed, &(struct request){ .method = "GET", .path = path }, &r);
}

/* The value of a series, name and labels; -1: it is not there. */
static double
figure(const struct bed *bed, const char *series)
{
	size_t len = strlen(series);

	get(bed, "/metrics");
	assert_int_equal(r.status, 200);
	for (const char *at = r.text; (at = strstr(at, series)) != NULL; at += len)
		if (at[-1] == '\n' && at[len] == ' ')
			return strtod(at + len, NULL);
	return -1;
}

static void
wait_for(const struct bed *bed, const char *series, double value)
{
	double now = -1;

	for (int i = 0; i < 6000; i++) {
		now = figure(bed, series);
		if (now >= value && now <= value)
			return;
		td_sleep_ms(td_env_system(), 10);
	}
	fail_msg("%s is %f, not %f", series, now, value);
}

/* One check of /readyz: is its line there with this ending? */
static void
readyz_says(const struct bed *bed, const char *line, int strict_status)
{
	get(bed, "/readyz?strict=true");
	assert_int_equal(r.status, strict_status);
	if (strstr(r.text, line) == NULL)
		fail_msg("no %s in %s", line, r.text);
}

static void
test_ops(void **state)
{
	struct bed *bed = *state;

	ask(bed, &(struct request){ .method = "GET", .path = "/readyz" }, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"ready\":true"));
	ask(bed, &(struct request){ .method = "GET", .path = "/metrics?x=1" }, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(
		strstr(r.text, "tenantd_http_requests_total{route=\"getReadiness\""));
	ask(bed, &(struct request){ .method = "GET", .path = "/openapi.yaml" }, &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "openapi: 3"));
}

static void
test_the_deny_map_is_watched(void **state)
{
	struct bed *bed = *state;
	char dir[96];

	/* Its folder is not there: the gateway would go on with an old file. */
	wait_for(bed, "tenantd_denymap_write_failing{region=\"default\"}", 1);
	readyz_says(bed,
		    "{\"name\":\"deny map default\",\"required\":false,\"ok\":false,"
		    "\"detail\":\"the file cannot be written",
		    503);
	get(bed, "/readyz");
	assert_int_equal(r.status, 200);
	snprintf(dir, sizeof(dir), "%s/gateway", bed->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	wait_for(bed, "tenantd_denymap_write_failing{region=\"default\"}", 0);
	readyz_says(bed, "{\"name\":\"deny map default\",\"required\":false,\"ok\":true,",
		    200);
	assert_int_equal((int)figure(bed, "tenantd_denymap_known{region=\"default\"}"),
			 1);
	assert_int_equal(
		(int)figure(bed, "tenantd_denymap_signal_failing{region=\"default\"}"),
		0);
	assert_int_equal(
		(int)figure(bed, "tenantd_denymap_signals_total{region=\"default\"}"), 0);
	double writes = figure(bed, "tenantd_denymap_writes_total{region=\"default\"}");
	make_tenant(bed, "deny01");
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tenants/deny01/suspend?wait=30",
			       .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	wait_for(bed, "tenantd_denymap_entries{region=\"default\"}", 1);
	wait_for(bed, "tenantd_denymap_writes_total{region=\"default\"}", writes + 1);
}

static void
test_a_refused_login_is_told_from_silence(void **state)
{
	struct bed *bed = *state;
	static const char refused[] =
		"tenantd_backend_login_refused{region=\"default\",resource=\"object\"}";
	static const char open[] =
		"tenantd_backend_circuit_open{region=\"default\",resource=\"object\"}";

	assert_int_equal((int)figure(bed, refused), 0);
	bed_fail(TD_BACKEND_AUTH);
	begin_tenant(bed, "login1");
	wait_for(bed, refused, 1);
	readyz_says(bed, "\"detail\":\"refuses tenantd's own login\"", 503);
	/* Silence says nothing about it. */
	bed_fail(TD_UNREACHABLE);
	wait_for(bed, open, 1);
	assert_int_equal((int)figure(bed, refused), 1);
	bed_fail(TD_OK);
	wait_for(bed, open, 0);
	assert_int_equal((int)figure(bed, refused), 0);
	wait_for(bed, "tenantd_engine_active", 0);
}

static void
test_a_tenant_that_does_not_get_on_is_counted(void **state)
{
	struct bed *bed = *state;

	assert_int_equal((int)figure(bed, "tenantd_engine_stuck"), 0);
	bed_fail(TD_BACKEND_REFUSED);
	begin_tenant(bed, "stuck1");
	begin_tenant(bed, "stuck2");
	wait_for(bed, "tenantd_engine_stuck", 2);
	bed_fail(TD_OK);
	wait_for(bed, "tenantd_engine_stuck", 0);
	/* Else what these two have left to do becomes foreign as well. */
	wait_for(bed, "tenantd_engine_active", 0);
	bed_fail(TD_FOREIGN);
	begin_tenant(bed, "stuck3");
	wait_for(bed, "tenantd_engine_stuck", 1);
	bed_fail(TD_OK);
	wait_for(bed, "tenantd_engine_stuck", 0);
}

static void
test_room_for_the_store(void **state)
{
	struct bed *bed = *state;

	assert_int_equal((int)figure(bed, "tenantd_store_reserve_bytes"), 16 << 20);
	assert_true(figure(bed, "tenantd_store_free_bytes") > 0);
	assert_true(figure(bed, "tenantd_store_used_bytes") > 0);
	assert_int_equal((int)figure(bed, "tenantd_store_broken"), 0);
	readyz_says(bed, "{\"name\":\"store writes\",\"required\":true,\"ok\":true,",
		    200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_deny_map_is_watched),
		cmocka_unit_test(test_ops),
		cmocka_unit_test(test_a_refused_login_is_told_from_silence),
		cmocka_unit_test(test_a_tenant_that_does_not_get_on_is_counted),
		cmocka_unit_test(test_room_for_the_store),
	};

	return cmocka_run_group_tests(tests, setup, bed_teardown);
}
