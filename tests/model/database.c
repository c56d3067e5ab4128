/*
 * The database and volume drivers over model requests. The database's role bears our mark,
 * in the same request that makes it; its user does not, and proves itself by a login.
 */
#include "model.h"

#include <stdio.h>
#include <string.h>

struct dd {
	struct m_call *c;
	struct drv_call *call;
	struct drv_result *res;
	struct td_err *err;
};

static enum td_rc
say(struct dd *d, enum td_rc rc, const char *reason)
{
	(void)snprintf(d->res->reason, sizeof(d->res->reason), "%s", reason);
	return td_err_set(d->err, rc, "%s", reason);
}

static enum td_rc
ask(struct dd *d, enum m_verb verb, int value, struct m_reply *r)
{
	struct m_request q = { .verb = verb,
			       .tenant = d->c->tenant,
			       .value = value,
			       .number = d->call->volume_bytes };

	for (size_t i = 0; i < d->call->slot_count; i++)
		if (d->call->slots[i].id == DRV_SLOT_A &&
		    d->call->slots[i].secret != NULL)
			memcpy(q.secret, td_secret_bytes(d->call->slots[i].secret),
			       td_secret_len(d->call->slots[i].secret));
	return m_ask(d->c, &q, r);
}

static bool
fresh(const struct dd *d)
{
	return d->call->slot_count > 0 && d->call->slots[0].fresh;
}

static enum td_rc
own(struct dd *d, struct m_reply *info)
{
	struct m_reply r;
	enum td_rc rc = ask(d, M_DB_INFO, 0, info);

	if (rc != TD_OK)
		return rc;
	d->res->presence = info->present ? DRV_OURS : DRV_ABSENT;
	if (!info->present || d->call->claimed)
		return TD_OK;
	if (d->call->absent_before) {
		if (strcmp(info->mark, M_OURS) == 0)
			return TD_OK;
		rc = ask(d, M_DB_LOGIN, 0, &r);
		if (rc != TD_OK || r.present)
			return rc;
	}
	d->res->presence = DRV_FOREIGN;
	return say(d, TD_FOREIGN, "Foreign");
}

static enum m_policy
role_of(enum drv_access access)
{
	if (access == DRV_ACCESS_NONE)
		return M_POL_SUSPENDED;
	return access == DRV_ACCESS_FENCED ? M_POL_FENCED : M_POL_FULL;
}

static bool
as_told(const struct dd *d, const struct m_reply *info)
{
	bool none = d->call->access == DRV_ACCESS_NONE;

	return info->count == 1 && info->value == (int)role_of(d->call->access) &&
	       (info->status != 0) == !none && (none || info->number != 0);
}

static enum td_rc
ensure(struct dd *d)
{
	bool none = d->call->access == DRV_ACCESS_NONE;
	struct m_reply info, r;
	enum td_rc rc = own(d, &info);

	if (rc != TD_OK)
		return rc;
	if (d->call->claimed && info.count == 1 && info.value == M_POL_SUSPENDED &&
	    !none && !d->call->unlock) {
		d->res->drifted = true;
		return say(d, TD_OK, "RoleEmptied");
	}
	if (info.count == 0 || info.value != (int)role_of(d->call->access))
		rc = ask(d, M_DB_ROLE, (int)role_of(d->call->access), &r);
	if (rc == TD_OK && none && info.status)
		rc = ask(d, M_DB_USER_DEL, 0, &r);
	else if (rc == TD_OK && !none && !info.status)
		rc = ask(d, M_DB_USER_ADD, 0, &r);
	if (rc == TD_OK && fresh(d) && !none) {
		rc = ask(d, M_DB_LOGIN, 0, &r);
		if (rc == TD_OK && !r.present)
			rc = say(d, TD_BACKEND_REFUSED, "LoginFails");
	}
	if (rc == TD_OK)
		rc = ask(d, M_DB_INFO, 0, &r);
	if (rc == TD_OK && !as_told(d, &r))
		rc = say(d, TD_BACKEND_REFUSED, "NotAsTold");
	if (rc == TD_OK)
		d->res->presence = DRV_OURS;
	return rc;
}

static enum td_rc
observe(struct dd *d)
{
	struct m_reply info;
	enum td_rc rc = ask(d, M_DB_INFO, 0, &info);

	if (rc != TD_OK)
		return rc;
	d->res->presence = !info.present ? DRV_ABSENT
			   : d->call->claimed || strcmp(info.mark, M_OURS) == 0
				   ? DRV_OURS
				   : DRV_FOREIGN;
	if (d->call->claimed && !as_told(d, &info)) {
		d->res->drifted = true;
		(void)say(d, TD_OK, "RoleChanged");
	}
	return TD_OK;
}

static enum td_rc
remove_all(struct dd *d)
{
	struct m_reply info, r;
	enum td_rc rc = own(d, &info);

	if (rc != TD_OK || !info.present)
		return rc;
	rc = ask(d, M_DB_USER_DEL, 0, &r);
	if (rc == TD_OK)
		rc = ask(d, M_DB_DROP, 0, &r);
	if (rc == TD_OK)
		rc = ask(d, M_DB_INFO, 0, &r);
	if (rc == TD_OK && r.present)
		rc = say(d, TD_CONFLICT, "NotDead");
	return rc;
}

enum td_rc
m_database_driver(struct m_call *c, struct drv_call *call, struct drv_result *res,
		  struct td_err *err)
{
	struct dd d = { .c = c, .call = call, .res = res, .err = err };

	switch (c->action->verb) {
	case TENANT_OBSERVE:
		return observe(&d);
	case TENANT_ENSURE:
		return ensure(&d);
	case TENANT_REMOVE:
		break;
	}
	return remove_all(&d);
}

enum td_rc
m_volume_driver(struct m_call *c, struct drv_call *call, struct drv_result *res,
		struct td_err *err)
{
	struct dd d = { .c = c, .call = call, .res = res, .err = err };
	struct m_reply info, r;
	enum td_rc rc = ask(&d, M_VOL_INFO, 0, &info);

	if (rc != TD_OK)
		return rc;
	res->presence = info.present ? DRV_OURS : DRV_ABSENT;
	if (info.present && !call->claimed && (info.status || !call->absent_before)) {
		res->presence = DRV_FOREIGN;
		return c->action->verb == TENANT_OBSERVE ? TD_OK
							 : say(&d, TD_FOREIGN, "Foreign");
	}
	if (c->action->verb == TENANT_OBSERVE) {
		res->drifted = call->claimed &&
			       (!info.present || info.number < call->volume_bytes);
		return TD_OK;
	}
	rc = ask(&d, c->action->verb == TENANT_ENSURE ? M_VOL_MAKE : M_VOL_DEL, 0, &r);
	if (rc == TD_OK)
		rc = ask(&d, M_VOL_INFO, 0, &r);
	if (rc != TD_OK)
		return rc;
	if (r.present != (c->action->verb == TENANT_ENSURE) ||
	    (r.present && r.number < call->volume_bytes))
		return say(&d, TD_BACKEND_REFUSED, "NotAsTold");
	return TD_OK;
}
