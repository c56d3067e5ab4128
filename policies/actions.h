/*
 * What every action of the two backends means for isolation: one table each.
 *
 * Thread rule: constant tables.
 */
#pragma once

#include <stddef.h>

enum action_class {
	ACTION_READ,
	ACTION_DELETE, /* frees space: a fence keeps it */
	ACTION_GROW,   /* may take space: a fence takes it away */
	ACTION_REFUSED /* no template may grant it; `why` completes the sentence */
};

struct action {
	const char *name;
	enum action_class class;
	const char *why; /* REFUSED only */
};

/* NULL when the backend knows no such action. Names are case-sensitive, as they are in
 * the backends. */
const struct action *action_s3(const char *name);
const struct action *action_mongodb(const char *name);
/* Built-in database roles. ACTION_GROW ones need `dangerous: true`. */
const struct action *action_mongodb_role(const char *name);
