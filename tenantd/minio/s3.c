/*
 * One function per call. No HEAD: its errors have no body, and the code in the body is
 * what tells a missing bucket from a missing right.
 */
#include "minio/s3.h"

#include <stdio.h>
#include <string.h>

#define BUCKET_PATH_SIZE 80
#define DELETE_BODY_MAX (8u << 20)
#define PAGE_CEILING (8u << 20)
#define SUM_TEXT_SIZE 48

static struct minio_request
request(const char *what, const char *method, const char *path)
{
	return (struct minio_request){
		.what = what, .method = method, .path = path, .member = MINIO_ANY_MEMBER
	};
}

static void
bucket_path(char out[BUCKET_PATH_SIZE], const char *bucket)
{
	snprintf(out, BUCKET_PATH_SIZE, "/%s", bucket);
}

static bool
code_is(const struct minio_answer *a, const char *code)
{
	return strcmp(a->fault.code, code) == 0;
}

static bool
is_success(const struct minio_answer *a)
{
	return a->status >= 200 && a->status <= 299;
}

/* x-amz-checksum-sha256: padded base64. */
static void
checksum(const void *data, size_t len, char out[SUM_TEXT_SIZE])
{
	unsigned char sum[TD_SHA256_LEN];
	size_t n;

	td_sha256(data, len, sum);
	td_b64url(sum, sizeof(sum), out);
	for (char *p = out; *p; p++)
		*p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
	for (n = strlen(out); n % 4 != 0; n++)
		out[n] = '=';
	out[n] = '\0';
}

