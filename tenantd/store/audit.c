/*
 * Retention of the audit table. What goes is decided on a snapshot, from the oldest entry
 * on, and done by one operation of the writer; the sequence is a counter of its own, saved
 * in every transaction, so no number comes twice, whatever was pruned.
 */
#include "internal.h"

#include <endian.h>
#include <string.h>

void
store_audit_range(struct store *s, uint64_t *ret_first, uint64_t *ret_next)
{
	/* First before next: a prune in between can then not make first > next. */
	*ret_first = atomic_load(&s->audit_first);
	*ret_next = atomic_load(&s->audit_next);
}

struct prune {
	int64_t keep_from_ms;
	uint64_t excess; /* entries that go for size, whatever their time */
	unsigned limit;
	unsigned count;
	uint64_t last;
};

static enum td_rc
choose(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	struct prune *p = ctx;
	uint64_t be, le;
	int64_t time_ms = INT64_MIN; /* an entry without a time is older than any */

	if (p->count >= p->limit || key_len != sizeof(be))
		return STORE_STOP;
	if (value->len >= sizeof(le)) {
		memcpy(&le, value->data, sizeof(le));
		time_ms = (int64_t)le64toh(le);
	}
	if (time_ms >= p->keep_from_ms && p->count >= p->excess)
		return STORE_STOP;
	memcpy(&be, key, sizeof(be));
	p->last = be64toh(be);
	p->count++;
	return TD_OK;
}

enum td_rc
store_audit_prune(struct store *s, int64_t keep_from_ms, uint64_t max_bytes,
		  unsigned limit, unsigned *ret_dropped, struct td_err *reterr)
{
	struct prune p = { .keep_from_ms = keep_from_ms, .limit = limit };
	struct store_commit *c;
	struct store_read *r;
	uint64_t bytes, entries;
	enum td_rc rc;

	rc = store_read_begin(s, &r, reterr);
	if (rc != TD_OK)
		return rc;
	bytes = store_table_bytes(r, STORE_AUDIT);
	entries = store_count(r, STORE_AUDIT);
	if (bytes > max_bytes && entries > 0)
		p.excess = (bytes - max_bytes) / (bytes / entries);
	rc = store_walk(r, STORE_AUDIT, NULL, choose, &p, reterr);
	store_read_end(r);
	if (rc == TD_OK && p.count > 0) {
		c = store_commit_new(STORE_RESERVE);
		if (c != NULL)
			store_commit_prune(c, p.last);
		rc = store_commit(s, c, NULL, reterr);
	}
	if (rc == TD_OK && ret_dropped != NULL)
		*ret_dropped = p.count;
	return rc;
}
