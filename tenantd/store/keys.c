/*
 * Keys and names. An appid holds no NUL, so `appid NUL` is a prefix of that tenant's keys
 * and of nobody else's. A name that is too long gives length 0, which every function of
 * the store refuses: a cut key would be another tenant's.
 */
#include "records.h"

#include <string.h>

_Static_assert(REC_REGION_SIZE == DRV_APPID_SIZE, "scopes are named by either");

size_t
rec_key_appid(const char *appid, unsigned char out[STORE_KEY_MAX])
{
	size_t n = strnlen(appid, DRV_APPID_SIZE);

	if (n == 0 || n >= DRV_APPID_SIZE)
		return 0;
	memcpy(out, appid, n);
	return n;
}

size_t
rec_key_prefix(const char *appid, unsigned char out[STORE_KEY_MAX])
{
	size_t n = rec_key_appid(appid, out);

	if (n == 0)
		return 0;
	out[n] = '\0';
	return n + 1;
}

/* The prefix and one byte. */
static size_t
key_byte(const char *appid, unsigned v, unsigned char out[STORE_KEY_MAX])
{
	size_t n = rec_key_prefix(appid, out);

	if (n == 0 || v > UINT8_MAX)
		return 0;
	out[n] = (unsigned char)v;
	return n + 1;
}

static size_t
key_text(const char *appid, const char *text, unsigned char out[STORE_KEY_MAX])
{
	size_t n = rec_key_prefix(appid, out);
	size_t len = strnlen(text, STORE_KEY_MAX);

	if (n == 0 || len == 0 || n + len > STORE_KEY_MAX)
		return 0;
	memcpy(out + n, text, len);
	return n + len;
}

size_t
rec_key_resource(const char *appid, enum drv_resource r, unsigned char out[STORE_KEY_MAX])
{
	return key_byte(appid, (unsigned)r, out);
}

size_t
rec_key_bucket(const char *appid, const char *name, unsigned char out[STORE_KEY_MAX])
{
	return key_text(appid, name, out);
}

size_t
rec_key_slot(const char *appid, enum drv_resource r, enum drv_slot_id slot,
	     unsigned char out[STORE_KEY_MAX])
{
	size_t n = key_byte(appid, (unsigned)r, out);

	if (n == 0 || (unsigned)slot > UINT8_MAX)
		return 0;
	out[n] = (unsigned char)slot;
	return n + 1;
}

size_t
rec_key_credential(const char *appid, uint8_t chunk, unsigned char out[STORE_KEY_MAX])
{
	return key_byte(appid, chunk, out);
}

size_t
rec_key_token_tenant(const char *appid, const char *token_id,
		     unsigned char out[STORE_KEY_MAX])
{
	return key_text(appid, token_id, out);
}

size_t
rec_key_brake(enum rec_scope kind, const char *name, unsigned char out[STORE_KEY_MAX])
{
	static const char *const kinds[] = { "daemon", "region/", "tenant/" };
	size_t n = strlen(kinds[kind]);
	size_t len = strnlen(name, DRV_APPID_SIZE);

	memcpy(out, kinds[kind], n);
	if (kind == REC_SCOPE_DAEMON)
		return n;
	if (len == 0 || len >= DRV_APPID_SIZE)
		return 0;
	memcpy(out + n, name, len);
	return n + len;
}

size_t
rec_key_brake_resource(const char *appid, enum drv_resource r,
		       unsigned char out[STORE_KEY_MAX])
{
	static const char *const names[] = { "/object", "/database", "/volume" };
	size_t n = rec_key_brake(REC_SCOPE_TENANT, appid, out);
	size_t len;

	if (n == 0 || (unsigned)r >= DRV_RESOURCE_COUNT)
		return 0;
	len = strlen(names[r]);
	memcpy(out + n, names[r], len);
	return n + len;
}

size_t
rec_key_region(const char *region, unsigned char out[STORE_KEY_MAX])
{
	return rec_key_appid(region, out); /* the same bounds, see above */
}

#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"

bool
rec_appid_any_ok(const char *appid)
{
	size_t n = strnlen(appid, DRV_APPID_SIZE);

	return n >= 3 && n <= 32 && strspn(appid, LOWER_DIGITS) == n;
}

bool
rec_appid_new_ok(const char *appid)
{
	size_t n = strnlen(appid, DRV_APPID_SIZE);

	return n >= 6 && n <= 16 && appid[0] >= 'a' && appid[0] <= 'z' &&
	       strspn(appid, LOWER_DIGITS) == n;
}

bool
rec_bucket_name_ok(const char *name)
{
	size_t n = strnlen(name, DRV_BUCKET_NAME_SIZE);

	return n >= 3 && n <= 32 && name[0] != '-' && name[n - 1] != '-' &&
	       strspn(name, LOWER_DIGITS "-") == n;
}
