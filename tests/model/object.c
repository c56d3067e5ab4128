/*
 * The object storage driver over model requests: base/driver.h, word for word, in the order
 * of steps that a real one has to take. It reads back what it changed.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>

#define PAGES_PER_CALL 3

struct od {
	struct m_call *c;
	struct drv_call *call;
	struct drv_result *res;
	struct td_err *err;
	bool changed; /* the user: to be read back */
	bool unclosed;
};

static struct m_request
request(const struct od *o, enum m_verb verb)
{
	struct m_request q = { .verb = verb, .tenant = o->c->tenant };

	return q;
}

static const struct drv_slot *
slot(const struct od *o, enum drv_slot_id id)
{
	for (size_t i = 0; i < o->call->slot_count; i++)
		if (o->call->slots[i].id == id)
			return &o->call->slots[i];
	return NULL;
}

static void
set_secret(struct m_request *q, const struct drv_slot *s)
{
	if (s == NULL || s->secret == NULL)
		return;
	memcpy(q->key, s->key_id, sizeof(q->key) - 1);
	memcpy(q->secret, td_secret_bytes(s->secret), td_secret_len(s->secret));
}

static enum td_rc
say(struct od *o, enum td_rc rc, const char *reason)
{
	(void)snprintf(o->res->reason, sizeof(o->res->reason), "%s", reason);
	return td_err_set(o->err, rc, "%s", reason);
}

static enum td_rc
ask_user(struct od *o, enum m_verb verb, int value, struct m_reply *r)
{
	struct m_request q = request(o, verb);

	set_secret(&q, slot(o, DRV_SLOT_PARENT));
	q.value = value;
	return m_ask(o->c, &q, r);
}

static unsigned
closed_bits(const struct drv_call *call)
{
	unsigned bits = 0;

	for (size_t i = 0; i < call->closed_count; i++)
		bits |= 1U << (call->closed[i].name[2] - '0');
	return bits;
}

static enum td_rc
ask_sa(struct od *o, enum m_verb verb, const struct drv_slot *s, struct m_reply *r)
{
	struct m_request q = request(o, verb);

	set_secret(&q, s);
	q.number = closed_bits(o->call);
	return m_ask(o->c, &q, r);
}

/* Is the user ours to change? presence is set to OURS, FOREIGN or ABSENT. */
static enum td_rc
own(struct od *o, struct m_reply *info)
{
	struct m_reply r;
	enum td_rc rc = ask_user(o, M_USER_INFO, 0, info);

	if (rc != TD_OK)
		return rc;
	o->res->presence = info->present ? DRV_OURS : DRV_ABSENT;
	if (!info->present || o->call->claimed)
		return TD_OK;
	if (o->call->absent_before) {
		rc = ask_user(o, M_USER_LOGIN, 0, &r);
		if (rc != TD_OK || r.present)
			return rc;
		rc = ask_sa(o, M_SA_INFO, slot(o, DRV_SLOT_A), &r);
		if (rc != TD_OK || (r.present && r.status))
			return rc;
	}
	o->res->presence = DRV_FOREIGN;
	return say(o, TD_FOREIGN, "Foreign");
}

static enum m_policy
policy_of(enum drv_access access)
{
	if (access == DRV_ACCESS_NONE)
		return M_POL_SUSPENDED;
	return access == DRV_ACCESS_FENCED ? M_POL_FENCED : M_POL_FULL;
}

/* ---- buckets ---- */

static unsigned
bucket_index(const struct drv_bucket *b)
{
	return (unsigned)(b->name[2] - '0');
}

static int
bucket_effective(const struct od *o, const struct drv_bucket *b)
{
	if (o->call->access == DRV_ACCESS_NONE)
		return DRV_BUCKET_PRIVATE;
	if (o->call->access == DRV_ACCESS_FENCED && b->mode == DRV_BUCKET_READWRITE)
		return M_MODE_RW_FENCED;
	return (int)b->mode;
}

static enum td_rc
ask_bucket(struct od *o, enum m_verb verb, const struct drv_bucket *b, struct m_reply *r)
{
	struct m_request q = request(o, verb);

	q.bucket = bucket_index(b);
	q.value = bucket_effective(o, b);
	q.number = b->quota_bytes;
	return m_ask(o->c, &q, r);
}

