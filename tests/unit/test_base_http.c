/*
 * The HTTP client against a scripted server on a loopback port: base/http.h. The server
 * is a thread that takes one connection after another, keeps the bytes of each request and
 * answers with what the test's script says.
 */
#include "base/env.h"
#include "base/http.h"
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_STEPS 4

/* What to do with one request. */
struct step {
	const char *answer; /* NULL: none */
	enum { KEEP, CLOSE, RESET, STALL } then;
};

struct server {
	int listener;
	unsigned port;
	pthread_t thread;
	const struct step *steps;
	int step_count;
	/* Owned by the thread until it is joined. */
	char requests[MAX_STEPS][4096];
	int request_count;
	int connections;
};

static int
request_size(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4), *p;

	if (end == NULL)
		return -1;
	p = strcasestr(text, "\r\ncontent-length:");
	return (int)(end - text) + 4 +
	       (p != NULL && p < end ? (int)strtol(p + 17, NULL, 10) : 0);
}

/* One whole request; false when the client went away before it. */
static bool
take_request(struct server *s, int fd)
{
	char *text = s->requests[s->request_count];
	size_t len = 0, room = sizeof(s->requests[0]) - 1;
	int want;

	do {
		ssize_t n = recv(fd, text + len, room - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		want = request_size(text, len);
	} while (want < 0 || len < (size_t)want);
	s->request_count++;
	return true;
}

static void
reset(int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void *
serve(void *arg)
{
	struct server *s = arg;

	while (s->request_count < s->step_count) {
		int fd = accept(s->listener, NULL, NULL);
		bool open = fd >= 0;

		if (!open)
			break;
		s->connections++;
		while (open && s->request_count < s->step_count && take_request(s, fd)) {
			const struct step *step = &s->steps[s->request_count - 1];

			if (step->answer != NULL)
				send(fd, step->answer, strlen(step->answer),
				     MSG_NOSIGNAL);
			if (step->then == RESET)
				reset(fd);
			if (step->then == STALL) {
				/* Until the client gives up and closes. */
				struct pollfd p = { .fd = fd, .events = POLLRDHUP };

				poll(&p, 1, 10000);
			}
			open = step->then == KEEP;
		}
		close(fd);
	}
	return NULL;
}

static void
start(struct server *s, const struct step *steps, int count)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	memset(s, 0, sizeof(*s));
	s->steps = steps;
	s->step_count = count;
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 4), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
	s->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

static struct td_http *
client(void)
{
	struct td_http_options opt = { 0 };
	struct td_http *http = NULL;

	assert_int_equal(td_http_new(&opt, &http, NULL), TD_OK);
	return http;
}

static struct td_http_request
request(const char *method, const char *url)
{
	return (struct td_http_request){
		.method = method, .url = url, .timeout_ms = 5000, .reply_ceiling = 1000
	};
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static void
a_request_goes_out_as_it_was_given(void **state)
{
	static const struct step steps[] = { { OK_ANSWER, KEEP } };
	static const struct td_http_header headers[] = {
		{ "X-Amz-Date", "20260102T030405Z" },
		{ "X-Empty", "" },
		{ "Host", "bucket.example:9000" },
	};
	struct td_http *http = client();
	struct td_http_request req;
	struct td_http_reply reply;
	struct server s;
	char url[200], *text;

	(void)state;
	start(&s, steps, 1);
	snprintf(url, sizeof(url),
		 "http://127.0.0.1:%u/a/../b//c%%2Fd/./?y=2&x=%%20&k=", s.port);
	req = request("GET", url);
	req.headers = headers;
	req.header_count = 3;
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_OK);
	assert_int_equal(reply.status, 200);
	assert_string_equal(td_buf_cstr(&reply.body), "hi");
	td_http_reply_done(&reply);
	stop(&s);
	text = s.requests[0];
	/* Path and query are signed byte for byte: nothing may be tidied up. */
	assert_ptr_equal(strstr(text, "GET /a/../b//c%2Fd/./?y=2&x=%20&k= HTTP/1.1\r\n"),
			 text);
	assert_non_null(strstr(text, "\r\nX-Amz-Date: 20260102T030405Z\r\n"));
	assert_non_null(strstr(text, "\r\nX-Empty:\r\n"));
	assert_non_null(strstr(text, "\r\nHost: bucket.example:9000\r\n"));
	assert_non_null(strstr(text, "\r\nUser-Agent: tenantd/"));
	assert_null(strcasestr(text, "\r\nExpect:"));
	assert_null(strcasestr(text, "\r\nContent-Type:"));
	assert_null(strcasestr(text, "\r\nAccept-Encoding:"));
	td_http_free(http);
}

static void
bodies_and_lengths_fit_the_method(void **state)
{
	static const struct row {
		const char *says, *method, *body;
		const char *has, *has_not;
	} rows[] = {
		{ "PUT with a body", "PUT", "abc", "\r\nContent-Length: 3\r\n",
		  "\r\nContent-Type:" },
		{ "POST with a body", "POST", "abc", "\r\nContent-Length: 3\r\n",
		  "\r\nContent-Type:" },
		{ "DELETE with a body", "DELETE", "abc", "\r\nContent-Length: 3\r\n",
		  "\r\nTransfer-Encoding:" },
		{ "PUT without one says 0", "PUT", NULL, "\r\nContent-Length: 0\r\n",
		  "\r\nExpect:" },
		{ "POST without one says 0", "POST", NULL, "\r\nContent-Length: 0\r\n",
		  "\r\nContent-Type:" },
		{ "DELETE without one", "DELETE", NULL, "DELETE / HTTP/1.1\r\n",
		  "\r\nContent-Length:" },
		{ "GET without one", "GET", NULL, "GET / HTTP/1.1\r\n",
		  "\r\nContent-Length:" },
	};

	(void)state;
	for (EACH(row, rows)) {
		static const struct step steps[] = { { OK_ANSWER, KEEP } };
		struct td_http *http = client();
		struct td_http_request req;
		struct td_http_reply reply;
		struct server s;
		char url[100];

		start(&s, steps, 1);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
		req = request(row->method, url);
		req.body = row->body;
		req.body_len = row->body == NULL ? 0 : strlen(row->body);
		CHECK(row->says, td_http_do(http, &req, &reply, NULL) == TD_OK);
		td_http_reply_done(&reply);
		td_http_free(http);
		stop(&s);
		CHECK(row->says,
		      strncmp(s.requests[0], row->method, strlen(row->method)) == 0);
		CHECK(row->says, strstr(s.requests[0], row->has) != NULL);
		CHECK(row->says, strcasestr(s.requests[0], row->has_not) == NULL);
		if (row->body != NULL)
			CHECK(row->says, strstr(s.requests[0], "\r\n\r\nabc") != NULL);
	}
}

static void
a_given_content_type_stays_and_bodies_may_hold_nul(void **state)
{
	static const struct step steps[] = { { OK_ANSWER, KEEP } };
	static const struct td_http_header headers[] = { { "content-type",
							   "application/json" } };
	struct td_http *http = client();
	struct td_http_request req;
	struct td_http_reply reply;
	struct server s;
	char url[100], *end;

	(void)state;
	start(&s, steps, 1);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
	req = request("PUT", url);
	req.headers = headers;
	req.header_count = 1;
	req.body = "a\0b";
	req.body_len = 3;
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_OK);
	td_http_reply_done(&reply);
	td_http_free(http);
	stop(&s);
	assert_non_null(strstr(s.requests[0], "\r\ncontent-type: application/json\r\n"));
	end = strstr(s.requests[0], "\r\n\r\n");
	assert_memory_equal(end + 4, "a\0b", 3);
}

