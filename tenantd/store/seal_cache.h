/*
 * Unwrapped data keys, a bounded cache per thread. Private to store/.
 *
 * Thread rule: an entry belongs to the thread that got it and is good until that thread's
 * next call.
 */
#pragma once

#include "base/crypto.h"
#include "records.h"

#include <pthread.h>

#define SEAL_CACHE_ENTRIES 2048 /* 0.3 MB, touched as it fills */

struct seal_entry {
	char appid[DRV_APPID_SIZE]; /* "" = free */
	struct rec_datakey record;
	unsigned char key[TD_AEAD_KEY_LEN];
};

struct seal_cache_set {
	pthread_key_t key;
	pthread_mutex_t lock;
	struct seal_cache *list;
};

/* 0 or an errno. */
int seal_cache_init(struct seal_cache_set *set);
/* Wipes and frees the caches of all threads. */
void seal_cache_done(struct seal_cache_set *set);
/* The place of this appid in the thread's cache: filled with its key, with another's, or
 * free. NULL when out of memory. */
struct seal_entry *seal_cache_slot(struct seal_cache_set *set, const char *appid);
