/*
 * Secrets: bytes that must never be formatted, logged or left in freed memory.
 *
 * struct td_secret is opaque on purpose: the only way to the bytes is
 * td_secret_bytes(), which a review can find. Memory is wiped by free.
 *
 * Thread rule: immutable after creation, so it may be read by many threads.
 */
#pragma once

#include "error.h"

struct td_env;
struct td_secret;

#define TD_SECRET_MAX 8192

/* A copy of len bytes (0..TD_SECRET_MAX); NULL when out of memory or too long. The bytes
 * are followed by a NUL that is not counted. Caller owns it. */
struct td_secret *td_secret_new(const void *data, size_t len);
/* len random characters of [A-Za-z0-9] (62^len possibilities, no modulo bias). */
struct td_secret *td_secret_random_alnum(const struct td_env *env, size_t len);
/* len random bytes. */
struct td_secret *td_secret_random(const struct td_env *env, size_t len);
/* An own copy. NULL gives NULL. */
struct td_secret *td_secret_dup(const struct td_secret *s);
/* Wipes and frees. NULL is a no-op. */
void td_secret_free(struct td_secret *s);
const void *td_secret_bytes(const struct td_secret *s);
size_t td_secret_len(const struct td_secret *s);
/* Constant time in the content (not in the length). */
bool td_secret_equal(const struct td_secret *a, const struct td_secret *b);
/*
 * Read a secret from a file: regular, not readable or writable by group or others, at
 * most TD_SECRET_MAX bytes; one trailing newline is dropped. TD_INVALID says what to
 * change, TD_IO with errno otherwise. The path, never the content, is in the detail.
 */
enum td_rc td_secret_read_file(const char *path, struct td_secret **ret_secret,
			       struct td_err *reterr) TD_MUST_CHECK;

static inline void
td_secret_freep(struct td_secret **s)
{
	td_secret_free(*s);
}
#define TD_CLEAN_SECRET __attribute__((cleanup(td_secret_freep)))
/* Hand over: gives the value and NULLs the source. */
#define TD_TAKE(p)                                                                       \
	__extension__({                                                                  \
		__typeof__(p) td_take_ = (p);                                            \
		(p) = NULL;                                                              \
		td_take_;                                                                \
	})
