/*
 * Can two tenants meet: the search against a table, against its own witnesses, and
 * against trying everything on a small alphabet.
 */
#include "policies/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define V "${aws:username}"
#define X16 "xxxxxxxxxxxxxxxx"

/* As MinIO matches: `*` is any bytes, `?` is one. Written anew, not shared. */
static bool
matches(const char *pattern, const char *text)
{
	if (*pattern == '\0')
		return *text == '\0';
	if (*pattern == '*')
		return matches(pattern + 1, text) ||
		       (*text != '\0' && matches(pattern, text + 1));
	return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
	       matches(pattern + 1, text + 1);
}

static void
fill(const char *pattern, const char *appid, char *out, size_t size)
{
	const char *at = strstr(pattern, V);
	int n = at == NULL ? snprintf(out, size, "%s", pattern)
			   : snprintf(out, size, "%.*s%s%s", (int)(at - pattern), pattern,
				      appid, at + strlen(V));

	assert_true(n >= 0 && (size_t)n < size);
}

static bool
is_appid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");

	return s[n] == '\0' && n >= 3 && n <= 32;
}

/* The witness is two different appids, and both patterns match what it says. */
static void
check_witness(const char *a, const char *b, const struct policy_witness *w)
{
	char filled[256];

	assert_true(is_appid(w->appid_a));
	assert_true(is_appid(w->appid_b));
	assert_string_not_equal(w->appid_a, w->appid_b);
	fill(a, w->appid_a, filled, sizeof(filled));
	assert_true(matches(filled, w->resource));
	fill(b, w->appid_b, filled, sizeof(filled));
	assert_true(matches(filled, w->resource));
}

static const struct {
	const char *says;
	const char *a;
	const char *b;
	bool meet;
} table[] = {
	{ "a prefix that ends in a hyphen is free of others", V "-*", V "-*", false },
	{ "with objects", V "-*/*", V "-*", false },
	{ "one bucket", V "-data", V "-data", false },
	{ "even with a wildcard next to the hyphen", V "-?*", V "-*?", false },
	{ "without the hyphen one appid begins another", V "*", V "*", true },
	{ "against what is everybody's own", V "*", V "-*", true },
	{ "a wildcard before it takes in another's", "*-" V, V "-*", true },
	{ "but two of them end in different appids", "*-" V, "*-" V, false },
	{ "without a hyphen one ends another", "*" V, "*" V, true },
	{ "no variable: the same for all", "shared/*", "shared/*", true },
	{ "no variable on one side", V "-*", "abc-data", true },
	{ "a name that is no tenant's", V "-*", "a.b-data", false },
	{ "a name that is too short for an appid", V "-*", "ab-data", false },
	{ "a name that is too long for an appid", V "-*", X16 X16 "x-data", false },
	{ "the longest appid", V "-*", X16 X16 "-data", true },
	{ "capitals are in no appid", V "-*", "Abc-data", false },
	{ "nothing at all on both sides", "*", "*", true },
	{ "different literals", "x" V, "y" V, false },
	{ "a literal end of appid characters", V "z", V "-*", false },
	{ "one that another appid ends with", V "z", V, true },
	{ "the appid in the middle", "p-" V "-*", "p-" V "-*", false },
	{ "the appid in the middle, and a tenant named p55", "p55-" V "-*", V "-*",
	  true },
	{ "question marks for an appid",
	  "???"
	  "-" V,
	  V "-*", true },
	{ "two question marks are no appid",
	  "??"
	  "-" V,
	  V "-*", false },
	{ "empty patterns", "", "", true },
	{ "an appid is never empty", V, "", false },
	{ "the same length forced, the first character differs", V "-???",
	  "a??"
	  "-" V,
	  true },
	{ "equal is forced: the appid between two dots", "*." V ".*x", "." V ".yx",
	  false },
};

static void
table_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct policy_witness w;
		struct td_err err;
		enum td_rc rc = policy_patterns_meet(table[i].a, table[i].b, &w, &err);

		if (rc != (table[i].meet ? TD_CONFLICT : TD_OK))
			fail_msg("%s: %s and %s: rc %d", table[i].says, table[i].a,
				 table[i].b, (int)rc);
		if (rc == TD_CONFLICT)
			check_witness(table[i].a, table[i].b, &w);
		/* The question is symmetric. */
		assert_int_equal(policy_patterns_meet(table[i].b, table[i].a, NULL, NULL),
				 rc);
	}
}

static void
what_cannot_be_asked(void **state)
{
	struct td_err err;
	char longest[POLICY_RESOURCE_MAX + 2];

	(void)state;
	assert_int_equal(policy_patterns_meet(V V, "x", NULL, &err), TD_INVALID);
	assert_string_equal(err.detail, "a resource has the variable twice");
	assert_int_equal(policy_patterns_meet("x", "${aws:userid}", NULL, &err),
			 TD_INVALID);
	assert_string_equal(err.detail,
			    "a resource has another variable than ${aws:username}");
	memset(longest, '?', sizeof(longest));
	longest[POLICY_RESOURCE_MAX + 1] = '\0';
	assert_int_equal(policy_patterns_meet(longest, "x", NULL, &err), TD_INVALID);
	assert_string_equal(err.detail, "a resource is longer than 128 bytes");
	longest[POLICY_RESOURCE_MAX] = '\0';
	assert_int_equal(policy_patterns_meet(longest, longest, NULL, &err), TD_CONFLICT);
}

