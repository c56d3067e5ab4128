/*
 * Numbers, sizes and durations as people write them in a file, and back. Every form has
 * one meaning: no signs, no fractions, no white space, and overflow is a refusal.
 */
#include "yaml_internal.h"

#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first, for printing; powers of 1,024 before those of 1,000. */
static const struct unit sizes[] = {
	{ "Ei", UINT64_C(1) << 60 },
	{ "Pi", UINT64_C(1) << 50 },
	{ "Ti", UINT64_C(1) << 40 },
	{ "Gi", UINT64_C(1) << 30 },
	{ "Mi", UINT64_C(1) << 20 },
	{ "Ki", UINT64_C(1) << 10 },
	{ "E", UINT64_C(1000000000000000000) },
	{ "P", UINT64_C(1000000000000000) },
	{ "T", UINT64_C(1000000000000) },
	{ "G", UINT64_C(1000000000) },
	{ "M", UINT64_C(1000000) },
	{ "K", UINT64_C(1000) },
	{ "", 1 },
};

static const struct unit times[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
};

/* Digits at the start of text; *ret_rest is what follows them. */
static bool
digits(const char *text, uint64_t *ret_value, const char **ret_rest)
{
	uint64_t v = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t d = (uint64_t)(*p - '0');

		if (v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*ret_value = v;
	*ret_rest = p;
	return p != text;
}

static bool
with_unit(const char *text, const struct unit *units, size_t count, uint64_t *ret_value)
{
	uint64_t v;
	const char *rest;

	if (!digits(text, &v, &rest))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (v > UINT64_MAX / units[i].factor)
			return false;
		*ret_value = v * units[i].factor;
		return true;
	}
	return false;
}

bool
td_yaml_uint(const char *text, uint64_t *ret_value)
{
	uint64_t v;
	const char *rest;

	if (!digits(text, &v, &rest) || *rest != '\0')
		return false;
	*ret_value = v;
	return true;
}

bool
td_yaml_bytes(const char *text, uint64_t *ret_bytes)
{
	return with_unit(text, sizes, sizeof(sizes) / sizeof(sizes[0]), ret_bytes);
}

bool
td_yaml_duration(const char *text, int64_t *ret_ms)
{
	uint64_t v;

	if (strcmp(text, "0") == 0) {
		*ret_ms = 0;
		return true;
	}
	if (!with_unit(text, times, sizeof(times) / sizeof(times[0]), &v) ||
	    v > INT64_MAX)
		return false;
	*ret_ms = (int64_t)v;
	return true;
}

static void
largest_unit(uint64_t v, const struct unit *units, size_t count, char out[32])
{
	for (size_t i = 0; i < count; i++) {
		if (v != 0 && v % units[i].factor == 0) {
			snprintf(out, 32, "%llu%s",
				 (unsigned long long)(v / units[i].factor),
				 units[i].name);
			return;
		}
	}
	snprintf(out, 32, "%llu", (unsigned long long)v);
}

void
td_yaml_bytes_text(uint64_t bytes, char out[32])
{
	largest_unit(bytes, sizes, sizeof(sizes) / sizeof(sizes[0]), out);
}

void
td_yaml_duration_text(int64_t ms, char out[32])
{
	largest_unit(ms < 0 ? 0 : (uint64_t)ms, times, sizeof(times) / sizeof(times[0]),
		     out);
}
