/* The YAML tree, scalars, and schema tables: base/yaml.h. */
#include "alloc_fail.h"
#include "base/yaml.h"
#include "check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct td_yaml_report report;

static enum td_rc
parse(const char *text, struct td_yaml_doc **ret_doc)
{
	struct td_yaml_text t = { "t.yaml", text, strlen(text) };

	td_yaml_report_init(&report);
	return td_yaml_parse(&t, ret_doc, &report, NULL);
}

/* ---- the tree ---- */

static void
a_tree_can_be_walked_and_knows_its_lines(void **state)
{
	struct td_yaml_doc *doc = NULL;
	const struct td_yaml_node *root, *n;

	(void)state;
	assert_int_equal(parse("# a comment\n"
			       "name: \"laf\"\n"
			       "statements:\n"
			       "  - effect: Allow\n"
			       "    actions: [ a, 'b' ]\n"
			       "  - ~\n"
			       "empty:\n",
			       &doc),
			 TD_OK);
	root = td_yaml_root(doc);
	assert_int_equal(td_yaml_kind(root), TD_YAML_MAPPING);
	assert_int_equal(td_yaml_count(root), 3);
	assert_string_equal(td_yaml_scalar(td_yaml_key_at(root, 1)), "statements");
	assert_int_equal(td_yaml_line(td_yaml_key_at(root, 1)), 3);
	assert_null(td_yaml_key_at(root, 3));
	n = td_yaml_get(root, "name");
	assert_string_equal(td_yaml_scalar(n), "laf");
	assert_false(td_yaml_is_plain(n));
	n = td_yaml_find(doc, "statements[0].actions[1]");
	assert_string_equal(td_yaml_scalar(n), "b");
	assert_int_equal(td_yaml_line(n), 5);
	assert_null(td_yaml_find(doc, "statements[2]"));
	assert_null(td_yaml_find(doc, "statements.effect"));
	assert_null(td_yaml_find(doc, "name[0]"));
	assert_true(td_yaml_is_null(td_yaml_find(doc, "statements[1]")));
	assert_true(td_yaml_is_null(td_yaml_get(root, "empty")));
	assert_null(td_yaml_get(root, "nothing"));
	assert_null(td_yaml_scalar(root));
	td_yaml_doc_free(doc);
	td_yaml_doc_free(NULL);
}

static void
nothing_is_no_root(void **state)
{
	static const char *const texts[] = { "", "# only a comment\n", "---\n", "~\n" };

	(void)state;
	for (EACH(text, texts)) {
		struct td_yaml_doc *doc = NULL;

		assert_int_equal(parse(*text, &doc), TD_OK);
		assert_null(td_yaml_root(doc));
		td_yaml_doc_free(doc);
	}
}

