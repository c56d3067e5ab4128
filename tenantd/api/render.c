/*
 * Every value goes through td_buf_json or is a number, so that no record can break out of
 * its string. Limits are shown twice: `limits` are the tenant's own overrides, so that GET,
 * edit, PUT does not turn a plan's limits into overrides; `effective_limits` are what
 * counts.
 */
#include "render.h"

#include "audit.h"
#include "decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
api_json_member(struct td_buf *b, const char *key, const char *text)
{
	td_buf_char(b, '"');
	td_buf_str(b, key);
	td_buf_str(b, "\":");
	td_buf_json(b, text, strlen(text));
}

void
api_json_time(struct td_buf *b, const char *key, int64_t ms)
{
	char text[TD_TIME_TEXT];

	td_buf_char(b, '"');
	td_buf_str(b, key);
	if (ms == 0) {
		td_buf_str(b, "\":null");
		return;
	}
	td_time_text(ms, text);
	td_buf_str(b, "\":\"");
	td_buf_str(b, text);
	td_buf_char(b, '"');
}

/* "key":true or false; any other value than 0 is true. */
static void
json_flag(struct td_buf *b, const char *key, unsigned value)
{
	td_buf_fmt(b, "\"%s\":%s", key, value != 0 ? "true" : "false");
}

