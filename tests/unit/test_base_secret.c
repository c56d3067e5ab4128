/* Secrets: base/secret.h. */
#include "alloc_fail.h"
#include "base/env.h"
#include "base/secret.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static char folder[] = "/tmp/test-base-secret.XXXXXX";

static void
path_of(char out[200], const char *name)
{
	snprintf(out, 200, "%s/%s", folder, name);
}

static void
write_file(const char *name, mode_t mode, const void *data, size_t len)
{
	char path[200];
	int fd;

	path_of(path, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "good", "bad", "acl", "long", "fifo" };

	(void)state;
	for (EACH(name, names)) {
		char path[200];

		path_of(path, *name);
		unlink(path);
	}
	return rmdir(folder);
}

static void
it_copies_and_closes_with_a_nul(void **state)
{
	char source[] = "p\0ss";
	struct td_secret *s = td_secret_new(source, 4), *copy;

	(void)state;
	assert_non_null(s);
	source[0] = 'x';
	assert_int_equal(td_secret_len(s), 4);
	assert_memory_equal(td_secret_bytes(s), "p\0ss", 5);
	copy = td_secret_dup(s);
	assert_ptr_not_equal(copy, s);
	assert_true(td_secret_equal(s, copy));
	td_secret_free(s);
	td_secret_free(copy);
	td_secret_free(NULL);
	assert_null(td_secret_dup(NULL));
}

static void
limits_are_kept(void **state)
{
	char big[TD_SECRET_MAX + 1] = { 0 };
	struct td_secret *s = td_secret_new(big, TD_SECRET_MAX);

	(void)state;
	assert_non_null(s);
	td_secret_free(s);
	assert_null(td_secret_new(big, sizeof(big)));
	s = td_secret_new(NULL, 0);
	assert_non_null(s);
	assert_int_equal(td_secret_len(s), 0);
	td_secret_free(s);
}

static void
equal_means_same_length_and_bytes(void **state)
{
	struct td_secret *a = td_secret_new("abc", 3), *b = td_secret_new("abd", 3);
	struct td_secret *c = td_secret_new("ab", 2);

	(void)state;
	assert_false(td_secret_equal(a, b));
	assert_false(td_secret_equal(a, c));
	assert_true(td_secret_equal(a, a));
	td_secret_free(a);
	td_secret_free(b);
	td_secret_free(c);
}

static void
random_letters_use_the_whole_set_evenly(void **state)
{
	unsigned seen[256] = { 0 };
	unsigned total = 0;

	(void)state;
	for (int round = 0; round < 62; round++) {
		struct td_secret *s = td_secret_random_alnum(td_env_system(), 1000);
		const unsigned char *p;

		assert_non_null(s);
		p = td_secret_bytes(s);
		assert_int_equal(p[1000], 0);
		for (int i = 0; i < 1000; i++)
			seen[p[i]]++;
		td_secret_free(s);
	}
	for (int c = 0; c < 256; c++) {
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			     (c >= 'a' && c <= 'z');

		/* 1,000 expected of each; 8 standard deviations are 254. A modulo bias
		 * would show as 1,250. */
		assert_true(alnum ? seen[c] > 750 && seen[c] < 1250 : seen[c] == 0);
		total += seen[c];
	}
	assert_int_equal(total, 62000);
}

static void
random_bytes_differ(void **state)
{
	struct td_secret *a = td_secret_random(td_env_system(), 32);
	struct td_secret *b = td_secret_random(td_env_system(), 32);

	(void)state;
	assert_int_equal(td_secret_len(a), 32);
	assert_false(td_secret_equal(a, b));
	td_secret_free(a);
	td_secret_free(b);
}

static void
take_hands_over(void **state)
{
	struct td_secret *mine = td_secret_new("x", 1), *given = TD_TAKE(mine);

	(void)state;
	assert_null(mine);
	assert_non_null(given);
	td_secret_free(given);
}