static void
what_is_refused_says_where_and_why(void **state)
{
	static const struct row {
		const char *says, *in, *complaint;
	} rows[] = {
		{ "an anchor", "a: &x 1\n", "t.yaml:1: anchors (&name) are not taken" },
		{ "an alias", "a: 1\nb: *x\n",
		  "t.yaml:2: aliases (*name) are not taken" },
		{ "a tag", "a: !!int 1\n", "t.yaml:1: tags (!name) are not taken" },
		{ "a tag on a mapping", "a: !x {}\n",
		  "t.yaml:1: tags (!name) are not taken" },
		{ "a merge key", "a:\n  <<: {}\n",
		  "t.yaml:2: merge keys (<<) are not taken" },
		{ "a duplicate key", "a: 1\nb: 2\na: 3\n",
		  "t.yaml:3: a: duplicate key, first seen on line 1" },
		{ "a duplicate in another style", "a: 1\n\"a\": 3\n",
		  "t.yaml:2: a: duplicate key, first seen on line 1" },
		{ "a key that is a list", "? [a]\n: 1\n",
		  "t.yaml:1: a key must be plain text" },
		{ "a second document", "a: 1\n---\nb: 1\n",
		  "t.yaml:2: a second document: one file, one document" },
		{ "a NUL escape", "a: \"x\\0y\"\n", "t.yaml:1: text with a NUL byte" },
		{ "a tab as indentation", "a:\n\t- b\n", "t.yaml:2: not YAML: " },
		{ "an open bracket", "a: [1, 2\nb: 3\n", "not YAML: " },
		{ "bad UTF-8", "a: \xff\xfe\n", "not YAML: " },
		{ "17 levels of lists", "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
		  "t.yaml:1: nested deeper than 16" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_yaml_doc *doc = NULL;

		CHECK(row->says, parse(row->in, &doc) == TD_INVALID);
		CHECK(row->says, doc == NULL);
		CHECK(row->says, report.count >= 1);
		if (strstr(report.text[0], row->complaint) == NULL)
			fail_msg("%s: %s", row->says, report.text[0]);
	}
}

static void
many_complaints_are_told_at_once_up_to_twenty(void **state)
{
	struct td_yaml_doc *doc = NULL;
	struct td_err err;
	char text[1000] = "";

	(void)state;
	for (int i = 0; i < 30; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "k%d: &a x\n",
			 i);
	assert_int_equal(parse(text, &doc), TD_INVALID);
	assert_int_equal(report.count, TD_YAML_MAX_COMPLAINTS);
	assert_int_equal(report.dropped, 10);
	assert_string_equal(report.text[19], "t.yaml:20: anchors (&name) are not taken");
	assert_int_equal(td_yaml_report_rc(&report, &err), TD_INVALID);
	assert_string_equal(err.detail,
			    "(1 of 30) t.yaml:1: anchors (&name) are not taken");
}

static void
files_are_read_and_named(void **state)
{
	char path[] = "/tmp/test-base-yaml.XXXXXX", want[100];
	struct td_yaml_doc *doc = NULL;
	struct td_err err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: 1\na: 2\n", 10), 10);
	close(fd);
	assert_int_equal(td_yaml_read(path, &doc, NULL, &err), TD_INVALID);
	snprintf(want, sizeof(want), "%s:2: a: duplicate key, first seen on line 1",
		 path);
	assert_string_equal(err.detail, want);
	assert_int_equal(truncate(path, 5), 0);
	assert_int_equal(td_yaml_read(path, &doc, NULL, &err), TD_OK);
	assert_string_equal(td_yaml_doc_name(doc), path);
	td_yaml_doc_free(doc);
	assert_int_equal(truncate(path, 4 * 1024 * 1024 + 1), 0);
	doc = NULL;
	assert_int_equal(td_yaml_read(path, &doc, NULL, &err), TD_INVALID);
	unlink(path);
	td_yaml_report_init(&report);
	assert_int_equal(td_yaml_read(path, &doc, &report, &err), TD_IO);
	assert_int_equal(report.count, 1);
	assert_int_equal(td_yaml_read("/", &doc, NULL, &err), TD_IO);
	assert_null(doc);
}

/* ---- scalars ---- */

static void
sizes_and_durations_have_one_meaning(void **state)
{
	static const struct row {
		const char *in;
		bool size_ok;
		uint64_t size;
		bool time_ok;
		int64_t time;
	} rows[] = {
		{ "0", true, 0, true, 0 },
		{ "4096", true, 4096, false, 0 },
		{ "1K", true, 1000, false, 0 },
		{ "1Ki", true, 1024, false, 0 },
		{ "64Mi", true, UINT64_C(64) << 20, false, 0 },
		{ "3G", true, UINT64_C(3000000000), false, 0 },
		{ "15Ei", true, UINT64_C(15) << 60, false, 0 },
		{ "16Ei", false, 0, false, 0 },
		{ "18446744073709551615", true, UINT64_MAX, false, 0 },
		{ "18446744073709551616", false, 0, false, 0 },
		{ "500ms", false, 0, true, 500 },
		{ "30s", false, 0, true, 30000 },
		{ "15m", false, 0, true, 900000 },
		{ "2h", false, 0, true, 7200000 },
		{ "7d", false, 0, true, 604800000 },
		{ "106751991168d", false, 0, false, 0 },
		{ "1k", false, 0, false, 0 },
		{ "1 s", false, 0, false, 0 },
		{ "-1", false, 0, false, 0 },
		{ "+1", false, 0, false, 0 },
		{ "1.5G", false, 0, false, 0 },
		{ "0x10", false, 0, false, 0 },
		{ "Mi", false, 0, false, 0 },
		{ "s", false, 0, false, 0 },
		{ "", false, 0, false, 0 },
	};

	(void)state;
	for (EACH(row, rows)) {
		uint64_t size = 0;
		int64_t ms = 0;

		CHECK(row->in, td_yaml_bytes(row->in, &size) == row->size_ok);
		CHECK(row->in, size == row->size);
		CHECK(row->in, td_yaml_duration(row->in, &ms) == row->time_ok);
		CHECK(row->in, ms == row->time);
	}
}

/* ---- the schema ---- */

enum kind { KIND_ROUTER, KIND_OTHER };
static const char *const kinds[] = { "router", "other", NULL };

struct listener {
	char *name;
	uint64_t port;
	struct td_yaml_strings sets;
	struct td_yaml_list inner;
};
struct inner {
	bool on;
};
struct config {
	char *state;
	char *region;
	uint64_t map_bytes;
	int64_t deadline;
	uint64_t workers;
	bool durable;
	int kind;
	struct td_yaml_strings reserved;
	struct td_yaml_list listeners;
	char *ca;
};

static const char *
check_name(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz") == strlen(text)
		       ? NULL
		       : "lower-case letters";
}

#define AT(type, member) offsetof(struct type, member)
static const struct td_yaml_key inner_keys[] = {
	{ "on", TD_YAML_BOOL, AT(inner, on), .fallback = "true" },
};
static const struct td_yaml_schema inner_schema = { inner_keys, 1, sizeof(struct inner),
						    NULL };
static const struct td_yaml_key listener_keys[] = {
	{ "name", TD_YAML_STRING, AT(listener, name), .need = TD_YAML_REQUIRED,
	  .check = check_name },
	{ "bind.port", TD_YAML_UINT, AT(listener, port), .fallback = "8080", .min = 1,
	  .max = 65535, .reload = TD_YAML_RELOAD },
	{ "sets", TD_YAML_STRING_LIST, AT(listener, sets), .fallback = "runtime, ops",
	  .min = 1, .max = 4, .check = check_name },
	{ "inner", TD_YAML_LIST, AT(listener, inner), .items = &inner_schema },
};
static const struct td_yaml_schema listener_schema = { listener_keys, 4,
						       sizeof(struct listener), NULL };
static const struct td_yaml_key keys[] = {
	{ "region", TD_YAML_STRING, AT(config, region), .min = 1, .max = 8,
	  .doc = "Where this is." },
	{ "store.path", TD_YAML_PATH, AT(config, state), .need = TD_YAML_REQUIRED,
	  .doc = "Where records live." },
	{ "store.map_bytes", TD_YAML_BYTES, AT(config, map_bytes), .fallback = "64Mi",
	  .min = 1 << 20, .max = UINT64_C(1) << 40, .doc = "Address space." },
	{ "store.sync.deadline", TD_YAML_DURATION, AT(config, deadline),
	  .fallback = "30s", .min = 1, .max = 3600000, .reload = TD_YAML_RELOAD },
	{ "store.sync.durable", TD_YAML_BOOL, AT(config, durable), .fallback = "true" },
	{ "workers", TD_YAML_UINT, AT(config, workers), .fallback = "4", .min = 1,
	  .max = 64 },
	{ "kind", TD_YAML_ENUM, AT(config, kind), .fallback = "router", .names = kinds },
	{ "reserved", TD_YAML_STRING_LIST, AT(config, reserved),
	  .reload = TD_YAML_RELOAD },
	{ "listeners", TD_YAML_LIST, AT(config, listeners), .items = &listener_schema,
	  .max = 3 },
	{ "tls.ca", TD_YAML_PATH, AT(config, ca), .need = TD_YAML_OPTIONAL },
};
static const struct td_yaml_schema schema = { keys, 10, sizeof(struct config),
					      "A test." };

static enum td_rc
load(const char *text, struct config *ret)
{
	struct td_yaml_doc *doc = NULL;
	enum td_rc rc = parse(text, &doc);

	if (rc == TD_OK)
		rc = td_yaml_load(&schema, doc, ret, &report, NULL);
	td_yaml_doc_free(doc);
	return rc;
}

static const char full[] = "region: eu\n"
			   "store:\n"
			   "  path: /srv/x\n"
			   "  map_bytes: 1Gi\n"
			   "  sync: { deadline: 2m, durable: false }\n"
			   "workers: 8\n"
			   "kind: other\n"
			   "reserved: [ admin, \"true\", 'with, comma', \"\" ]\n"
			   "listeners:\n"
			   "  - name: in\n"
			   "    bind: { port: 1 }\n"
			   "    inner: [ { on: false }, {} ]\n"
			   "  - name: out\n"
			   "    sets: [ control ]\n"
			   "tls:\n"
			   "  # ca: not yet\n";

static void
check_full(const struct config *c)
{
	const struct listener *l = c->listeners.items;
	const struct inner *in = l[0].inner.items;

	assert_string_equal(c->region, "eu");
	assert_string_equal(c->state, "/srv/x");
	assert_true(c->map_bytes == UINT64_C(1) << 30);
	assert_int_equal(c->deadline, 120000);
	assert_false(c->durable);
	assert_int_equal(c->workers, 8);
	assert_int_equal(c->kind, KIND_OTHER);
	assert_int_equal(c->reserved.count, 4);
	assert_string_equal(c->reserved.items[1], "true");
	assert_string_equal(c->reserved.items[2], "with, comma");
	assert_string_equal(c->reserved.items[3], "");
	assert_int_equal(c->listeners.count, 2);
	assert_string_equal(l[0].name, "in");
	assert_int_equal(l[0].port, 1);
	assert_int_equal(l[0].sets.count, 2);
	assert_string_equal(l[0].sets.items[1], "ops");
	assert_int_equal(l[0].inner.count, 2);
	assert_false(in[0].on);
	assert_true(in[1].on);
	assert_int_equal(l[1].port, 8080);
	assert_int_equal(l[1].sets.count, 1);
	assert_string_equal(l[1].sets.items[0], "control");
	assert_null(c->ca);
}

static void
a_full_file_fills_every_member(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load(full, &c), TD_OK);
	check_full(&c);
	td_yaml_free(&schema, &c);
	td_yaml_free(&schema, &c);
}

