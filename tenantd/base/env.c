/*
 * The real clock and generator behind struct td_env, and calendar arithmetic that needs
 * neither the C library's time zone nor its locale (days from civil, as in H. Hinnant's
 * "chrono-compatible low-level date algorithms").
 */
#include "env.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)

static int64_t
clock_ms(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) != 0)
		abort();
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
system_now(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_REALTIME);
}

static int64_t
system_mono(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_MONOTONIC);
}

/* OpenSSL's generator: seeded from getrandom(2), one per thread, safe across fork. */
static void
system_random(void *ctx, void *buf, size_t len)
{
	unsigned char *p = buf;

	(void)ctx;
	while (len > 0) {
		int n = len > INT_MAX ? INT_MAX : (int)len;

		if (RAND_bytes(p, n) != 1)
			abort();
		p += n;
		len -= (size_t)n;
	}
}

static void
system_sleep(void *ctx, int64_t ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)ctx;
	if (ms > 0)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

const struct td_env *
td_env_system(void)
{
	static const struct td_env env = {
		.now_ms = system_now,
		.mono_ms = system_mono,
		.random = system_random,
		.sleep_ms = system_sleep,
	};

	return &env;
}

int64_t
td_now_ms(const struct td_env *env)
{
	return env->now_ms(env->ctx);
}

int64_t
td_mono_ms(const struct td_env *env)
{
	return env->mono_ms(env->ctx);
}

void
td_random(const struct td_env *env, void *buf, size_t len)
{
	env->random(env->ctx, buf, len);
}

uint64_t
td_random_below(const struct td_env *env, uint64_t n)
{
	uint64_t v, limit;

	assert(n >= 1);
	/* The largest multiple of n: what lies above would favour small results. */
	limit = UINT64_MAX - UINT64_MAX % n;
	do {
		td_random(env, &v, sizeof(v));
	} while (v >= limit);
	return v % n;
}

void
td_sleep_ms(const struct td_env *env, int64_t ms)
{
	env->sleep_ms(env->ctx, ms);
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t
days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + doe - 719468;
}

/* The inverse, for days >= 0. */
static void
civil_from_days(int64_t days, unsigned *ret_y, unsigned *ret_m, unsigned *ret_d)
{
	int64_t z = days + 719468;
	int64_t era = z / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*ret_d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*ret_m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*ret_y = (unsigned)(yoe + era * 400 + (*ret_m <= 2));
}

static void
put_digits(char *out, unsigned value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
}

void
td_time_text(int64_t ms, char out[TD_TIME_TEXT])
{
	const int64_t last = days_from_civil(10000, 1, 1) * DAY_MS - 1;
	unsigned y, m, d, rest;

	ms = ms < 0 ? 0 : ms > last ? last : ms;
	civil_from_days(ms / DAY_MS, &y, &m, &d);
	rest = (unsigned)(ms % DAY_MS);
	memcpy(out, "0000-00-00T00:00:00.000Z", TD_TIME_TEXT);
	put_digits(out, y, 4);
	put_digits(out + 5, m, 2);
	put_digits(out + 8, d, 2);
	put_digits(out + 11, rest / 3600000, 2);
	put_digits(out + 14, rest / 60000 % 60, 2);
	put_digits(out + 17, rest / 1000 % 60, 2);
	put_digits(out + 20, rest % 1000, 3);
}

/* Exactly n digits within [min, max]; moves *p past them. */
static bool
take_digits(const char **p, int n, int min, int max, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		char c = (*p)[i];

		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	*p += n;
	*ret = v;
	return v >= min && v <= max;
}

static bool
take_char(const char **p, char upper)
{
	if (**p != upper && !(upper == 'T' && **p == 't') &&
	    !(upper == 'Z' && **p == 'z'))
		return false;
	(*p)++;
	return true;
}

/* Any number of digits after the point; what is finer than a millisecond is dropped. */
static bool
take_fraction(const char **p, int *ret_ms)
{
	int digits = 0, ms = 0;

	*ret_ms = 0;
	if (**p != '.')
		return true;
	(*p)++;
	for (; **p >= '0' && **p <= '9'; (*p)++, digits++)
		if (digits < 3)
			ms = ms * 10 + (**p - '0');
	if (digits == 0)
		return false;
	for (; digits < 3; digits++)
		ms *= 10;
	*ret_ms = ms;
	return true;
}

/* "Z" or "+hh:mm"; minutes east of UTC. */
static bool
take_offset(const char **p, int *ret_minutes)
{
	int sign = **p == '-' ? -1 : 1;
	int h, m;

	*ret_minutes = 0;
	if (take_char(p, 'Z'))
		return true;
	if (**p != '+' && **p != '-')
		return false;
	(*p)++;
	if (!take_digits(p, 2, 0, 23, &h) || !take_char(p, ':') ||
	    !take_digits(p, 2, 0, 59, &m))
		return false;
	*ret_minutes = sign * (h * 60 + m);
	return true;
}

static int
month_days(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (m == 2 && leap);
}

bool
td_time_parse(const char *text, int64_t *ret_ms)
{
	const char *p = text;
	int y, mon, d, h, min, s, ms, offset;

	if (!take_digits(&p, 4, 0, 9999, &y) || !take_char(&p, '-') ||
	    !take_digits(&p, 2, 1, 12, &mon) || !take_char(&p, '-') ||
	    !take_digits(&p, 2, 1, month_days(y, mon), &d) || !take_char(&p, 'T'))
		return false;
	/* A leap second counts as the first of the next minute. */
	if (!take_digits(&p, 2, 0, 23, &h) || !take_char(&p, ':') ||
	    !take_digits(&p, 2, 0, 59, &min) || !take_char(&p, ':') ||
	    !take_digits(&p, 2, 0, 60, &s) || !take_fraction(&p, &ms) ||
	    !take_offset(&p, &offset) || *p != '\0')
		return false;
	*ret_ms = days_from_civil(y, mon, d) * DAY_MS +
		  ((int64_t)(h * 60 + min - offset) * 60 + s) * 1000 + ms;
	return true;
}
