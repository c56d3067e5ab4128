/*
 * What seal.c and seal_cred.c share. Private to store/.
 */
#pragma once

#include "seal.h"
#include "seal_cache.h"

struct seal {
	const struct td_env *env;
	struct td_secret *master;
	unsigned char master_id[8];
	struct seal_cache_set cache;
};

/* seal_close and seal_open with bytes of the record that are bound as well (may be empty). */
enum td_rc seal_close_bound(struct seal *s, const struct rec_datakey *dk,
			    const struct seal_ad *ad, struct td_bytes bound,
			    struct td_bytes data, struct td_buf *out) TD_MUST_CHECK;
enum td_rc seal_open_with(const unsigned char *key, const struct seal_ad *ad,
			  struct td_bytes bound, struct td_bytes sealed,
			  struct td_buf *out) TD_MUST_CHECK;
/* The unwrapped key of this record, in the thread's cache. */
enum td_rc seal_unwrap(struct seal *s, const char *appid, const struct rec_datakey *dk,
		       struct seal_entry **ret_entry,
		       struct td_err *reterr) TD_MUST_CHECK;
