/*
 * MinIO policies as text. Written by hand and not through a JSON library, because the
 * bytes are hashed into the name of a policy: they must not change with a library's
 * taste. The members stand in the order in which MinIO itself writes them.
 */
#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARN "arn:aws:s3:::"
#define VARIABLE "${aws:username}"
/* A resource with an appid in the variable's place, "/" and "*" after it, and NUL. */
#define FILLED_SIZE (POLICY_RESOURCE_MAX + 32 + 3)

struct words {
	const char *const *items;
	size_t count;
};

static void
render_list(struct td_buf *out, const char *member, const struct words *words)
{
	td_buf_fmt(out, ",\"%s\":[", member);
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			td_buf_char(out, ',');
		td_buf_json(out, words->items[i], strlen(words->items[i]));
	}
	td_buf_char(out, ']');
}

static void
render_statement(struct td_buf *out, const struct statement *st,
		 const struct words *resources)
{
	const struct words actions = { st->actions, st->action_count };

	td_buf_fmt(out, "{\"Effect\":\"%s\"", st->deny ? "Deny" : "Allow");
	render_list(out, "Action", &actions);
	if (resources->count > 0)
		render_list(out, "Resource", resources);
	td_buf_char(out, '}');
}

void
minio_render(const struct tmpl *t, struct td_buf *out)
{
	td_buf_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	for (size_t i = 0; i < t->statement_count; i++) {
		const struct statement *st = &t->statements[i];
		const struct words resources = { st->resources, st->resource_count };

		if (i > 0)
			td_buf_char(out, ',');
		render_statement(out, st, &resources);
	}
	td_buf_str(out, "]}");
}

static bool
is_appid(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");

	return s[len] == '\0' && len >= 3 && len <= 32;
}

/* It fits: resources are at most POLICY_RESOURCE_MAX bytes and appids 32. */
static void
fill(char out[FILLED_SIZE], const char *resource, const char *appid)
{
	const char *at = strstr(resource, VARIABLE);

	if (at == NULL)
		snprintf(out, FILLED_SIZE, "%s", resource);
	else
		snprintf(out, FILLED_SIZE, "%.*s%s%s", (int)(at - resource), resource,
			 appid, at + strlen(VARIABLE));
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct filled {
	char text[2 * MAX_RESOURCES][FILLED_SIZE];
	const char *items[2 * MAX_RESOURCES];
	size_t count;
};

static void
add_filled(struct filled *f, const char *resource, const char *appid)
{
	char *text = f->text[f->count];

	fill(text, resource, appid);
	for (size_t i = 0; i < f->count; i++) {
		if (strcmp(f->items[i], text) == 0)
			return;
	}
	f->items[f->count++] = text;
}

/*
 * A prefix of buckets gets the form for their objects beside it. To MinIO one pattern is
 * both (`*` crosses the slash); other servers tell them apart.
 */
static void
fill_all(struct filled *f, const struct statement *st, const char *appid)
{
	f->count = 0;
	for (size_t i = 0; i < st->resource_count; i++) {
		const char *r = st->resources[i];
		size_t len = strlen(r);

		add_filled(f, r, appid);
		if (!st->deny && r[len - 1] == '*' && strchr(r, '/') == NULL) {
			char both[POLICY_RESOURCE_MAX + 3];

			snprintf(both, sizeof(both), "%s/*", r);
			add_filled(f, both, appid);
		}
	}
	if (f->count > 1)
		qsort(f->items, f->count, sizeof(f->items[0]), compare);
}

/* ---- closed buckets ---- */

#define CLOSED_HEAD ",{\"Effect\":\"Deny\",\"Action\":[\"s3:*\"],\"Resource\":["
#define CLOSED_TAIL "]}"

/* Of the pair of ARNs of one bucket, with a comma behind each. */
static size_t
closed_bytes(const char *appid, const char *name)
{
	size_t bucket = strlen(appid) + 1 + strlen(name);

	return 2 * (bucket + strlen("\"" ARN "\",")) + strlen("/*");
}

bool
policy_closed_fit(const char *appid, const char *name, size_t *bytes)
{
	size_t more = closed_bytes(appid, name);

	if (*bytes == 0)
		more += strlen(CLOSED_HEAD CLOSED_TAIL);
	if (*bytes + more > POLICY_CLOSED_BYTES)
		return false;
	*bytes += more;
	return true;
}

static void
render_closed(const char *appid, const struct policy_closed *closed, struct td_buf *out)
{
	for (size_t i = 0; i < closed->count; i++)
		td_buf_fmt(out, "%s\"" ARN "%s-%s\",\"" ARN "%s-%s/*\"",
			   i == 0 ? CLOSED_HEAD : ",", appid, closed->names[i], appid,
			   closed->names[i]);
	if (closed->count > 0)
		td_buf_str(out, CLOSED_TAIL);
}

static enum td_rc
check_closed(const char *appid, const struct policy_closed *closed, struct td_err *reterr)
{
	size_t bytes = 0;

	for (size_t i = 0; i < closed->count; i++) {
		const char *name = closed->names[i];
		size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

		if (len == 0 || name[len] != '\0')
			return td_err_set(reterr, TD_INVALID, "not a bucket name");
		if (!policy_closed_fit(appid, name, &bytes))
			return td_err_set(reterr, TD_TOO_LARGE,
					  "%zu closed buckets are too many for a policy",
					  closed->count);
	}
	return TD_OK;
}

static void
render_sa(const struct tmpl *t, const char *appid, const struct policy_closed *closed,
	  struct td_buf *out)
{
	struct filled f;

	td_buf_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	for (size_t i = 0; i < t->statement_count; i++) {
		fill_all(&f, &t->statements[i], appid);
		const struct words resources = { f.items, f.count };

		if (i > 0)
			td_buf_char(out, ',');
		render_statement(out, &t->statements[i], &resources);
	}
	render_closed(appid, closed, out);
	td_buf_str(out, "]}");
}

static bool
allows_something(const struct tmpl *t)
{
	for (size_t i = 0; i < t->statement_count; i++) {
		if (!t->statements[i].deny)
			return true;
	}
	return false;
}

enum td_rc
policy_minio_sa(const struct policy_template *t, const char *appid, struct td_buf *out,
		struct td_err *reterr)
{
	static const struct policy_closed none = { NULL, 0 };

	return policy_minio_sa_closed(t, appid, &none, out, reterr);
}

enum td_rc
policy_minio_sa_closed(const struct policy_template *t, const char *appid,
		       const struct policy_closed *closed, struct td_buf *out,
		       struct td_err *reterr)
{
	const struct tmpl *own = (const struct tmpl *)t;
	size_t before = out->len;
	enum td_rc rc;

	if (t->kind != POLICY_MINIO)
		return td_err_set(reterr, TD_INVALID, "template %s is not for minio",
				  t->name);
	if (!allows_something(own))
		return td_err_set(reterr, TD_INVALID, "template %s allows nothing",
				  t->name);
	if (!is_appid(appid))
		return td_err_set(reterr, TD_INVALID, "not an appid");
	rc = check_closed(appid, closed, reterr);
	if (rc != TD_OK)
		return rc;
	render_sa(own, appid, closed, out);
	rc = td_buf_rc(out);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "template %s: no room for its policy",
				  t->name);
	if (out->len - before > POLICY_MAX_SA)
		return td_err_set(reterr, TD_TOO_LARGE,
				  "template %s: the policy of a service account is %zu "
				  "bytes, MinIO takes %d",
				  t->name, out->len - before, POLICY_MAX_SA);
	return TD_OK;
}

