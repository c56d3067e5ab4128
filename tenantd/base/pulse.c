/*
 * Two counters: questions asked, and the last one seen by the loop. The loop's share is a
 * load and, when there is something to answer, a store.
 */
#include "pulse.h"

bool
td_pulse_open(const struct td_pulse *p)
{
	return atomic_load(&p->answered) != atomic_load(&p->asked);
}

int64_t
td_pulse_ask(struct td_pulse *p, int64_t now_mono)
{
	if (td_pulse_open(p))
		return now_mono - p->since_mono;
	p->since_mono = now_mono;
	atomic_fetch_add(&p->asked, 1);
	return 0;
}

void
td_pulse_answer(struct td_pulse *p)
{
	uint_fast64_t asked = atomic_load(&p->asked);

	if (atomic_load_explicit(&p->answered, memory_order_relaxed) != asked)
		atomic_store(&p->answered, asked);
}
