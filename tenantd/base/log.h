/*
 * Structured logs: to the journal when stderr is the journal (JOURNAL_STREAM), logfmt on
 * stderr otherwise. One record per call, written with one write(2).
 *
 * Only api/, engine/, ctl/ and main log above debug: rooms below return errors.
 * Thread rule: any thread. Never give it a secret.
 */
#pragma once

#include "error.h"

enum td_log_level { TD_LOG_ERR, TD_LOG_WARN, TD_LOG_INFO, TD_LOG_DEBUG };

/* What a record is about; any member may be NULL. */
struct td_log_ctx {
	const char *room;
	const char *appid;
	const char *request_id;
};

/* Default TD_LOG_INFO. */
void td_log_set_level(enum td_log_level level);
bool td_log_enabled(enum td_log_level level);
/* "error", "warning", "info", "debug"; false when unknown. */
bool td_log_level_parse(const char *text, enum td_log_level *ret_level);
void td_log(enum td_log_level level, const struct td_log_ctx *ctx, const char *fmt, ...)
	TD_PRINTF(3, 4);
/* The message, then code, detail, errno and upstream status of err. */
void td_log_err(enum td_log_level level, const struct td_log_ctx *ctx,
		const struct td_err *err, const char *fmt, ...) TD_PRINTF(4, 5);
