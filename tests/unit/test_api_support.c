#include "test_api_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the scripted driver ---- */

static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_cond = PTHREAD_COND_INITIALIZER;
static bool held;
static enum td_rc failing;

int
bed_setup(void **state)
{
	*state = bed_new(&(struct bed_options){ 0 });
	return 0;
}

int
bed_teardown(void **state)
{
	bed_free(*state);
	return 0;
}

void
bed_hold(void)
{
	pthread_mutex_lock(&hold_lock);
	held = true;
	pthread_mutex_unlock(&hold_lock);
}

void
bed_release(void)
{
	pthread_mutex_lock(&hold_lock);
	held = false;
	pthread_cond_broadcast(&hold_cond);
	pthread_mutex_unlock(&hold_lock);
}

void
bed_fail(enum td_rc rc)
{
	pthread_mutex_lock(&hold_lock);
	failing = rc;
	pthread_mutex_unlock(&hold_lock);
}

/* Wait while held; then what is to be said. */
static enum td_rc
scripted_answer(struct td_err *e)
{
	pthread_mutex_lock(&hold_lock);
	while (held)
		pthread_cond_wait(&hold_cond, &hold_lock);
	enum td_rc rc = failing;
	pthread_mutex_unlock(&hold_lock);
	return rc == TD_OK ? rc : td_err_set(e, rc, "as scripted");
}

static enum td_rc
scripted_observe(struct driver *d, const struct drv_call *c, struct drv_result *r,
		 struct td_err *e)
{
	enum td_rc rc = scripted_answer(e);

	(void)d;
	if (rc != TD_OK)
		return rc;
	r->presence = c->claimed ? DRV_OURS : DRV_ABSENT;
	for (size_t i = 0; i < c->bucket_count; i++)
		c->buckets[i].presence = c->buckets[i].claimed ? DRV_OURS : DRV_ABSENT;
	return TD_OK;
}

static enum td_rc
scripted_ensure(struct driver *d, const struct drv_call *c, struct drv_result *r,
		struct td_err *e)
{
	enum td_rc rc = scripted_answer(e);

	(void)d;
	if (rc != TD_OK)
		return rc;
	r->presence = DRV_OURS;
	r->closed = c->reclose;
	for (size_t i = 0; i < c->bucket_count; i++) {
		struct drv_bucket *b = &c->buckets[i];

		b->presence = b->remove ? DRV_ABSENT : DRV_OURS;
		b->rc = TD_OK;
		/* A bucket of that name holds something, in this script. */
		if (b->remove && b->only_if_empty && strcmp(b->name, "full") == 0) {
			b->presence = DRV_OURS;
			b->rc = TD_BUCKET_NOT_EMPTY;
		}
	}
	return TD_OK;
}

static enum td_rc
scripted_remove(struct driver *d, const struct drv_call *c, struct drv_result *r,
		struct td_err *e)
{
	enum td_rc rc = scripted_answer(e);

	(void)d;
	(void)c;
	if (rc == TD_OK)
		r->presence = DRV_ABSENT;
	return rc;
}

static enum td_rc
scripted_probe(struct driver *d, int64_t deadline, struct td_err *e)
{
	(void)d;
	(void)deadline;
	return scripted_answer(e);
}

static void
scripted_free(struct driver *d)
{
	(void)d;
}

static const struct driver_ops scripted_ops = {
	.observe = scripted_observe,
	.ensure = scripted_ensure,
	.remove = scripted_remove,
	.probe = scripted_probe,
	.free = scripted_free,
};
static struct driver scripted[2] = {
	{ .ops = &scripted_ops, .resource = DRV_OBJECT, .name = "scripted" },
	{ .ops = &scripted_ops, .resource = DRV_DATABASE, .name = "scripted" },
};

/* ---- the bed ---- */