static const char *
text_or(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

static void
render_limit(struct td_buf *b, enum plan_limit limit, uint64_t value)
{
	td_buf_fmt(b, "\"%s\":", plan_limit_info(limit)->name);
	if (value == PLAN_UNLIMITED)
		td_buf_str(b, "\"unlimited\"");
	else
		td_buf_fmt(b, "%" PRIu64, value);
}

static void
render_overrides(struct td_buf *b, const struct rec_tenant *rec)
{
	const char *comma = "";

	td_buf_str(b, "\"limits\":{");
	for (unsigned i = 0; i < REC_LIMIT_COUNT; i++) {
		if ((rec->limits_set & UINT32_C(1) << i) == 0)
			continue;
		td_buf_str(b, comma);
		render_limit(b, (enum plan_limit)i, rec->limits[i]);
		comma = ",";
	}
	td_buf_char(b, '}');
}

static void
render_labels(struct td_buf *b, const struct rec_tenant *rec)
{
	const char *p = rec->labels, *end = rec->labels + rec->labels_len;
	const char *comma = "";

	td_buf_str(b, "\"labels\":{");
	while (p < end) {
		const char *value = p + strnlen(p, (size_t)(end - p)) + 1;
		size_t value_len;

		if (value >= end)
			break;
		value_len = strnlen(value, (size_t)(end - value));
		td_buf_str(b, comma);
		td_buf_json(b, p, (size_t)(value - p) - 1);
		td_buf_char(b, ':');
		td_buf_json(b, value, value_len);
		comma = ",";
		p = value + value_len + 1;
	}
	td_buf_char(b, '}');
}

/* What the row of the list and the whole document have in common, braces left out. */
static void
render_record(struct td_buf *b, const char *appid, const struct rec_tenant *rec,
	      enum rec_mode mode)
{
	api_json_member(b, "appid", appid);
	td_buf_char(b, ',');
	api_json_member(
		b, "phase",
		text_or(tenant_phase_text((enum rec_phase)rec->phase), "Unknown"));
	td_buf_fmt(b, ",\"generation\":%" PRIu64 ",\"observed_generation\":%" PRIu64 ",",
		   rec->generation, rec->observed_generation);
	api_json_member(b, "plan", rec->plan);
	td_buf_char(b, ',');
	api_json_member(b, "region", rec->region);
	td_buf_char(b, ',');
	api_json_member(b, "mode", text_or(tenant_brake_text(mode), "hold"));
	td_buf_char(b, ',');
	render_overrides(b, rec);
	td_buf_char(b, ',');
	render_labels(b, rec);
	td_buf_char(b, ',');
	json_flag(b, "deletion_protection", rec->deletion_protection);
	td_buf_char(b, ',');
	api_json_time(b, "created_at", rec->created_ms);
	td_buf_char(b, ',');
	api_json_time(b, "delete_asked_at", rec->delete_asked_ms);
	td_buf_char(b, ',');
	api_json_time(b, "delete_due_at", rec->delete_due_ms);
	td_buf_fmt(b, ",\"bucket_count\":%" PRIu32, rec->bucket_count);
}

void
api_render_tenant_row(struct td_buf *b, const char *appid, const struct rec_tenant *rec,
		      enum rec_mode mode)
{
	td_buf_char(b, '{');
	render_record(b, appid, rec, mode);
	td_buf_char(b, '}');
}

static const char *
bucket_state(const struct rec_bucket *rec)
{
	switch ((enum rec_bucket_state)rec->state) {
	case REC_BUCKET_NEW:
	case REC_BUCKET_CLAIMING:
		return "creating";
	case REC_BUCKET_OURS:
		return "ours";
	case REC_BUCKET_FOREIGN:
		return "foreign";
	case REC_BUCKET_REMOVING:
		return "removing";
	}
	return "unknown";
}

/* Of one on its way out: does anybody reach it still? */
static const char *
bucket_access(const struct rec_bucket *rec)
{
	if (!tenant_bucket_shut(rec))
		return "open";
	return tenant_bucket_closed(rec) ? "closed" : "closing";
}

void
api_render_bucket(struct td_buf *b, const struct tenant_view *v,
		  const struct tenant_bucket *bucket)
{
	const struct rec_bucket *rec = &bucket->rec;
	bool ready = tenant_bucket_ready(v, rec);

	td_buf_char(b, '{');
	api_json_member(b, "name", bucket->name);
	td_buf_fmt(b, ",\"bucket\":\"%s-%s\",", v->appid, bucket->name);
	api_json_member(
		b, "mode",
		text_or(tenant_mode_text((enum drv_bucket_mode)rec->mode), "private"));
	td_buf_fmt(b, ",\"quota_bytes\":%" PRIu64 ",", rec->quota_bytes);
	json_flag(b, "ready", ready);
	td_buf_char(b, ',');
	api_json_member(b, "state", bucket_state(rec));
	td_buf_char(b, ',');
	api_json_member(b, "message", rec->message);
	td_buf_char(b, ',');
	api_json_time(b, "created_at", rec->created_ms);
	if (rec->state == REC_BUCKET_REMOVING) {
		td_buf_char(b, ',');
		api_json_time(b, "remove_due_at", rec->remove_due_ms);
		td_buf_char(b, ',');
		api_json_member(b, "access", bucket_access(rec));
	}
	td_buf_char(b, '}');
}

struct condition {
	const char *type;
	unsigned status;
	int64_t since_ms;
	const char *reason, *message;
};

static void
render_condition(struct td_buf *b, const struct condition *c)
{
	td_buf_char(b, '{');
	api_json_member(b, "type", c->type);
	td_buf_char(b, ',');
	json_flag(b, "status", c->status == 1);
	td_buf_char(b, ',');
	api_json_time(b, "since", c->since_ms);
	td_buf_char(b, ',');
	api_json_member(b, "reason", c->reason);
	td_buf_char(b, ',');
	api_json_member(b, "message", c->message);
	td_buf_char(b, '}');
}

/* Not a record of the tenant: a mode holds for as long as it is set, whether or not anybody
 * has looked at this tenant since. */
static void
render_held(struct td_buf *b, const struct tenant_view *v, const struct tenant_part *p)
{
	const struct tenant_brake *k = &p->brake;
	struct condition c = { .type = "Held", .status = 1, .since_ms = k->since_ms };
	char until[TD_TIME_TEXT] = "";
	char message[256];

	if (k->mode == REC_MANAGE && !p->budget_waits)
		return;
	c.message = message;
	if (k->mode == REC_MANAGE) {
		c.reason = "BudgetSpent";
		c.since_ms = v->budget.stopped_ms;
		snprintf(message, sizeof(message),
			 "Region %s has spent its budget for deletions; it waits until "
			 "more is approved.",
			 v->rec.region);
	} else {
		c.reason = k->mode == REC_HOLD ? "Hold" : "Observe";
		if (k->expires_ms != 0)
			td_time_text(k->expires_ms, until);
		snprintf(message, sizeof(message), "%s is %s%s%s: %s", k->scope,
			 k->mode == REC_HOLD ? "on hold" : "only observed",
			 until[0] != '\0' ? " until " : "", until, k->reason);
	}
	td_buf_char(b, ',');
	render_condition(b, &c);
}

static void
render_conditions(struct td_buf *b, const struct tenant_view *v,
		  const struct tenant_part *p)
{
	const struct rec_resource *rec = &p->rec;
	const char *comma = "";

	td_buf_str(b, "{\"conditions\":[");
	for (unsigned i = 0; i < REC_COND_COUNT; i++) {
		const struct rec_cond *c = &rec->cond[i];

		if (i != REC_COND_READY && c->status == 0)
			continue;
		td_buf_str(b, comma);
		render_condition(
			b, &(struct condition){
				   text_or(tenant_condition_text((enum rec_condition)i),
					   "Unknown"),
				   c->status, c->since_ms, c->reason, c->message });
		comma = ",";
	}
	render_held(b, v, p); /* Ready is always there before it */
	td_buf_str(b, "]");
	if (rec->failures > 0) {
		td_buf_fmt(b, ",\"failures\":%" PRIu32 ",", rec->failures);
		api_json_time(b, "next_try_at", rec->due_ms);
	}
	if (rec->progress > 0)
		td_buf_fmt(b, ",\"objects_removed\":%" PRIu64, rec->progress);
	td_buf_char(b, '}');
}

static void
render_effective(struct td_buf *b, const struct tenant_view *v)
{
	struct plan_limits limits = tenant_limits(v);
	const char *comma = "";

	td_buf_str(b, "\"effective_limits\":{");
	for (unsigned i = 0; i < PLAN_LIMIT_COUNT; i++) {
		if (!plan_limits_has(&limits, (enum plan_limit)i))
			continue;
		td_buf_str(b, comma);
		render_limit(b, (enum plan_limit)i, limits.value[i]);
		comma = ",";
	}
	td_buf_char(b, '}');
}

void
api_render_tenant(struct td_buf *b, const struct tenant_view *v, size_t bucket_max)
{
	size_t shown = v->bucket_len < bucket_max ? v->bucket_len : bucket_max;

	td_buf_char(b, '{');
	render_record(b, v->appid, &v->rec, v->brake.mode);
	td_buf_char(b, ',');
	json_flag(b, "settled", tenant_settled(v));
	td_buf_char(b, ',');
	render_effective(b, v);
	td_buf_str(b, ",\"buckets\":[");
	for (size_t i = 0; i < shown; i++) {
		if (i > 0)
			td_buf_char(b, ',');
		api_render_bucket(b, v, &v->buckets[i]);
	}
	td_buf_char(b, ']');
	if (shown > 0 && (shown < v->bucket_len || v->rec.bucket_count > shown))
		td_buf_fmt(b, ",\"more\":\"/v1/tenants/%s/buckets?cursor=%s\"", v->appid,
			   v->buckets[shown - 1].name);
	td_buf_str(b, ",\"resources\":{");
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++) {
		if (r > 0)
			td_buf_char(b, ',');
		td_buf_fmt(b, "\"%s\":", tenant_resource_text((enum drv_resource)r));
		if (v->part[r].wanted)
			render_conditions(b, v, &v->part[r]);
		else
			td_buf_str(b, "null");
	}
	td_buf_str(b, "}}");
}

