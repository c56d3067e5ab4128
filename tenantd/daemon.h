/*
 * The daemon put together: what main sets up, keeps running and tears down.
 *
 * Thread rule: the main thread only.
 */
#pragma once

#include "config.h"

struct daemon;

/* Everything from the state folder to served requests. On failure all is undone. The
 * configuration is taken over. */
enum td_rc daemon_start(const char *config_path, struct config *config,
			struct daemon **ret_daemon, struct td_err *reterr) TD_MUST_CHECK;
/* Stop serving, wait for what runs, close. NULL is ok. */
void daemon_stop(struct daemon *d);
/* Read the configuration again; what can be taken over is, what cannot is logged. A file
 * that does not pass changes nothing. */
void daemon_reload(struct daemon *d);
/* Housekeeping, to be called every few seconds: audit retention, expired tokens. It takes some
 * two seconds at most while the store is quick; what is left comes the next time. */
void daemon_tick(struct daemon *d);
/* Ask all loops for a sign of life; NULL, or the name of one that has owed it for limit_ms or
 * longer (alive.h). To be called every few seconds. */
const char *daemon_stuck(struct daemon *d, int64_t limit_ms);
/* A line for `systemctl status` into out, cut to size bytes with its end. It takes the
 * engine's lock: not while something is stuck. */
void daemon_status(struct daemon *d, char *out, size_t size);
/* Check what a configuration refers to: key, plans, policies, and that they fit. */
enum td_rc daemon_check(const struct config *config, struct td_yaml_report *report,
			struct td_err *reterr) TD_MUST_CHECK;
