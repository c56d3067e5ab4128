/*
 * Reading the audit log, page by page in the order it was written.
 */
#include "internal.h"

#include <inttypes.h>
#include <string.h>

struct list {
	struct td_buf *b;
	unsigned limit, rows, seen;
	const char *appid; /* NULL: all */
	uint64_t last;
	bool more;
};

static enum td_rc
list_row(void *ctx, const void *key, size_t key_len, const struct store_value *value)
{
	const unsigned char *k = key;
	struct list *l = ctx;
	struct rec_audit rec;
	uint64_t seq = 0;
	enum td_rc rc;

	if (l->rows == l->limit || l->seen == API_SCAN_MAX) {
		l->more = true;
		return (enum td_rc)STORE_STOP;
	}
	l->seen++;
	for (size_t i = 0; i < key_len && i < 8; i++)
		seq = seq << 8 | k[i];
	l->last = seq;
	rc = rec_audit_decode(value->data, value->len, &rec, NULL);
	if (rc != TD_OK)
		return rc;
	if (l->appid != NULL && strcmp(l->appid, rec.appid) != 0)
		return TD_OK;
	if (l->rows++ > 0)
		td_buf_char(l->b, ',');
	api_render_audit(l->b, seq, &rec);
	return TD_OK;
}

static enum td_rc
walk(struct req *r, struct list *l, struct td_err *reterr)
{
	const char *after = args_get(&r->args, "after");
	struct store_range range = { 0 };
	struct store_read *read = NULL;
	unsigned char key[8];
	uint64_t seq = 0;
	enum td_rc rc;

	if (after != NULL && !api_parse_u64(after, UINT64_MAX, &seq))
		return td_err_set(reterr, TD_INVALID, "after must be a sequence number");
	l->last = seq;
	if (seq > 0) {
		for (unsigned i = 0; i < 8; i++)
			key[i] = (unsigned char)(seq >> (56 - 8 * i));
		range.after = key;
		range.after_len = sizeof(key);
	}
	rc = store_read_begin(r->t->api->store, &read, reterr);
	if (rc != TD_OK)
		return rc;
	rc = store_walk(read, STORE_AUDIT, &range, list_row, l, reterr);
	store_read_end(read);
	return rc;
}

void
h_audit_list(struct req *r)
{
	struct list l = { .b = &r->t->scratch, .appid = args_get(&r->args, "appid") };
	struct td_err err = { .rc = TD_OK };
	enum td_rc rc = page_limit(r, &l.limit, &err);

	if (rc == TD_OK && l.appid != NULL && !rec_appid_any_ok(l.appid))
		rc = td_err_set(&err, TD_INVALID, "appid is not an appid");
	td_buf_reset(l.b);
	td_buf_str(l.b, "{\"entries\":[");
	if (rc == TD_OK)
		rc = walk(r, &l, &err);
	if (rc != TD_OK) {
		req_problem(r, rc, &err, NULL);
		return;
	}
	/* `last` is where to go on, also when nothing is left: the log grows. */
	td_buf_fmt(l.b, "],\"last\":%" PRIu64 ",", l.last);
	if (l.more)
		td_buf_fmt(l.b, "\"next\":%" PRIu64 "}\n", l.last);
	else
		td_buf_str(l.b, "\"next\":null}\n");
	req_reply(r, &(struct reply){ .status = MHD_HTTP_OK }, l.b);
}
