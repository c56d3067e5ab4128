/*
 * Tenant numbers: small, never reused, reserved in blocks so that making tenants at the
 * same time does not queue up behind one counter. A crash skips the rest of a block.
 */
#include "internal.h"

#include <string.h>

static const char KEY[] = "tenant_number";

static enum td_rc
reserve_block(struct engine *e, struct td_err *reterr)
{
	struct store_read *rd;
	struct store_value val;
	uint64_t next = 1;
	struct td_buf buf;

	enum td_rc rc = store_read_begin(e->store, &rd, reterr);
	if (rc != TD_OK)
		return rc;
	rc = store_get(rd, STORE_META, KEY, sizeof(KEY) - 1, &val, reterr);
	if (rc == TD_OK && val.version != 0) {
		struct td_cur cur = td_cur_make(val.data, val.len);
		next = td_cur_u64(&cur);
		if (!td_cur_ok(&cur))
			rc = td_err_set(reterr, TD_CORRUPT, "meta record %s is damaged",
					KEY);
	}
	uint64_t version = rc == TD_OK ? val.version : 0;
	store_read_end(rd);
	if (rc != TD_OK)
		return rc;
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	if (c == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	td_buf_init(&buf, 8);
	td_buf_u64(&buf, next + ENGINE_NUMBER_BLOCK);
	store_commit_expect(c, STORE_META, KEY, sizeof(KEY) - 1, version);
	store_commit_put(c, STORE_META, KEY, sizeof(KEY) - 1, buf.data, buf.len);
	td_buf_done(&buf);
	rc = store_commit(e->store, c, NULL, reterr);
	if (rc == TD_OK) {
		e->number_next = next;
		e->number_end = next + ENGINE_NUMBER_BLOCK;
	}
	return rc;
}

enum td_rc
engine_number_next(struct engine *e, uint64_t *ret_number, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	pthread_mutex_lock(&e->number_lock);
	if (e->number_next == e->number_end)
		rc = reserve_block(e, reterr);
	if (rc == TD_OK)
		*ret_number = e->number_next++;
	pthread_mutex_unlock(&e->number_lock);
	return rc;
}