static bool
is_bucket(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	return s[len] == '\0' && len >= 3 && len <= 63 && strchr(".-", s[0]) == NULL &&
	       strchr(".-", s[len - 1]) == NULL;
}

/* The platform's modes, word for word; the fenced one is readwrite without PutObject. */
#define ANYBODY "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":["
#define LISTING                                                                          \
	ANYBODY "\"s3:GetBucketLocation\",\"s3:ListBucket\","                            \
		"\"s3:ListBucketMultipartUploads\"]"

static const char *const bucket_actions[] = {
	[POLICY_ANON_READONLY] = ANYBODY "\"s3:GetObject\"]",
	[POLICY_ANON_READWRITE] =
		ANYBODY "\"s3:AbortMultipartUpload\",\"s3:DeleteObject\","
			"\"s3:GetObject\",\"s3:ListMultipartUploadParts\","
			"\"s3:PutObject\"]",
	[POLICY_ANON_READWRITE_FENCED] =
		ANYBODY "\"s3:AbortMultipartUpload\",\"s3:DeleteObject\","
			"\"s3:GetObject\",\"s3:ListMultipartUploadParts\"]",
};

enum td_rc
policy_minio_bucket(const char *bucket, enum policy_anonymous mode, struct td_buf *out,
		    struct td_err *reterr)
{
	enum td_rc rc;

	if (!is_bucket(bucket))
		return td_err_set(reterr, TD_INVALID, "not a bucket name");
	if (mode == POLICY_ANON_PRIVATE)
		return TD_OK;
	td_buf_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
	if (mode != POLICY_ANON_READONLY)
		td_buf_fmt(out, "%s,\"Resource\":[\"" ARN "%s\"]},", LISTING, bucket);
	td_buf_fmt(out, "%s,\"Resource\":[\"" ARN "%s/*\"]}]}", bucket_actions[mode],
		   bucket);
	rc = td_buf_rc(out);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "bucket %s: no room for its policy",
				  bucket);
	return TD_OK;
}
