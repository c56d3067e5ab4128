/*
 * The two readings of a codec table. The encoder refuses what the decoder would refuse, so
 * a record that was stored can be read back; only in free text, where a cut message of a
 * backend is no reason to lose a commit, does it repair: what is not clean UTF-8 becomes a
 * question mark.
 */
#include "codec.h"
#include "records.h"

#include <inttypes.h>
#include <string.h>

static const void *
member(const struct codec_field *f, const void *rec)
{
	return (const unsigned char *)rec + f->offset;
}

static uint16_t
count_of(const struct codec_field *f, const void *rec)
{
	uint16_t n;

	memcpy(&n, (const unsigned char *)rec + f->count_offset, sizeof(n));
	return n;
}

/* Length of the clean UTF-8 character at s, 0 when there is none (RFC 3629). */
static size_t
utf8_step(const unsigned char *s, size_t left)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80	 ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
				 : 4;
	uint32_t v;

	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	if (n == 0 || n > left || s[0] > 0xf4)
		return 0;
	v = s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s[i] & 0x3f);
	}
	/* U+0080..U+009F are controls too; surrogates are no characters. */
	if (v < least[n] || v < 0xa0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	return n;
}

bool
codec_text_ok(const char *s, size_t len)
{
	if (td_printable(s, len, ' '))
		return true;
	while (len > 0) {
		size_t n = utf8_step((const unsigned char *)s, len);
		if (n == 0)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

static bool
str_ok(enum codec_text what, const char *s, size_t len)
{
	switch (what) {
	case CODEC_TEXT:
		return codec_text_ok(s, len);
	case CODEC_NAME:
		return td_printable(s, len, '!');
	case CODEC_APPID:
		return len == 0 || rec_appid_any_ok(s);
	case CODEC_HEX16:
		return len == 16 && strspn(s, "0123456789abcdef") == 16;
	case CODEC_OPAQUE:
		return true;
	}
	return false;
}

/* ---- out ---- */

static void
spoil(struct td_buf *out)
{
	if (out->rc == TD_OK)
		out->rc = TD_INVALID;
}

static void
encode_str(const struct codec_field *f, const char *s, struct td_buf *out)
{
	char clean[256];
	size_t len = strnlen(s, f->size);

	if (len == f->size || len > UINT8_MAX) {
		spoil(out);
		return;
	}
	if (f->text == CODEC_TEXT && td_printable(s, len, ' ')) {
		td_buf_str8(out, s);
		return;
	}
	memcpy(clean, s, len);
	clean[len] = '\0';
	for (size_t i = 0; f->text == CODEC_TEXT && i < len;) {
		size_t n = utf8_step((const unsigned char *)clean + i, len - i);
		if (n == 0)
			clean[i] = '?';
		i += n == 0 ? 1 : n;
	}
	if (!str_ok(f->text, clean, len))
		spoil(out);
	td_buf_str8(out, clean);
	if (f->text == CODEC_OPAQUE)
		explicit_bzero(clean, len);
}

static void encode_fields(const struct codec_field *f, size_t count, const void *rec,
			  struct td_buf *out);

static void
encode_each(const struct codec_field *f, const void *rec, size_t count,
	    struct td_buf *out)
{
	const unsigned char *p = member(f, rec);

	if (count > f->max) {
		spoil(out);
		return;
	}
	for (size_t i = 0; i < count; i++)
		encode_fields(f->sub, f->sub_count, p + i * f->size, out);
}

static void
encode_int(const struct codec_field *f, const void *p, struct td_buf *out)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;
	uint8_t u8;

	if (f->kind == CODEC_U8) {
		memcpy(&u8, p, sizeof(u8));
		if (u8 < f->min || u8 > f->max)
			spoil(out);
		td_buf_u8(out, u8);
	} else if (f->kind == CODEC_U16) {
		memcpy(&u16, p, sizeof(u16));
		td_buf_u16(out, u16);
	} else if (f->kind == CODEC_U32) {
		memcpy(&u32, p, sizeof(u32));
		if (u32 > f->max)
			spoil(out);
		td_buf_u32(out, u32);
	} else {
		memcpy(&u64, p, sizeof(u64));
		if (f->kind == CODEC_TIME && u64 > INT64_MAX)
			spoil(out);
		td_buf_u64(out, u64);
	}
}

static void
encode_fields(const struct codec_field *f, size_t count, const void *rec,
	      struct td_buf *out)
{
	for (const struct codec_field *end = f + count; f < end; f++) {
		const void *p = member(f, rec);
		uint16_t n;

		switch (f->kind) {
		case CODEC_FORMAT:
			td_buf_u8(out, (uint8_t)f->min);
			break;
		case CODEC_U8:
		case CODEC_U16:
		case CODEC_U32:
		case CODEC_U64:
		case CODEC_TIME:
			encode_int(f, p, out);
			break;
		case CODEC_STR:
			encode_str(f, p, out);
			break;
		case CODEC_BYTES:
			td_buf_add(out, p, f->size);
			break;
		case CODEC_BLOB:
			n = count_of(f, rec);
			if (n > f->size) {
				spoil(out);
				break;
			}
			td_buf_u16(out, n);
			td_buf_add(out, p, n);
			break;
		case CODEC_EACH:
			encode_each(f, rec, (size_t)f->max, out);
			break;
		case CODEC_LIST:
			td_buf_u16(out, count_of(f, rec));
			encode_each(f, rec, count_of(f, rec), out);
			break;
		}
	}
}

void
codec_encode(const struct codec *c, const void *rec, struct td_buf *out)
{
	if (c->check != NULL && !c->check(rec))
		spoil(out);
	encode_fields(c->fields, c->count, rec, out);
}

/* ---- in ---- */

static void decode_fields(const struct codec_field *f, size_t count, struct td_cur *cur,
			  void *rec);

static void
decode_each(const struct codec_field *f, struct td_cur *cur, size_t count, void *rec)
{
	unsigned char *p = (unsigned char *)rec + f->offset;

	if (count > f->max) {
		cur->bad = true;
		return;
	}
	for (size_t i = 0; i < count && !cur->bad; i++)
		decode_fields(f->sub, f->sub_count, cur, p + i * f->size);
}

static void
decode_int(const struct codec_field *f, struct td_cur *cur, void *p)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;
	uint8_t u8;

	if (f->kind == CODEC_U8) {
		u8 = td_cur_u8(cur);
		if (u8 < f->min || u8 > f->max)
			cur->bad = true;
		memcpy(p, &u8, sizeof(u8));
	} else if (f->kind == CODEC_U16) {
		u16 = td_cur_u16(cur);
		memcpy(p, &u16, sizeof(u16));
	} else if (f->kind == CODEC_U32) {
		u32 = td_cur_u32(cur);
		if (u32 > f->max)
			cur->bad = true;
		memcpy(p, &u32, sizeof(u32));
	} else {
		u64 = td_cur_u64(cur);
		if (f->kind == CODEC_TIME && u64 > INT64_MAX)
			cur->bad = true;
		memcpy(p, &u64, sizeof(u64));
	}
}