/* The longest witness there is fits. */
static void
long_witnesses_fit(void **state)
{
	char a[POLICY_RESOURCE_MAX + 1] = "*" V;
	char b[POLICY_RESOURCE_MAX + 1];
	struct policy_witness w;

	(void)state;
	memset(a + strlen(a), '?', POLICY_RESOURCE_MAX - strlen(a));
	memset(b, '?', POLICY_RESOURCE_MAX);
	b[POLICY_RESOURCE_MAX - 1] = '*';
	b[POLICY_RESOURCE_MAX] = '\0';
	assert_int_equal(policy_patterns_meet(a, b, &w, NULL), TD_CONFLICT);
	check_witness(a, b, &w);
}

/* ---- against trying everything ---- */

static uint32_t seed = 20260101;

static uint32_t
below(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static void
random_pattern(char *out, size_t size)
{
	static const char *const parts[] = { "a", "b", "-", "*", "?" };
	uint32_t before = below(3);
	uint32_t after = below(4);

	out[0] = '\0';
	for (uint32_t i = 0; i < before; i++)
		strncat(out, parts[below(COUNT(parts))], size - strlen(out) - 1);
	if (below(8) != 0)
		strncat(out, V, size - strlen(out) - 1);
	for (uint32_t i = 0; i < after; i++)
		strncat(out, parts[below(COUNT(parts))], size - strlen(out) - 1);
}

/* Every text of at most 7 of the letters a, b and '-'. */
#define LONGEST 7

static bool
next_text(char *text)
{
	size_t i = 0;

	while (text[i] == '-')
		text[i++] = 'a';
	if (text[i] == 'a')
		text[i] = 'b';
	else if (text[i] == 'b')
		text[i] = '-';
	else if (i < LONGEST)
		text[i] = 'a';
	else
		return false;
	return true;
}

/* Which of these appids (bits) let the pattern match the text? */
static const char *const appids[] = { "aaa", "aab", "aba",  "abb",  "baa",  "bab",
				      "bba", "bbb", "aaaa", "abab", "baba", "aaab" };

static unsigned
who(char filled[COUNT(appids)][64], const char *text)
{
	unsigned set = 0;

	for (unsigned i = 0; i < COUNT(appids); i++)
		set |= (matches(filled[i], text) ? 1U : 0U) << i;
	return set;
}

static bool
two_of(unsigned a, unsigned b)
{
	/* One of each, and not the same one. */
	return a != 0 && b != 0 && !(a == b && (a & (a - 1)) == 0);
}

static bool
found_by_trying(const char *a, const char *b, char *where)
{
	char fa[COUNT(appids)][64], fb[COUNT(appids)][64];
	char text[LONGEST + 2] = { 0 };

	for (size_t i = 0; i < COUNT(appids); i++) {
		fill(a, appids[i], fa[i], sizeof(fa[i]));
		fill(b, appids[i], fb[i], sizeof(fb[i]));
	}
	do {
		if (two_of(who(fa, text), who(fb, text))) {
			memcpy(where, text, sizeof(text));
			return true;
		}
	} while (next_text(text));
	return false;
}

static void
what_trying_finds_the_search_finds(void **state)
{
	unsigned met = 0;
	unsigned never = 0;

	(void)state;
	for (int i = 0; i < 400; i++) {
		char a[128] = { 0 };
		char b[128] = { 0 };
		char where[LONGEST + 2];
		struct policy_witness w;
		enum td_rc rc;

		do
			random_pattern(a, sizeof(a));
		while (a[0] == '\0');
		do
			random_pattern(b, sizeof(b));
		while (b[0] == '\0');
		rc = policy_patterns_meet(a, b, &w, NULL);
		if (rc == TD_CONFLICT) {
			met++;
			check_witness(a, b, &w);
			continue;
		}
		never++;
		assert_int_equal(rc, TD_OK);
		if (found_by_trying(a, b, where))
			fail_msg("%s and %s meet in \"%s\"", a, b, where);
	}
	/* Both answers are really exercised. */
	assert_true(met > 50);
	assert_true(never > 50);
}

/* ---- a whole set ---- */

static void
pairs_of_a_set(void **state)
{
	static const struct allowed list[] = {
		{ "arn:aws:s3:::" V "-*", "good.yaml" },
		{ "arn:aws:s3:::" V "*", "bad.yaml" },
		{ "arn:aws:s3:::pub." V V, "broken.yaml" },
	};
	struct td_yaml_report report;
	struct td_err err;

	(void)state;
	td_yaml_report_init(&report);
	assert_int_equal(overlap_check(list, 1, &report, &err), TD_OK);
	assert_int_equal(overlap_check(list, 0, &report, &err), TD_OK);
	assert_int_equal(overlap_check(list, 2, &report, &err), TD_INVALID);
	assert_int_equal(report.count, 2);
	assert_string_equal(
		report.text[0],
		"bad.yaml: resource arn:aws:s3:::" V "* with that of every tenant: "
		"the tenants aaa and aaaa would both reach arn:aws:s3:::aaaa-");
	assert_string_equal(report.text[1], "bad.yaml: resource arn:aws:s3:::" V
					    "*: the tenants aaa and aaaa "
					    "would both reach arn:aws:s3:::aaaa");
	td_yaml_report_init(&report);
	assert_int_equal(overlap_check(list + 2, 1, &report, &err), TD_INVALID);
	assert_string_equal(
		report.text[0],
		"broken.yaml: resource arn:aws:s3:::pub." V V
		" with that of every tenant: a resource has the variable twice");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_rows),
		cmocka_unit_test(what_cannot_be_asked),
		cmocka_unit_test(long_witnesses_fit),
		cmocka_unit_test(what_trying_finds_the_search_finds),
		cmocka_unit_test(pairs_of_a_set),
	};

	return cmocka_run_group_tests_name("policies_overlap", tests, NULL, NULL);
}
