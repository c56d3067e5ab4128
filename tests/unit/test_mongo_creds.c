/* tenantd's own credentials: files that change under us. */
#include "mongo/creds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/tenantd-creds.XXXXXX";
static char paths[4][64]; /* user name and password of current, of next */
static const struct mongo_key_files current = { paths[0], paths[1] };
static const struct mongo_key_files next = { paths[2], paths[3] };
static const struct mongo_key_files none;

static void
put(int i, const char *text)
{
	int fd;

	unlink(paths[i]);
	if (!text)
		return;
	fd = open(paths[i], O_WRONLY | O_CREAT | O_EXCL, 0400);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
put_all(const char *user, const char *password, const char *next_user,
	const char *next_password)
{
	put(0, user);
	put(1, password);
	put(2, next_user);
	put(3, next_password);
}

/* Checks who is in use; gives the generation. */
static unsigned
in_use(struct mongo_creds *creds, const char *user, const char *password)
{
	struct mongo_cred cred;
	unsigned generation;

	assert_int_equal(mongo_creds_get(creds, &cred, NULL), TD_OK);
	assert_string_equal(cred.username, user);
	assert_string_equal((const char *)td_secret_bytes(cred.password), password);
	generation = cred.generation;
	assert_int_equal(generation, mongo_creds_generation(creds));
	mongo_cred_done(&cred);
	return generation;
}

static void
test_current_is_read(void **state)
{
	struct mongo_creds *creds;

	(void)state;
	put_all("tenantd\n", "one\n", NULL, NULL);
	assert_int_equal(mongo_creds_new(&current, &next, &creds, NULL), TD_OK);
	in_use(creds, "tenantd", "one");
	mongo_creds_free(creds);
	assert_int_equal(mongo_creds_new(&current, &none, &creds, NULL), TD_OK);
	in_use(creds, "tenantd", "one");
	mongo_creds_free(creds);
}

static void
test_what_cannot_be(void **state)
{
	struct mongo_creds *creds = NULL;
	struct td_err err;

	(void)state;
	put_all("tenantd", NULL, "tenantd", "two");
	assert_int_equal(mongo_creds_new(&current, &next, &creds, &err), TD_IO);
	assert_non_null(strstr(err.detail, paths[1]));
	put_all("tenantd", "", NULL, NULL);
	assert_int_equal(mongo_creds_new(&current, &next, &creds, &err), TD_INVALID);
	put_all("", "one", NULL, NULL);
	assert_int_equal(mongo_creds_new(&current, &next, &creds, &err), TD_INVALID);
	put_all("tenantd", "one", NULL, NULL);
	assert_int_equal(chmod(paths[1], 0444), 0);
	assert_int_equal(mongo_creds_new(&current, &next, &creds, &err), TD_INVALID);
	assert_int_equal(mongo_creds_new(&none, &next, &creds, &err), TD_INVALID);
	assert_null(creds);
}

static void
test_refused_takes_what_differs(void **state)
{
	struct mongo_creds *creds;
	struct td_err err;
	unsigned first, second;

	(void)state;
	put_all("tenantd", "one", NULL, NULL);
	assert_int_equal(mongo_creds_new(&current, &next, &creds, NULL), TD_OK);
	first = in_use(creds, "tenantd", "one");
	assert_int_equal(mongo_creds_refused(creds, first, &err), TD_BACKEND_AUTH);
	assert_non_null(strstr(err.detail, paths[1]));
	assert_null(strstr(err.detail, "one"));

	put(2, "tenantd");
	put(3, "two");
	assert_int_equal(mongo_creds_refused(creds, first, NULL), TD_OK);
	second = in_use(creds, "tenantd", "two");
	assert_int_not_equal(first, second);

	/* Another thread saw the old one refused: nothing more to do. */
	assert_int_equal(mongo_creds_refused(creds, first, NULL), TD_OK);
	assert_int_equal(in_use(creds, "tenantd", "two"), second);

	/* `next` is refused too: back to `current`, which may have changed. */
	put(1, "three");
	assert_int_equal(mongo_creds_refused(creds, second, NULL), TD_OK);
	in_use(creds, "tenantd", "three");
	mongo_creds_free(creds);
}

static void
test_reload(void **state)
{
	struct mongo_creds *creds;
	unsigned generation;

	(void)state;
	put_all("tenantd", "one", NULL, NULL);
	assert_int_equal(mongo_creds_new(&current, &next, &creds, NULL), TD_OK);
	generation = in_use(creds, "tenantd", "one");
	assert_int_equal(mongo_creds_reload(creds, NULL), TD_OK);
	assert_int_equal(in_use(creds, "tenantd", "one"), generation);

	/* What is in use became `next`: it is not given up for one that may not work yet. */
	put_all("tenantd", "two", "tenantd", "one");
	assert_int_equal(mongo_creds_reload(creds, NULL), TD_OK);
	assert_int_equal(in_use(creds, "tenantd", "one"), generation);

	/* It stands nowhere any more. */
	put_all("other", "two", NULL, NULL);
	assert_int_equal(mongo_creds_reload(creds, NULL), TD_OK);
	assert_int_not_equal(in_use(creds, "other", "two"), generation);

	/* A file that cannot be read changes nothing. */
	put(1, NULL);
	assert_int_equal(mongo_creds_reload(creds, NULL), TD_IO);
	in_use(creds, "other", "two");
	mongo_creds_free(creds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_current_is_read),
		cmocka_unit_test(test_what_cannot_be),
		cmocka_unit_test(test_refused_takes_what_differs),
		cmocka_unit_test(test_reload),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	for (int i = 0; i < 4; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	put_all(NULL, NULL, NULL, NULL);
	rmdir(dir);
	return failed;
}