static void
answers_are_taken_apart(void **state)
{
	static const char answer[] =
		"HTTP/1.1 100 Continue\r\nLocation: /interim\r\n\r\n"
		"HTTP/1.1 503 Slow Down\r\ncontent-type:  application/xml \r\n"
		"Retry-After: 7\r\nX-Amz-Request-Id: 18A\r\nX-Minio-Server-Status: "
		"offline\r\n"
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
	static const struct step steps[] = {
		{ answer, KEEP },
		{ "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: "
		  "0\r\n\r\n",
		  KEEP },
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n", KEEP },
	};
	struct td_http *http = client();
	struct td_http_request req;
	struct td_http_reply reply;
	struct server s;
	char url[100];

	(void)state;
	start(&s, steps, 3);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
	req = request("GET", url);
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_OK);
	assert_int_equal(reply.status, 503);
	assert_string_equal(td_buf_cstr(&reply.body), "abcde");
	assert_string_equal(reply.content_type, "application/xml");
	assert_string_equal(reply.retry_after, "7");
	assert_string_equal(reply.request_id, "18A");
	assert_string_equal(reply.server_status, "offline");
	assert_string_equal(reply.location, "");
	td_http_reply_done(&reply);
	/* A redirect is an answer, never followed: another host must not get signatures. */
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_OK);
	assert_int_equal(reply.status, 302);
	assert_string_equal(reply.location, "/elsewhere");
	assert_string_equal(reply.request_id, "");
	td_http_reply_done(&reply);
	req.method = "HEAD";
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_OK);
	assert_int_equal(reply.status, 404);
	assert_int_equal(reply.body.len, 0);
	td_http_reply_done(&reply);
	td_http_free(http);
	stop(&s);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.request_count, 3);
}