static const char plan_text[] = "name: small\n"
				"version: 1\n"
				"description: For tests.\n"
				"resources:\n"
				"  object:\n"
				"    template: tenantd_owner\n"
				"  database:\n"
				"    template: tenantd_owner\n"
				"  volume: null\n"
				"limits:\n"
				"  object_bytes: 1Gi\n"
				"  buckets: 500\n"
				"  requests_per_second: 50\n"
				"  database_bytes: 256Mi\n";

static void
must(enum td_rc rc, const struct td_err *err)
{
	if (rc != TD_OK)
		fail_msg("%s: %s", td_rc_info(rc)->name, err->detail);
}

static void
open_storage(struct bed *bed, const struct bed_options *opt, char *spool_dir, size_t size)
{
	const struct td_env *env = td_env_system();
	struct td_secret *master = td_secret_random(env, 32);
	char store_dir[80];
	struct td_err err = { 0 };

	snprintf(store_dir, sizeof(store_dir), "%s/store", bed->dir);
	snprintf(spool_dir, size, "%s/spool", bed->dir);
	must(store_open(&(struct store_options){ .dir = store_dir,
						 .map_bytes = UINT64_C(1) << 30,
						 .max_bytes = UINT64_C(256) << 20,
						 .reserve_bytes = UINT64_C(16) << 20,
						 .max_readers = 64,
						 .env = env },
			&bed->store, &err),
	     &err);
	must(seal_new(env, master, &bed->seal, &err), &err);
	td_secret_free(master);
	must(seal_check_master(bed->seal, bed->store, &err), &err);
	must(spool_open(&(struct spool_options){ .dir = spool_dir,
						 .count = 4,
						 .bytes = opt->spool_bytes != 0
								  ? opt->spool_bytes
								  : 1U << 20,
						 .drain_ms = 50,
						 .env = env },
			bed->store, &bed->spools, &err),
	     &err);
}

static void
start_engine(struct bed *bed)
{
	const struct td_yaml_text plan = { .name = "small.yaml",
					   .data = plan_text,
					   .len = sizeof(plan_text) - 1 };
	static struct engine_region region = {
		.name = "default", .drivers = { &scripted[0], &scripted[1], NULL }
	};
	struct td_err err = { 0 };

	must(plan_set_load_memory(&plan, 1, &bed->plans, NULL, &err), &err);
	must(engine_new(&(struct engine_options){ .store = bed->store,
						  .seal = bed->seal,
						  .env = td_env_system(),
						  .plans = bed->plans,
						  .regions = &region,
						  .region_count = 1,
						  .default_region = "default",
						  .budget = 4,
						  .call_timeout_ms = 10000,
						  .rules = { .delete_grace_ms = 60000,
							     .backoff_min_ms = 50,
							     .backoff_max_ms = 1000 } },
			&bed->engine, &err),
	     &err);
}

static void
start_denymap(struct bed *bed)
{
	char file[96];
	const struct denymap_target target = { .region = "default", .file = file };
	struct td_err err = { 0 };

	snprintf(file, sizeof(file), "%s/gateway/deny.map", bed->dir);
	must(denymap_start(&(struct denymap_options){ .store = bed->store,
						      .env = td_env_system(),
						      .targets = &target,
						      .target_count = 1 },
			   &bed->denymap, &err),
	     &err);
}

static void
read_token(struct bed *bed)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/admin.token", bed->dir);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(bed->admin, sizeof(bed->admin), f));
	fclose(f);
	assert_int_equal(strlen(bed->admin), 47);
}

