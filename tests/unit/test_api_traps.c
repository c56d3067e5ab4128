/*
 * What goes wrong with the HTTP library when it is driven naively, and with clients that
 * mean harm: each was seen, each stays fixed. The figures are those of the library:
 * it takes 128 events at a time.
 */
#include "test_api_support.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct reply_text r;

static int64_t
now_ms(void)
{
	return td_mono_ms(td_env_system());
}

/* Exactly n connections that are all ready at once, several times over: with the library's own
 * loop, the answers come only when some other event wakes it. */
static void
ready_at_once(struct bed *bed, unsigned n)
{
	int fds[512];
	int64_t began;

	assert_true(n <= 512);
	for (unsigned i = 0; i < n; i++)
		fds[i] = client_connect(bed);
	began = now_ms();
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < n; i++)
			client_send(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
		for (unsigned i = 0; i < n; i++) {
			client_read(fds[i], &r, 5000);
			assert_int_equal(r.status, 200);
		}
	}
	/* A stall is seconds; sanitizers are not. */
	assert_true(now_ms() - began < 20000);
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static void
test_no_stall_at_multiples_of_128(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){ 0 });

	(void)state;
	ready_at_once(bed, 127);
	ready_at_once(bed, 128);
	ready_at_once(bed, 256);
	bed_free(bed);
}

/* 128 long polls resumed by one change, each by its own thread: none is left asleep. */
static void
test_resume_wakes_the_loop(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){ .threads = 2 });
	char token[48];
	int fds[128];

	(void)state;
	bed_hold();
	begin_tenant(bed, "wake01");
	make_token(bed, "runtime", "wake01", token);
	for (unsigned i = 0; i < 128; i++) {
		fds[i] = client_connect(bed);
		client_ask(fds[i], &(struct request){ .method = "GET",
						      .path = "/v1/credentials",
						      .token = token,
						      .headers = "Prefer: wait=60\r\n" });
	}
	assert_false(client_closed(fds[127], 300));
	bed_release();
	for (unsigned i = 0; i < 128; i++) {
		client_read(fds[i], &r, 20000);
		assert_int_equal(r.status, 200);
		close(fds[i]);
	}
	bed_free(bed);
}

struct stopper {
	struct bed *bed;
	int64_t took;
};

static void *
stop_it(void *ctx)
{
	struct stopper *s = ctx;
	int64_t began = now_ms();

	api_stop(s->bed->api);
	s->took = now_ms() - began;
	return NULL;
}

/* The library aborts the process when it is stopped with a suspended connection. */
static void
test_stop_answers_those_that_wait(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){ .threads = 2 });
	struct stopper s = { .bed = bed };
	char token[48];
	int fds[40];
	pthread_t tid;

	(void)state;
	bed_hold();
	begin_tenant(bed, "stop01");
	make_token(bed, "runtime", "stop01", token);
	for (unsigned i = 0; i < 40; i++) {
		fds[i] = client_connect(bed);
		if (i < 20)
			client_ask(fds[i],
				   &(struct request){ .method = "GET",
						      .path = "/v1/credentials",
						      .token = token,
						      .headers = "Prefer: wait=60\r\n" });
		else if (i < 30)
			client_ask(fds[i], &(struct request){
						   .method = "GET",
						   .path = "/v1/tenants/stop01?wait=60",
						   .token = bed->admin });
		/* the last ten never say a word */
	}
	assert_false(client_closed(fds[0], 300));
	assert_false(client_closed(fds[29], 300));
	assert_int_equal(pthread_create(&tid, NULL, stop_it, &s), 0);
	for (unsigned i = 0; i < 30; i++) {
		client_read(fds[i], &r, 5000);
		assert_int_equal(r.status, 503);
		assert_non_null(strstr(r.text, "Retry-After: "));
		assert_true(client_closed(fds[i], 5000));
	}
	for (unsigned i = 30; i < 40; i++)
		assert_true(client_closed(fds[i], 5000));
	assert_int_equal(pthread_join(tid, NULL), 0);
	assert_true(s.took < 5000);
	for (unsigned i = 0; i < 40; i++)
		close(fds[i]);
	bed_free(bed);
}

