/*
 * Budgets: how much may be destroyed in a region within an hour, and what has been.
 *
 * The hour slides in slots of five minutes. What is more than the budget comes out of what
 * somebody approved; an approval is good for an hour. When neither is left the region stops,
 * and stays so until somebody approves: if it went on by itself with the next hour's budget, a
 * loop that deletes tenants would have taken eight budgets by the morning.
 *
 * Times are believed ones (base/wall.h), in milliseconds; one that is earlier than before frees
 * nothing. Pure functions over plain values; any thread.
 */
#pragma once

#include "tenant.h"

#define BUDGET_HOUR_MS (INT64_C(60) * 60 * 1000)

struct budget_limits {
	uint32_t per_hour[REC_DESTROY_COUNT]; /* 0: not limited, and not counted */
};

/* How much of it within the last hour. */
uint32_t budget_spent(const struct rec_budget *b, enum rec_destroy what, int64_t now_ms);
/* Approved besides, and still good. */
uint32_t budget_extra(const struct rec_budget *b, enum rec_destroy what, int64_t now_ms);
/* What the stepper is told. */
void budget_show(const struct rec_budget *b, const struct budget_limits *limits,
		 int64_t now_ms, struct tenant_budget *ret);
/* Count n more. false: there is no room for them, or the region is stopped; nothing changed. */
bool budget_take(struct rec_budget *b, const struct budget_limits *limits,
		 enum rec_destroy what, uint32_t n, int64_t now_ms) TD_MUST_CHECK;
/* Unless it is stopped already. */
void budget_stop(struct rec_budget *b, enum rec_destroy by, int64_t now_ms);
/* Go on, with so much more of everything that is limited; count 0: as much as an hour's
 * budget of each. What was left of an earlier approval is added. */
void budget_approve(struct rec_budget *b, const struct budget_limits *limits,
		    uint32_t count, int64_t now_ms);