static void
what_is_left_out_gets_its_default(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load("store: { path: /x }\n", &c), TD_OK);
	assert_null(c.region);
	assert_true(c.map_bytes == 64 << 20);
	assert_int_equal(c.deadline, 30000);
	assert_true(c.durable);
	assert_int_equal(c.kind, KIND_ROUTER);
	assert_int_equal(c.reserved.count, 0);
	assert_int_equal(c.listeners.count, 0);
	td_yaml_free(&schema, &c);
}

static void
each_mistake_is_told_with_line_key_and_expectation(void **state)
{
#define P "store: { path: /x }\n"
	static const struct row {
		const char *says, *in, *complaint;
	} rows[] = {
		{ "an unknown key at the top", P "regoin: x\n",
		  "t.yaml:2: regoin: unknown key; known here: region, store, workers, "
		  "kind, "
		  "reserved, listeners, tls" },
		{ "an unknown key in a section", "store:\n  path: /x\n  size: 1\n",
		  "t.yaml:3: store.size: unknown key; known here: path, map_bytes, "
		  "sync" },
		{ "an unknown key in an item", P "listeners:\n  - name: a\n    prt: 1\n",
		  "t.yaml:4: listeners[0].prt: unknown key; known here: name, bind, "
		  "sets, "
		  "inner" },
		{ "a dotted key instead of nesting", P "store.map_bytes: 1Mi\n",
		  "t.yaml:2: store.map_bytes: unknown key; known here: region, " },
		{ "a required key is missing", "region: x\n",
		  "t.yaml:1: store.path: required, expected an absolute path, found "
		  "nothing" },
		{ "a required key of an item", P "listeners:\n  -\n    sets: [ a ]\n",
		  "t.yaml:4: listeners[0].name: required, expected a text, found "
		  "nothing" },
		{ "a required key is there but empty", "store:\n  path:\n",
		  "t.yaml:2: store.path: expected an absolute path, found nothing" },
		{ "a relative path", "store: { path: x/y }\n",
		  "t.yaml:1: store.path: expected an absolute path, found \"x/y\"" },
		{ "a number that is too large", P "workers: 65\n",
		  "t.yaml:2: workers: expected a number from 1 to 64, found \"65\"" },
		{ "a number that is too small", P "workers: 0\n",
		  "t.yaml:2: workers: expected a number from 1 to 64, found \"0\"" },
		{ "a number in quotes", P "workers: \"4\"\n",
		  "t.yaml:2: workers: expected a number from 1 to 64, found \"4\"" },
		{ "a list where a number belongs", P "workers: [4]\n",
		  "t.yaml:2: workers: expected a number from 1 to 64, found a list" },
		{ "a size without sense", "store: { path: /x, map_bytes: lots }\n",
		  "t.yaml:1: store.map_bytes: expected a size such as 64Mi from 1Mi to "
		  "1Ti, "
		  "found \"lots\"" },
		{ "a duration without unit",
		  "store: { path: /x, sync: { deadline: 30 } }\n",
		  "t.yaml:1: store.sync.deadline: expected a duration such as 500ms, "
		  "30s, "
		  "15m, 2h, 7d from 1ms to 1h, found \"30\"" },
		{ "YAML 1.1's other words for true",
		  "store: { path: /x, sync: { durable: yes } }\n",
		  "t.yaml:1: store.sync.durable: expected true or false, found \"yes\"" },
		{ "an unknown name", P "kind: Router\n",
		  "t.yaml:2: kind: expected one of router, other, found \"Router\"" },
		{ "a text that is too long", P "region: abcdefghi\n",
		  "t.yaml:2: region: expected a text with a length from 1 to 8, found "
		  "\"abcdefghi\"" },
		{ "a text that is a mapping", P "region: {}\n",
		  "t.yaml:2: region: expected a text, found a mapping" },
		{ "a section that is a text", P "tls: x\n",
		  "t.yaml:2: tls: expected a mapping, found \"x\"" },
		{ "a text where a list belongs", P "reserved: admin\n",
		  "t.yaml:2: reserved: expected a list of texts, its length, found "
		  "\"admin\"" },
		{ "a list in a list of texts", P "reserved: [ a, [ b ] ]\n",
		  "t.yaml:2: reserved[1]: expected a text, found a list" },
		{ "a list that is too long", P "listeners: [ 1, 2, 3, 4 ]\n",
		  "t.yaml:2: listeners: expected a list of mappings, its length from 0 "
		  "to 3, "
		  "found 4" },
		{ "an item that is no mapping", P "listeners: [ 1 ]\n",
		  "t.yaml:2: listeners[0]: expected a mapping, found \"1\"" },
		{ "a check that fails", P "listeners:\n  - name: A\n",
		  "t.yaml:3: listeners[0].name: expected lower-case letters, found "
		  "\"A\"" },
		{ "a check that fails in a list of texts",
		  P "listeners:\n  - name: a\n    sets: [ ok, \"n0\" ]\n",
		  "t.yaml:4: listeners[0].sets[1]: expected lower-case letters, found "
		  "\"n0\"" },
		{ "a file that is a list", "- a\n",
		  "t.yaml:1: the file: expected a mapping, found a list" },
		{ "deep inside", P "listeners:\n  - name: a\n    inner: [ { on: 1 } ]\n",
		  "t.yaml:4: listeners[0].inner[0].on: expected true or false, found "
		  "\"1\"" },
	};
#undef P

	(void)state;
	for (EACH(row, rows)) {
		static const struct config zero;
		struct config c;

		CHECK(row->says, load(row->in, &c) == TD_INVALID);
		CHECK(row->says, report.count == 1);
		if (strncmp(report.text[0], row->complaint, strlen(row->complaint)) != 0)
			fail_msg("%s: %s", row->says, report.text[0]);
		CHECK(row->says, memcmp(&c, &zero, sizeof(c)) == 0);
	}
}

