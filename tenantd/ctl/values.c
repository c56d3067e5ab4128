/*
 * Values of options into the members of a request. What tenantd checks anyway (names, plans,
 * ranges) is left to it, so that the two cannot disagree; what could not be sent as meant
 * is refused here.
 */
#include "internal.h"

#include "base/yaml.h"

#include <jansson.h>
#include <string.h>

/* Up to ':' or the end; false when it is empty. */
static bool
part(const char **text, char *out, size_t size)
{
	size_t len = strcspn(*text, ":");

	if (len == 0 || len >= size)
		return false;
	memcpy(out, *text, len);
	out[len] = '\0';
	*text += len + ((*text)[len] == ':');
	return true;
}

/* A json integer holds 63 bits. */
static bool
size_value(const char *text, uint64_t *ret)
{
	return td_yaml_bytes(text, ret) && *ret <= INT64_MAX;
}

/* Takes value, also when it fails. */
static enum td_rc
set_member(json_t *object, const char *key, json_t *value, struct td_err *reterr)
{
	if (json_object_get(object, key) != NULL) {
		json_decref(value);
		return td_err_set(reterr, TD_INVALID, "%s is given twice", key);
	}
	if (value == NULL || json_object_set_new(object, key, value) != 0)
		return td_err_set(reterr, TD_INVALID, "%s: no text that can be sent",
				  key);
	return TD_OK;
}

enum td_rc
ctl_bucket_add(struct json_t *list, const char *text, struct td_err *reterr)
{
	char name[64], mode[32] = "", quota[32] = "";
	const char *rest = text;
	uint64_t bytes = 0;
	enum td_rc rc;
	json_t *b;

	if (!part(&rest, name, sizeof(name)) ||
	    (*rest != '\0' && !part(&rest, mode, sizeof(mode))) ||
	    (*rest != '\0' && !part(&rest, quota, sizeof(quota))) || *rest != '\0' ||
	    text[strlen(text) - 1] == ':')
		return td_err_set(reterr, TD_INVALID,
				  "--bucket %s: expected NAME[:MODE[:QUOTA]]", text);
	if (quota[0] != '\0' && !size_value(quota, &bytes))
		return td_err_set(reterr, TD_INVALID,
				  "--bucket %s: %s is no size; 500M and 10Gi are", text,
				  quota);
	b = json_object();
	rc = set_member(b, "name", json_string(name), reterr);
	if (rc == TD_OK && mode[0] != '\0')
		rc = set_member(b, "mode", json_string(mode), reterr);
	if (rc == TD_OK && quota[0] != '\0')
		rc = set_member(b, "quota_bytes", json_integer((json_int_t)bytes),
				reterr);
	if (rc != TD_OK) {
		json_decref(b);
		return rc;
	}
	if (json_array_append_new(list, b) != 0)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	return TD_OK;
}

/* Cuts "key=value" in two; NULL when it is none. */
static const char *
cut(const char *text, char *key, size_t size)
{
	const char *equals = strchr(text, '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : 0;

	if (len == 0 || len >= size)
		return NULL;
	memcpy(key, text, len);
	key[len] = '\0';
	return equals + 1;
}

enum td_rc
ctl_label_add(struct json_t *object, const char *text, struct td_err *reterr)
{
	char key[256];
	const char *value = cut(text, key, sizeof(key));

	if (value == NULL)
		return td_err_set(reterr, TD_INVALID, "--label %s: expected KEY=VALUE",
				  text);
	return set_member(object, key, json_string(value), reterr);
}

enum td_rc
ctl_limit_add(struct json_t *object, const char *text, struct td_err *reterr)
{
	char key[64];
	const char *value = cut(text, key, sizeof(key));
	uint64_t number = 0;

	if (value == NULL)
		return td_err_set(reterr, TD_INVALID, "--limit %s: expected NAME=SIZE",
				  text);
	if (strcmp(value, "unlimited") == 0)
		return set_member(object, key, json_string(value), reterr);
	if (!size_value(value, &number))
		return td_err_set(
			reterr, TD_INVALID,
			"--limit %s: %s is no size; 100, 500M, 10Gi and unlimited are",
			text, value);
	return set_member(object, key, json_integer((json_int_t)number), reterr);
}

enum td_rc
ctl_duration(const char *text, int64_t *ret_ms, struct td_err *reterr)
{
	uint64_t seconds = 0;
	int64_t ms = 0;

	if (td_yaml_uint(text, &seconds) && seconds <= INT64_MAX / 1000)
		ms = (int64_t)seconds * 1000;
	else if (!td_yaml_duration(text, &ms))
		ms = 0;
	if (ms <= 0)
		return td_err_set(
			reterr, TD_INVALID,
			"%s is no time; 90 (seconds), 90s, 15m, 12h and 30d are", text);
	*ret_ms = ms;
	return TD_OK;
}
