/* The driver without a server: options, a port where nobody listens, and what libmongoc's
 * memory holds when it is freed. */
#include "mongo/driver.h"
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <bson/bson.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSWORD "correct-horse-battery-staple"
#define INSTANCE "0123456789abcdef0123456789abcdef"

static char user_file[] = "/tmp/tenantd-user.XXXXXX";
static char password_file[] = "/tmp/tenantd-password.XXXXXX";
static struct policy_set *policies;
static size_t freed_with_password;

void __real_free(void *p);
void __wrap_free(void *p);

/* Looks into everything that our room frees. */
void
__wrap_free(void *p)
{
	if (p && memmem(p, malloc_usable_size(p), PASSWORD, strlen(PASSWORD)))
		freed_with_password++;
	__real_free(p);
}

static int
write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -1;
	return close(fd);
}

static struct mongo_driver_options
options(const char *uri)
{
	return (struct mongo_driver_options){
		.uri = uri,
		.current = { .username_file = user_file, .password_file = password_file },
		.instance_id = INSTANCE,
		.policies = policies,
	};
}

static void
test_options(void **state)
{
	struct mongo_driver_options opt;
	struct driver *d = NULL;
	struct td_err err;

	(void)state;
	opt = options("mongodb://127.0.0.1:1/");
	assert_int_equal(mongo_driver_new(&opt, &d, &err), TD_OK);
	assert_int_equal(d->resource, DRV_DATABASE);
	assert_string_equal(d->name, "mongodb");
	d->ops->free(d);
	d = NULL;
	opt = options("mongodb://127.0.0.1:1/?w=1");
	assert_int_equal(mongo_driver_new(&opt, &d, &err), TD_INVALID);
	opt = options("mongodb://127.0.0.1:1/");
	opt.current.password_file = "/nonexistent";
	assert_int_equal(mongo_driver_new(&opt, &d, &err), TD_IO);
	opt = options("mongodb://127.0.0.1:1/");
	opt.instance_id = NULL;
	assert_int_equal(mongo_driver_new(&opt, &d, &err), TD_INVALID);
	opt = options("mongodb://127.0.0.1:1/");
	opt.policies = NULL;
	assert_int_equal(mongo_driver_new(&opt, &d, &err), TD_INVALID);
	assert_null(d);
}

/* A listener that accepts and says nothing: its address. */
static int
silent_listener(char uri[64])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(uri, 64, "mongodb://127.0.0.1:%u/", (unsigned)ntohs(a.sin_port));
	return fd;
}

static enum td_rc
observe(struct driver *d, int64_t ms, int64_t *ret_took, struct td_err *err)
{
	struct drv_call call = { .appid = "abc123", .instance_id = INSTANCE };
	struct drv_result res;
	int64_t began = td_mono_ms(td_env_system());
	enum td_rc rc;

	call.deadline_mono_ms = began + ms;
	rc = driver_observe(d, &call, &res, err);
	*ret_took = td_mono_ms(td_env_system()) - began;
	assert_int_equal(res.presence, DRV_UNKNOWN);
	return rc;
}

static void
test_nobody_answers(void **state)
{
	struct mongo_driver_options opt;
	struct td_err err = { 0 };
	struct driver *d;
	int64_t took;
	char uri[64];
	int fd = silent_listener(uri);

	(void)state;
	opt = options(uri);
	assert_int_equal(mongo_driver_new(&opt, &d, &err), TD_OK);
	assert_int_equal(observe(d, 0, &took, &err), TD_TIMEOUT);
	assert_true(took < 100);
	assert_int_equal(observe(d, -5000, &took, &err), TD_TIMEOUT);
	assert_true(took < 100);
	assert_int_equal(observe(d, 1500, &took, &err), TD_UNREACHABLE);
	assert_true(took <= 1600);
	close(fd);
	/* Now nobody is there, which shows at once: no need for all the time. */
	assert_int_equal(observe(d, 60000, &took, &err), TD_UNREACHABLE);
	assert_true(took < 5000);
	assert_null(strstr(err.detail, PASSWORD));
	assert_int_equal(d->ops->probe(d, td_mono_ms(td_env_system()) + 1000, &err),
			 TD_UNREACHABLE);
	d->ops->free(d);
	assert_int_equal(freed_with_password, 0);
}

/* What the test before counts is really seen: the password was in memory of libbson that
 * this one frees, and it is not there any more when free() gets it. */
static void
test_memory_is_wiped(void **state)
{
	char *copy = bson_strdup("a long prefix in front of " PASSWORD);
	char *grown;
	void *plain;
	bson_t *b;

	(void)state;
	freed_with_password = 0;
	bson_free(copy);
	copy = bson_strdup(PASSWORD);
	grown = bson_realloc(copy, 100000);
	assert_string_equal(grown, PASSWORD);
	bson_free(grown);
	b = BCON_NEW("pwd", BCON_UTF8(PASSWORD));
	bson_destroy(b);
	assert_int_equal(freed_with_password, 0);
	plain = strdup(PASSWORD);
	free(plain);
	assert_int_equal(freed_with_password, 1);
	freed_with_password = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_memory_is_wiped),
		cmocka_unit_test(test_nobody_answers),
	};
	static const struct td_yaml_text text = {
		.name = "x.yaml",
		.data = "kind: mongodb\nname: small\nactions: [find]\n",
		.len = sizeof("kind: mongodb\nname: small\nactions: [find]\n") - 1
	};
	static struct td_yaml_report report;
	int failed;

	td_yaml_report_init(&report);
	if (write_file(user_file, "tenantd") != 0 ||
	    write_file(password_file, PASSWORD) != 0 ||
	    policy_set_load_memory(&text, 1, &policies, &report, NULL) != TD_OK)
		return 1;
	mongo_global_init();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	mongo_global_done();
	policy_set_free(policies);
	unlink(user_file);
	unlink(password_file);
	return failed;
}
