/*
 * A result while it is being taken over; private to the room (done.c, outcome.c).
 */
#pragma once

#include "step.h"

struct outcome {
	struct tenant_view *v;
	struct tenant_part *p;
	const struct tenant_action *a;
	const struct drv_result *res;
	int64_t now_ms;
	/* of the buckets of this action */
	bool changed; /* what is handed out did */
	bool failing;
	bool unsure; /* a late request may undo this change of access: to be made again */
	char text[REC_TEXT_SIZE + DRV_BUCKET_NAME_SIZE]; /* of the first one that fails */
};

/* Write back what the action says of its buckets; sets changed, failing and text. */
void tenant_outcome_buckets(struct outcome *o);
/* Bring the condition about other people's buckets up to date. */
void tenant_outcome_foreign(struct outcome *o);
/* Has a bucket work left that need not wait? */
bool tenant_outcome_left(const struct outcome *o);
