/*
 * Modes that have expired are over by the clock alone (tenant/brake.c). What is left of them
 * is taken away here, so that the audit says when.
 */
#include "internal.h"

#include <string.h>

#define TAKE_MAX 200 /* one commit */

struct prune {
	struct store_commit *commit;
	int64_t now_ms;
	unsigned taken;
	struct td_buf entry;
};

static enum td_rc
look_at(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	static const char tenant[] = "tenant/";
	struct rec_audit entry = { .action = API_AUDIT_MODE_EXPIRE, .count = 1 };
	struct prune *p = ctx;
	struct rec_brake rec;

	if (p->taken == TAKE_MAX)
		return (enum td_rc)STORE_STOP;
	/* One that cannot be read is told by whoever it concerns. */
	if (rec_brake_decode(value->data, value->len, &rec, NULL) != TD_OK ||
	    !tenant_brake_expired(&rec, p->now_ms) || key_len >= sizeof(entry.object))
		return TD_OK;
	memcpy(entry.object, key, key_len);
	entry.time_ms = p->now_ms;
	if (strncmp(entry.object, tenant, sizeof(tenant) - 1) == 0) {
		const char *appid = entry.object + sizeof(tenant) - 1;
		size_t len = strcspn(appid, "/");

		if (len < sizeof(entry.appid))
			memcpy(entry.appid, appid, len);
	}
	store_commit_expect(p->commit, STORE_BRAKE, key, key_len, value->version);
	store_commit_del(p->commit, STORE_BRAKE, key, key_len);
	if (entry.appid[0] != '\0')
		store_commit_touch(p->commit, entry.appid);
	td_buf_reset(&p->entry);
	rec_audit_encode(&entry, &p->entry);
	store_commit_audit(p->commit, p->entry.data, p->entry.len);
	p->taken++;
	return TD_OK;
}

enum td_rc
api_prune_modes(struct store *store, int64_t now_ms, unsigned *ret_pruned,
		struct td_err *reterr)
{
	struct prune p = { .now_ms = now_ms };
	struct store_range all = { 0 };
	struct store_read *read;
	enum td_rc rc = store_read_begin(store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	p.commit = store_commit_new(STORE_RESERVE);
	td_buf_init(&p.entry, STORE_VALUE_MAX);
	rc = p.commit == NULL ? td_err_set(reterr, TD_NOMEM, "out of memory")
			      : store_walk(read, STORE_BRAKE, &all, look_at, &p, reterr);
	store_read_end(read);
	td_buf_done(&p.entry);
	if (rc != TD_OK || p.taken == 0) {
		store_commit_free(p.commit);
	} else {
		rc = store_commit(store, p.commit, NULL, reterr);
		if (rc == TD_PRECONDITION) { /* somebody set one of them anew */
			p.taken = 0;
			rc = TD_OK;
		}
	}
	if (rc == TD_OK)
		*ret_pruned = p.taken;
	return rc;
}
