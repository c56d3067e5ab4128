/*
 * What is printed goes through one wiped buffer and write(2): it may be a secret, which has
 * no business in stdio's memory, and a full disk behind a redirection must not look like
 * success.
 */
#include "internal.h"

#include "base/yaml.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LINE 4096

static enum ctl_exit
write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			struct td_err err;

			td_err_sys(&err, TD_IO, errno, "cannot write to standard output");
			return ctl_fail(&err);
		}
		p += n;
		len -= (size_t)n;
	}
	return CTL_OK;
}

enum ctl_exit
ctl_flush(struct ctl *c)
{
	enum ctl_exit ex;

	if (td_buf_rc(&c->out) != TD_OK) {
		ctl_complain("the output is too long, or there is no memory for it");
		return CTL_ERROR;
	}
	ex = write_all(STDOUT_FILENO, td_buf_cstr(&c->out), c->out.len);
	td_buf_reset(&c->out);
	return ex;
}

enum ctl_exit
ctl_print_json(struct ctl *c, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);

	if (text == NULL) {
		ctl_complain("out of memory");
		return CTL_ERROR;
	}
	td_buf_str(&c->out, text);
	td_buf_char(&c->out, '\n');
	explicit_bzero(text, strlen(text));
	free(text);
	return ctl_flush(c);
}

enum ctl_exit
ctl_print_body(struct ctl *c, const struct ctl_answer *a)
{
	const struct td_buf *b = &a->http.body;

	if (b->len == 0)
		return CTL_OK;
	td_buf_add(&c->out, b->data, b->len);
	if (b->data[b->len - 1] != '\n')
		td_buf_char(&c->out, '\n');
	return ctl_flush(c);
}

void
ctl_complain(const char *fmt, ...)
{
	char text[MAX_LINE];
	struct td_buf line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	td_buf_init(&line, 4 * MAX_LINE);
	td_buf_str(&line, "tenantctl: ");
	ctl_add_clean(&line, text);
	td_buf_char(&line, '\n');
	/* Nobody is left to be told when this fails. */
	if (write(STDERR_FILENO, td_buf_cstr(&line), line.len) < 0)
		errno = 0;
	td_buf_done(&line);
}

void
ctl_say(struct ctl *c, const char *fmt, ...)
{
	char text[MAX_LINE];
	va_list ap;

	if (c->set.quiet || c->set.output != CTL_TABLE)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ctl_add_clean(&c->out, text);
	td_buf_char(&c->out, '\n');
}

enum ctl_exit
ctl_fail(const struct td_err *err)
{
	ctl_complain("%s", err->detail);
	return CTL_ERROR;
}

enum ctl_exit
ctl_fail_usage(const struct td_err *err)
{
	ctl_complain("%s", err->detail);
	return CTL_USAGE;
}

/* One page out. */
static enum ctl_exit
print_page(struct ctl *c, const struct ctl_list *list, const json_t *items, size_t count,
	   struct ctl_table *table)
{
	enum ctl_exit ex = CTL_OK;

	for (size_t i = 0; i < count && ex == CTL_OK; i++) {
		const json_t *item = json_array_get(items, i);

		if (c->set.output == CTL_JSON)
			ex = ctl_print_json(c, item);
		else
			list->row(table, item);
	}
	if (ex != CTL_OK)
		return ex;
	if (ctl_table_flush(table, &c->out) != TD_OK) {
		ctl_complain("no memory for the table");
		return CTL_ERROR;
	}
	return ctl_flush(c);
}

enum ctl_exit
ctl_limit_option(struct ctl *c, uint64_t *ret)
{
	const char *text = ctl_value(&c->args, "limit");

	*ret = 0;
	if (text == NULL || (td_yaml_uint(text, ret) && *ret > 0))
		return CTL_OK;
	ctl_complain("--limit %s: expected a number", text);
	return CTL_USAGE;
}

enum ctl_exit
ctl_list_print(struct ctl *c, const struct ctl_list *list)
{
	char cursor[256] = "";
	uint64_t left = list->limit != 0 ? list->limit : UINT64_MAX;
	enum ctl_exit ex = CTL_OK;
	struct ctl_table table;
	struct td_buf path;

	if (list->start != NULL)
		snprintf(cursor, sizeof(cursor), "%s", list->start);
	ctl_table_init(&table, list->titles, list->title_count);
	td_buf_init(&path, MAX_LINE);
	do {
		const struct ctl_request req = { .method = "GET" };
		struct ctl_request page = req;
		struct ctl_answer a;
		const json_t *items;
		size_t count;
		char limit[24];

		td_buf_reset(&path);
		td_buf_str(&path, list->path);
		snprintf(limit, sizeof(limit), "%u", left < 500 ? (unsigned)left : 500);
		ctl_query_add(&path, "limit", limit);
		if (cursor[0] != '\0')
			ctl_query_add(&path, list->cursor, cursor);
		page.path = td_buf_cstr(&path);
		ex = ctl_call(c, &page, &a);
		if (ex != CTL_OK)
			break;
		items = json_object_get(a.json, list->items);
		count = json_array_size(items);
		if (count > left)
			count = (size_t)left;
		left -= count;
		snprintf(cursor, sizeof(cursor), "%s", ctl_text(a.json, list->next));
		ex = print_page(c, list, items, count, &table);
		ctl_answer_done(&a);
	} while (ex == CTL_OK && cursor[0] != '\0' && left > 0);
	td_buf_done(&path);
	ctl_table_done(&table);
	return ex;
}