static void
failures_are_told_apart(void **state)
{
	static const struct row {
		const char *says;
		struct step step;
		enum td_rc rc;
	} rows[] = {
		{ "closed without an answer", { NULL, CLOSE }, TD_UNREACHABLE },
		{ "reset without an answer", { NULL, RESET }, TD_UNREACHABLE },
		{ "cut in the middle of the body",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", CLOSE },
		  TD_UNREACHABLE },
		{ "cut in the middle of a chunk",
		  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
		    CLOSE },
		  TD_UNREACHABLE },
		{ "cut in the middle of the header",
		  { "HTTP/1.1 200 OK\r\nConte", RESET },
		  TD_UNREACHABLE },
		{ "closed in the middle of the header",
		  { "HTTP/1.1 200 OK\r\nConte", CLOSE },
		  TD_UNREACHABLE },
		{ "closed before the header's end",
		  { "HTTP/1.1 404 Not Found\r\nServer: x\r\n", CLOSE },
		  TD_UNREACHABLE },
		{ "no answer in time", { NULL, STALL }, TD_TIMEOUT },
		{ "half an answer in time",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", STALL },
		  TD_TIMEOUT },
		{ "something that is not HTTP",
		  { "SSH-2.0-OpenSSH_9\r\n\r\n", CLOSE },
		  TD_UNREACHABLE },
		{ "a body over the ceiling of 8 bytes",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", KEEP },
		  TD_TOO_LARGE },
		{ "a body of just the ceiling",
		  { "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678", KEEP },
		  TD_OK },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_http *http = client();
		struct td_http_request req;
		struct td_http_reply reply = { 0 };
		struct td_err err = { 0 };
		struct server s;
		char url[100];
		enum td_rc rc;

		start(&s, &row->step, 1);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/p?sig=s3cr3t", s.port);
		req = request("GET", url);
		req.reply_ceiling = 8;
		req.timeout_ms = row->rc == TD_TIMEOUT ? 150 : 5000;
		rc = td_http_do(http, &req, &reply, &err);
		if (rc != row->rc)
			fail_msg("%s: %s: %s", row->says, td_rc_info(rc)->name,
				 err.detail);
		if (rc == TD_OK)
			td_http_reply_done(&reply);
		else
			CHECK(row->says, reply.status == 0 && reply.body.data == NULL);
		CHECK(row->says, strstr(err.detail, "s3cr3t") == NULL);
		CHECK(row->says,
		      rc == TD_OK || strstr(err.detail, "GET http://127.0.0.1:"));
		td_http_free(http);
		stop(&s);
	}
}

static void
an_endless_header_is_cut_off(void **state)
{
	char *answer = malloc(200000);
	struct step step = { answer, CLOSE };
	struct td_http *http = client();
	struct td_http_request req;
	struct td_http_reply reply;
	struct server s;
	char url[100];
	size_t len;

	(void)state;
	assert_non_null(answer);
	len = (size_t)snprintf(answer, 200000, "HTTP/1.1 200 OK\r\n");
	while (len < 150000)
		len += (size_t)snprintf(answer + len, 200000 - len, "X-%zu: %0500d\r\n",
					len, 0);
	snprintf(answer + len, 200000 - len, "\r\n");
	start(&s, &step, 1);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
	req = request("GET", url);
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_TOO_LARGE);
	td_http_free(http);
	stop(&s);
	free(answer);
}

static void
a_dead_kept_connection_is_replaced_once(void **state)
{
	static const struct row {
		const char *says;
		struct step steps[4];
		int count;
		enum td_rc rc;
	} rows[] = {
		{ "reset on reuse, then an answer",
		  { { OK_ANSWER, KEEP }, { NULL, RESET }, { OK_ANSWER, KEEP } },
		  3,
		  TD_OK },
		{ "closed while idle",
		  { { OK_ANSWER, CLOSE }, { OK_ANSWER, KEEP } },
		  2,
		  TD_OK },
		{ "the fresh one is reset too: told, not tried again",
		  { { OK_ANSWER, KEEP }, { NULL, RESET }, { NULL, RESET } },
		  3,
		  TD_UNREACHABLE },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_http *http = client();
		struct td_http_request req;
		struct td_http_reply reply;
		struct server s;
		char url[100];
		enum td_rc rc;

		start(&s, row->steps, row->count);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
		req = request("POST", url);
		CHECK(row->says, td_http_do(http, &req, &reply, NULL) == TD_OK);
		td_http_reply_done(&reply);
		rc = td_http_do(http, &req, &reply, NULL);
		CHECK(row->says, rc == row->rc);
		if (rc == TD_OK)
			td_http_reply_done(&reply);
		td_http_free(http);
		stop(&s);
		CHECK(row->says, s.request_count == row->count);
		CHECK(row->says, s.connections == 2);
	}
}