void
api_render_mode(struct td_buf *b, const char *scope, const struct rec_brake *rec)
{
	td_buf_char(b, '{');
	api_json_member(b, "scope", scope);
	td_buf_char(b, ',');
	api_json_member(b, "mode",
			text_or(tenant_brake_text((enum rec_mode)rec->mode), "hold"));
	td_buf_char(b, ',');
	api_json_member(b, "reason", rec->reason);
	td_buf_char(b, ',');
	api_json_time(b, "since", rec->since_ms);
	td_buf_char(b, ',');
	api_json_time(b, "expires_at", rec->expires_ms);
	td_buf_char(b, ',');
	api_json_member(b, "set_by", rec->set_by);
	td_buf_char(b, '}');
}

void
api_render_budget(struct td_buf *b, const struct engine_budget_state *s)
{
	td_buf_char(b, '{');
	api_json_member(b, "region", s->region);
	td_buf_char(b, ',');
	json_flag(b, "stopped", s->stopped_ms != 0);
	td_buf_char(b, ',');
	api_json_time(b, "stopped_since", s->stopped_ms);
	td_buf_str(b, ",\"stopped_by\":");
	if (s->stopped_ms != 0)
		td_buf_fmt(b, "\"%s\"", tenant_destroy_text(s->stopped_by));
	else
		td_buf_str(b, "null");
	for (unsigned i = 0; i < REC_DESTROY_COUNT; i++)
		td_buf_fmt(b,
			   ",\"%s\":{\"per_hour\":%" PRIu32 ",\"spent\":%" PRIu32
			   ",\"approved\":%" PRIu32 "}",
			   tenant_destroy_text((enum rec_destroy)i), s->line[i].limit,
			   s->line[i].spent, s->line[i].extra);
	td_buf_char(b, '}');
}

