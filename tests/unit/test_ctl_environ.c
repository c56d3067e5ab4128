/* The environment that `tenantctl exec` gives: ctl/environ.c. */
#include "check.h"
#include "ctl/internal.h"

#include <string.h>

/* An entry that may be written to, as those of environ. */
#define E(text) ((char[]){ text })

static const char *
get(char **env, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; env[i] != NULL; i++)
		if (strncmp(env[i], key, len) == 0 && env[i][len] == '=')
			return env[i] + len + 1;
	return NULL;
}

static size_t
count(char **env)
{
	size_t n = 0;

	while (env[n] != NULL)
		n++;
	return n;
}

static void
new_values_are_added_and_replace_old_ones(void **state)
{
	char *old[] = { E("PATH=/bin"), E("DB_URI=old"), E("EMPTY="), NULL };
	char **env = NULL;

	(void)state;
	assert_int_equal(ctl_environ_make("APPID='abc123'\n"
					  "DB_URI='mongodb://u:p@h/d?a=b&c'\n"
					  "OSS_REGION=''\n",
					  old, &env, NULL),
			 TD_OK);
	assert_int_equal(count(env), 5);
	assert_string_equal(get(env, "PATH"), "/bin");
	assert_string_equal(get(env, "EMPTY"), "");
	assert_string_equal(get(env, "APPID"), "abc123");
	assert_string_equal(get(env, "DB_URI"), "mongodb://u:p@h/d?a=b&c");
	assert_string_equal(get(env, "OSS_REGION"), "");
	ctl_environ_free(env);
	ctl_environ_free(NULL);
}

static void
nothing_in_a_value_is_expanded(void **state)
{
	char *old[] = { NULL };
	char **env = NULL;

	(void)state;
	assert_int_equal(ctl_environ_make("A='$(id) `id` \\n $HOME \"'\n"
					  "B='it'\\''s'\n"
					  "C=''\\'''\n"
					  "D='='",
					  old, &env, NULL),
			 TD_OK);
	assert_string_equal(get(env, "A"), "$(id) `id` \\n $HOME \"");
	assert_string_equal(get(env, "B"), "it's");
	assert_string_equal(get(env, "C"), "'");
	assert_string_equal(get(env, "D"), "=");
	ctl_environ_free(env);
}

static void
the_way_to_the_token_is_not_passed_on(void **state)
{
	char *old[] = {
		E("TENANTD_TOKEN_FILE=/run/token"), E("TENANTD_STATE=/var/lib/tenantd"),
		E("TENANTD_TOKEN=tnd_x"),	    E("TENANTD_URL=http://127.0.0.1:1"),
		E("TENANTD_TOKEN_FILES=kept"),	    NULL
	};
	char **env = NULL;

	(void)state;
	assert_int_equal(ctl_environ_make("APPID='a'\n", old, &env, NULL), TD_OK);
	assert_int_equal(count(env), 3);
	assert_null(get(env, "TENANTD_TOKEN_FILE"));
	assert_null(get(env, "TENANTD_TOKEN"));
	assert_null(get(env, "TENANTD_STATE"));
	assert_string_equal(get(env, "TENANTD_URL"), "http://127.0.0.1:1");
	assert_string_equal(get(env, "TENANTD_TOKEN_FILES"), "kept");
	ctl_environ_free(env);
}

static void
what_is_no_line_is_refused_without_showing_it(void **state)
{
	static const char *const rows[] = {
		"APPID=hunter2\n",	     /* no quotes */
		"APPID='hunter2\n",	     /* not closed */
		"APPID='hunter2'x\n",	     /* something behind */
		"='hunter2'\n",		     /* no name */
		"1A='hunter2'\n",	     /* no name for a shell */
		"A B='hunter2'\n",	     /* nor this */
		"A='ok'\n\n",		     /* an empty line */
		"{\"appid\":\"hunter2\"}\n", /* another format */
		"A='hunter2'\\n\n",	     /* a backslash before something else */
	};
	char *old[] = { E("PATH=/bin"), NULL };

	(void)state;
	for (EACH(row, rows)) {
		struct td_err err = { 0 };
		char **env = NULL;

		CHECK(*row, ctl_environ_make(*row, old, &env, &err) == TD_INVALID);
		CHECK(*row, env == NULL);
		CHECK(*row, strstr(err.detail, "line ") != NULL);
		CHECK(*row, strstr(err.detail, "hunter2") == NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_values_are_added_and_replace_old_ones),
		cmocka_unit_test(nothing_in_a_value_is_expanded),
		cmocka_unit_test(the_way_to_the_token_is_not_passed_on),
		cmocka_unit_test(what_is_no_line_is_refused_without_showing_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
