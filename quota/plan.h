/*
 * Plans and limits: what a tenant has and how much of it.
 *
 * A plan is one YAML file (docs/policies.md). The limits of a tenant are its plan's,
 * overridden one by one by the tenant's own. Pure: no I/O but reading those files, no
 * clock, no threads. A refusal of a file is TD_INVALID; all reasons are in the report
 * (may be NULL; it is begun anew), each "FILE:LINE: reason", and the first one is the
 * detail.
 *
 * Thread rule: a struct plan_set is immutable after load, so any number of threads may
 * read it. The functions over limits work on plain values.
 */
#pragma once

#include "base/yaml.h"

/*
 * Every limit, in one table: X(NAME, name on the wire and in files, resource, least,
 * most, may be unlimited). The numbers of enum plan_limit are stored in records: append,
 * never reorder.
 * object_bytes, database_bytes: what the tenant may store; over it the resource is
 * fenced. buckets: how many. volume_bytes: size of the volume, before the driver rounds.
 * requests_per_second: at the gateway, of the tenant's signed S3 requests.
 */
#define PLAN_MAX_BYTES (UINT64_C(1) << 60)
#define PLAN_LIMIT_TABLE(X)                                                              \
	X(OBJECT_BYTES, "object_bytes", OBJECT, 1, PLAN_MAX_BYTES, 1)                    \
	X(BUCKETS, "buckets", OBJECT, 0, 10000, 0)                                       \
	X(DATABASE_BYTES, "database_bytes", DATABASE, 1, PLAN_MAX_BYTES, 1)              \
	X(VOLUME_BYTES, "volume_bytes", VOLUME, 1048576, PLAN_MAX_BYTES, 0)              \
	X(REQUESTS_PER_SECOND, "requests_per_second", OBJECT, 1, 1000000, 1)

/* In the order of enum drv_resource. */
enum plan_resource { PLAN_OBJECT, PLAN_DATABASE, PLAN_VOLUME, PLAN_RESOURCE_COUNT };

enum plan_limit {
#define PLAN_LIMIT_ENUM(name, wire, resource, least, most, unlimited) PLAN_##name,
	PLAN_LIMIT_TABLE(PLAN_LIMIT_ENUM)
#undef PLAN_LIMIT_ENUM
		PLAN_LIMIT_COUNT
};

/* A value, not a flag: so that it is the greatest in every comparison. In files and on
 * the wire it is the word "unlimited". */
#define PLAN_UNLIMITED UINT64_MAX

struct plan_limit_info {
	const char *name; /* on the wire */
	enum plan_resource resource;
	uint64_t least;
	uint64_t most; /* besides PLAN_UNLIMITED */
	bool may_be_unlimited;
};
/* limit < PLAN_LIMIT_COUNT. */
const struct plan_limit_info *plan_limit_info(enum plan_limit limit);
/* False when there is no limit of that name. */
bool plan_limit_parse(const char *name, enum plan_limit *ret_limit);
/* "object", "database", "volume". */
const char *plan_resource_name(enum plan_resource resource);

/*
 * Some limits: `value[i]` counts only where bit i of `present` is set, and is 0
 * elsewhere. A zeroed struct has none. Used for a plan's limits, for a tenant's overrides
 * (those that its PUT named) and for the effective ones.
 */
struct plan_limits {
	uint32_t present;
	uint64_t value[PLAN_LIMIT_COUNT];
};
bool plan_limits_has(const struct plan_limits *limits, enum plan_limit limit);
/* Its value; PLAN_UNLIMITED when it is not present. */
uint64_t plan_limits_get(const struct plan_limits *limits, enum plan_limit limit);
void plan_limits_set(struct plan_limits *limits, enum plan_limit limit, uint64_t value);
void plan_limits_clear(struct plan_limits *limits, enum plan_limit limit);
bool plan_limits_equal(const struct plan_limits *a, const struct plan_limits *b);

#define PLAN_NAME_MAX 32 /* bytes: ^[a-z][a-z0-9-]*$ */

