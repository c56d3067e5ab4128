/*
 * Any bytes as a configuration file: the tree, the walk over it, and a schema that uses
 * every type. What loads must print and read back equal.
 */
#include "base/yaml.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct item {
	char *name;
	struct td_yaml_strings sets;
};
struct config {
	char *text, *path;
	uint64_t number, bytes;
	int64_t time;
	bool on;
	int kind;
	struct td_yaml_strings strings;
	struct td_yaml_list items;
};

static const char *const kinds[] = { "one", "two", NULL };
#define AT(type, member) offsetof(struct type, member)
static const struct td_yaml_key item_keys[] = {
	{ "name", TD_YAML_STRING, AT(item, name), .need = TD_YAML_REQUIRED },
	{ "deep.sets", TD_YAML_STRING_LIST, AT(item, sets), .fallback = "a, b" },
};
static const struct td_yaml_schema item_schema = { item_keys, 2, sizeof(struct item),
						   NULL };
static const struct td_yaml_key keys[] = {
	{ "text", TD_YAML_STRING, AT(config, text), .fallback = "x" },
	{ "path", TD_YAML_PATH, AT(config, path), .need = TD_YAML_OPTIONAL },
	{ "a.number", TD_YAML_UINT, AT(config, number), .fallback = "1", .max = 1000 },
	{ "a.bytes", TD_YAML_BYTES, AT(config, bytes), .fallback = "1Ki" },
	{ "a.b.time", TD_YAML_DURATION, AT(config, time), .fallback = "1s" },
	{ "on", TD_YAML_BOOL, AT(config, on), .fallback = "true" },
	{ "kind", TD_YAML_ENUM, AT(config, kind), .fallback = "one", .names = kinds },
	{ "strings", TD_YAML_STRING_LIST, AT(config, strings), .need = TD_YAML_OPTIONAL },
	{ "items", TD_YAML_LIST, AT(config, items), .items = &item_schema },
};
static const struct td_yaml_schema schema = { keys, 9, sizeof(struct config), "Fuzzed." };

static void
round_trip(const struct config *c)
{
	struct td_yaml_report report;
	struct td_yaml_doc *doc = NULL;
	struct config again;
	struct td_buf out;

	td_yaml_report_init(&report);
	td_buf_init(&out, 64u << 20);
	td_yaml_print(&schema, c, &out);
	/* Text from up to 4 MiB of file may print longer than a file may be. */
	if (td_buf_rc(&out) == TD_OK && out.len <= 4u << 20) {
		struct td_yaml_text text = { "again", td_buf_cstr(&out), out.len };

		if (td_yaml_parse(&text, &doc, &report, NULL) != TD_OK ||
		    td_yaml_load(&schema, doc, &again, &report, NULL) != TD_OK)
			abort();
		if (td_yaml_diff(&schema, c, &again, NULL, NULL) != 0)
			abort();
		td_yaml_free(&schema, &again);
		td_yaml_doc_free(doc);
	}
	td_buf_done(&out);
}

static unsigned
walk(const struct td_yaml_node *n)
{
	unsigned lines = td_yaml_line(n);
	char found[64];

	lines += td_yaml_found(n, found)[0] == 'a';
	for (size_t i = 0; i < td_yaml_count(n); i++)
		lines += walk(td_yaml_at(n, i));
	return lines;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct td_yaml_report report;
	struct td_yaml_text text = { "fuzz", data, size };
	struct td_yaml_doc *doc = NULL;
	struct config c;

	td_yaml_report_init(&report);
	if (td_yaml_parse(&text, &doc, &report, NULL) != TD_OK) {
		if (report.count == 0)
			abort();
		return 0;
	}
	if (td_yaml_root(doc) != NULL)
		walk(td_yaml_root(doc));
	td_yaml_find(doc, "items[0].deep.sets[1]");
	if (td_yaml_load(&schema, doc, &c, &report, NULL) == TD_OK)
		round_trip(&c);
	td_yaml_free(&schema, &c);
	td_yaml_doc_free(doc);
	return 0;
}
