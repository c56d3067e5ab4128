/*
 * The scanner keeps a stack of the open names, in the input itself, so that ends must
 * match. It knows just what S3 replies use; what could make a document mean more than it
 * shows (DOCTYPE and with it own entities) makes it bad.
 */
#include "minio/xml.h"

#include <stdint.h>
#include <string.h>

void
xml_init(struct xml *x, const void *data, size_t len)
{
	*x = (struct xml){ .p = data, .end = (const char *)data + len };
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		x->p += 3;
}

static enum xml_event
bad(struct xml *x)
{
	x->bad = true;
	return XML_BAD;
}

static size_t
left(const struct xml *x)
{
	return (size_t)(x->end - x->p);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
starts(const struct xml *x, const char *text)
{
	size_t n = strlen(text);

	return left(x) >= n && memcmp(x->p, text, n) == 0;
}

/* Step behind the next `text`; false when there is none. */
static bool
step_behind(struct xml *x, const char *text)
{
	const char *at = memmem(x->p, left(x), text, strlen(text));

	if (!at)
		return false;
	x->p = at + strlen(text);
	return true;
}

static void
skip_space(struct xml *x)
{
	while (x->p < x->end && is_space(*x->p))
		x->p++;
}

static bool
name_read(struct xml *x, struct xml_slice *ret)
{
	const char *from = x->p;

	while (x->p < x->end) {
		char c = *x->p;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			      c == '_' || c == ':';

		if (!letter &&
		    (x->p == from || !((c >= '0' && c <= '9') || c == '-' || c == '.')))
			break;
		x->p++;
	}
	*ret = (struct xml_slice){ from, (size_t)(x->p - from) };
	return ret->len > 0;
}

/* name = "value", stepped over. */
static bool
attribute_skip(struct xml *x)
{
	struct xml_slice ignored;
	const char *close;

	if (!name_read(x, &ignored))
		return false;
	skip_space(x);
	if (x->p == x->end || *x->p != '=')
		return false;
	x->p++;
	skip_space(x);
	if (x->p == x->end || (*x->p != '"' && *x->p != '\''))
		return false;
	close = memchr(x->p + 1, *x->p, left(x) - 1);
	if (!close || memchr(x->p, '<', (size_t)(close - x->p)))
		return false;
	x->p = close + 1;
	return true;
}

static enum xml_event
start_read(struct xml *x)
{
	x->p++;
	if (x->depth == XML_DEPTH_MAX || (x->depth == 0 && x->begun) ||
	    !name_read(x, &x->name))
		return bad(x);
	for (;;) {
		const char *before = x->p;

		skip_space(x);
		if (x->p == x->end)
			return bad(x);
		if (*x->p == '>' || *x->p == '/')
			break;
		if (x->p == before || !attribute_skip(x))
			return bad(x);
	}
	if (*x->p == '/') {
		x->p++;
		if (x->p == x->end || *x->p != '>')
			return bad(x);
		x->closes = true;
	}
	x->p++;
	x->begun = true;
	x->open[x->depth++] = x->name;
	return XML_START;
}

static enum xml_event
end_read(struct xml *x)
{
	struct xml_slice name;
	const struct xml_slice *top;

	x->p += 2;
	if (x->depth == 0 || !name_read(x, &name))
		return bad(x);
	top = &x->open[x->depth - 1];
	skip_space(x);
	if (x->p == x->end || *x->p != '>' || name.len != top->len ||
	    memcmp(name.p, top->p, name.len) != 0)
		return bad(x);
	x->p++;
	x->depth--;
	return XML_END;
}

static enum xml_event
cdata_read(struct xml *x)
{
	const char *from;

	x->p += strlen("<![CDATA[");
	from = x->p;
	if (x->depth == 0 || !step_behind(x, "]]>"))
		return bad(x);
	x->raw = (struct xml_slice){ from, (size_t)(x->p - from) - 3 };
	x->raw_is_cdata = true;
	return XML_TEXT;
}

static enum xml_event
text_read(struct xml *x)
{
	const char *from = x->p;
	const char *lt = memchr(x->p, '<', left(x));

	x->p = lt ? lt : x->end;
	x->raw = (struct xml_slice){ from, (size_t)(x->p - from) };
	x->raw_is_cdata = false;
	return XML_TEXT;
}

/* What may stand around the root: space and comments, and one declaration first. */
static bool
around_root(struct xml *x)
{
	if (!x->begun && starts(x, "<?xml") && !step_behind(x, "?>"))
		return false;
	for (;;) {
		skip_space(x);
		if (!starts(x, "<!--"))
			return true;
		x->p += 4;
		if (!step_behind(x, "-->"))
			return false;
	}
}

enum xml_event
xml_next(struct xml *x)
{
	if (x->bad)
		return XML_BAD;
	if (x->closes) {
		x->closes = false;
		x->depth--;
		return XML_END;
	}
	if (x->depth == 0 && !around_root(x))
		return bad(x);
	while (x->depth > 0 && starts(x, "<!--")) {
		x->p += 4;
		if (!step_behind(x, "-->"))
			return bad(x);
	}
	if (x->p == x->end)
		return x->depth == 0 && x->begun ? XML_DONE : bad(x);
	if (starts(x, "</"))
		return end_read(x);
	if (starts(x, "<![CDATA["))
		return cdata_read(x);
	if (*x->p == '<')
		return start_read(x);
	return x->depth > 0 ? text_read(x) : bad(x);
}

bool
xml_is(const struct xml *x, const char *name)
{
	const char *colon = memchr(x->name.p, ':', x->name.len);
	const char *from = colon ? colon + 1 : x->name.p;
	size_t len = (size_t)(x->name.p + x->name.len - from);

	return len == strlen(name) && memcmp(from, name, len) == 0;
}

/* "#38" or "#x26", without & and ; */
static bool
number_decode(struct xml_slice s, uint32_t *ret)
{
	uint32_t base = s.len > 1 && s.p[1] == 'x' ? 16 : 10;
	size_t from = base == 16 ? 2 : 1;
	uint32_t v = 0;

	if (s.len <= from || s.len > from + 7)
		return false;
	for (size_t i = from; i < s.len; i++) {
		char c = s.p[i];
		uint32_t digit;

		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if (base == 16 && c >= 'a' && c <= 'f')
			digit = (uint32_t)(c - 'a') + 10;
		else if (base == 16 && c >= 'A' && c <= 'F')
			digit = (uint32_t)(c - 'A') + 10;
		else
			return false;
		v = v * base + digit;
	}
	*ret = v;
	return v > 0 && v <= 0x10ffff && !(v >= 0xd800 && v <= 0xdfff);
}

static size_t
utf8_encode(uint32_t v, char out[4])
{
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;

	for (size_t i = n; i > 1; i--) {
		out[i - 1] = (char)(0x80 | (v & 0x3f));
		v >>= 6;
	}
	out[0] = (char)(lead[n] | v);
	return n;
}

static bool
entity_decode(struct xml_slice s, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t value;
	} known[] = { { "amp", '&' },
		      { "lt", '<' },
		      { "gt", '>' },
		      { "quot", '"' },
		      { "apos", '\'' } };

	if (s.len > 0 && s.p[0] == '#')
		return number_decode(s, ret);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == s.len &&
		    memcmp(known[i].name, s.p, s.len) == 0) {
			*ret = known[i].value;
			return true;
		}
	}
	return false;
}