static void
drip(struct bed *bed, const char *head, const char *byte, int64_t least, int64_t most)
{
	int fd = client_connect(bed);
	int64_t began = now_ms();

	client_send(fd, head);
	while (!client_closed(fd, 50)) {
		client_send(fd, byte);
		if (now_ms() - began > most)
			fail_msg("still open after %lld ms: %.40s",
				 (long long)(now_ms() - began), head);
	}
	if (now_ms() - began < least)
		fail_msg("cut after %lld ms: %.40s", (long long)(now_ms() - began), head);
	close(fd);
}

/* Each byte restarts the library's timeout, none ours. */
static void
test_dripping_clients_are_cut(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){
		.limits = { .header_ms = 600, .body_ms = 900, .idle_ms = 1200 } });
	char line[300];
	int fd;

	(void)state;
	drip(bed, "", "G", 400, 10000);
	drip(bed, "GET /healthz HTTP/1.1\r\n", "x", 400, 10000);
	snprintf(line, sizeof(line),
		 "POST /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
		 "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n",
		 bed->admin);
	drip(bed, line, " ", 600, 10000);
	/* Between two requests: as long as idle_ms, bytes or not. */
	fd = client_connect(bed);
	client_send(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 200);
	assert_false(client_closed(fd, 800));
	assert_true(client_closed(fd, 10000));
	close(fd);
	bed_free(bed);
}

static void
test_large_headers(void **state)
{
	struct bed *bed =
		bed_new(&(struct bed_options){ .limits = { .header_bytes = 4096 } });
	static char name[20000];
	int fd = client_connect(bed);

	(void)state;
	snprintf(name, sizeof(name), "X-Long: %04500d\r\n", 0);
	client_ask(fd, &(struct request){
			       .method = "GET", .path = "/healthz", .headers = name });
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 431);
	assert_non_null(strstr(r.text, "\"code\":\"header_too_large\""));
	close(fd);
	/* Past the library's own memory it answers itself, and closes. */
	fd = client_connect(bed);
	snprintf(name, sizeof(name), "X-Long: %019000d\r\n", 0);
	client_ask(fd, &(struct request){
			       .method = "GET", .path = "/healthz", .headers = name });
	client_read(fd, &r, 5000);
	assert_true(r.status == 431 || r.status == 0);
	close(fd);
	bed_free(bed);
}

static void
test_connection_limits(void **state)
{
	struct bed *bed =
		bed_new(&(struct bed_options){ .limits = { .max_connections = 8 } });
	int fds[8], fd;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		fds[i] = client_connect(bed);
		client_send(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
		client_read(fds[i], &r, 5000);
		assert_int_equal(r.status, 200);
	}
	fd = client_connect(bed);
	assert_true(client_closed(fd, 5000));
	close(fd);
	/* A place that is given back can be had again. */
	close(fds[0]);
	for (int64_t until = now_ms() + 5000;;) {
		fd = client_connect(bed);
		client_send(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
		client_read(fd, &r, 5000);
		close(fd);
		if (r.status == 200)
			break;
		assert_true(now_ms() < until);
	}
	for (unsigned i = 1; i < 8; i++)
		close(fds[i]);
	bed_free(bed);
}

static void
test_connection_limit_per_address(void **state)
{
	struct bed *bed = bed_new(
		&(struct bed_options){ .limits = { .max_connections_per_ip = 3 } });
	int fds[3], fd;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = client_connect(bed);
		client_send(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
		client_read(fds[i], &r, 5000);
		assert_int_equal(r.status, 200);
	}
	fd = client_connect(bed);
	assert_true(client_closed(fd, 5000));
	close(fd);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
	bed_free(bed);
}

/* Clients that go away while their request waits. */
static void
test_clients_that_leave(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){ .threads = 2 });
	char token[48];

	(void)state;
	bed_hold();
	begin_tenant(bed, "gone01");
	make_token(bed, "runtime", "gone01", token);
	for (unsigned i = 0; i < 50; i++) {
		int fd = client_connect(bed);

		client_ask(fd, &(struct request){ .method = "GET",
						  .path = "/v1/credentials",
						  .token = token,
						  .headers = "Prefer: wait=60\r\n" });
		close(fd);
	}
	bed_release();
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/tenants/gone01?wait=30",
			       .token = bed->admin },
	    &r);
	assert_int_equal(r.status, 200);
	bed_free(bed);
}

/* Holds the store's writer thread, on which this is called, and with it the drainer. */
static pthread_mutex_t writer_lock = PTHREAD_MUTEX_INITIALIZER;

