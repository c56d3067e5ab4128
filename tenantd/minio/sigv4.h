/*
 * AWS Signature Version 4 in the Authorization header, as MinIO checks it. Pure: the
 * caller gives the time.
 *
 * Every header that is given is signed, besides `host`, `x-amz-date`, for services other
 * than STS `x-amz-content-sha256`, and `x-amz-security-token` where the key has one.
 *
 * Thread rule: no shared state.
 */
#pragma once

#include "base/buf.h"
#include "base/crypto.h"
#include "base/secret.h"

#define SIGV4_PARAMS_MAX 8
#define SIGV4_HEADERS_MAX 8
#define SIGV4_DATE_SIZE 17 /* "20260101T000000Z" */
#define SIGV4_HASH_SIZE 65

struct sigv4_key {
	const char *access_key;
	const struct td_secret *secret;
	const struct td_secret *session_token; /* NULL: none */
};

/* Decoded name and value; value NULL is sent as "name=". */
struct sigv4_param {
	const char *name;
	const char *value;
};

/* Name in lower case. */
struct sigv4_header {
	const char *name;
	const char *value;
};

enum sigv4_service { SIGV4_S3, SIGV4_STS };

struct sigv4_request {
	const char *method;
	const char
		*host; /* as in the Host header: with the port unless it is the default */
	const char *path; /* decoded, starts with '/' */
	const struct sigv4_param *params;
	size_t param_count; /* at most SIGV4_PARAMS_MAX */
	const struct sigv4_header *headers;
	size_t header_count; /* at most SIGV4_HEADERS_MAX */
	struct td_bytes body;
	enum sigv4_service service;
	const char *region; /* may be "" */
	int64_t now_ms;	    /* wall clock */
};

/* What to send. Ended with sigv4_signed_done. */
struct sigv4_signed {
	struct td_buf target; /* encoded path, then "?" and the query if there is one */
	struct td_buf authorization;
	char date[SIGV4_DATE_SIZE];	      /* x-amz-date */
	char body_hash[SIGV4_HASH_SIZE];      /* x-amz-content-sha256; not sent to STS */
	char canonical_hash[SIGV4_HASH_SIZE]; /* of the canonical request, for tests */
};

/*
 * TD_OK with *ret filled; TD_INVALID: too many parameters or headers, a path without '/',
 * a control character in a header value; TD_NOMEM.
 */
enum td_rc sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *req,
		      struct sigv4_signed *ret, struct td_err *reterr) TD_MUST_CHECK;
/* Safe on a zeroed struct and twice. */
void sigv4_signed_done(struct sigv4_signed *s);