static void
several_mistakes_are_told_in_one_go(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(load("workers: x\nkind: y\nzzz: 1\n", &c), TD_INVALID);
	assert_int_equal(report.count, 4);
	assert_non_null(strstr(report.text[0], "t.yaml:1: workers: "));
	assert_non_null(strstr(report.text[1], "t.yaml:2: kind: "));
	assert_non_null(strstr(report.text[2], "t.yaml:3: zzz: "));
	assert_non_null(strstr(report.text[3], "store.path: required"));
}

static void
print(const void *loaded, struct td_buf *out)
{
	td_buf_init(out, 100000);
	td_yaml_print(&schema, loaded, out);
	assert_int_equal(td_buf_rc(out), TD_OK);
}

static void
what_is_printed_reads_back_equal(void **state)
{
	struct config c, again;
	struct td_buf out;

	(void)state;
	assert_int_equal(load(full, &c), TD_OK);
	print(&c, &out);
	if (load(td_buf_cstr(&out), &again) != TD_OK)
		fail_msg("%s\n%s", report.text[0], td_buf_cstr(&out));
	check_full(&again);
	assert_int_equal(td_yaml_diff(&schema, &c, &again, NULL, NULL), 0);
	td_yaml_free(&schema, &c);
	td_yaml_free(&schema, &again);
	td_buf_done(&out);
}