/* A bucket that was absent before and is empty and without any mark is our own half-made
 * one: there is nothing in it that could be somebody's. */
static bool
bucket_ours(const struct drv_bucket *b, const struct m_reply *info)
{
	if (b->claimed)
		return true;
	if (!b->absent_before)
		return false;
	return strcmp(info->mark, M_OURS) == 0 ||
	       (info->mark[0] == '\0' && info->count == 0);
}

static enum td_rc
bucket_remove(struct od *o, struct drv_bucket *b, const struct m_reply *info)
{
	struct m_reply r = *info;
	enum td_rc rc;

	if (r.count > 0 && b->only_if_empty)
		return TD_BUCKET_NOT_EMPTY;
	for (int page = 0; r.count > 0; page++) {
		if (page == PAGES_PER_CALL) {
			o->res->more = true;
			return TD_NOT_READY;
		}
		rc = ask_bucket(o, M_BUCKET_EMPTY, b, &r);
		if (rc != TD_OK)
			return rc;
		o->res->progress++;
	}
	rc = ask_bucket(o, M_BUCKET_DEL, b, &r);
	if (rc == TD_OK)
		rc = ask_bucket(o, M_BUCKET_INFO, b, &r);
	if (rc != TD_OK)
		return rc;
	if (r.present)
		return TD_CONFLICT;
	b->presence = DRV_ABSENT;
	return TD_OK;
}

static enum td_rc
bucket_shape(struct od *o, struct drv_bucket *b, const struct m_reply *info)
{
	struct m_reply r;
	bool change = false;
	enum td_rc rc = TD_OK;

	if (strcmp(info->mark, M_OURS) != 0) {
		rc = ask_bucket(o, M_BUCKET_MARK, b, &r);
		change = true;
	}
	if (rc == TD_OK && info->number != b->quota_bytes) {
		rc = ask_bucket(o, M_BUCKET_QUOTA, b, &r);
		change = true;
	}
	if (rc == TD_OK && info->value != bucket_effective(o, b)) {
		rc = ask_bucket(o, M_BUCKET_MODE, b, &r);
		change = true;
	}
	if (rc != TD_OK || !change)
		return rc;
	rc = ask_bucket(o, M_BUCKET_INFO, b, &r);
	if (rc != TD_OK)
		return rc;
	if (!r.present || strcmp(r.mark, M_OURS) != 0 || r.number != b->quota_bytes ||
	    r.value != bucket_effective(o, b))
		return TD_CONFLICT;
	return TD_OK;
}

static enum td_rc
bucket_ensure(struct od *o, struct drv_bucket *b)
{
	struct m_reply info, r;
	enum td_rc rc = ask_bucket(o, M_BUCKET_INFO, b, &info);

	if (rc != TD_OK)
		return rc;
	if (info.present && !bucket_ours(b, &info)) {
		b->presence = DRV_FOREIGN;
		return TD_FOREIGN;
	}
	b->presence = info.present ? DRV_OURS : DRV_ABSENT;
	if (b->remove)
		return info.present ? bucket_remove(o, b, &info) : TD_OK;
	if (!info.present) {
		rc = ask_bucket(o, M_BUCKET_MAKE, b, &r);
		if (rc != TD_OK)
			return rc;
	}
	rc = bucket_shape(o, b, &info);
	if (rc == TD_OK)
		b->presence = DRV_OURS;
	return rc;
}

static bool
stops_call(enum td_rc rc)
{
	return rc == M_HALT || rc == TD_TIMEOUT || rc == TD_UNREACHABLE;
}

static enum td_rc
buckets(struct od *o)
{
	for (size_t i = 0; i < o->call->bucket_count; i++) {
		struct drv_bucket *b = &o->call->buckets[i];

		b->rc = bucket_ensure(o, b);
		if (stops_call(b->rc))
			return b->rc;
	}
	return TD_OK;
}

/* ---- ensure ---- */

static enum td_rc
user_access(struct od *o, const struct m_reply *info)
{
	enum drv_access access = o->call->access;
	struct m_reply r;
	bool secret = info->present && info->number;
	enum m_policy want = policy_of(access);
	enum td_rc rc = TD_OK;
	bool enabled = info->present && info->status;

	if (!info->present || !secret) {
		o->changed = true;
		enabled = true;
		rc = ask_user(o, M_USER_ADD, 0, &r);
	}
	if (rc == TD_OK && (!info->present || info->value != (int)want)) {
		o->changed = true;
		rc = ask_user(o, M_USER_POLICY, (int)want, &r);
	}
	if (rc == TD_OK && enabled != (access != DRV_ACCESS_NONE)) {
		o->changed = true;
		rc = ask_user(o, M_USER_STATUS, access != DRV_ACCESS_NONE, &r);
	}
	return rc;
}

