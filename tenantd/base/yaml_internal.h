/*
 * What the yaml_*.c files share. Private to the room.
 */
#pragma once

#include "yaml.h"

#define YAML_MAX_DEPTH 16
#define YAML_MAX_FILE ((size_t)4 * 1024 * 1024)
#define YAML_MAX_CHILDREN 16384 /* of one mapping or sequence */
#define YAML_MAX_PATH 256

/* The member of a loaded struct that a row fills. */
static inline void *
yaml_member(void *base, const struct td_yaml_key *row)
{
	return (char *)base + row->offset;
}

static inline const void *
yaml_member_const(const void *base, const struct td_yaml_key *row)
{
	return (const char *)base + row->offset;
}

/* Shortest exact text of a number of bytes ("64Mi") and of milliseconds ("15m"). */
void td_yaml_bytes_text(uint64_t bytes, char out[32]);
void td_yaml_duration_text(int64_t ms, char out[32]);

/* "size 1Mi..1Ti; default 64Mi; restart": what can be given, and what a change takes. */
void yaml_facts(struct td_buf *out, const struct td_yaml_key *row);
