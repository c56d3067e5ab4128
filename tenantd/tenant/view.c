/*
 * Views: copies of all records of one tenant, with marks. Plain memory; what they own are
 * the array of buckets and the secrets of slots.
 */
#include "tenant.h"

#include <stdlib.h>
#include <string.h>

void
tenant_view_init(struct tenant_view *v, const char *appid)
{
	size_t len = strnlen(appid, sizeof(v->appid) - 1);

	memset(v, 0, sizeof(*v));
	memcpy(v->appid, appid, len);
}

void
tenant_view_done(struct tenant_view *v)
{
	for (size_t r = 0; r < DRV_RESOURCE_COUNT; r++) {
		for (size_t i = 0; i < DRV_SLOT_COUNT; i++) {
			td_secret_free(v->part[r].slots[i].secret);
			v->part[r].slots[i].secret = NULL;
		}
	}
	free(v->buckets);
	v->buckets = NULL;
	v->bucket_len = v->bucket_cap = 0;
}

static bool
part_dirty(const struct tenant_part *p)
{
	if (p->mark != TENANT_CLEAN || p->intent_mark != TENANT_CLEAN)
		return true;
	for (size_t i = 0; i < DRV_SLOT_COUNT; i++)
		if (p->slots[i].mark != TENANT_CLEAN)
			return true;
	return false;
}

bool
tenant_view_dirty(const struct tenant_view *v)
{
	if (v->mark != TENANT_CLEAN || v->publish || v->unpublish || v->stop ||
	    v->want_pending != v->pending)
		return true;
	for (size_t r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (part_dirty(&v->part[r]))
			return true;
	for (size_t i = 0; i < v->bucket_len; i++)
		if (v->buckets[i].mark != TENANT_CLEAN)
			return true;
	return false;
}

struct tenant_bucket *
tenant_view_bucket(struct tenant_view *v, const char *name)
{
	for (size_t i = 0; i < v->bucket_len; i++)
		if (strcmp(v->buckets[i].name, name) == 0)
			return &v->buckets[i];
	return NULL;
}

struct tenant_bucket *
tenant_view_add_bucket(struct tenant_view *v, const char *name)
{
	struct tenant_bucket *b;

	if (v->bucket_len == v->bucket_cap) {
		size_t cap = v->bucket_cap == 0 ? 8 : 2 * v->bucket_cap;
		struct tenant_bucket *grown =
			reallocarray(v->buckets, cap, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		v->buckets = grown;
		v->bucket_cap = cap;
	}
	b = &v->buckets[v->bucket_len++];
	memset(b, 0, sizeof(*b));
	memcpy(b->name, name, strnlen(name, sizeof(b->name) - 1));
	return b;
}