static enum td_rc
accounts(struct od *o)
{
	struct m_reply r;

	for (size_t i = 0; i < o->call->slot_count; i++) {
		const struct drv_slot *s = &o->call->slots[i];
		enum td_rc rc;

		if (s->id == DRV_SLOT_PARENT)
			continue;
		rc = ask_sa(o, M_SA_INFO, s, &r);
		if (rc != TD_OK)
			return rc;
		if (s->want == DRV_SLOT_RETIRE) {
			rc = r.present ? ask_sa(o, M_SA_DEL, s, &r) : TD_OK;
		} else if (!r.present) {
			rc = ask_sa(o, M_SA_ADD, s, &r);
		} else if (!r.status) {
			rc = say(o, TD_BACKEND_REFUSED, "ServiceAccountChanged");
		}
		if (rc != TD_OK)
			return rc;
		if (s->want == DRV_SLOT_KEEP && s->fresh &&
		    o->call->access != DRV_ACCESS_NONE) {
			rc = ask_sa(o, M_SA_LOGIN, s, &r);
			if (rc == TD_OK && !r.present)
				rc = say(o, TD_BACKEND_REFUSED, "LoginFails");
			if (rc != TD_OK)
				return rc;
		}
	}
	return TD_OK;
}

/* Of the accounts that are there, before anything gives access: only when the call says that
 * they may deny others. What fails without ending the call is told by res->closed. */
static enum td_rc
reclose(struct od *o)
{
	struct m_reply r;

	for (size_t i = 0; o->call->reclose && i < o->call->slot_count; i++) {
		const struct drv_slot *s = &o->call->slots[i];
		enum td_rc rc;

		if (s->id == DRV_SLOT_PARENT || s->want == DRV_SLOT_RETIRE)
			continue;
		rc = ask_sa(o, M_SA_POLICY, s, &r);
		if (rc == TD_OK)
			rc = ask_sa(o, M_SA_INFO, s, &r);
		if (stops_call(rc))
			return rc;
		if (rc == TD_NOT_FOUND || (rc == TD_OK && !r.present))
			continue; /* it will be made */
		if (rc != TD_OK || r.number != closed_bits(o->call))
			o->unclosed = true;
	}
	return TD_OK;
}

static enum td_rc
read_back(struct od *o)
{
	struct m_reply r;
	enum td_rc rc;

	if (!o->changed)
		return TD_OK;
	rc = ask_user(o, M_USER_INFO, 0, &r);
	if (rc != TD_OK)
		return rc;
	if (!r.present || !r.number || r.value != (int)policy_of(o->call->access) ||
	    (r.status != 0) != (o->call->access != DRV_ACCESS_NONE))
		return say(o, TD_BACKEND_REFUSED, "NotAsTold");
	return TD_OK;
}

static enum td_rc
ensure(struct od *o)
{
	struct m_reply info;
	enum td_rc rc = own(o, &info);

	if (rc != TD_OK)
		return rc;
	if (info.present)
		rc = reclose(o);
	if (rc != TD_OK)
		return rc;
	if (info.present && !info.status && o->call->access != DRV_ACCESS_NONE &&
	    !o->call->unlock) {
		o->res->drifted = true;
		return say(o, TD_OK, "UserDisabled");
	}
	rc = user_access(o, &info);
	if (rc == TD_OK)
		rc = accounts(o);
	if (rc == TD_OK)
		rc = read_back(o);
	if (rc == TD_OK)
		rc = buckets(o);
	if (rc == TD_OK) {
		o->res->presence = DRV_OURS;
		o->res->closed = o->call->reclose && !o->unclosed;
		(void)snprintf(o->res->identity, sizeof(o->res->identity), "model");
	}
	return rc;
}

/* ---- observe ---- */

static void
drift(struct od *o, const char *reason)
{
	if (!o->res->drifted)
		(void)say(o, TD_OK, reason);
	o->res->drifted = true;
}