struct bed *
bed_new(const struct bed_options *opt)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	const struct api_listener listener = { .name = "control",
					       .address = "127.0.0.1",
					       .routes = API_ROUTES_RUNTIME |
							 API_ROUTES_CONTROL |
							 API_ROUTES_OPS };
	const struct api_region region = { .name = "default",
					   .s3_region = "us-east-1",
					   .gateway_internal = "http://127.0.0.1:9",
					   .gateway_external = "https://s3.example.org",
					   .mongodb_hosts = "127.0.0.1:27017",
					   .mongodb_replica_set = "rs0" };
	struct td_err err = { 0 };
	char path[96];

	assert_non_null(bed);
	memcpy(bed->dir, "/tmp/test_api.XXXXXX", sizeof("/tmp/test_api.XXXXXX"));
	assert_non_null(mkdtemp(bed->dir));
	open_storage(bed, opt, path, sizeof(path));
	start_engine(bed);
	if (opt->deny_map)
		start_denymap(bed);
	snprintf(path, sizeof(path), "%s/admin.token", bed->dir);
	must(api_admin_token(bed->store, td_env_system(), path, &err), &err);
	read_token(bed);
	must(api_new(&(struct api_options){ .listeners = &listener,
					    .listener_count = 1,
					    .threads =
						    opt->threads != 0 ? opt->threads : 1,
					    .limits = opt->limits,
					    .store = bed->store,
					    .seal = bed->seal,
					    .spools = bed->spools,
					    .engine = bed->engine,
					    .denymap = bed->denymap,
					    .env = td_env_system(),
					    .regions = &region,
					    .region_count = 1,
					    .audit_reads = opt->audit_reads,
					    .version = "0.0.0" },
		     &bed->api, &err),
	     &err);
	bed->port = (uint16_t)strtoul(strrchr(api_listener_bound(bed->api, 0), ':') + 1,
				      NULL, 10);
	must(api_start(bed->api, &err), &err);
	return bed;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
bed_free(struct bed *bed)
{
	bed_fail(TD_OK);
	bed_release();
	api_stop(bed->api);
	engine_free(bed->engine);
	denymap_stop(bed->denymap);
	spool_close(bed->spools);
	store_close(bed->store);
	denymap_free(bed->denymap);
	api_free(bed->api);
	seal_free(bed->seal);
	plan_set_free(bed->plans);
	nftw(bed->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(bed);
}

/* ---- the client ---- */

int
client_connect(const struct bed *bed)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(bed->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

void
client_send(int fd, const char *text)
{
	size_t len = strlen(text);

	/* A server that has cut the connection is for the reader to notice. */
	(void)send(fd, text, len, MSG_NOSIGNAL);
}

static void
receive(int fd, struct reply_text *ret, size_t *len, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		fail_msg("no answer in %d ms, got: %.200s", ms, ret->text);
	assert_true(*len + 1 < sizeof(ret->text));
	/* Byte by byte, so that nothing of the next answer is taken. */
	n = recv(fd, ret->text + *len, 1, 0);
	if (n == 1)
		ret->text[++*len] = '\0';
	else
		ret->status = -1;
}

void
client_read_head(int fd, struct reply_text *ret, int ms)
{
	size_t len = 0;

	ret->status = 0;
	ret->text[0] = '\0';
	while (len < 4 || memcmp(ret->text + len - 4, "\r\n\r\n", 4) != 0) {
		receive(fd, ret, &len, ms);
		if (ret->status < 0) {
			ret->status = 0;
			return;
		}
	}
	ret->body_at = len;
	if (strncmp(ret->text, "HTTP/1.1 ", 9) != 0)
		fail_msg("not an answer: %.60s", ret->text);
	ret->status = (int)strtol(ret->text + 9, NULL, 10);
}

void
client_read(int fd, struct reply_text *ret, int ms)
{
	const char *length;
	size_t len, want;
	int status;

	do
		client_read_head(fd, ret, ms);
	while (ret->status == 100);
	status = ret->status;
	length = strcasestr(ret->text, "\r\nContent-Length: ");
	if (status == 0 || length == NULL)
		return;
	len = ret->body_at;
	want = len + strtoul(length + 18, NULL, 10);
	while (len < want && ret->status > 0) {
		ssize_t n;
		struct pollfd p = { .fd = fd, .events = POLLIN };

		assert_true(want < sizeof(ret->text));
		if (poll(&p, 1, ms) <= 0)
			fail_msg("no answer in %d ms, got: %.200s", ms, ret->text);
		n = recv(fd, ret->text + len, want - len, 0);
		if (n <= 0)
			fail_msg("ended in the middle of: %.200s", ret->text);
		len += (size_t)n;
		ret->text[len] = '\0';
	}
}

bool
client_closed(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, ms) == 1 && recv(fd, &c, 1, 0) <= 0;
}

void
client_ask(int fd, const struct request *q)
{
	static _Thread_local char text[300000];
	int n = snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: x\r\n", q->method,
			 q->path);

	if (q->token != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "Authorization: Bearer %s\r\n", q->token);
	if (q->headers != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s", q->headers);
	if (q->body != NULL)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			      "%sContent-Length: %zu\r\n\r\n%s",
			      q->headers != NULL && strcasestr(q->headers,
							       "content-type") != NULL
				      ? ""
				      : "Content-Type: application/json\r\n",
			      strlen(q->body), q->body);
	else
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n");
	assert_true(n > 0 && (size_t)n < sizeof(text));
	client_send(fd, text);
}

