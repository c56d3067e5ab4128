/*
 * What the tests of store/ share: a folder of their own, options, and a clock that can be
 * moved. Real files on the file system of the build, real LMDB.
 */
#pragma once

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdatomic.h>

#define MIB (1024ull * 1024)

/* A clock under the test's hand; chance and sleep are the system's. */
static atomic_int_fast64_t clock_ms = 1000000;

static inline int64_t
support_now(void *ctx)
{
	(void)ctx;
	return atomic_load(&clock_ms);
}

static inline void
support_random(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	td_random(td_env_system(), buf, len);
}

static inline void
support_sleep(void *ctx, int64_t ms)
{
	(void)ctx;
	td_sleep_ms(td_env_system(), ms);
}

static const struct td_env support_env = { .now_ms = support_now,
					   .mono_ms = support_now,
					   .random = support_random,
					   .sleep_ms = support_sleep };

static inline int
support_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void
support_remove(const char *dir)
{
	assert_int_equal(nftw(dir, support_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* A new folder; the caller removes and frees it. */
static inline char *
support_dir(void)
{
	char *dir = strdup("store-test-XXXXXX");

	assert_non_null(dir);
	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline struct store_options
support_options(const char *dir)
{
	return (struct store_options){ .dir = dir,
				       .map_bytes = 1024 * MIB,
				       .max_bytes = 512 * MIB,
				       .reserve_bytes = 1 * MIB,
				       .ballast_bytes = 0,
				       .max_readers = 64,
				       .env = td_env_system() };
}

static inline struct store *
support_open(const struct store_options *opt)
{
	struct td_err err = { .rc = TD_OK };
	struct store *s = NULL;

	if (store_open(opt, &s, &err) != TD_OK)
		fail_msg("store_open: %s", err.detail);
	return s;
}

static inline enum td_rc
support_put(struct store *s, enum store_class class, const char *key, const char *value)
{
	struct store_commit *c = store_commit_new(class);
	struct td_err err = { .rc = TD_OK };

	store_commit_put(c, STORE_TENANT, key, strlen(key), value, strlen(value));
	return store_commit(s, c, NULL, &err);
}

/* The value of a tenant record as text in out, its version returned. */
static inline uint64_t
support_get(struct store *s, const char *key, char *out, size_t size)
{
	struct td_err err = { .rc = TD_OK };
	struct store_value v = { 0 };
	struct store_read *r;

	if (store_read_begin(s, &r, &err) != TD_OK ||
	    store_get(r, STORE_TENANT, key, strlen(key), &v, &err) != TD_OK)
		fail_msg("%s", err.detail);
	assert_true(v.len < size);
	if (v.len > 0)
		memcpy(out, v.data, v.len);
	out[v.len] = '\0';
	store_read_end(r);
	return v.version;
}

static inline uint64_t
support_version(struct store *s, const char *key)
{
	char out[STORE_VALUE_MAX + 1];

	return support_get(s, key, out, sizeof(out));
}