static enum td_rc
observe_buckets(struct od *o)
{
	for (size_t i = 0; i < o->call->bucket_count; i++) {
		struct drv_bucket *b = &o->call->buckets[i];
		struct m_reply r;
		enum td_rc rc = ask_bucket(o, M_BUCKET_INFO, b, &r);

		if (stops_call(rc))
			return rc;
		b->rc = rc;
		if (rc != TD_OK)
			continue;
		b->presence = !r.present		    ? DRV_ABSENT
			      : strcmp(r.mark, M_OURS) == 0 ? DRV_OURS
							    : DRV_FOREIGN;
		if (b->claimed && !(b->remove && b->presence == DRV_ABSENT) &&
		    (b->presence != DRV_OURS || r.value != bucket_effective(o, b) ||
		     r.number != b->quota_bytes)) {
			b->rc = TD_CONFLICT;
			drift(o, r.present ? "BucketPolicyChanged" : "BucketMissing");
		}
	}
	return TD_OK;
}

static enum td_rc
observe(struct od *o)
{
	struct m_reply r, sa;
	enum td_rc rc = ask_user(o, M_USER_INFO, 0, &r);

	if (rc != TD_OK)
		return rc;
	o->res->presence = !r.present	      ? DRV_ABSENT
			   : o->call->claimed ? DRV_OURS
					      : DRV_FOREIGN;
	if (o->call->claimed) {
		if (!r.present)
			drift(o, "UserMissing");
		else if ((r.status != 0) != (o->call->access != DRV_ACCESS_NONE))
			drift(o, "UserDisabled");
		else if (r.value != (int)policy_of(o->call->access) || !r.number)
			drift(o, "PolicyChanged");
		for (size_t i = 0; i < o->call->slot_count; i++) {
			const struct drv_slot *s = &o->call->slots[i];

			if (s->id == DRV_SLOT_PARENT || s->want == DRV_SLOT_RETIRE)
				continue;
			rc = ask_sa(o, M_SA_INFO, s, &sa);
			if (rc != TD_OK)
				return rc;
			if (!sa.present || !sa.status ||
			    sa.number != closed_bits(o->call))
				drift(o, "ServiceAccountMissing");
		}
	}
	return observe_buckets(o);
}

/* ---- remove ---- */

static enum td_rc
remove_user(struct od *o)
{
	struct m_reply r;
	enum td_rc rc = ask_user(o, M_USER_DEL, 0, &r);

	if (rc == TD_OK)
		rc = ask_user(o, M_USER_INFO, 0, &r);
	if (rc == TD_OK && r.present)
		rc = say(o, TD_CONFLICT, "NotDead");
	for (size_t i = 0; rc == TD_OK && i < o->call->slot_count; i++) {
		if (o->call->slots[i].id == DRV_SLOT_PARENT)
			continue;
		rc = ask_sa(o, M_SA_LOGIN, &o->call->slots[i], &r);
		if (rc == TD_OK && r.present)
			rc = say(o, TD_CONFLICT, "NotDead");
	}
	return rc;
}

static enum td_rc
remove_all(struct od *o)
{
	struct m_reply info, r;
	enum td_rc rc = own(o, &info);

	if (rc != TD_OK)
		return rc;
	/* One that is not claimed could not prove itself again once it is disabled. */
	if (info.present && !o->call->claimed)
		rc = remove_user(o);
	else if (info.present && info.value != M_POL_SUSPENDED)
		rc = ask_user(o, M_USER_POLICY, M_POL_SUSPENDED, &r);
	if (rc == TD_OK && info.present && o->call->claimed && info.status)
		rc = ask_user(o, M_USER_STATUS, 0, &r);
	if (rc == TD_OK)
		rc = buckets(o);
	if (rc == TD_OK && o->call->bucket_count == 0)
		rc = remove_user(o);
	o->res->presence = DRV_OURS;
	return rc;
}

enum td_rc
m_object_driver(struct m_call *c, struct drv_call *call, struct drv_result *res,
		struct td_err *err)
{
	struct od o = { .c = c, .call = call, .res = res, .err = err };

	switch (c->action->verb) {
	case TENANT_OBSERVE:
		return observe(&o);
	case TENANT_ENSURE:
		return ensure(&o);
	case TENANT_REMOVE:
		break;
	}
	return remove_all(&o);
}
