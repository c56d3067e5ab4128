/*
 * One table from MinIO's error codes to ours. The answer's message is not used: it may
 * repeat what was sent, and the code says enough.
 */
#include "minio/reply.h"

#include "minio/xml.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Only these characters are believed in a code, so that it can go into a log. */
static bool
code_ok(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || *s == '-' || *s == '.' || *s == '_'))
			return false;
	return true;
}

static void
copy_checked(char *out, size_t size, const char *value)
{
	if (value && strlen(value) < size && code_ok(value))
		snprintf(out, size, "%s", value);
}

static void
fault_json(const void *body, size_t len, struct minio_fault *ret)
{
	json_t *root = json_loadb(body, len, 0, NULL);

	copy_checked(ret->code, sizeof(ret->code),
		     json_string_value(json_object_get(root, "Code")));
	copy_checked(ret->region, sizeof(ret->region),
		     json_string_value(json_object_get(root, "Region")));
	json_decref(root);
}

/* <Error><Code>..</Code>..</Error>, or that inside <ErrorResponse>. */
static void
fault_xml(const void *body, size_t len, struct minio_fault *ret)
{
	enum xml_event event;
	char text[64];
	struct xml x;

	xml_init(&x, body, len);
	while ((event = xml_next(&x)) != XML_DONE && event != XML_BAD) {
		if (event != XML_START || xml_is(&x, "Error") ||
		    xml_is(&x, "ErrorResponse"))
			continue;
		if (xml_is(&x, "Code") && xml_leaf(&x, text, sizeof(text)))
			copy_checked(ret->code, sizeof(ret->code), text);
		else if (xml_is(&x, "Region") && xml_leaf(&x, text, sizeof(text)))
			copy_checked(ret->region, sizeof(ret->region), text);
		else if (!xml_skip(&x))
			return;
	}
}

void
minio_fault_parse(const void *body, size_t len, struct minio_fault *ret)
{
	const char *p = body;
	size_t skip = 0;

	memset(ret, 0, sizeof(*ret));
	while (skip < len && memchr(" \t\r\n", p[skip], 4))
		skip++;
	if (skip < len && p[skip] == '{')
		fault_json(p + skip, len - skip, ret);
	else if (skip < len && p[skip] == '<')
		fault_xml(p + skip, len - skip, ret);
}

static const struct {
	const char *code;
	enum td_rc rc;
} codes[] = {
	{ "BucketAlreadyExists", TD_EXISTS },
	{ "BucketAlreadyOwnedByYou", TD_EXISTS },
	{ "BucketNotEmpty", TD_BUCKET_NOT_EMPTY },
	{ "EntityTooLarge", TD_TOO_LARGE },
	{ "InvalidAccessKeyId", TD_BACKEND_AUTH },
	{ "InvalidTokenId", TD_BACKEND_AUTH },
	{ "ExpiredToken", TD_BACKEND_AUTH },
	{ "NoSuchBucket", TD_NOT_FOUND },
	{ "NoSuchBucketPolicy", TD_NOT_FOUND },
	{ "NoSuchTagSet", TD_NOT_FOUND },
	{ "NoSuchUpload", TD_NOT_FOUND },
	{ "OperationAborted", TD_UNAVAILABLE },
	{ "PolicyTooLarge", TD_TOO_LARGE },
	{ "RequestTimeTooSkewed", TD_UNAVAILABLE },
	{ "ServerBusy", TD_UNAVAILABLE },
	{ "SignatureDoesNotMatch", TD_BACKEND_AUTH },
	{ "STSIAMNotInitialized", TD_UNAVAILABLE },
	{ "STSNotInitialized", TD_UNAVAILABLE },
	{ "XMinioAdminNoSuchPolicy", TD_NOT_FOUND },
	{ "XMinioAdminNoSuchQuotaConfiguration", TD_NOT_FOUND },
	{ "XMinioAdminNoSuchUser", TD_NOT_FOUND },
	{ "XMinioIAMNotInitialized", TD_UNAVAILABLE },
	{ "XMinioIAMServiceAccountSessionPolicyTooLarge", TD_TOO_LARGE },
	{ "XMinioServerNotInitialized", TD_UNAVAILABLE },
	{ "XMinioStorageFull", TD_UNAVAILABLE },
};

bool
minio_fault_retryable(int status, const struct minio_fault *fault)
{
	if (status == 408 || status == 429 || status == 502 || status == 504)
		return true;
	/* The clock, a full disk: do not get better within a call. */
	return status == 503 && strcmp(fault->code, "XMinioStorageFull") != 0;
}

bool
minio_fault_is_auth(int status, const struct minio_fault *fault)
{
	return status == 403 && (strcmp(fault->code, "InvalidAccessKeyId") == 0 ||
				 strcmp(fault->code, "SignatureDoesNotMatch") == 0);
}

static enum td_rc
rc_of_status(int status)
{
	if (status == 408 || status == 429 || status == 502 || status == 503 ||
	    status == 504)
		return TD_UNAVAILABLE;
	return TD_BACKEND_REFUSED;
}

enum td_rc
minio_fault_rc(int status, const struct minio_fault *fault, const char *what,
	       struct td_err *reterr)
{
	enum td_rc rc = rc_of_status(status);

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].code, fault->code) == 0)
			rc = codes[i].rc;
	td_err_set(reterr, rc, "minio %s: %d %s%s%s", what, status,
		   fault->code[0] ? fault->code : "(no code)",
		   fault->region[0] ? ", it wants region " : "", fault->region);
	if (reterr)
		reterr->upstream_status = status;
	return rc;
}
