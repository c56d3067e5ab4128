/* Folder listing: base/dir.h. */
#include "alloc_fail.h"
#include "base/dir.h"
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/test-base-dir.XXXXXX";
static const char *const files[] = { "b.yaml",	"a.yaml", "B.yaml", "10.yaml", "9.yaml",
				     ".h.yaml", ".yaml",  "c.yml",  "c.yamlx", "yaml" };

static void
path_of(char out[200], const char *name)
{
	snprintf(out, 200, "%s/%s", folder, name);
}

static int
make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return 1;
	for (EACH(name, files)) {
		char path[200];
		int fd;

		path_of(path, *name);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return 1;
		close(fd);
	}
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	for (EACH(name, files)) {
		char path[200];

		path_of(path, *name);
		unlink(path);
	}
	return rmdir(folder);
}

static void
names_come_sorted_by_bytes_and_filtered(void **state)
{
	static const char *const want[] = { "10.yaml", "9.yaml", "B.yaml", "a.yaml",
					    "b.yaml" };
	struct td_names names = { 0 };

	(void)state;
	assert_int_equal(td_dir_names(folder, ".yaml", &names, NULL), TD_OK);
	assert_int_equal(names.count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(names.items[i], want[i]);
	td_names_done(&names);
	td_names_done(&names);
	assert_int_equal(td_dir_names(folder, ".none", &names, NULL), TD_OK);
	assert_int_equal(names.count, 0);
	td_names_done(&names);
}

static void
a_folder_that_is_not_there_is_told(void **state)
{
	struct td_names names = { 0 };
	struct td_err err = { 0 };
	char path[200];

	(void)state;
	path_of(path, "missing");
	assert_int_equal(td_dir_names(path, ".yaml", &names, &err), TD_IO);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_non_null(strstr(err.detail, path));
	path_of(path, "a.yaml");
	assert_int_equal(td_dir_names(path, ".yaml", &names, &err), TD_IO);
	assert_null(names.items);
}

static void
no_memory_anywhere_is_clean(void **state)
{
	bool failed = true;
	long n;

	(void)state;
	for (n = 0; failed; n++) {
		struct td_names names = { 0 };
		enum td_rc rc;

		assert_true(n < 100);
		alloc_fail_at(n);
		rc = td_dir_names(folder, ".yaml", &names, NULL);
		failed = alloc_fail_off();
		assert_int_equal(rc, failed ? TD_NOMEM : TD_OK);
		assert_int_equal(names.count, failed ? 0 : 5);
		td_names_done(&names);
	}
	/* Five names and the array growing to 1, 2, 4, 8. */
	assert_int_equal(n, 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_come_sorted_by_bytes_and_filtered),
		cmocka_unit_test(a_folder_that_is_not_there_is_told),
		cmocka_unit_test(no_memory_anywhere_is_clean),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