static void
nobody_there_is_unreachable(void **state)
{
	struct td_http *http = client();
	struct td_http_request req;
	struct td_http_reply reply;
	struct td_err err = { 0 };
	struct server s;
	char url[100];

	(void)state;
	/* A port that was just free: nobody listens on it. */
	start(&s, NULL, 0);
	stop(&s);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
	req = request("GET", url);
	assert_int_equal(td_http_do(http, &req, &reply, &err), TD_UNREACHABLE);
	assert_int_equal(err.sys_errno, ECONNREFUSED);
	req.url = "http://no-such-host.invalid/";
	assert_int_equal(td_http_do(http, &req, &reply, &err), TD_UNREACHABLE);
	td_http_free(http);
}

static void
a_proxy_in_the_environment_is_ignored(void **state)
{
	static const struct step steps[] = { { OK_ANSWER, KEEP } };
	struct td_http *http = client();
	struct td_http_request req;
	struct td_http_reply reply;
	struct server s;
	char url[100];

	(void)state;
	start(&s, steps, 1);
	/* Nobody listens on port 1: through the proxy this would fail. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port);
	req = request("GET", url);
	assert_int_equal(td_http_do(http, &req, &reply, NULL), TD_OK);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	td_http_reply_done(&reply);
	td_http_free(http);
	stop(&s);
}

static void
requests_that_cannot_be_sent_safely_are_refused(void **state)
{
	static const struct td_http_header good = { "X-A", "b" };
	static const struct td_http_header line = { "X-A", "b\r\nX-Evil: 1" };
	static const struct td_http_header name = { "X-A:b", "c" };
	static const struct td_http_header none = { "", "c" };
	static const struct row {
		const char *says, *method, *url;
		const struct td_http_header *header;
		int64_t timeout;
	} rows[] = {
		{ "a method with a space", "GET /", "http://127.0.0.1:1/", &good, 1 },
		{ "an empty method", "", "http://127.0.0.1:1/", &good, 1 },
		{ "a url with a line break", "GET", "http://127.0.0.1:1/\r\nX: 1", &good,
		  1 },
		{ "a url with a space", "GET", "http://127.0.0.1:1/a b", &good, 1 },
		{ "a url with raw UTF-8", "GET", "http://127.0.0.1:1/\xc3\xa9", &good,
		  1 },
		{ "a file url", "GET", "file:///etc/passwd", &good, 1 },
		{ "a url without scheme", "GET", "127.0.0.1:1/", &good, 1 },
		{ "a user in the url", "GET", "http://u:p@127.0.0.1:1/", &good, 1000 },
		{ "a header with a line break", "GET", "http://127.0.0.1:1/", &line, 1 },
		{ "a header name with a colon", "GET", "http://127.0.0.1:1/", &name, 1 },
		{ "a header without a name", "GET", "http://127.0.0.1:1/", &none, 1 },
		{ "no deadline", "GET", "http://127.0.0.1:1/", &good, 0 },
	};
	struct td_http *http = client();

	(void)state;
	for (EACH(row, rows)) {
		struct td_http_request req = request(row->method, row->url);
		struct td_http_reply reply;

		req.headers = row->header;
		req.header_count = 1;
		req.timeout_ms = row->timeout;
		CHECK(row->says, td_http_do(http, &req, &reply, NULL) == TD_INVALID);
	}
	td_http_free(http);
}

static int
set_up(void **state)
{
	(void)state;
	return td_http_global_init(NULL) != TD_OK;
}

static int
tear_down(void **state)
{
	(void)state;
	td_http_global_done();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_out_as_it_was_given),
		cmocka_unit_test(bodies_and_lengths_fit_the_method),
		cmocka_unit_test(a_given_content_type_stays_and_bodies_may_hold_nul),
		cmocka_unit_test(answers_are_taken_apart),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(an_endless_header_is_cut_off),
		cmocka_unit_test(a_dead_kept_connection_is_replaced_once),
		cmocka_unit_test(nobody_there_is_unreachable),
		cmocka_unit_test(a_proxy_in_the_environment_is_ignored),
		cmocka_unit_test(requests_that_cannot_be_sent_safely_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