static void
decode_bytes(struct td_cur *cur, void *p, size_t len)
{
	const void *data = td_cur_bytes(cur, len);

	if (data != NULL && len > 0)
		memcpy(p, data, len);
}

static void
decode_fields(const struct codec_field *f, size_t count, struct td_cur *cur, void *rec)
{
	for (const struct codec_field *end = f + count; f < end && !cur->bad; f++) {
		unsigned char *p = (unsigned char *)rec + f->offset;
		uint16_t n;

		switch (f->kind) {
		case CODEC_FORMAT:
			if (td_cur_u8(cur) != f->min)
				cur->bad = true;
			break;
		case CODEC_U8:
		case CODEC_U16:
		case CODEC_U32:
		case CODEC_U64:
		case CODEC_TIME:
			decode_int(f, cur, p);
			break;
		case CODEC_STR:
			td_cur_str8(cur, (char *)p, f->size);
			if (!cur->bad && !str_ok(f->text, (char *)p, strlen((char *)p)))
				cur->bad = true;
			break;
		case CODEC_BYTES:
			decode_bytes(cur, p, f->size);
			break;
		case CODEC_BLOB:
		case CODEC_LIST:
			n = td_cur_u16(cur);
			memcpy((unsigned char *)rec + f->count_offset, &n, sizeof(n));
			if (f->kind == CODEC_LIST)
				decode_each(f, cur, n, rec);
			else if (n > f->size)
				cur->bad = true;
			else
				decode_bytes(cur, p, n);
			break;
		case CODEC_EACH:
			decode_each(f, cur, (size_t)f->max, rec);
			break;
		}
	}
}

/* Was it written by a newer program? *ret_format: its format byte. */
static bool
is_newer(const struct codec *c, const unsigned char *data, size_t len,
	 unsigned *ret_format)
{
	/* It is the first byte, or follows the time. */
	bool first = c->fields[0].kind == CODEC_FORMAT;
	size_t at = first ? 0 : sizeof(int64_t);

	if (at >= len)
		return false;
	*ret_format = data[at];
	return data[at] > c->fields[first ? 0 : 1].min;
}

enum td_rc
codec_decode(const struct codec *c, const void *data, size_t len, void *ret_rec,
	     struct td_err *reterr)
{
	struct td_cur cur = td_cur_make(data, len);
	unsigned format;

	memset(ret_rec, 0, c->size);
	if (is_newer(c, data, len, &format))
		return td_err_set(
			reterr, TD_CORRUPT,
			"%s record of format %u, which this program does not know: it "
			"was written by a newer tenantd, or is damaged",
			c->name, format);
	decode_fields(c->fields, c->count, &cur, ret_rec);
	if (td_cur_ok(&cur) && cur.left == 0 && (c->check == NULL || c->check(ret_rec)))
		return TD_OK;
	explicit_bzero(ret_rec, c->size);
	return td_err_set(reterr, TD_CORRUPT, "a %s record is damaged (%zu bytes)",
			  c->name, len);
}
