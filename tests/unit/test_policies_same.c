/* Reading a policy back: what MinIO may change without changing the meaning. */
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V "\"Version\":\"2012-10-17\""
#define ST(inner) "{" V ",\"Statement\":[" inner "]}"
#define ONE "{\"Effect\":\"Allow\",\"Action\":[\"s3:A\",\"s3:B\"],\"Resource\":[\"r\"]}"
#define TWO "{\"Effect\":\"Deny\",\"Action\":[\"admin:*\"]}"

static const struct {
	const char *says;
	const char *a;
	const char *b;
	bool same;
} table[] = {
	{ "the same bytes", ST(ONE), ST(ONE), true },
	{ "order of statements", ST(ONE "," TWO), ST(TWO "," ONE), true },
	{ "a statement less", ST(ONE "," TWO), ST(ONE), false },
	{ "the same statement twice is once", ST(ONE "," ONE), ST(ONE), true },
	{ "order of actions", ST(ONE),
	  ST("{\"Resource\":[\"r\"],\"Action\":[\"s3:B\",\"s3:A\"],\"Effect\":"
	     "\"Allow\"}"),
	  true },
	{ "white space", ST(ONE), "{ " V " , \"Statement\" : [ " ONE " ] }", true },
	{ "one string is a list of one", ST("{\"Action\":\"x\",\"Resource\":\"y\"}"),
	  ST("{\"Action\":[\"x\"],\"Resource\":[\"y\"]}"), true },
	{ "one statement is a list of one", "{" V ",\"Statement\":" ONE "}", ST(ONE),
	  true },
	{ "MinIO's spelling of anybody", ST("{\"Principal\":\"*\"}"),
	  ST("{\"Principal\":{\"AWS\":[\"*\"]}}"), true },
	{ "AWS's spelling of anybody", ST("{\"Principal\":{\"AWS\":\"*\"}}"),
	  ST("{\"Principal\":{\"AWS\":[\"*\"]}}"), true },
	{ "somebody is not anybody", ST("{\"Principal\":\"*\"}"),
	  ST("{\"Principal\":{\"AWS\":[\"me\"]}}"), false },
	{ "one action more", ST("{\"Action\":[\"s3:A\"]}"),
	  ST("{\"Action\":[\"s3:A\",\"s3:B\"]}"), false },
	{ "another effect", ST("{\"Effect\":\"Allow\"}"), ST("{\"Effect\":\"Deny\"}"),
	  false },
	{ "a member more", ST(ONE), "{" V ",\"Id\":\"x\",\"Statement\":[" ONE "]}",
	  false },
	{ "a condition is not ignored", ST("{\"Effect\":\"Allow\"}"),
	  ST("{\"Effect\":\"Allow\",\"Condition\":{\"Bool\":{\"x\":true}}}"), false },
	{ "escapes are the same text", ST("{\"Action\":[\"s3:\\u0041\"]}"),
	  ST("{\"Action\":[\"s3:A\"]}"), true },
	{ "a list in a list is no list", ST("{\"Action\":[[\"a\"]]}"),
	  ST("{\"Action\":[\"a\"]}"), false },
	{ "numbers", "{\"a\":1}", "{\"a\":2}", false },
	{ "no JSON", "{", "{", false },
	{ "nothing", "", "", false },
	{ "no object", "[]", "[]", false },
	{ "a member twice", "{\"a\":1,\"a\":1}", "{\"a\":1,\"a\":1}", false },
	{ "trailing bytes", "{} x", "{} x", false },
	{ "deeper than any policy", "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}",
	  "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", false },
	{ "empty objects", "{}", "{}", true },
	{ "empty lists", "{\"a\":[]}", "{\"a\":[]}", true },
};

static void
table_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *a = table[i].a;
		const char *b = table[i].b;

		if (policy_json_same(a, strlen(a), b, strlen(b)) != table[i].same ||
		    policy_json_same(b, strlen(b), a, strlen(a)) != table[i].same)
			fail_msg("%s", table[i].says);
	}
}

static void
what_does_not_fit_is_different(void **state)
{
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 200000);
	td_buf_str(&b, "{\"a\":\"");
	for (int i = 0; i < 10000; i++)
		td_buf_str(&b, "0123456789");
	td_buf_str(&b, "\"}");
	assert_int_equal(td_buf_rc(&b), TD_OK);
	assert_false(policy_json_same(b.data, b.len, b.data, b.len));
	td_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_rows),
		cmocka_unit_test(what_does_not_fit_is_different),
	};

	return cmocka_run_group_tests_name("policies_same", tests, NULL, NULL);
}