static void
texts_that_yaml_could_mistake_are_quoted(void **state)
{
	static const char *const texts[] = { "true", "NO", "null", "~",	       "",
					     "1e3",  "-",  "a: b", "a #b",     "[a]",
					     "*a",   "&a", "!a",   "a,b",      "a\nb",
					     "\"",   "\\", "%a",   " a ",      "@a",
					     "0x1f", "a:", "\t",   "\xc3\xa9", "y",
					     ">",    "|",  "?",	   "-a",       "\x7f" };

	(void)state;
	for (EACH(text, texts)) {
		char *item[] = { strdup(*text) };
		char state_path[] = "/x";
		struct config c = {
			.state = state_path,
			.map_bytes = 1 << 20,
			.deadline = 1,
			.workers = 1,
			.reserved = { item, 1 },
		};
		struct config again;
		struct td_buf out;

		print(&c, &out);
		if (load(td_buf_cstr(&out), &again) != TD_OK)
			fail_msg("\"%s\": %s", *text, report.text[0]);
		CHECK(*text, again.reserved.count == 1);
		CHECK(*text, strcmp(again.reserved.items[0], *text) == 0);
		td_yaml_free(&schema, &again);
		td_buf_done(&out);
		free(item[0]);
	}
}

static void
the_default_file_explains_itself(void **state)
{
	static const char *const lines[] = {
		"# A test.\n",
		"\nstore:\n",
		"  # Where records live.\n  # (path; required; restart)\n  # path:\n",
		"  # Address space.\n  # (size 1Mi..1Ti; default 64Mi; restart)\n"
		"  map_bytes: 64Mi\n",
		"  sync:\n    # (duration 1ms..1h; default 30s; SIGHUP)\n    deadline: "
		"30s\n",
		"# (one of router, other; default router; restart)\nkind: router\n",
		"listeners: []\n",
		"  # ca:\n",
	};
	struct td_buf out;

	(void)state;
	print(NULL, &out);
	for (EACH(line, lines))
		if (strstr(td_buf_cstr(&out), *line) == NULL)
			fail_msg("missing: %s\nin: %s", *line, td_buf_cstr(&out));
	td_buf_done(&out);
}

