/*
 * Things that happen too often to be recorded one by one (refused logins, polls that found
 * nothing new) are counted by key and become one audit entry a minute. The table is small
 * and the writing asynchronous: what finds no place is counted as lost, and nobody waits.
 */
#include "internal.h"

#include <string.h>

#define FLUSH_MS 60000
#define PROBES 8

static uint32_t
mix(uint32_t h, const char *s)
{
	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 16777619U;
	return (h ^ 0xff) * 16777619U;
}

static bool
same(const struct agg_entry *e, const struct agg_key *k)
{
	return e->action == (uint8_t)k->action && strcmp(e->appid, k->appid) == 0 &&
	       strcmp(e->token_id, k->token_id) == 0 &&
	       strcmp(e->address, k->address) == 0;
}

void
agg_count(struct api_thread *t, const struct agg_key *key)
{
	uint32_t h = mix(
		mix(mix(2166136261U + (uint32_t)key->action, key->appid), key->token_id),
		key->address);

	for (unsigned i = 0; i < PROBES; i++) {
		struct agg_entry *e = &t->agg[(h + i) % AGG_ENTRIES];

		if (e->action == 0) {
			*e = (struct agg_entry){ .action = (uint8_t)key->action,
						 .role = key->role };
			strncat(e->appid, key->appid, sizeof(e->appid) - 1);
			strncat(e->token_id, key->token_id, sizeof(e->token_id) - 1);
			strncat(e->address, key->address, sizeof(e->address) - 1);
			if (t->agg_used++ == 0)
				t->agg_due = t->now + FLUSH_MS;
		} else if (!same(e, key)) {
			continue;
		}
		if (e->count < UINT32_MAX)
			e->count++;
		return;
	}
	t->agg_lost++;
	metrics_add(&t->metrics.audit_lost, 1);
}

static void
written(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	struct api_thread *t = ctx;

	(void)version;
	if (rc != TD_OK)
		td_log_err(TD_LOG_WARN, &(struct td_log_ctx){ .room = "api" }, err,
			   "counted audit entries were not written");
	atomic_store(&t->agg_writing, false);
}

static void
write_out(struct api_thread *t)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	struct td_buf *b = &t->audit_scratch;

	if (c == NULL)
		return;
	for (size_t i = 0; i < AGG_ENTRIES; i++) {
		const struct agg_entry *e = &t->agg[i];
		struct rec_audit rec = { .time_ms = td_now_ms(t->api->env),
					 .action = e->action,
					 .role = e->role,
					 .count = e->count };

		if (e->action == 0)
			continue;
		rec.outcome =
			e->action == API_AUDIT_LOGIN_REFUSED ? TD_UNAUTHENTICATED : TD_OK;
		memcpy(rec.appid, e->appid, sizeof(rec.appid));
		memcpy(rec.token_id, e->token_id, sizeof(rec.token_id));
		memcpy(rec.address, e->address, sizeof(rec.address));
		td_buf_reset(b);
		rec_audit_encode(&rec, b);
		if (td_buf_rc(b) == TD_OK)
			store_commit_audit(c, b->data, b->len);
	}
	atomic_store(&t->agg_writing, true);
	store_submit(t->api->store, c, written, t);
}

int64_t
agg_flush(struct api_thread *t, int64_t now)
{
	if (t->agg_used == 0)
		return INT64_MAX;
	if (now < t->agg_due)
		return t->agg_due;
	if (atomic_load(&t->agg_writing)) {
		/* The store is slow: keep counting. */
		t->agg_due = now + FLUSH_MS;
		return t->agg_due;
	}
	write_out(t);
	memset(t->agg, 0, sizeof(t->agg));
	t->agg_used = 0;
	return INT64_MAX;
}
