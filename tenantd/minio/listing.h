/*
 * The XML answers of S3 and STS that hold more than an error: listings of objects,
 * versions and uploads, the result of a multi-delete, bucket tags, temporary credentials.
 *
 * Listings are asked for with encoding-type=url; names are decoded here.
 *
 * Thread rule: no shared state.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

#define S3_KEY_MAX 1024
#define S3_ID_MAX 512 /* version and upload ids, continuation tokens */
#define S3_PAGE_MAX 1000

struct s3_entry {
	char *key; /* decoded; owned by the page */
	char *id;  /* version id or upload id; "" when there is none */
	uint64_t size;
	bool delete_marker;
};

struct s3_page {
	struct s3_entry *entries;
	size_t count;
	bool truncated;
	/* For the next page: key-marker (decoded) and version-id- or upload-id-marker, or
	 * the continuation token in next_id. "" when there is none. */
	char next_key[S3_KEY_MAX + 1];
	char next_id[S3_ID_MAX + 1];
};

enum s3_list { S3_LIST_OBJECTS, S3_LIST_VERSIONS, S3_LIST_UPLOADS };

/* TD_CORRUPT when it is not such a listing, or a truncated one without a marker; TD_NOMEM.
 * The caller ends *ret with s3_page_done. */
enum td_rc s3_page_parse(enum s3_list list, const void *body, size_t len,
			 struct s3_page *ret, struct td_err *reterr) TD_MUST_CHECK;
/* Safe on a zeroed struct and twice. */
void s3_page_done(struct s3_page *page);

/* The result of a multi-delete: how many were refused, and the first one's code. */
struct s3_deleted {
	size_t refused;
	char first_code[64];
};
enum td_rc s3_deleted_parse(const void *body, size_t len, struct s3_deleted *ret,
			    struct td_err *reterr) TD_MUST_CHECK;

#define S3_TAGS_MAX 50
struct s3_tag {
	char key[129];
	char value[257];
};
/* At most `max` tags into out; TD_CORRUPT when it is no tag set or holds more. */
enum td_rc s3_tags_parse(const void *body, size_t len, struct s3_tag *out, size_t max,
			 size_t *ret_count, struct td_err *reterr) TD_MUST_CHECK;

struct sts_text {
	char access_key[64];
	char secret_key[64]; /* wipe after use */
	char session_token[4096];
	char expiration[40];
};
enum td_rc sts_parse(const void *body, size_t len, struct sts_text *ret,
		     struct td_err *reterr) TD_MUST_CHECK;
