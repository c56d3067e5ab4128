/*
 * The ring of slots: slot n of time is at n modulo their number. Moving on zeroes what is
 * passed over, so that the sum of all is what was spent within the hour (and up to five
 * minutes more, which is on the safe side).
 */
#include "budget.h"

#include <string.h>

static uint64_t
slot_of(int64_t now_ms)
{
	return now_ms > 0 ? (uint64_t)now_ms / REC_BUDGET_SLOT_MS : 0;
}

static void
move_on(struct rec_budget *b, int64_t now_ms)
{
	uint64_t now = slot_of(now_ms);

	if (now <= b->slot)
		return;
	for (uint64_t i = b->slot + 1; i <= now && i <= b->slot + REC_BUDGET_SLOTS; i++)
		for (unsigned d = 0; d < REC_DESTROY_COUNT; d++)
			b->line[d].spent[i % REC_BUDGET_SLOTS] = 0;
	b->slot = now;
}

static uint32_t
add(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

uint32_t
budget_spent(const struct rec_budget *b, enum rec_destroy what, int64_t now_ms)
{
	uint64_t now = slot_of(now_ms);
	uint32_t sum = 0;

	for (uint64_t k = 0; k < REC_BUDGET_SLOTS; k++) {
		/* The slot k before the newest one. */
		if (k > b->slot ||
		    (now > b->slot && now - b->slot + k >= REC_BUDGET_SLOTS))
			break;
		sum = add(sum, b->line[what].spent[(b->slot - k) % REC_BUDGET_SLOTS]);
	}
	return sum;
}

uint32_t
budget_extra(const struct rec_budget *b, enum rec_destroy what, int64_t now_ms)
{
	return now_ms < b->extra_until_ms ? b->line[what].extra : 0;
}

static uint32_t
left_of_hour(const struct rec_budget *b, const struct budget_limits *limits,
	     enum rec_destroy what, int64_t now_ms)
{
	uint32_t spent = budget_spent(b, what, now_ms);

	return limits->per_hour[what] > spent ? limits->per_hour[what] - spent : 0;
}

void
budget_show(const struct rec_budget *b, const struct budget_limits *limits,
	    int64_t now_ms, struct tenant_budget *ret)
{
	*ret = (struct tenant_budget){ 0 };
	for (unsigned i = 0; i < REC_DESTROY_COUNT; i++) {
		enum rec_destroy what = (enum rec_destroy)i;

		ret->limited[i] = limits->per_hour[i] != 0;
		ret->room[i] = add(left_of_hour(b, limits, what, now_ms),
				   budget_extra(b, what, now_ms));
		/* Whoever takes all limits away does not mean that it stays stopped. */
		if (ret->limited[i])
			ret->stopped = b->stopped_ms != 0;
	}
	ret->stopped_ms = ret->stopped ? b->stopped_ms : 0;
}

bool
budget_take(struct rec_budget *b, const struct budget_limits *limits,
	    enum rec_destroy what, uint32_t n, int64_t now_ms)
{
	struct tenant_budget show;
	uint32_t hour;

	if (n == 0 || limits->per_hour[what] == 0)
		return true;
	budget_show(b, limits, now_ms, &show);
	if (show.stopped || show.room[what] < n)
		return false;
	hour = left_of_hour(b, limits, what, now_ms);
	if (n > hour)
		b->line[what].extra -= n - hour;
	move_on(b, now_ms);
	b->line[what].spent[b->slot % REC_BUDGET_SLOTS] =
		add(b->line[what].spent[b->slot % REC_BUDGET_SLOTS], n);
	return true;
}

void
budget_stop(struct rec_budget *b, enum rec_destroy by, int64_t now_ms)
{
	if (b->stopped_ms != 0)
		return;
	b->stopped_ms = now_ms > 0 ? now_ms : 1;
	b->stopped_by = (uint8_t)by;
}

void
budget_approve(struct rec_budget *b, const struct budget_limits *limits, uint32_t count,
	       int64_t now_ms)
{
	b->stopped_ms = 0;
	b->stopped_by = 0;
	for (unsigned i = 0; i < REC_DESTROY_COUNT; i++) {
		enum rec_destroy what = (enum rec_destroy)i;
		uint32_t more = count != 0 ? count : limits->per_hour[i];

		b->line[i].extra = limits->per_hour[i] == 0
					   ? 0
					   : add(budget_extra(b, what, now_ms), more);
	}
	b->extra_until_ms = now_ms + BUDGET_HOUR_MS;
}
