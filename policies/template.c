/*
 * YAML to a checked template. A file is looked at to its end and everything wrong with it
 * is told at once, each with its line. Only a file without a complaint is compiled.
 */
#include "reader.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DESCRIPTION 300

/* Absent is minio: the platform's own form names no kind. */
static bool
read_kind(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *n = td_yaml_get(root, "kind");
	const char *text = n == NULL ? "minio" : td_yaml_scalar(n);
	char found[64];

	if (text != NULL && strcmp(text, "minio") == 0)
		r->t->pub.kind = POLICY_MINIO;
	else if (text != NULL && strcmp(text, "mongodb") == 0)
		r->t->pub.kind = POLICY_MONGODB;
	else {
		COMPLAIN(r, n, "kind: expected minio or mongodb, found %s",
			 td_yaml_found(n, found));
		return false;
	}
	return true;
}

static void
read_dangerous(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *n = td_yaml_get(root, "dangerous");
	char found[64];

	if (n == NULL)
		return;
	if (td_yaml_is_plain(n) && strcmp(td_yaml_scalar(n), "true") == 0)
		r->t->pub.dangerous = true;
	else if (!td_yaml_is_plain(n) || strcmp(td_yaml_scalar(n), "false") != 0)
		COMPLAIN(r, n, "dangerous: expected true or false, found %s",
			 td_yaml_found(n, found));
}

static void
read_twin(struct reader *r, const struct td_yaml_node *map, const char *member,
	  struct twin_name *ret)
{
	ret->name = reader_name(r, map, member);
	if (ret->name != NULL)
		ret->line = td_yaml_line(td_yaml_get(map, member));
}

static void
read_description(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *n = td_yaml_get(root, "description");
	const char *text = n == NULL ? "" : td_yaml_scalar(n);

	r->t->pub.description = "";
	if (text == NULL || strlen(text) > MAX_DESCRIPTION)
		COMPLAIN(r, n, "description: expected a text of at most %d bytes",
			 MAX_DESCRIPTION);
	else
		r->t->pub.description = text;
}

static void
read_file(struct reader *r)
{
	static const struct member minio[] = {
		{ "name", true },	{ "kind", false },	{ "description", false },
		{ "fenced", false },	{ "suspended", false }, { "dangerous", false },
		{ "statements", true },
	};
	static const struct member mongodb[] = {
		{ "name", true },    { "kind", true },	     { "description", false },
		{ "fenced", false }, { "dangerous", false }, { "actions", false },
		{ "roles", false },
	};
	const struct td_yaml_node *root = td_yaml_root(r->t->doc);

	if (root == NULL || td_yaml_kind(root) != TD_YAML_MAPPING) {
		COMPLAIN(r, root, "expected a mapping with name and statements");
		return;
	}
	if (!read_kind(r, root))
		return;
	bool is_minio = r->t->pub.kind == POLICY_MINIO;

	reader_members(r, root, is_minio ? minio : mongodb,
		       is_minio ? sizeof(minio) / sizeof(minio[0])
				: sizeof(mongodb) / sizeof(mongodb[0]));
	r->t->pub.name = reader_name(r, root, "name");
	r->t->line = td_yaml_line(root);
	read_description(r, root);
	read_dangerous(r, root);
	read_twin(r, root, "fenced", &r->t->fenced);
	if (is_minio) {
		read_twin(r, root, "suspended", &r->t->suspended);
		grant_minio(r, root);
	} else {
		grant_mongodb(r, root);
	}
}

/* ---- compiling ---- */

static void
hash(struct tmpl *t, const struct td_buf *content)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[TD_SHA256_LEN];
	size_t len = strlen(t->pub.name);

	td_sha256(content->data, content->len, sum);
	for (size_t i = 0; i < TD_SHA256_LEN; i++) {
		t->pub.hash[2 * i] = digits[sum[i] >> 4];
		t->pub.hash[2 * i + 1] = digits[sum[i] & 15];
	}
	memcpy(t->pub.compiled_name, t->pub.name, len);
	t->pub.compiled_name[len] = '-';
	memcpy(t->pub.compiled_name + len + 1, t->pub.hash, POLICY_SHORT_HASH);
}

static void
render_mongodb(const struct tmpl *t, struct td_buf *out)
{
	td_buf_str(out, t->pub.roles != NULL ? "roles" : "actions");
	for (size_t i = 0; i < t->word_count; i++)
		td_buf_fmt(out, " %s", t->words[i]);
}

static enum td_rc
compile(struct reader *r, struct td_err *reterr)
{
	struct tmpl *t = r->t;
	enum td_rc rc;

	if (t->pub.kind == POLICY_MINIO)
		minio_render(t, &t->json);
	else
		render_mongodb(t, &t->json);
	rc = td_buf_rc(&t->json);
	if (rc == TD_TOO_LARGE) {
		COMPLAIN(r, NULL,
			 "the policy is longer than the %d bytes that MinIO takes",
			 POLICY_MAX_CANNED);
		return TD_OK;
	}
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "%s: out of memory", t->pub.file);
	hash(t, &t->json);
	if (t->pub.kind == POLICY_MINIO) {
		t->pub.json = td_buf_cstr(&t->json);
		t->pub.json_len = t->json.len;
	}
	return TD_OK;
}

enum td_rc
tmpl_read(struct td_yaml_doc *doc, struct tmpl **ret, struct td_yaml_report *report,
	  struct td_err *reterr)
{
	struct reader r = { calloc(1, sizeof(*r.t)), report, false };
	enum td_rc rc = TD_OK;

	if (r.t == NULL) {
		td_yaml_doc_free(doc);
		return td_err_set(reterr, TD_NOMEM, "out of memory reading a template");
	}
	r.t->doc = doc;
	r.t->pub.file = td_yaml_doc_name(doc);
	td_buf_init(&r.t->json, POLICY_MAX_CANNED);
	read_file(&r);
	if (!r.failed)
		rc = compile(&r, reterr);
	if (rc == TD_OK && r.failed)
		rc = td_yaml_report_rc(report, reterr);
	if (rc != TD_OK) {
		tmpl_free(r.t);
		return rc;
	}
	*ret = r.t;
	return TD_OK;
}

void
tmpl_free(struct tmpl *t)
{
	if (t == NULL)
		return;
	td_yaml_doc_free(t->doc);
	td_buf_done(&t->json);
	free(t);
}

bool
tmpl_allows(const struct tmpl *t, const char *action)
{
	if (reader_has(t->words, t->word_count, action))
		return true;
	for (size_t i = 0; i < t->statement_count; i++) {
		const struct statement *st = &t->statements[i];

		if (!st->deny && reader_has(st->actions, st->action_count, action))
			return true;
	}
	return false;
}

bool
tmpl_denies_admin(const struct tmpl *t)
{
	for (size_t i = 0; i < t->statement_count; i++) {
		if (t->statements[i].admin)
			return true;
	}
	return false;
}
