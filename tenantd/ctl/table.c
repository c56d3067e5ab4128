/*
 * Rows are kept as clean text in one buffer, cell after cell, until they are flushed.
 */
#include "table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at p (of at most left bytes), 0 when it is none. Overlong
 * forms, surrogates and what lies past U+10FFFF are none. */
static size_t
sequence(const unsigned char *p, size_t left, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = 0;
	uint32_t code;

	if (p[0] < 0x80)
		len = 1;
	else if (p[0] >= 0xc2 && p[0] < 0xe0)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf5)
		len = 4;
	if (len == 0 || len > left)
		return 0;
	code = len == 1 ? p[0] : p[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	if (len > 1 &&
	    (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)))
		return 0;
	*ret_code = code;
	return len;
}

/* C0, DEL, C1; marks that turn the direction of writing; line and paragraph separators. */
static bool
is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

void
ctl_add_clean(struct td_buf *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t left = strlen(s);

	while (left > 0) {
		uint32_t code = 0;
		size_t len = sequence(p, left, &code);

		if (len == 0 || is_control(code))
			td_buf_char(out, '?');
		else
			td_buf_add(out, p, len);
		p += len == 0 ? 1 : len;
		left -= len == 0 ? 1 : len;
	}
}

static size_t
columns_of(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void
ctl_table_init(struct ctl_table *t, const char *const *titles, size_t count)
{
	assert(count >= 1 && count <= CTL_TABLE_COLUMNS);
	memset(t, 0, sizeof(*t));
	t->columns = count;
	for (size_t i = 0; i < count; i++) {
		t->titles[i] = titles[i];
		t->width[i] = columns_of(titles[i]);
	}
	td_buf_init(&t->text, CTL_CELLS_MAX);
}

void
ctl_table_done(struct ctl_table *t)
{
	td_buf_done(&t->text);
}

void
ctl_table_cell(struct ctl_table *t, const char *text)
{
	size_t column = t->cells % t->columns;
	size_t start = t->text.len;
	size_t wide;

	ctl_add_clean(&t->text, text == NULL || text[0] == '\0' ? "-" : text);
	td_buf_char(&t->text, '\0');
	if (td_buf_rc(&t->text) != TD_OK)
		return;
	wide = columns_of((const char *)t->text.data + start);
	if (wide > t->width[column])
		t->width[column] = wide;
	t->cells++;
}

/* The last column is not padded: no white space at the end of a line. */
static void
print_cell(const struct ctl_table *t, size_t column, const char *text, struct td_buf *out)
{
	td_buf_str(out, text);
	if (column + 1 == t->columns) {
		td_buf_char(out, '\n');
		return;
	}
	for (size_t n = columns_of(text); n < t->width[column] + 2; n++)
		td_buf_char(out, ' ');
}

enum td_rc
ctl_table_flush(struct ctl_table *t, struct td_buf *out)
{
	const char *cell = td_buf_cstr(&t->text);

	if (td_buf_rc(&t->text) != TD_OK)
		return td_buf_rc(&t->text);
	assert(t->cells % t->columns == 0);
	if (t->cells > 0 && !t->titled) {
		for (size_t i = 0; i < t->columns; i++)
			print_cell(t, i, t->titles[i], out);
		t->titled = true;
	}
	for (size_t i = 0; i < t->cells; i++) {
		print_cell(t, i % t->columns, cell, out);
		cell += strlen(cell) + 1;
	}
	t->cells = 0;
	td_buf_reset(&t->text);
	return td_buf_rc(out);
}

void
ctl_size_text(uint64_t bytes, char out[CTL_SIZE_TEXT])
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	size_t u = 0;
	uint64_t whole = bytes;
	uint64_t rest = 0;

	while (whole >= 1024 && u + 1 < sizeof(units) / sizeof(units[0])) {
		/* The remainder in 1/1024 of the next unit; sticky for what was cut. */
		rest = (whole & 1023) | (rest != 0);
		whole >>= 10;
		u++;
	}
	if (rest == 0)
		snprintf(out, CTL_SIZE_TEXT, "%llu %s", (unsigned long long)whole,
			 units[u]);
	else
		snprintf(out, CTL_SIZE_TEXT, "%llu.%llu %s", (unsigned long long)whole,
			 (unsigned long long)(rest * 10 / 1024), units[u]);
}
