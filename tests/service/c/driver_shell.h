/*
 * What the drivers at the end of a pipe have in common: the words of the requests, the
 * threads, the loop. A shell fills in what its driver alone can.
 */
#pragma once

#include "base/driver.h"
#include "base/env.h"

#include <jansson.h>

/* Of the whole process; set before shell_serve. */
struct shell {
	struct driver *driver;
	/* A request of a verb of this driver alone; NULL: it is not one. */
	json_t *(*own)(const json_t *request, const char *verb, int64_t deadline_mono_ms);
	/* Fill in what only this driver's calls have, before; add it to the reply, after;
	 * either may be NULL. They run on the thread of the request. */
	void (*before)(const json_t *request, struct drv_call *call);
	void (*after)(const struct drv_call *call, const struct drv_result *res,
		      json_t *out);
	int die_after; /* kill ourselves when that backend request has come back; 0: never */
	int stop_after; /* SIGSTOP then */
};
extern struct shell shell;

/* For drv_trace: counts, notes the request for the reply, dies or stops. */
void shell_on_call(void *ctx, const char *backend, const char *what, int64_t took_us,
		   int status);
/* The member as text, "" when it is not there. */
const char *shell_text(const json_t *o, const char *key);
bool shell_flag(const json_t *o, const char *key);
/* The place of name among them, or otherwise. */
int shell_one_of(const char *name, const char *const *names, int count, int otherwise);
extern const char *const shell_presences[]; /* by enum drv_presence */
/* A reply with all that a drv_result has; the caller's. began_ms: monotonic. */
json_t *shell_reply(enum td_rc rc, const struct td_err *err, const struct drv_result *res,
		    int64_t began_ms);
/* {"verb": "probe"}. */
json_t *shell_probe(int64_t deadline_mono_ms);
/* Requests from stdin until it ends. */
void shell_serve(void);
/* Tell why there is nothing to serve; 1. */
int shell_complain(const struct td_err *err);
