/*
 * Growing buffers. Every append goes through reserve(), which alone knows the ceiling,
 * the sticky error and the wiping of moved memory. Capacity doubles, so appending n bytes
 * costs O(n); one byte more than the capacity is always allocated for the closing NUL.
 */
#include "buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

void
td_buf_init(struct td_buf *b, size_t ceiling)
{
	assert(ceiling >= 1);
	*b = (struct td_buf){ .ceiling = ceiling };
}

void
td_buf_init_secret(struct td_buf *b, size_t ceiling)
{
	td_buf_init(b, ceiling);
	b->wipe = true;
}

void
td_buf_done(struct td_buf *b)
{
	if (b->data != NULL && b->wipe)
		explicit_bzero(b->data, b->cap + 1);
	free(b->data);
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
}

void
td_buf_reset(struct td_buf *b)
{
	if (b->data != NULL) {
		if (b->wipe)
			explicit_bzero(b->data, b->cap + 1);
		b->data[0] = '\0';
	}
	b->len = 0;
	b->rc = TD_OK;
}

/* Room for more bytes and the NUL; false (and the sticky error) when there is none. */
static bool
reserve(struct td_buf *b, size_t more)
{
	unsigned char *moved;
	size_t cap = b->cap == 0 ? FIRST_CAP : b->cap;

	if (b->rc != TD_OK)
		return false;
	if (b->len > b->ceiling || more > b->ceiling - b->len) {
		b->rc = TD_TOO_LARGE;
		return false;
	}
	if (b->data != NULL && more <= b->cap - b->len)
		return true;
	while (cap < b->len + more)
		cap = cap > SIZE_MAX / 4 ? b->len + more : cap * 2;
	if (cap > b->ceiling)
		cap = b->ceiling;
	if (cap == SIZE_MAX) {
		b->rc = TD_NOMEM;
		return false;
	}
	if (b->wipe) {
		/* realloc would leave the old copy behind */
		moved = malloc(cap + 1);
		if (moved != NULL && b->data != NULL) {
			memcpy(moved, b->data, b->len);
			explicit_bzero(b->data, b->cap + 1);
			free(b->data);
		}
	} else {
		moved = realloc(b->data, cap + 1);
	}
	if (moved == NULL) {
		b->rc = TD_NOMEM;
		return false;
	}
	b->data = moved;
	b->cap = cap;
	b->data[b->len] = '\0';
	return true;
}