static void
note_change(void *ctx, const char *path, enum td_yaml_reload reload)
{
	td_buf_fmt(ctx, "%s%s ", path, reload == TD_YAML_RELOAD ? "" : "!");
}

static void
differences_are_named_and_restarts_counted(void **state)
{
	static const struct row {
		const char *says, *in, *changes;
		size_t restarts;
	} rows[] = {
		{ "nothing changed", "store: { path: /x }\nlisteners: [ { name: a } ]\n",
		  "", 0 },
		{ "one that can be reloaded",
		  "store: { path: /x, sync: { deadline: 1s } }\nlisteners: [ { name: a } "
		  "]\n",
		  "store.sync.deadline ", 0 },
		{ "one that cannot", "store: { path: /y }\nlisteners: [ { name: a } ]\n",
		  "store.path! ", 1 },
		{ "a text appears",
		  "store: { path: /x }\ntls: { ca: /z }\n"
		  "listeners: [ { name: a } ]\n",
		  "tls.ca! ", 1 },
		{ "inside an item",
		  "store: { path: /x }\nlisteners: [ { name: b, bind: { port: 1 } } ]\n",
		  "listeners[0].name! listeners[0].bind.port ", 1 },
		{ "a list gets longer",
		  "store: { path: /x }\nlisteners: [ { name: a }, { name: b } ]\n",
		  "listeners! ", 1 },
		{ "a list of texts",
		  "store: { path: /x }\nlisteners: [ { name: a } ]\nreserved: [ x ]\n",
		  "reserved ", 0 },
		{ "several kinds",
		  "store: { path: /x }\nlisteners: [ { name: a } ]\n"
		  "workers: 5\nkind: other\n",
		  "workers! kind! ", 2 },
	};
	struct config before;

	(void)state;
	assert_int_equal(load(rows[0].in, &before), TD_OK);
	for (EACH(row, rows)) {
		struct config after;
		struct td_buf out;

		td_buf_init(&out, 1000);
		CHECK(row->says, load(row->in, &after) == TD_OK);
		CHECK(row->says, td_yaml_diff(&schema, &before, &after, note_change,
					      &out) == row->restarts);
		if (strcmp(td_buf_cstr(&out), row->changes) != 0)
			fail_msg("%s: %s", row->says, td_buf_cstr(&out));
		td_yaml_free(&schema, &after);
		td_buf_done(&out);
	}
	td_yaml_free(&schema, &before);
}

