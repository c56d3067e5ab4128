/*
 * Requests that wait for a tenant to change: a table by appid, to find those that a
 * notification is for, and a heap by deadline.
 *
 * A waiter enters the table before it looks at the store. A commit that its look does not
 * see is notified after that, so no change can fall in between.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static unsigned
bucket_of(const char *appid)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (; *appid != '\0'; appid++)
		h = (h ^ (unsigned char)*appid) * 16777619U;
	return h % WAIT_BUCKETS;
}

/* ---- the heap ---- */

static void
heap_put(struct api_thread *t, size_t i, struct req *r)
{
	t->heap[i] = r;
	r->heap_index = i;
}

static void
heap_up(struct api_thread *t, size_t i)
{
	struct req *r = t->heap[i];

	for (; i > 0 && t->heap[(i - 1) / 2]->wait_until > r->wait_until; i = (i - 1) / 2)
		heap_put(t, i, t->heap[(i - 1) / 2]);
	heap_put(t, i, r);
}

static void
heap_down(struct api_thread *t, size_t i)
{
	struct req *r = t->heap[i];

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= t->heap_len)
			break;
		if (child + 1 < t->heap_len &&
		    t->heap[child + 1]->wait_until < t->heap[child]->wait_until)
			child++;
		if (t->heap[child]->wait_until >= r->wait_until)
			break;
		heap_put(t, i, t->heap[child]);
		i = child;
	}
	heap_put(t, i, r);
}

static bool
heap_add(struct api_thread *t, struct req *r)
{
	if (t->heap_len == t->heap_cap) {
		size_t cap = t->heap_cap == 0 ? 64 : t->heap_cap * 2;
		struct req **heap = realloc(t->heap, cap * sizeof(struct req *));

		if (heap == NULL)
			return false;
		t->heap = heap;
		t->heap_cap = cap;
	}
	heap_put(t, t->heap_len, r);
	heap_up(t, t->heap_len++);
	return true;
}

static void
heap_del(struct api_thread *t, struct req *r)
{
	size_t i = r->heap_index;
	struct req *last = t->heap[--t->heap_len];

	r->heap_index = HEAP_NONE;
	if (last == r)
		return;
	heap_put(t, i, last);
	heap_up(t, i);
	heap_down(t, last->heap_index);
}

/* ---- waiting ---- */

void
wait_set(struct req *r, uint64_t seconds)
{
	r->wait_until =
		seconds == 0 ? 0 : td_mono_ms(r->t->api->env) + (int64_t)seconds * 1000;
}

enum td_rc
wait_begin(struct req *r, const char *appid, req_wake_fn fn)
{
	struct api_thread *t = r->t;

	if (t->stopping)
		return TD_UNAVAILABLE;
	if (atomic_load_explicit(&t->waiting, memory_order_relaxed) >= API_MAX_WAITING)
		return TD_RATE_LIMITED;
	if (!heap_add(t, r))
		return TD_NOMEM;
	memcpy(r->wait_appid, appid, strlen(appid) + 1);
	r->on_wake = fn;
	r->in_waiters = true;
	LIST_INSERT_HEAD(&t->waiters[bucket_of(appid)], r, waiter);
	/* Sequentially consistent: the store is read after others can see it. */
	atomic_fetch_add(&t->waiting, 1);
	return TD_OK;
}

void
wait_end(struct req *r)
{
	if (!r->in_waiters)
		return;
	r->in_waiters = false;
	LIST_REMOVE(r, waiter);
	heap_del(r->t, r);
	atomic_fetch_sub(&r->t->waiting, 1);
}

static void
wake(struct req *r, enum wake why)
{
	wait_end(r);
	r->on_wake(r, why);
}

/* A woken request may enter the list again: take those that are there first. */
static void
touch_bucket(struct api_thread *t, unsigned bucket, const char *appid)
{
	struct req_list due = LIST_HEAD_INITIALIZER(due);
	struct req *r, *next;

	for (r = LIST_FIRST(&t->waiters[bucket]); r != NULL; r = next) {
		next = LIST_NEXT(r, waiter);
		if (appid != NULL && strcmp(r->wait_appid, appid) != 0)
			continue;
		LIST_REMOVE(r, waiter);
		LIST_INSERT_HEAD(&due, r, waiter);
	}
	while ((r = LIST_FIRST(&due)) != NULL)
		wake(r, WAKE_CHANGED);
}

void
wait_touch(struct api_thread *t, const char *appid)
{
	if (appid != NULL) {
		touch_bucket(t, bucket_of(appid), appid);
		return;
	}
	for (unsigned i = 0; i < WAIT_BUCKETS; i++)
		touch_bucket(t, i, NULL);
}

int64_t
wait_expire(struct api_thread *t)
{
	while (t->heap_len > 0 && (t->heap[0]->wait_until <= t->now || t->stopping))
		wake(t->heap[0], WAKE_TIMEOUT);
	return t->heap_len > 0 ? t->heap[0]->wait_until : INT64_MAX;
}