void
td_buf_add(struct td_buf *b, const void *data, size_t len)
{
	if (!reserve(b, len) || len == 0)
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void *
td_buf_space(struct td_buf *b, size_t len)
{
	void *at;

	if (!reserve(b, len))
		return NULL;
	at = b->data + b->len;
	b->len += len;
	b->data[b->len] = '\0';
	return at;
}

void
td_buf_str(struct td_buf *b, const char *s)
{
	td_buf_add(b, s, strlen(s));
}

void
td_buf_char(struct td_buf *b, char c)
{
	td_buf_add(b, &c, 1);
}

void
td_buf_fmt(struct td_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	td_buf_vfmt(b, fmt, ap);
	va_end(ap);
}

void
td_buf_vfmt(struct td_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	if (b->rc != TD_OK)
		return;
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0)
		b->rc = TD_NOMEM;
	else if (reserve(b, (size_t)n)) {
		/* n + 1 bytes are there: the NUL has its own place. */
		vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void
td_buf_u8(struct td_buf *b, uint8_t v)
{
	td_buf_add(b, &v, 1);
}

static void
add_le(struct td_buf *b, uint64_t v, size_t bytes)
{
	unsigned char le[8];

	for (size_t i = 0; i < bytes; i++)
		le[i] = (unsigned char)(v >> (8 * i));
	td_buf_add(b, le, bytes);
}

void
td_buf_u16(struct td_buf *b, uint16_t v)
{
	add_le(b, v, 2);
}

void
td_buf_u32(struct td_buf *b, uint32_t v)
{
	add_le(b, v, 4);
}

void
td_buf_u64(struct td_buf *b, uint64_t v)
{
	add_le(b, v, 8);
}

void
td_buf_hex(struct td_buf *b, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	if (len > b->ceiling / 2) {
		if (b->rc == TD_OK)
			b->rc = TD_TOO_LARGE;
		return;
	}
	if (!reserve(b, len * 2))
		return;
	for (size_t i = 0; i < len; i++) {
		b->data[b->len++] = (unsigned char)digits[p[i] >> 4];
		b->data[b->len++] = (unsigned char)digits[p[i] & 15];
	}
	b->data[b->len] = '\0';
}

/* Bytes of the UTF-8 sequence at s (at most left of them), 0 when it is malformed:
 * overlong, surrogate, beyond U+10FFFF or cut short (Unicode 3.9, table 3-7). */
static size_t
utf8_len(const unsigned char *s, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

#define EACH_BYTE(v) (UINT64_C(0x0101010101010101) * (v))

/* The highest bit of a byte of `bad` is set when that byte is out of range, or when a borrow or
 * carry came from one that is. */
bool
td_printable(const char *s, size_t len, char least)
{
	uint64_t v, low = EACH_BYTE((unsigned char)least), bad = 0;

	for (; len >= 8; s += 8, len -= 8) {
		memcpy(&v, s, sizeof(v));
		bad |= ((v - low) & ~v) | (v + EACH_BYTE(1)) | v;
	}
	for (; len > 0; s++, len--)
		bad |= *s < least || *s > '~' ? 0x80U : 0U;
	return (bad & EACH_BYTE(0x80)) == 0;
}

static void
json_ascii(struct td_buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		td_buf_add(b, "\\\"", 2);
		break;
	case '\\':
		td_buf_add(b, "\\\\", 2);
		break;
	case '\n':
		td_buf_add(b, "\\n", 2);
		break;
	case '\r':
		td_buf_add(b, "\\r", 2);
		break;
	case '\t':
		td_buf_add(b, "\\t", 2);
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			td_buf_fmt(b, "\\u%04x", c);
		else
			td_buf_add(b, &c, 1);
	}
}

void
td_buf_json(struct td_buf *b, const char *s, size_t len)
{
	size_t i = 0;

	td_buf_char(b, '"');
	while (i < len && b->rc == TD_OK) {
		const unsigned char *p = (const unsigned char *)s + i;
		size_t n = utf8_len(p, len - i);

		if (n == 1)
			json_ascii(b, *p);
		else if (n == 0)
			td_buf_str(b, "\xef\xbf\xbd");
		else
			td_buf_add(b, p, n);
		i += n == 0 ? 1 : n;
	}
	td_buf_char(b, '"');
}

void
td_buf_uri(struct td_buf *b, const char *s, size_t len, enum td_uri_mode mode)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len && b->rc == TD_OK; i++) {
		unsigned char c = (unsigned char)s[i];
		bool alnum = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			     (c >= '0' && c <= '9');

		if (alnum || c == '-' || c == '.' || c == '_' || c == '~' ||
		    (c == '/' && mode == TD_URI_PATH)) {
			td_buf_add(b, &c, 1);
		} else {
			char out[3] = { '%', digits[c >> 4], digits[c & 15] };

			td_buf_add(b, out, sizeof(out));
		}
	}
}

enum td_rc
td_buf_rc(const struct td_buf *b)
{
	return b->rc;
}

const char *
td_buf_cstr(const struct td_buf *b)
{
	return b->data == NULL ? "" : (const char *)b->data;
}

void
td_buf_str8(struct td_buf *b, const char *s)
{
	size_t len = strlen(s);

	if (len > UINT8_MAX) {
		if (b->rc == TD_OK)
			b->rc = TD_TOO_LARGE;
		return;
	}
	td_buf_u8(b, (uint8_t)len);
	td_buf_add(b, s, len);
}

struct td_cur
td_cur_make(const void *data, size_t len)
{
	return (struct td_cur){ .p = data, .left = len };
}

const void *
td_cur_bytes(struct td_cur *c, size_t len)
{
	const unsigned char *p = c->p;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	if (len == 0)
		return p == NULL ? (const void *)"" : p;
	c->p += len;
	c->left -= len;
	return p;
}

static uint64_t
cur_le(struct td_cur *c, size_t bytes)
{
	const unsigned char *p = td_cur_bytes(c, bytes);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t
td_cur_u8(struct td_cur *c)
{
	return (uint8_t)cur_le(c, 1);
}

uint16_t
td_cur_u16(struct td_cur *c)
{
	return (uint16_t)cur_le(c, 2);
}

uint32_t
td_cur_u32(struct td_cur *c)
{
	return (uint32_t)cur_le(c, 4);
}

uint64_t
td_cur_u64(struct td_cur *c)
{
	return cur_le(c, 8);
}

void
td_cur_str8(struct td_cur *c, char *out, size_t size)
{
	size_t len = td_cur_u8(c);
	const void *p = td_cur_bytes(c, len);

	if (size == 0 || p == NULL || len >= size || memchr(p, 0, len) != NULL) {
		c->bad = true;
		if (size > 0)
			out[0] = '\0';
		return;
	}
	memcpy(out, p, len);
	out[len] = '\0';
}

bool
td_cur_ok(const struct td_cur *c)
{
	return !c->bad;
}