struct plan {
	const char *name;
	const char *file;	 /* as given to the loader, for messages */
	const char *description; /* "" when it has none */
	uint32_t version;	 /* >= 1; told in records and bills */
	bool has[PLAN_RESOURCE_COUNT];
	/* Names of templates in policies/, NULL where the plan lacks the resource. Their
	 * existence is for the caller to check (policy_check_parent). */
	const char *object_template;
	const char *database_template;
	/* The plan accepts templates that are marked dangerous. */
	bool allow_dangerous_templates;
	/* Exactly the limits of the resources that it has, each in range. */
	struct plan_limits limits;
};

struct plan_set;

/* Every "*.yaml" of the folder, in the order of their names. TD_INVALID: a file is
 * refused, a name is there twice, or there is no file. TD_IO with errno; TD_NOMEM.
 * *ret_set only on TD_OK; free it with plan_set_free. */
enum td_rc plan_set_load(const char *dir, struct plan_set **ret_set,
			 struct td_yaml_report *report,
			 struct td_err *reterr) TD_MUST_CHECK;
/* The same from memory: each text is a file. Nothing is kept of them. count >= 1. */
enum td_rc plan_set_load_memory(const struct td_yaml_text *texts, size_t count,
				struct plan_set **ret_set, struct td_yaml_report *report,
				struct td_err *reterr) TD_MUST_CHECK;
/* NULL is a no-op. Every plan pointer ends with its set. */
void plan_set_free(struct plan_set *set);
/* Plans, sorted by name. at(): i < count. */
size_t plan_set_count(const struct plan_set *set);
const struct plan *plan_set_at(const struct plan_set *set, size_t i);
/* NULL when there is none. */
const struct plan *plan_find(const struct plan_set *set, const char *name);

/* Is this value good for this limit in itself? TD_UNPROCESSABLE, with the limit's name
 * and range in the detail, otherwise. limit < PLAN_LIMIT_COUNT. */
enum td_rc plan_limit_check(enum plan_limit limit, uint64_t value,
			    struct td_err *reterr) TD_MUST_CHECK;

/* The limits of a tenant: the plan's, with those of `overrides` (may be NULL) in their
 * place. An override of a resource that the plan lacks has no effect. */
struct plan_limits plan_effective(const struct plan *plan,
				  const struct plan_limits *overrides);

/*
 * May a tenant on this plan have these overrides (may be NULL)? TD_UNPROCESSABLE, with
 * the limit's name and the range in the detail: out of range, unlimited where that cannot
 * be, or of a resource that the plan lacks.
 */
enum td_rc plan_check_overrides(const struct plan *plan,
				const struct plan_limits *overrides,
				struct td_err *reterr) TD_MUST_CHECK;

/*
 * May an existing tenant go from one plan and its overrides to another? Both sides must
 * already have passed plan_check_overrides. TD_VOLUME_SHRINK: the volume would become
 * smaller or go. TD_UNPROCESSABLE: another resource would go; a resource goes only with
 * its tenant. Any other limit may shrink: then the fence decides. A resource may come.
 */
struct plan_spec {
	const struct plan *plan;
	const struct plan_limits *overrides; /* may be NULL */
};
enum td_rc plan_check_change(struct plan_spec from, struct plan_spec to,
			     struct td_err *reterr) TD_MUST_CHECK;

/*
 * May a tenant with these effective limits and `have` buckets get `more`? Adding none is
 * always right, also over the limit. TD_UNPROCESSABLE otherwise, or when it has no object
 * storage.
 */
struct plan_bucket_count {
	uint64_t have;
	uint64_t more;
};
enum td_rc plan_check_buckets(const struct plan_limits *effective,
			      struct plan_bucket_count count,
			      struct td_err *reterr) TD_MUST_CHECK;

/* The second brake behind a byte limit: 125 % of it, rounded up. 0, which means none, for
 * 0 and for PLAN_UNLIMITED (and whatever else is over PLAN_MAX_BYTES). */
uint64_t plan_brake_bytes(uint64_t limit);
