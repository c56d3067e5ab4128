/*
 * Growing byte buffers with a ceiling and a sticky error.
 *
 * A failed append (ceiling, memory) marks the buffer and makes every later append a
 * no-op, so that a renderer checks once at the end with td_buf_rc(). The content is
 * always followed by a NUL that is not counted.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "error.h"

#include <stdarg.h>
#include <stdint.h>

struct td_buf {
	unsigned char *data; /* NULL until the first append */
	size_t len;
	size_t cap;
	size_t ceiling; /* most bytes it may hold */
	enum td_rc rc;	/* sticky: TD_OK, TD_TOO_LARGE or TD_NOMEM */
	bool wipe;	/* holds secrets: old memory is wiped when it moves or goes */
};

/* ceiling: most bytes (not counting the NUL), at least 1. Cannot fail. */
void td_buf_init(struct td_buf *b, size_t ceiling);
/* The same for content that must not stay in freed memory. */
void td_buf_init_secret(struct td_buf *b, size_t ceiling);
/* Frees (and wipes, where asked). Safe on a zeroed struct and twice. */
void td_buf_done(struct td_buf *b);
/* Empties it (wiping where asked), keeps memory, clears the sticky error. */
void td_buf_reset(struct td_buf *b);

void td_buf_add(struct td_buf *b, const void *data, size_t len);
/* Append len bytes for the caller to fill: where they are, until the next append. NULL, and
 * the sticky error, when there is no room. */
void *td_buf_space(struct td_buf *b, size_t len);
void td_buf_str(struct td_buf *b, const char *s);
void td_buf_char(struct td_buf *b, char c);
void td_buf_fmt(struct td_buf *b, const char *fmt, ...) TD_PRINTF(2, 3);
void td_buf_vfmt(struct td_buf *b, const char *fmt, va_list ap) TD_PRINTF(2, 0);
/* Little-endian integers, for records. */
void td_buf_u8(struct td_buf *b, uint8_t v);
void td_buf_u16(struct td_buf *b, uint16_t v);
void td_buf_u32(struct td_buf *b, uint32_t v);
void td_buf_u64(struct td_buf *b, uint64_t v);
/* Lower-case hex of len bytes. */
void td_buf_hex(struct td_buf *b, const void *data, size_t len);
/* A JSON string in quotes; s must be valid UTF-8 (other bytes become U+FFFD). */
void td_buf_json(struct td_buf *b, const char *s, size_t len);
/* Percent-encoding with the unreserved set of RFC 3986 2.3; '/' kept when asked. */
enum td_uri_mode { TD_URI_COMPONENT, TD_URI_PATH };
void td_buf_uri(struct td_buf *b, const char *s, size_t len, enum td_uri_mode mode);

/* TD_OK, or what went wrong first. */
/* Are these bytes all of ASCII from least (' ' or '!') to '~'? Eight at a time, since nearly all
 * text is. Any thread. */
bool td_printable(const char *s, size_t len, char least);

enum td_rc td_buf_rc(const struct td_buf *b) TD_MUST_CHECK;
/* Content as a C string; "" when empty. Borrowed until the next change. */
const char *td_buf_cstr(const struct td_buf *b);

/*
 * A cursor over borrowed bytes, for decoding records. A read past the end marks it
 * bad and gives zeros; check td_cur_ok() at the end.
 */
struct td_cur {
	const unsigned char *p;
	size_t left;
	bool bad;
};
struct td_cur td_cur_make(const void *data, size_t len);
uint8_t td_cur_u8(struct td_cur *c);
uint16_t td_cur_u16(struct td_cur *c);
uint32_t td_cur_u32(struct td_cur *c);
uint64_t td_cur_u64(struct td_cur *c);
/* Borrowed pointer to the next len bytes, or NULL when there are too few. */
const void *td_cur_bytes(struct td_cur *c, size_t len);
/* A string with a one-byte length before it, copied with its NUL into out; one that does
 * not fit in size or that holds a NUL marks the cursor bad. */
void td_cur_str8(struct td_cur *c, char *out, size_t size);
/* Its writer; longer than 255 marks the buffer TD_TOO_LARGE. */
void td_buf_str8(struct td_buf *b, const char *s);
bool td_cur_ok(const struct td_cur *c);
