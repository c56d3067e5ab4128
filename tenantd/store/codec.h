/*
 * Record codecs as tables: one row per member, read in both directions, so that what is
 * written is what can be read. Private to store/.
 *
 * Thread rule: pure functions over constant tables.
 */
#pragma once

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

enum codec_kind {
	CODEC_FORMAT, /* the format version byte, which is `min`; no member */
	CODEC_U8,     /* min..max */
	CODEC_U16,
	CODEC_U32,
	CODEC_U64,
	CODEC_TIME, /* int64_t, not negative */
	CODEC_STR,  /* char[size], length of one byte */
	CODEC_BYTES,
	CODEC_BLOB, /* bytes with a uint16_t member that says how many */
	CODEC_EACH, /* `max` structs */
	CODEC_LIST  /* structs with a uint16_t member that says how many */
};

/* What a string may hold; never a NUL. */
enum codec_text {
	CODEC_TEXT,  /* UTF-8 without control characters; the encoder makes it so */
	CODEC_NAME,  /* printable ASCII without spaces, perhaps empty */
	CODEC_APPID, /* an appid, or empty */
	CODEC_HEX16, /* 16 hex digits */
	CODEC_OPAQUE /* any byte */
};

struct codec_field {
	enum codec_kind kind;
	enum codec_text text;
	size_t offset, size;
	size_t count_offset; /* BLOB, LIST */
	uint64_t min, max;
	const struct codec_field *sub; /* EACH, LIST: the table of one element */
	size_t sub_count;
};

struct codec {
	const char *name;
	const struct codec_field *fields;
	size_t count;
	size_t size;			/* of the struct */
	bool (*check)(const void *rec); /* rules over several members; may be NULL */
};

#define CODEC_COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define FORMAT_FIELD(version)                                                            \
	{                                                                                \
		.kind = CODEC_FORMAT, .min = (version)                                   \
	}
#define U8_FIELD(type, member, lo, hi)                                                   \
	{                                                                                \
		.kind = CODEC_U8, .offset = offsetof(type, member), .min = (lo),         \
		.max = (hi)                                                              \
	}
#define FLAG_FIELD(type, member) U8_FIELD(type, member, 0, 1)
#define U16_FIELD(type, member)                                                          \
	{                                                                                \
		.kind = CODEC_U16, .offset = offsetof(type, member)                      \
	}
#define U32_FIELD(type, member, hi)                                                      \
	{                                                                                \
		.kind = CODEC_U32, .offset = offsetof(type, member), .max = (hi)         \
	}
#define U64_FIELD(type, member)                                                          \
	{                                                                                \
		.kind = CODEC_U64, .offset = offsetof(type, member)                      \
	}
#define TIME_FIELD(type, member)                                                         \
	{                                                                                \
		.kind = CODEC_TIME, .offset = offsetof(type, member)                     \
	}
#define STR_FIELD(type, member, what)                                                    \
	{                                                                                \
		.kind = CODEC_STR, .text = (what), .offset = offsetof(type, member),     \
		.size = sizeof(((type *)0)->member)                                      \
	}
#define BYTES_FIELD(type, member)                                                        \
	{                                                                                \
		.kind = CODEC_BYTES, .offset = offsetof(type, member),                   \
		.size = sizeof(((type *)0)->member)                                      \
	}
#define BLOB_FIELD(type, member, length)                                                 \
	{                                                                                \
		.kind = CODEC_BLOB, .offset = offsetof(type, member),                    \
		.size = sizeof(((type *)0)->member),                                     \
		.count_offset = offsetof(type, length)                                   \
	}
#define EACH_FIELD(type, member, table)                                                  \
	{                                                                                \
		.kind = CODEC_EACH, .offset = offsetof(type, member),                    \
		.size = sizeof(((type *)0)->member[0]),                                  \
		.max = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]),     \
		.sub = (table), .sub_count = CODEC_COUNT(table)                          \
	}
#define LIST_FIELD(type, member, number, table)                                          \
	{                                                                                \
		.kind = CODEC_LIST, .offset = offsetof(type, member),                    \
		.size = sizeof(((type *)0)->member[0]),                                  \
		.count_offset = offsetof(type, number),                                  \
		.max = sizeof(((type *)0)->member) / sizeof(((type *)0)->member[0]),     \
		.sub = (table), .sub_count = CODEC_COUNT(table)                          \
	}

/* A record that the decoder would refuse marks the buffer TD_INVALID. */
void codec_encode(const struct codec *c, const void *rec, struct td_buf *out);
/* *ret_rec is zeroed first, and again (wiped) on failure. */
enum td_rc codec_decode(const struct codec *c, const void *data, size_t len,
			void *ret_rec, struct td_err *reterr) TD_MUST_CHECK;
/* Valid UTF-8 without control characters. */
bool codec_text_ok(const char *s, size_t len);
