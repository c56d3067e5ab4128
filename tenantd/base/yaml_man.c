/*
 * Out of the same table as the parser: the list of keys for a manual page.
 */
#include "man.h"
#include "yaml_internal.h"

static void
add_keys(struct td_buf *out, const struct td_yaml_schema *schema)
{
	td_buf_str(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < schema->count; i++) {
		const struct td_yaml_key *row = &schema->keys[i];

		td_buf_fmt(out, ".It Ic %s\n", row->path);
		if (row->doc != NULL)
			td_man_text(out, row->doc);
		td_buf_str(out, ".br\n(");
		yaml_facts(out, row);
		td_buf_str(out, ")\n");
		if (row->type == TD_YAML_LIST) {
			td_buf_str(out, ".Pp\nEach item has:\n");
			add_keys(out, row->items);
		}
	}
	td_buf_str(out, ".El\n");
}

void
td_yaml_man(const struct td_yaml_schema *schema, struct td_buf *out)
{
	add_keys(out, schema);
}
