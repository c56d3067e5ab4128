/*
 * Time and chance, injected. Nothing below main asks the system for either, so that
 * tests and the model run on a virtual clock and a seed.
 *
 * Thread rule: the functions of td_env_system() may be called from any thread; those of
 * a test environment as that test says.
 */
#pragma once

#include "error.h"

#include <stdint.h>

struct td_env {
	void *ctx;
	/* Wall clock, milliseconds since 1970-01-01 UTC. May jump. */
	int64_t (*now_ms)(void *ctx);
	/* Monotonic clock, milliseconds from an arbitrary start. Never goes back. */
	int64_t (*mono_ms)(void *ctx);
	/* Fill buf with len unpredictable bytes; aborts the process when it cannot. */
	void (*random)(void *ctx, void *buf, size_t len);
	/* Sleep; may return early. */
	void (*sleep_ms)(void *ctx, int64_t ms);
};

/* The real system: CLOCK_REALTIME, CLOCK_MONOTONIC, getrandom(2) through a DRBG. */
const struct td_env *td_env_system(void);

int64_t td_now_ms(const struct td_env *env);
int64_t td_mono_ms(const struct td_env *env);
void td_random(const struct td_env *env, void *buf, size_t len);
/* Uniform in [0, n), n >= 1. */
uint64_t td_random_below(const struct td_env *env, uint64_t n);
void td_sleep_ms(const struct td_env *env, int64_t ms);

/* RFC 3339 UTC with milliseconds, "2026-01-02T03:04:05.678Z"; out holds 25 bytes. Years
 * outside 1970..9999 are clamped. */
#define TD_TIME_TEXT 25
void td_time_text(int64_t ms, char out[TD_TIME_TEXT]);
/* Parses RFC 3339 with any offset; false when malformed. */
bool td_time_parse(const char *text, int64_t *ret_ms);
