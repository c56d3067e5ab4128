/*
 * One spool file: a ring of entries in mapped memory. Private to store/.
 *
 * A position is an offset that only grows (its place is the offset modulo the size) and the
 * sequence number of the entry that is, or will be, there.
 *
 * Thread rule: one thread writes at the tail, one reads at the head; who owns which position
 * is the business of spool.c.
 */
#pragma once

#include "base/env.h"

#define RING_ID_LEN 16

struct ring {
	unsigned char *map; /* NULL: not open */
	size_t map_bytes;
	uint64_t size; /* of the ring, a multiple of 8 */
	unsigned char id[RING_ID_LEN];
	uint64_t key; /* of the commit words */
};

struct ring_pos {
	uint64_t offset;
	uint64_t seq;
};

enum ring_found {
	RING_END,    /* no entry here (yet) */
	RING_ENTRY,  /* *pos was moved behind it */
	RING_DAMAGED /* a committed entry whose bytes are not what was written */
};

/* Make a file of `bytes` under a temporary name, with blocks and a header, and move it to
 * `name`, replacing what is there. */
enum td_rc ring_create(int dir_fd, const char *name, uint32_t bytes,
		       const struct td_env *env, struct td_err *reterr) TD_MUST_CHECK;
/* TD_NOT_FOUND when there is none, TD_CORRUPT when it is no spool or its header is damaged. */
enum td_rc ring_open(int dir_fd, const char *name, struct ring *ret_ring,
		     struct td_err *reterr) TD_MUST_CHECK;
/* Safe on a zeroed struct and twice. */
void ring_close(struct ring *r);
/* Bytes that an entry of len takes. */
uint64_t ring_need(size_t len);
/* The caller has seen to it that there is room. */
void ring_write(struct ring *r, struct ring_pos *pos, const void *entry, size_t len);
/* Copies the entry at *pos to out (STORE_VALUE_MAX bytes). */
enum ring_found ring_read(const struct ring *r, struct ring_pos *pos, unsigned char *out,
			  size_t *ret_len);
/* Everything to disk. */
void ring_sync(struct ring *r);
