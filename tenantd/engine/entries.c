/*
 * The tenants that are in memory: a table by appid, and a heap by wake time with room for
 * every entry of the table, so that setting a wake time cannot fail.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static void
heap_swap(struct engine *e, size_t a, size_t b)
{
	struct entry *t = e->heap[a];

	e->heap[a] = e->heap[b];
	e->heap[b] = t;
	e->heap[a]->heap_index = a;
	e->heap[b]->heap_index = b;
}

static void
heap_fix(struct engine *e, size_t i)
{
	while (i > 0 && e->heap[i]->wake_mono < e->heap[(i - 1) / 2]->wake_mono) {
		heap_swap(e, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t least = i;

		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < e->heap_len; c++)
			if (e->heap[c]->wake_mono < e->heap[least]->wake_mono)
				least = c;
		if (least == i)
			return;
		heap_swap(e, i, least);
		i = least;
	}
}

void
entry_asleep(struct engine *e, struct entry *n)
{
	size_t i = n->heap_index;

	if (i == SIZE_MAX)
		return;
	heap_swap(e, i, e->heap_len - 1);
	e->heap_len--;
	n->heap_index = SIZE_MAX;
	if (i < e->heap_len)
		heap_fix(e, i);
}

void
entry_wake(struct engine *e, struct entry *n, int64_t wake_mono)
{
	n->wake_mono = wake_mono;
	if (n->heap_index == SIZE_MAX) {
		n->heap_index = e->heap_len;
		e->heap[e->heap_len++] = n; /* room was made with the entry */
	}
	heap_fix(e, n->heap_index);
	if (n->heap_index == 0)
		pthread_cond_signal(&e->wake);
}

/* uthash is macros: each of its words is a hundred statements. */
struct entry *
entry_get(struct engine *e, const char *appid) /* NOLINT(readability-function-size) */
{
	struct entry *n;

	HASH_FIND_STR(e->entries, appid, n);
	if (n != NULL)
		return n;
	if (HASH_COUNT(e->entries) + 1 > e->heap_cap) {
		size_t cap = e->heap_cap == 0 ? 64 : e->heap_cap * 2;
		struct entry **grown = reallocarray(e->heap, cap, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		e->heap = grown;
		e->heap_cap = cap;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return NULL;
	(void)stpncpy(n->appid, appid, sizeof(n->appid) - 1);
	n->heap_index = SIZE_MAX;
	HASH_ADD_STR(e->entries, appid, n);
	if (n->hh.tbl == NULL) { /* uthash found no memory */
		free(n);
		return NULL;
	}
	return n;
}

void
entry_verified(struct engine *e, struct entry *n)
{
	if (n->verify)
		e->verifying--;
	n->verify = false;
}

void
entry_stuck(struct engine *e, struct entry *n, bool stuck)
{
	if (n->stuck)
		e->stuck--;
	if (stuck)
		e->stuck++;
	n->stuck = stuck;
}

void
entry_drop(struct engine *e, struct entry *n)
{
	entry_verified(e, n);
	entry_stuck(e, n, false);
	entry_asleep(e, n);
	HASH_DEL(e->entries, n);
	free(n);
}