static void
render_plan_row(struct td_buf *b, const struct engine_plan *p,
		const struct engine_plan_row *row)
{
	const struct rec_resource *rec = &p->v.part[row->resource].rec;

	td_buf_char(b, '{');
	api_json_member(b, "resource", tenant_resource_text(row->resource));
	td_buf_char(b, ',');
	api_json_member(b, "action", row->action);
	td_buf_char(b, ',');
	api_json_member(b, "why", row->why);
	td_buf_char(b, ',');
	json_flag(b, "destroys", row->destroys);
	td_buf_fmt(b, ",\"buckets_removed\":%u,\"held\":", row->buckets_removed);
	if (row->held == ENGINE_NOT_HELD)
		td_buf_str(b, "null");
	else if (row->held == ENGINE_HELD_BUDGET)
		td_buf_str(b, "\"budget\"");
	else
		td_buf_str(b, "\"mode\"");
	td_buf_char(b, ',');
	api_json_time(b, "next_try_at", rec->failures > 0 ? rec->due_ms : 0);
	td_buf_char(b, '}');
}

void
api_render_plan(struct td_buf *b, const struct engine_plan *p)
{
	const struct tenant_view *v = &p->v;

	td_buf_char(b, '{');
	api_json_member(b, "appid", v->appid);
	td_buf_char(b, ',');
	api_json_member(b, "region", v->rec.region);
	td_buf_char(b, ',');
	api_json_member(
		b, "phase",
		text_or(tenant_phase_text((enum rec_phase)v->rec.phase), "Unknown"));
	td_buf_char(b, ',');
	api_json_member(b, "mode", text_or(tenant_brake_text(v->brake.mode), "hold"));
	td_buf_char(b, ',');
	api_json_time(b, "delete_due_at", v->rec.delete_due_ms);
	td_buf_str(b, ",\"actions\":[");
	for (size_t i = 0; i < p->count; i++) {
		if (i > 0)
			td_buf_char(b, ',');
		render_plan_row(b, p, &p->row[i]);
	}
	td_buf_str(b, "]}");
}

void
api_render_token(struct td_buf *b, const struct rec_token *rec, const char *token)
{
	td_buf_char(b, '{');
	api_json_member(b, "id", rec->id);
	td_buf_char(b, ',');
	if (token != NULL) {
		api_json_member(b, "token", token);
		td_buf_char(b, ',');
	}
	api_json_member(b, "role", text_or(api_role_text(rec->role), "unknown"));
	if (rec->appid[0] != '\0') {
		td_buf_char(b, ',');
		api_json_member(b, "appid", rec->appid);
	} else {
		td_buf_str(b, ",\"appid\":null");
	}
	td_buf_char(b, ',');
	api_json_member(b, "label", rec->label);
	td_buf_char(b, ',');
	api_json_time(b, "created_at", rec->created_ms);
	td_buf_char(b, ',');
	api_json_time(b, "expires_at", rec->expires_ms);
	td_buf_char(b, ',');
	api_json_member(b, "created_by", rec->created_by);
	td_buf_char(b, '}');
}

const char *
api_audit_text(unsigned action)
{
	switch (action) {
#define API_AUDIT_CASE(name, number, text)                                               \
	case number:                                                                     \
		return text;
		API_AUDIT_TABLE(API_AUDIT_CASE)
#undef API_AUDIT_CASE
	default:
		return "unknown";
	}
}

void
api_render_audit(struct td_buf *b, uint64_t seq, const struct rec_audit *rec)
{
	td_buf_fmt(b, "{\"seq\":%" PRIu64 ",", seq);
	api_json_time(b, "time", rec->time_ms);
	td_buf_char(b, ',');
	api_json_member(b, "action", api_audit_text(rec->action));
	td_buf_char(b, ',');
	api_json_member(b, "outcome", td_rc_info((enum td_rc)rec->outcome)->code);
	td_buf_char(b, ',');
	api_json_member(b, "role",
			rec->role == 0
				? "tenantd"
				: text_or(api_role_text(rec->role - 1U), "unknown"));
	td_buf_fmt(b, ",\"count\":%" PRIu32 ",", rec->count);
	api_json_member(b, "appid", rec->appid);
	td_buf_char(b, ',');
	api_json_member(b, "token_id", rec->token_id);
	td_buf_char(b, ',');
	api_json_member(b, "address", rec->address);
	td_buf_char(b, ',');
	api_json_member(b, "request_id", rec->request_id);
	td_buf_char(b, ',');
	api_json_member(b, "object", rec->object);
	td_buf_char(b, ',');
	api_json_member(b, "detail", rec->detail);
	td_buf_char(b, '}');
}