static void
a_private_file_is_read_without_its_last_newline(void **state)
{
	static const struct row {
		const char *says;
		mode_t mode;
		const char *content, *expect;
	} rows[] = {
		{ "0400 with a newline", 0400, "top\n", "top" },
		{ "0600 without one", 0600, "top", "top" },
		{ "only one newline goes", 0400, "top\n\n", "top\n" },
		{ "an empty file is an empty secret", 0400, "", "" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_secret *s = NULL;
		struct td_err err = { 0 };
		char path[200];

		write_file("good", row->mode, row->content, strlen(row->content));
		path_of(path, "good");
		CHECK(row->says, td_secret_read_file(path, &s, &err) == TD_OK);
		CHECK(row->says, strcmp(td_secret_bytes(s), row->expect) == 0);
		td_secret_free(s);
	}
}

static void
a_file_that_others_may_touch_is_refused(void **state)
{
	static const mode_t modes[] = { 0440, 0404, 0620, 0602, 0644, 0601, 0410 };

	(void)state;
	for (EACH(mode, modes)) {
		struct td_secret *s = NULL;
		struct td_err err = { 0 };
		char path[200], shown[8];

		write_file("bad", *mode, "hunter2", 7);
		path_of(path, "bad");
		assert_int_equal(td_secret_read_file(path, &s, &err), TD_INVALID);
		assert_null(s);
		snprintf(shown, sizeof(shown), "%04o", *mode);
		assert_non_null(strstr(err.detail, shown));
		assert_non_null(strstr(err.detail, path));
		assert_null(strstr(err.detail, "hunter2"));
	}
}

/* A version 2 access list, as the kernel takes it. */
static bool
set_acl(const char *path, unsigned char group_perm, uint32_t user,
	unsigned char user_perm)
{
	unsigned char acl[4 + 5 * 8] = { 2 };
	const unsigned char entries[5][2] = { { 0x01, 4 },
					      { 0x02, user_perm },
					      { 0x04, group_perm },
					      { 0x10, 4 },
					      { 0x20, 0 } };

	for (int i = 0; i < 5; i++) {
		unsigned char *p = acl + 4 + i * 8;
		uint32_t id = i == 1 ? user : UINT32_MAX;

		p[0] = entries[i][0];
		p[2] = entries[i][1];
		for (int k = 0; k < 4; k++)
			p[4 + k] = (unsigned char)(id >> (8 * k));
	}
	return setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0) == 0;
}

static void
an_access_list_for_our_own_user_is_private(void **state)
{
	struct td_secret *s = NULL;
	struct stat st;
	char path[200];

	(void)state;
	write_file("acl", 0400, "top", 3);
	path_of(path, "acl");
	if (!set_acl(path, 0, geteuid(), 4)) {
		print_message("no access lists on this file system: %d\n", errno);
		skip();
	}
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0440); /* the mask: looks open and is not */
	assert_int_equal(td_secret_read_file(path, &s, NULL), TD_OK);
	td_secret_free(s);
	assert_true(set_acl(path, 4, geteuid(), 4));
	assert_int_equal(td_secret_read_file(path, &s, NULL), TD_INVALID);
	assert_true(set_acl(path, 0, geteuid() + 1, 4));
	assert_int_equal(td_secret_read_file(path, &s, NULL), TD_INVALID);
}

static void
what_is_no_plain_short_file_is_refused(void **state)
{
	static char big[TD_SECRET_MAX + 2];
	struct td_secret *s = NULL;
	struct td_err err = { 0 };
	char path[200];

	(void)state;
	memset(big, 'x', sizeof(big));
	path_of(path, "long");
	write_file("long", 0400, big, TD_SECRET_MAX);
	assert_int_equal(td_secret_read_file(path, &s, &err), TD_OK);
	assert_int_equal(td_secret_len(s), TD_SECRET_MAX);
	td_secret_free(s);
	s = NULL;
	write_file("long", 0400, big, TD_SECRET_MAX + 1);
	assert_int_equal(td_secret_read_file(path, &s, &err), TD_INVALID);
	assert_int_equal(td_secret_read_file(folder, &s, &err), TD_INVALID);
	path_of(path, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(td_secret_read_file(path, &s, &err), TD_INVALID);
	path_of(path, "missing");
	assert_int_equal(td_secret_read_file(path, &s, &err), TD_IO);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_null(s);
}

static void
no_memory_gives_no_secret(void **state)
{
	struct td_secret *s = NULL;
	char path[200];

	(void)state;
	write_file("good", 0400, "top", 3);
	path_of(path, "good");
	alloc_fail_at(0);
	assert_int_equal(td_secret_read_file(path, &s, NULL), TD_NOMEM);
	assert_true(alloc_fail_off());
	alloc_fail_at(0);
	assert_null(td_secret_random_alnum(td_env_system(), 20));
	assert_true(alloc_fail_off());
	assert_null(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_copies_and_closes_with_a_nul),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(equal_means_same_length_and_bytes),
		cmocka_unit_test(random_letters_use_the_whole_set_evenly),
		cmocka_unit_test(random_bytes_differ),
		cmocka_unit_test(take_hands_over),
		cmocka_unit_test(a_private_file_is_read_without_its_last_newline),
		cmocka_unit_test(a_file_that_others_may_touch_is_refused),
		cmocka_unit_test(an_access_list_for_our_own_user_is_private),
		cmocka_unit_test(what_is_no_plain_short_file_is_refused),
		cmocka_unit_test(no_memory_gives_no_secret),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