enum td_rc
s3_login(const struct minio_call *call, const struct sigv4_key *key, const char *bucket,
	 int member, enum s3_login *ret, struct td_err *reterr)
{
	struct sigv4_param params[] = { { "location", NULL } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("login", "GET", path);
	struct minio_answer a;
	enum td_rc rc;

	bucket_path(path, bucket);
	req.params = params;
	req.param_count = 1;
	req.as = key;
	req.member = member;
	rc = minio_client_do(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	if (is_success(&a) || code_is(&a, "NoSuchBucket"))
		*ret = S3_LOGIN_LIVE;
	else if (code_is(&a, "AccessDenied"))
		*ret = S3_LOGIN_DENIED;
	else if (code_is(&a, "SignatureDoesNotMatch"))
		*ret = S3_LOGIN_WRONG;
	else if (code_is(&a, "InvalidAccessKeyId") || code_is(&a, "InvalidTokenId") ||
		 code_is(&a, "ExpiredToken"))
		*ret = S3_LOGIN_NO_KEY;
	else
		rc = minio_fault_rc(a.status, &a.fault, req.what, reterr);
	minio_answer_done(&a);
	return rc;
}

enum td_rc
s3_bucket_create(const struct minio_call *call, const char *bucket, struct td_err *reterr)
{
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("create-bucket", "PUT", path);

	bucket_path(path, bucket);
	return minio_client_expect(call, &req, NULL, reterr);
}

enum td_rc
s3_bucket_delete(const struct minio_call *call, const char *bucket, enum s3_force force,
		 struct td_err *reterr)
{
	struct sigv4_header headers[] = { { "x-minio-force-delete", "true" } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("delete-bucket", "DELETE", path);
	struct minio_answer a;
	enum td_rc rc;

	bucket_path(path, bucket);
	req.headers = headers;
	req.header_count = force == S3_WITH_CONTENT ? 1 : 0;
	rc = minio_client_do(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	if (a.status == 405)
		rc = td_err_set(reterr, TD_METHOD,
				"minio: object lock or replication on %s", bucket);
	else if (!is_success(&a) && !code_is(&a, "NoSuchBucket"))
		rc = minio_fault_rc(a.status, &a.fault, req.what, reterr);
	minio_answer_done(&a);
	return rc;
}

enum td_rc
s3_policy_get(const struct minio_call *call, const char *bucket, struct td_buf *out,
	      struct td_err *reterr)
{
	struct sigv4_param params[] = { { "policy", NULL } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("get-bucket-policy", "GET", path);
	struct minio_answer a;
	enum td_rc rc;

	bucket_path(path, bucket);
	req.params = params;
	req.param_count = 1;
	rc = minio_client_do(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	if (is_success(&a)) {
		td_buf_add(out, a.body.data, a.body.len);
		rc = td_buf_rc(out);
		if (rc != TD_OK)
			td_err_set(reterr, rc, "minio: bucket policy of %s", bucket);
	} else if (!code_is(&a, "NoSuchBucketPolicy")) {
		rc = minio_fault_rc(a.status, &a.fault, req.what, reterr);
	}
	minio_answer_done(&a);
	return rc;
}

enum td_rc
s3_policy_set(const struct minio_call *call, const char *bucket, const char *json,
	      size_t len, struct td_err *reterr)
{
	struct sigv4_param params[] = { { "policy", NULL } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req =
		len > 0 ? request("put-bucket-policy", "PUT", path)
			: request("delete-bucket-policy", "DELETE", path);

	bucket_path(path, bucket);
	req.params = params;
	req.param_count = 1;
	if (len > 0) {
		req.content_type = "application/json";
		req.body = (struct td_bytes){ json, len };
	}
	return minio_client_expect(call, &req, NULL, reterr);
}

enum td_rc
s3_tags_get(const struct minio_call *call, const char *bucket, struct s3_tags *ret,
	    struct td_err *reterr)
{
	struct sigv4_param params[] = { { "tagging", NULL } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("get-bucket-tagging", "GET", path);
	struct minio_answer a;
	enum td_rc rc;

	bucket_path(path, bucket);
	req.params = params;
	req.param_count = 1;
	rc = minio_client_do(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	ret->count = 0;
	if (is_success(&a))
		rc = s3_tags_parse(td_buf_cstr(&a.body), a.body.len, ret->tag,
				   S3_TAGS_MAX, &ret->count, reterr);
	else if (!code_is(&a, "NoSuchTagSet"))
		rc = minio_fault_rc(a.status, &a.fault, req.what, reterr);
	minio_answer_done(&a);
	return rc;
}

/* Text for XML: the five entities, and no control characters. */
static void
xml_add(struct td_buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			td_buf_str(out, "&lt;");
		else if (c == '>')
			td_buf_str(out, "&gt;");
		else if (c == '&')
			td_buf_str(out, "&amp;");
		else if (c < 0x20 || c == '"' || c == '\'')
			td_buf_fmt(out, "&#%u;", c);
		else
			td_buf_char(out, (char)c);
	}
}

static enum td_rc
body_send(const struct minio_call *call, struct minio_request *req,
	  const struct td_buf *body, struct minio_answer *ret, struct td_err *reterr)
{
	struct sigv4_header headers[1];
	char sum[SUM_TEXT_SIZE];
	enum td_rc rc = td_buf_rc(body);

	if (rc != TD_OK)
		return td_err_set(reterr, rc, "minio %s: body", req->what);
	checksum(body->data, body->len, sum);
	headers[0] = (struct sigv4_header){ "x-amz-checksum-sha256", sum };
	req->headers = headers;
	req->header_count = 1;
	req->content_type = "application/xml";
	req->body = (struct td_bytes){ body->data, body->len };
	rc = minio_client_expect(call, req, ret, reterr);
	req->headers = NULL;
	req->header_count = 0;
	return rc;
}

enum td_rc
s3_tags_set(const struct minio_call *call, const char *bucket, const struct s3_tags *tags,
	    struct td_err *reterr)
{
	struct sigv4_param params[] = { { "tagging", NULL } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("put-bucket-tagging", "PUT", path);
	struct td_buf body;
	enum td_rc rc;

	bucket_path(path, bucket);
	req.params = params;
	req.param_count = 1;
	td_buf_init(&body, DELETE_BODY_MAX);
	td_buf_str(&body, "<Tagging><TagSet>");
	for (size_t i = 0; i < tags->count; i++) {
		td_buf_str(&body, "<Tag><Key>");
		xml_add(&body, tags->tag[i].key);
		td_buf_str(&body, "</Key><Value>");
		xml_add(&body, tags->tag[i].value);
		td_buf_str(&body, "</Value></Tag>");
	}
	td_buf_str(&body, "</TagSet></Tagging>");
	rc = body_send(call, &req, &body, NULL, reterr);
	td_buf_done(&body);
	return rc;
}

enum td_rc
s3_list_page(const struct minio_call *call, const struct s3_list_request *what,
	     struct s3_page *ret, struct td_err *reterr)
{
	static const struct {
		const char *name;
		const char *param;
		const char *value;
		const char *max;
		const char *id_marker;
	} words[] = {
		[S3_LIST_OBJECTS] = { "list-objects", "list-type", "2", "max-keys",
				      "continuation-token" },
		[S3_LIST_VERSIONS] = { "list-versions", "versions", NULL, "max-keys",
				       "version-id-marker" },
		[S3_LIST_UPLOADS] = { "list-uploads", "uploads", NULL, "max-uploads",
				      "upload-id-marker" },
	};
	struct sigv4_param params[SIGV4_PARAMS_MAX];
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request(words[what->list].name, "GET", path);
	struct minio_answer a;
	char max[16];
	size_t n = 0;
	enum td_rc rc;

	bucket_path(path, what->bucket);
	snprintf(max, sizeof(max), "%u", what->max);
	params[n++] =
		(struct sigv4_param){ words[what->list].param, words[what->list].value };
	params[n++] = (struct sigv4_param){ "encoding-type", "url" };
	params[n++] = (struct sigv4_param){ words[what->list].max, max };
	if (what->from && what->from->next_key[0])
		params[n++] = (struct sigv4_param){ "key-marker", what->from->next_key };
	if (what->from && what->from->next_id[0])
		params[n++] = (struct sigv4_param){ words[what->list].id_marker,
						    what->from->next_id };
	req.params = params;
	req.param_count = n;
	req.reply_ceiling = PAGE_CEILING;
	rc = minio_client_expect(call, &req, &a, reterr);
	if (rc != TD_OK)
		return rc;
	rc = s3_page_parse(what->list, td_buf_cstr(&a.body), a.body.len, ret, reterr);
	minio_answer_done(&a);
	return rc;
}

enum td_rc
s3_delete_page(const struct minio_call *call, const char *bucket,
	       const struct s3_page *page, struct s3_deleted *ret, struct td_err *reterr)
{
	struct sigv4_param params[] = { { "delete", NULL } };
	char path[BUCKET_PATH_SIZE];
	struct minio_request req = request("delete-objects", "POST", path);
	struct minio_answer a;
	struct td_buf body;
	enum td_rc rc;

	bucket_path(path, bucket);
	req.params = params;
	req.param_count = 1;
	req.reply_ceiling = PAGE_CEILING;
	td_buf_init(&body, DELETE_BODY_MAX);
	td_buf_str(&body, "<Delete><Quiet>true</Quiet>");
	for (size_t i = 0; i < page->count; i++) {
		td_buf_str(&body, "<Object><Key>");
		xml_add(&body, page->entries[i].key);
		td_buf_str(&body, "</Key>");
		if (page->entries[i].id[0]) {
			td_buf_str(&body, "<VersionId>");
			xml_add(&body, page->entries[i].id);
			td_buf_str(&body, "</VersionId>");
		}
		td_buf_str(&body, "</Object>");
	}
	td_buf_str(&body, "</Delete>");
	rc = body_send(call, &req, &body, &a, reterr);
	if (rc == TD_OK) {
		rc = s3_deleted_parse(td_buf_cstr(&a.body), a.body.len, ret, reterr);
		minio_answer_done(&a);
	}
	td_buf_done(&body);
	return rc;
}

enum td_rc
s3_upload_abort(const struct minio_call *call, const char *bucket,
		const struct s3_entry *upload, struct td_err *reterr)
{
	struct sigv4_param params[] = { { "uploadId", upload->id } };
	char path[BUCKET_PATH_SIZE + S3_KEY_MAX];
	struct minio_request req = request("abort-upload", "DELETE", path);
	enum td_rc rc;

	snprintf(path, sizeof(path), "/%s/%s", bucket, upload->key);
	req.params = params;
	req.param_count = 1;
	rc = minio_client_expect(call, &req, NULL, reterr);
	return rc == TD_NOT_FOUND ? TD_OK : rc;
}