static void
no_memory_anywhere_is_clean(void **state)
{
	bool failed = true;
	long n;

	(void)state;
	for (n = 0; failed; n++) {
		struct config c = { 0 };
		enum td_rc rc;

		assert_true(n < 1000);
		alloc_fail_at(n);
		rc = load(full, &c);
		failed = alloc_fail_off();
		assert_int_equal(rc, failed ? TD_NOMEM : TD_OK);
		if (!failed)
			check_full(&c);
		td_yaml_free(&schema, &c);
	}
	/* Nodes, names, keys, items and texts: it did go through all of them. */
	assert_true(n > 80);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_can_be_walked_and_knows_its_lines),
		cmocka_unit_test(nothing_is_no_root),
		cmocka_unit_test(what_is_refused_says_where_and_why),
		cmocka_unit_test(many_complaints_are_told_at_once_up_to_twenty),
		cmocka_unit_test(files_are_read_and_named),
		cmocka_unit_test(sizes_and_durations_have_one_meaning),
		cmocka_unit_test(a_full_file_fills_every_member),
		cmocka_unit_test(what_is_left_out_gets_its_default),
		cmocka_unit_test(each_mistake_is_told_with_line_key_and_expectation),
		cmocka_unit_test(several_mistakes_are_told_in_one_go),
		cmocka_unit_test(what_is_printed_reads_back_equal),
		cmocka_unit_test(texts_that_yaml_could_mistake_are_quoted),
		cmocka_unit_test(the_default_file_explains_itself),
		cmocka_unit_test(differences_are_named_and_restarts_counted),
		cmocka_unit_test(no_memory_anywhere_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