static void
hold_writer(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	(void)ctx;
	(void)version;
	(void)err;
	assert_int_equal(rc, TD_OK);
	pthread_mutex_lock(&writer_lock);
	pthread_mutex_unlock(&writer_lock);
}

/* A spool that cannot take the record: no record, no credentials. */
static void
test_full_spool_refuses_reads(void **state)
{
	struct bed *bed = bed_new(&(struct bed_options){ .spool_bytes = 65536 });
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	char token[48];
	int fd;

	(void)state;
	make_tenant(bed, "full01");
	make_token(bed, "runtime", "full01", token);
	fd = client_connect(bed);
	pthread_mutex_lock(&writer_lock);
	store_commit_put(c, STORE_META, "test", 4, "x", 1);
	store_submit(bed->store, c, hold_writer, NULL);
	for (unsigned i = 0;; i++) {
		assert_true(i < 5000);
		client_ask(fd, &(struct request){ .method = "GET",
						  .path = "/v1/credentials?format=aws",
						  .token = token });
		client_read(fd, &r, 10000);
		if (r.status == 503)
			break;
		assert_int_equal(r.status, 200);
	}
	assert_null(strstr(r.text, "SecretAccessKey"));
	close(fd);
	pthread_mutex_unlock(&writer_lock);
	/* Drained, it serves again. */
	for (int64_t until = now_ms() + 10000;;) {
		if (ask(bed,
			&(struct request){ .method = "GET",
					   .path = "/v1/credentials",
					   .token = token },
			&r) == 200)
			break;
		assert_true(now_ms() < until);
	}
	bed_free(bed);
}

static void
test_durable_reads_are_in_the_store_before_the_answer(void **state)
{
	struct bed *bed =
		bed_new(&(struct bed_options){ .audit_reads = API_AUDIT_DURABLE });

	(void)state;
	make_tenant(bed, "dura01");
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/credentials?appid=dura01",
			       .token = bed->admin,
			       .headers = "X-Request-Id: durable-1\r\n" },
	    &r);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"secret_key\":\""));
	ask(bed,
	    &(struct request){ .method = "GET",
			       .path = "/v1/audit?appid=dura01",
			       .token = bed->admin },
	    &r);
	assert_non_null(strstr(r.text, "durable-1"));
	bed_free(bed);
}

/* A reload wakes long polls, since what they were told has another tag now. */
static void
test_changed_regions_wake_polls(void **state)
{
	const struct api_region region = { .name = "default",
					   .s3_region = "eu-1",
					   .gateway_internal = "http://127.0.0.1:10",
					   .mongodb_hosts = "h:1" };
	struct bed *bed = bed_new(&(struct bed_options){ 0 });
	char token[48], headers[160];
	const char *at;
	struct td_err err;
	int fd;

	(void)state;
	make_tenant(bed, "conf01");
	make_token(bed, "runtime", "conf01", token);
	ask(bed,
	    &(struct request){
		    .method = "GET", .path = "/v1/credentials", .token = token },
	    &r);
	at = strstr(r.text, "ETag: ");
	assert_non_null(at);
	snprintf(headers, sizeof(headers), "If-None-Match: %.*s\r\nPrefer: wait=60\r\n",
		 (int)strcspn(at + 6, "\r"), at + 6);
	fd = client_connect(bed);
	client_ask(fd, &(struct request){ .method = "GET",
					  .path = "/v1/credentials",
					  .token = token,
					  .headers = headers });
	assert_false(client_closed(fd, 300));
	assert_int_equal(api_set_regions(bed->api, &region, 1, 0, &err), TD_OK);
	client_read(fd, &r, 5000);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.text, "\"region\":\"eu-1\""));
	close(fd);
	bed_free(bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_stall_at_multiples_of_128),
		cmocka_unit_test(test_resume_wakes_the_loop),
		cmocka_unit_test(test_stop_answers_those_that_wait),
		cmocka_unit_test(test_dripping_clients_are_cut),
		cmocka_unit_test(test_large_headers),
		cmocka_unit_test(test_connection_limits),
		cmocka_unit_test(test_connection_limit_per_address),
		cmocka_unit_test(test_clients_that_leave),
		cmocka_unit_test(test_full_spool_refuses_reads),
		cmocka_unit_test(test_durable_reads_are_in_the_store_before_the_answer),
		cmocka_unit_test(test_changed_regions_wake_polls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