/* Appends the last text to out at *len; false when it cannot. One byte is left for NUL. */
static bool
text_append(const struct xml *x, char *out, size_t size, size_t *len)
{
	const char *p = x->raw.p;
	const char *end = p + x->raw.len;

	while (p < end) {
		char one[4] = { *p };
		size_t n = 1;

		if (*p == '\0')
			return false;
		if (*p == '&' && !x->raw_is_cdata) {
			const char *semi = memchr(p, ';', (size_t)(end - p));
			uint32_t v;

			if (!semi ||
			    !entity_decode(
				    (struct xml_slice){ p + 1, (size_t)(semi - p) - 1 },
				    &v))
				return false;
			n = utf8_encode(v, one);
			p = semi;
		}
		if (n >= size - *len)
			return false;
		memcpy(out + *len, one, n);
		*len += n;
		p++;
	}
	return true;
}

bool
xml_leaf(struct xml *x, char *out, size_t size)
{
	size_t len = 0;

	for (;;) {
		enum xml_event event = xml_next(x);

		if (event == XML_END) {
			out[len] = '\0';
			return true;
		}
		if (event != XML_TEXT || !text_append(x, out, size, &len)) {
			out[0] = '\0';
			bad(x);
			return false;
		}
	}
}

bool
xml_skip(struct xml *x)
{
	size_t below = x->depth - 1;

	for (;;) {
		enum xml_event event = xml_next(x);

		if (event == XML_BAD || event == XML_DONE)
			return false;
		if (event == XML_END && x->depth == below)
			return true;
	}
}
