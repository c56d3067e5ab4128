/*
 * The cache is direct mapped: an appid has one place, a newcomer takes it. At a million
 * tenants nearly every look is a miss and costs an unwrapping (half a microsecond); for
 * the few tenants that ask often it saves that. Keys are wiped when they are replaced,
 * at the end of the thread and at the end of the seal.
 */
#include "seal_cache.h"

#include <stdlib.h>
#include <string.h>

struct seal_cache {
	struct seal_cache_set *set;
	struct seal_cache *next, **link;
	struct seal_entry entries[SEAL_CACHE_ENTRIES];
};

static void
cache_free(struct seal_cache *c)
{
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static void
thread_exit(void *cache)
{
	struct seal_cache *c = cache;
	struct seal_cache_set *set = c->set;

	pthread_mutex_lock(&set->lock);
	cache_free(c);
	pthread_mutex_unlock(&set->lock);
}

int
seal_cache_init(struct seal_cache_set *set)
{
	set->list = NULL;
	pthread_mutex_init(&set->lock, NULL);
	return pthread_key_create(&set->key, thread_exit);
}

void
seal_cache_done(struct seal_cache_set *set)
{
	pthread_mutex_lock(&set->lock);
	while (set->list != NULL)
		cache_free(set->list);
	pthread_mutex_unlock(&set->lock);
	pthread_key_delete(set->key);
	pthread_mutex_destroy(&set->lock);
}

static struct seal_cache *
cache_new(struct seal_cache_set *set)
{
	struct seal_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (pthread_setspecific(set->key, c) != 0) {
		free(c);
		return NULL;
	}
	c->set = set;
	pthread_mutex_lock(&set->lock);
	c->next = set->list;
	c->link = &set->list;
	if (c->next != NULL)
		c->next->link = &c->next;
	set->list = c;
	pthread_mutex_unlock(&set->lock);
	return c;
}

struct seal_entry *
seal_cache_slot(struct seal_cache_set *set, const char *appid)
{
	struct seal_cache *c = pthread_getspecific(set->key);
	uint32_t h =
		2166136261u; /* FNV-1a; who chooses appids to collide slows himself */

	if (c == NULL)
		c = cache_new(set);
	if (c == NULL)
		return NULL;
	for (const char *p = appid; *p != '\0'; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return &c->entries[(h ^ h >> 16) % SEAL_CACHE_ENTRIES];
}