int
ask(const struct bed *bed, const struct request *q, struct reply_text *ret)
{
	int fd = client_connect(bed);

	client_ask(fd, q);
	client_read(fd, ret, 70000);
	close(fd);
	return ret->status;
}

void
member_text(const struct reply_text *r, const char *name, char *out, size_t size)
{
	char key[64];
	const char *at;
	size_t len;

	snprintf(key, sizeof(key), "\"%s\":\"", name);
	at = strstr(r->text + r->body_at, key);
	if (at == NULL)
		fail_msg("no member %s in %s", name, r->text);
	at += strlen(key);
	len = strcspn(at, "\"");
	assert_true(len < size);
	memcpy(out, at, len);
	out[len] = '\0';
}

void
expect_code(const struct reply_text *r, int status, const char *code)
{
	char got[64] = "";

	if (r->status >= 400)
		member_text(r, "code", got, sizeof(got));
	if (r->status != status || strcmp(got, code) != 0)
		fail_msg("wanted %d %s, got: %s", status, code, r->text);
}

void
begin_tenant(const struct bed *bed, const char *appid)
{
	static struct reply_text r;
	char path[80];

	snprintf(path, sizeof(path), "/v1/tenants/%s", appid);
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = path,
			       .token = bed->admin,
			       .body = "{\"plan\":\"small\"}" },
	    &r);
	assert_int_equal(r.status, 201);
}

void
make_tenant(const struct bed *bed, const char *appid)
{
	static struct reply_text r;
	char path[80], phase[16];

	snprintf(path, sizeof(path), "/v1/tenants/%s?wait=30", appid);
	ask(bed,
	    &(struct request){ .method = "PUT",
			       .path = path,
			       .token = bed->admin,
			       .body = "{\"plan\":\"small\",\"region\":\"default\","
				       "\"buckets\":[{\"name\":\"data\"}]}" },
	    &r);
	if (r.status != 201)
		fail_msg("%s", r.text);
	member_text(&r, "phase", phase, sizeof(phase));
	if (strcmp(phase, "Created") != 0)
		fail_msg("%s", r.text);
}

void
make_token(const struct bed *bed, const char *role, const char *appid, char out[48])
{
	static struct reply_text r;
	char body[160];

	if (appid != NULL)
		snprintf(body, sizeof(body), "{\"role\":\"%s\",\"appid\":\"%s\"}", role,
			 appid);
	else
		snprintf(body, sizeof(body), "{\"role\":\"%s\"}", role);
	ask(bed,
	    &(struct request){ .method = "POST",
			       .path = "/v1/tokens",
			       .token = bed->admin,
			       .body = body },
	    &r);
	if (r.status != 201)
		fail_msg("%s", r.text);
	member_text(&r, "token", out, 48);
}
