/*
 * Limits as values. Everything here is a function of its arguments; the table in plan.h
 * says what each limit is, and no limit is named in this file but for the rules that are
 * about one: a volume never shrinks, buckets are counted.
 */
#include "plan.h"

#include <string.h>

#define MAY_BE_UNLIMITED(flag) ((flag) != 0)

static const struct plan_limit_info table[] = {
#define PLAN_LIMIT_ROW(name, wire, resource, least, most, unlimited)                     \
	[PLAN_##name] = { wire, PLAN_##resource, least, most,                            \
			  MAY_BE_UNLIMITED(unlimited) },
	PLAN_LIMIT_TABLE(PLAN_LIMIT_ROW)
#undef PLAN_LIMIT_ROW
};

const struct plan_limit_info *
plan_limit_info(enum plan_limit limit)
{
	return &table[limit];
}

bool
plan_limit_parse(const char *name, enum plan_limit *ret_limit)
{
	for (unsigned i = 0; i < PLAN_LIMIT_COUNT; i++) {
		if (strcmp(table[i].name, name) == 0) {
			*ret_limit = (enum plan_limit)i;
			return true;
		}
	}
	return false;
}

const char *
plan_resource_name(enum plan_resource resource)
{
	static const char *const names[PLAN_RESOURCE_COUNT] = {
		[PLAN_OBJECT] = "object",
		[PLAN_DATABASE] = "database",
		[PLAN_VOLUME] = "volume",
	};

	return names[resource];
}

bool
plan_limits_has(const struct plan_limits *limits, enum plan_limit limit)
{
	return (limits->present >> limit & 1) != 0;
}

uint64_t
plan_limits_get(const struct plan_limits *limits, enum plan_limit limit)
{
	return plan_limits_has(limits, limit) ? limits->value[limit] : PLAN_UNLIMITED;
}

void
plan_limits_set(struct plan_limits *limits, enum plan_limit limit, uint64_t value)
{
	limits->present |= UINT32_C(1) << limit;
	limits->value[limit] = value;
}

void
plan_limits_clear(struct plan_limits *limits, enum plan_limit limit)
{
	limits->present &= ~(UINT32_C(1) << limit);
	limits->value[limit] = 0;
}

bool
plan_limits_equal(const struct plan_limits *a, const struct plan_limits *b)
{
	if (a->present != b->present)
		return false;
	for (unsigned i = 0; i < PLAN_LIMIT_COUNT; i++) {
		enum plan_limit limit = (enum plan_limit)i;

		if (plan_limits_get(a, limit) != plan_limits_get(b, limit))
			return false;
	}
	return true;
}

struct plan_limits
plan_effective(const struct plan *plan, const struct plan_limits *overrides)
{
	struct plan_limits out = plan->limits;

	for (unsigned i = 0; overrides != NULL && i < PLAN_LIMIT_COUNT; i++) {
		enum plan_limit limit = (enum plan_limit)i;

		if (plan->has[table[i].resource] && plan_limits_has(overrides, limit))
			plan_limits_set(&out, limit, overrides->value[i]);
	}
	return out;
}

enum td_rc
plan_limit_check(enum plan_limit limit, uint64_t value, struct td_err *reterr)
{
	const struct plan_limit_info *info = &table[limit];

	if (value == PLAN_UNLIMITED && info->may_be_unlimited)
		return TD_OK;
	if (value == PLAN_UNLIMITED)
		return td_err_set(reterr, TD_UNPROCESSABLE, "%s cannot be unlimited",
				  info->name);
	if (value < info->least || value > info->most)
		return td_err_set(
			reterr, TD_UNPROCESSABLE, "%s is %llu, but must be %llu to %llu",
			info->name, (unsigned long long)value,
			(unsigned long long)info->least, (unsigned long long)info->most);
	return TD_OK;
}

enum td_rc
plan_check_overrides(const struct plan *plan, const struct plan_limits *overrides,
		     struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	for (unsigned i = 0; rc == TD_OK && overrides != NULL && i < PLAN_LIMIT_COUNT;
	     i++) {
		enum plan_limit limit = (enum plan_limit)i;

		if (!plan_limits_has(overrides, limit))
			continue;
		if (!plan->has[table[i].resource])
			rc = td_err_set(reterr, TD_UNPROCESSABLE,
					"%s: the plan %s has no %s", table[i].name,
					plan->name,
					plan_resource_name(table[i].resource));
		else
			rc = plan_limit_check(limit, overrides->value[i], reterr);
	}
	return rc;
}

enum td_rc
plan_check_change(struct plan_spec from, struct plan_spec to, struct td_err *reterr)
{
	struct plan_limits before = plan_effective(from.plan, from.overrides);
	struct plan_limits after = plan_effective(to.plan, to.overrides);

	if (from.plan->has[PLAN_VOLUME] &&
	    (!to.plan->has[PLAN_VOLUME] ||
	     after.value[PLAN_VOLUME_BYTES] < before.value[PLAN_VOLUME_BYTES]))
		return td_err_set(reterr, TD_VOLUME_SHRINK,
				  "volume_bytes would go from %llu to %llu",
				  (unsigned long long)before.value[PLAN_VOLUME_BYTES],
				  (unsigned long long)after.value[PLAN_VOLUME_BYTES]);
	for (unsigned i = 0; i < PLAN_RESOURCE_COUNT; i++) {
		if (from.plan->has[i] && !to.plan->has[i])
			return td_err_set(reterr, TD_UNPROCESSABLE,
					  "the plan %s has no %s, and the tenant has one",
					  to.plan->name,
					  plan_resource_name((enum plan_resource)i));
	}
	return TD_OK;
}

enum td_rc
plan_check_buckets(const struct plan_limits *effective, struct plan_bucket_count count,
		   struct td_err *reterr)
{
	/* Without the limit there is no object storage; buckets are never unlimited. */
	uint64_t most = plan_limits_has(effective, PLAN_BUCKETS)
				? effective->value[PLAN_BUCKETS]
				: 0;

	if (count.more == 0 || (count.have < most && count.more <= most - count.have))
		return TD_OK;
	return td_err_set(reterr, TD_UNPROCESSABLE,
			  "%llu buckets and %llu more, but the limit is %llu",
			  (unsigned long long)count.have, (unsigned long long)count.more,
			  (unsigned long long)most);
}

uint64_t
plan_brake_bytes(uint64_t limit)
{
	/* A quarter, rounded up, and no overflow for anything that passed the checks. */
	if (limit == PLAN_UNLIMITED || limit > PLAN_MAX_BYTES)
		return 0;
	return limit + (limit + 3) / 4;
}
