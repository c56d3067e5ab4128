/*
 * YAML to a checked template. A file is looked at to its end and everything wrong with it
 * is told at once, each with its line. What is refused is refused by name wherever people
 * are likely to try it (NotAction, Condition, s3:*), because "unknown member" would send
 * them looking for the right spelling.
 */
#include "template.h"

#include "actions.h"

#include "base/crypto.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ARN "arn:aws:s3:::"
#define VARIABLE "${aws:username}"
#define EVERYTHING ARN "*"
#define MAX_DESCRIPTION 300

struct reader {
	struct tmpl *t;
	struct td_yaml_report *report;
	bool failed;
};

#define COMPLAIN(r, node, ...)                                                            \
	do {                                                                              \
		(r)->failed = true;                                                       \
		td_yaml_complain((r)->report, (r)->t->doc, (node), __VA_ARGS__);          \
	} while (0)

/* ---- members ---- */

struct member {
	const char *name;
	bool required;
};

/* Spelled in any case, singular or plural: what isolation must not depend on. */
static const char *
refused_member(const char *key)
{
	static const struct {
		const char *name;
		const char *why;
	} table[] = {
		{ "condition", "headers and query parameters of a request can forge what a "
			       "condition looks at" },
		{ "principal", "a template is for the tenant's own user" },
		{ "notaction", "it grants everything that is not named" },
		{ "notresource", "it grants everything that is not named" },
		{ "notprincipal", "a template is for the tenant's own user" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t len = strlen(table[i].name);

		if (strncasecmp(key, table[i].name, len) == 0 &&
		    (key[len] == '\0' || strcasecmp(key + len, "s") == 0))
			return table[i].why;
	}
	return NULL;
}

/* Every key of a mapping is one of `members`, and those required are there. */
static void
check_members(struct reader *r, const struct td_yaml_node *map,
	      const struct member *members, size_t count)
{
	for (size_t i = 0; i < td_yaml_count(map); i++) {
		const struct td_yaml_node *key = td_yaml_key_at(map, i);
		const char *name = td_yaml_scalar(key);
		const char *why = refused_member(name);
		size_t k = 0;

		while (k < count && strcmp(members[k].name, name) != 0)
			k++;
		if (k < count)
			continue;
		if (why != NULL)
			COMPLAIN(r, key, "%.40s is refused: %s", name, why);
		else
			COMPLAIN(r, key, "unknown member %.40s", name);
	}
	for (size_t k = 0; k < count; k++) {
		if (members[k].required && td_yaml_get(map, members[k].name) == NULL)
			COMPLAIN(r, map, "%s is missing", members[k].name);
	}
}

static bool
is_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return s[len] == '\0' && len <= POLICY_NAME_MAX && s[0] >= 'a' && s[0] <= 'z';
}

/* The text of a member that is a template name, or NULL (told, unless it is absent). */
static const char *
read_name(struct reader *r, const struct td_yaml_node *map, const char *member)
{
	const struct td_yaml_node *n = td_yaml_get(map, member);
	char found[64];

	if (n == NULL)
		return NULL;
	if (td_yaml_kind(n) == TD_YAML_SCALAR && is_name(td_yaml_scalar(n)))
		return td_yaml_scalar(n);
	COMPLAIN(r, n,
		 "%s: expected a name of a-z, 0-9 and _ that begins with a letter, at most "
		 "%d bytes, found %s",
		 member, POLICY_NAME_MAX, td_yaml_found(n, found));
	return NULL;
}

static void
read_twin(struct reader *r, const struct td_yaml_node *map, const char *member,
	  struct twin_name *ret)
{
	ret->name = read_name(r, map, member);
	if (ret->name != NULL)
		ret->line = td_yaml_line(td_yaml_get(map, member));
}

/* ---- lists ---- */

struct word_list {
	const char **words;
	size_t *count;
	size_t max;
};

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* check: tells what is wrong with one word; false when it did. */
typedef bool (*word_check)(struct reader *r, const struct td_yaml_node *n,
			   const struct statement *st);

/* A sequence of texts, each once, each passing check; sorted. */
static void
read_list(struct reader *r, const struct td_yaml_node *map, const char *member,
	  const struct word_list *list, word_check check, const struct statement *st)
{
	const struct td_yaml_node *n = td_yaml_get(map, member);
	char found[64];

	if (n == NULL)
		return;
	if (td_yaml_kind(n) != TD_YAML_SEQUENCE) {
		COMPLAIN(r, n, "%s: expected a list, found %s", member,
			 td_yaml_found(n, found));
		return;
	}
	if (td_yaml_count(n) == 0 || td_yaml_count(n) > list->max) {
		COMPLAIN(r, n, "%s: expected 1 to %zu of them, found %zu", member, list->max,
			 td_yaml_count(n));
		return;
	}
	for (size_t i = 0; i < td_yaml_count(n); i++) {
		const struct td_yaml_node *item = td_yaml_at(n, i);
		const char *word = td_yaml_scalar(item);
		bool twice = false;

		if (word == NULL) {
			COMPLAIN(r, item, "%s: expected a text, found %s", member,
				 td_yaml_found(item, found));
			continue;
		}
		for (size_t k = 0; k < *list->count; k++)
			twice = twice || strcmp(list->words[k], word) == 0;
		if (twice)
			COMPLAIN(r, item, "%s: %.60s is there twice", member, word);
		else if (check(r, item, st))
			list->words[(*list->count)++] = word;
	}
	if (*list->count > 1)
		qsort(list->words, *list->count, sizeof(*list->words), compare);
}

/* ---- minio ---- */

static bool
check_s3_action(struct reader *r, const struct td_yaml_node *n, const struct statement *st)
{
	const char *name = td_yaml_scalar(n);
	const struct action *a = action_s3(name);

	if (st->deny && (strcmp(name, "s3:*") == 0 || strcmp(name, "admin:*") == 0))
		return true;
	if (strchr(name, '*') != NULL || strchr(name, '?') != NULL)
		COMPLAIN(r, n,
			 "actions: %.60s is refused: a wildcard %s; name every action", name,
			 st->deny ? "can be s3:* or admin:* only"
				  : "grants what nobody looked at");
	else if (strncasecmp(name, "admin:", 6) == 0 && !st->deny)
		COMPLAIN(r, n, "actions: %.60s is refused: a tenant administers nothing",
			 name);
	else if (a == NULL)
		COMPLAIN(r, n, "actions: unknown action %.60s", name);
	else if (a->class == ACTION_REFUSED && !st->deny)
		COMPLAIN(r, n, "actions: %s is refused: %s", name, a->why);
	else
		return true;
	return false;
}

/*
 * The rest after `${aws:username}-`: bucket and key, in bytes that cannot end or escape
 * anything, no second variable, no way up.
 */
static const char *
rest_fault(const char *rest)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!'()=/*?";

	if (strstr(rest, "${") != NULL)
		return "only one ${aws:username} is allowed, and no other variable";
	if (rest[strspn(rest, allowed)] != '\0')
		return "it has a byte that no resource needs";
	if (strstr(rest, "..") != NULL || strstr(rest, "//") != NULL)
		return "it has .. or // in it";
	if (rest[0] == '\0' || rest[0] == '/')
		return "no bucket has that name; a prefix ends in -*";
	return NULL;
}

const char *
resource_fault(const char *resource)
{
	const char *rest = resource + strlen(ARN);

	if (strlen(resource) > POLICY_RESOURCE_MAX)
		return "it is too long";
	if (strncmp(resource, ARN, strlen(ARN)) != 0)
		return "it does not begin with arn:aws:s3:::";
	if (strncmp(rest, VARIABLE, strlen(VARIABLE)) == 0) {
		rest += strlen(VARIABLE);
		if (*rest != '-')
			return "after ${aws:username} there must be a hyphen, which no "
			       "appid has";
		return rest_fault(rest + 1);
	}
	const char *variable = strstr(rest, VARIABLE);
	size_t plain = strcspn(rest, "*?");

	if (strstr(rest, "${") != NULL && variable == NULL)
		return "it has a variable that is not ${aws:username}";
	if (variable == NULL)
		return "without ${aws:username} it is the same for all tenants";
	if (rest + plain < variable)
		return "it has a wildcard before ${aws:username}";
	return "it does not begin with the tenant's ${aws:username}-";
}

/* A witness, where there is one, says more than the rule. */
static void
complain_resource(struct reader *r, const struct td_yaml_node *n, const char *why)
{
	const char *resource = td_yaml_scalar(n);
	struct policy_witness w;

	if (policy_patterns_meet(resource, POLICY_OWN_SPACE, &w, NULL) == TD_CONFLICT)
		COMPLAIN(r, n,
			 "resources: %.60s is refused: %s (tenant %s would reach %.60s of "
			 "tenant %s)",
			 resource, why, w.appid_a, w.resource, w.appid_b);
	else
		COMPLAIN(r, n, "resources: %.60s is refused: %s", resource, why);
}

static bool
check_resource(struct reader *r, const struct td_yaml_node *n, const struct statement *st)
{
	const char *resource = td_yaml_scalar(n);
	const char *why = resource_fault(resource);

	if (why == NULL || (st->deny && strcmp(resource, EVERYTHING) == 0))
		return true;
	complain_resource(r, n, why);
	return false;
}

/* True when it is one of the two; *ret_deny then says which. */
static void
read_effect(struct reader *r, const struct td_yaml_node *map, bool *ret_deny)
{
	const struct td_yaml_node *n = td_yaml_get(map, "effect");
	const char *text = n == NULL ? NULL : td_yaml_scalar(n);
	char found[64];

	if (n == NULL)
		return;
	if (text != NULL && strcmp(text, "Deny") == 0)
		*ret_deny = true;
	else if (text == NULL || strcmp(text, "Allow") != 0)
		COMPLAIN(r, n, "effect: expected Allow or Deny, found %s",
			 td_yaml_found(n, found));
}

static bool
has_word(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

static void
read_statement(struct reader *r, const struct td_yaml_node *map, struct statement *st)
{
	static const struct member members[] = { { "effect", true },
						 { "actions", true },
						 { "resources", false } };
	const struct td_yaml_node *resources;
	char found[64];

	if (td_yaml_kind(map) != TD_YAML_MAPPING) {
		COMPLAIN(r, map, "statements: expected a mapping, found %s",
			 td_yaml_found(map, found));
		return;
	}
	check_members(r, map, members, sizeof(members) / sizeof(members[0]));
	read_effect(r, map, &st->deny);
	read_list(r, map, "actions",
		  &(struct word_list){ st->actions, &st->action_count, MAX_ACTIONS },
		  check_s3_action, st);
	read_list(r, map, "resources",
		  &(struct word_list){ st->resources, &st->resource_count, MAX_RESOURCES },
		  check_resource, st);
	st->admin = has_word(st->actions, st->action_count, "admin:*");
	resources = td_yaml_get(map, "resources");
	/* MinIO refuses the mix, and ignores the resources of an administrative statement. */
	if (st->admin && (st->action_count > 1 || resources != NULL))
		COMPLAIN(r, map,
			 "admin:* stands in a statement of its own, without resources");
	if (!st->admin && resources == NULL)
		COMPLAIN(r, map, "resources is missing");
}

static void
read_minio(struct reader *r, const struct td_yaml_node *root)
{
	const struct td_yaml_node *list = td_yaml_get(root, "statements");
	char found[64];

	if (list == NULL)
		return;
	if (td_yaml_kind(list) != TD_YAML_SEQUENCE) {
		COMPLAIN(r, list, "statements: expected a list, found %s",
			 td_yaml_found(list, found));
		return;
	}
	if (td_yaml_count(list) == 0 || td_yaml_count(list) > MAX_STATEMENTS) {
		COMPLAIN(r, list, "statements: expected 1 to %d of them, found %zu",
			 MAX_STATEMENTS, td_yaml_count(list));
		return;
	}
	for (size_t i = 0; i < td_yaml_count(list); i++)
		read_statement(r, td_yaml_at(list, i),
			       &r->t->statements[r->t->statement_count++]);
}

/* ---- mongodb ---- */

static bool
check_mongodb(struct reader *r, const struct td_yaml_node *n, const struct action *a)
{
	const char *name = td_yaml_scalar(n);

	if (a != NULL && a->class != ACTION_REFUSED)
		return true;
	if (a == NULL)
		COMPLAIN(r, n, "unknown, or not for tenants: %.60s", name);
	else
		COMPLAIN(r, n, "%s is refused: %s", name, a->why);
	return false;
}

static bool
check_mongodb_action(struct reader *r, const struct td_yaml_node *n,
		     const struct statement *st)
{
	(void)st;
	return check_mongodb(r, n, action_mongodb(td_yaml_scalar(n)));
}

static bool
check_mongodb_role(struct reader *r, const struct td_yaml_node *n,
		   const struct statement *st)
{
	const char *name = td_yaml_scalar(n);
	const struct action *a = action_mongodb_role(name);

	(void)st;
	if (!check_mongodb(r, n, a))
		return false;
	if (a->class == ACTION_READ || r->t->pub.dangerous)
		return true;
	COMPLAIN(r, n,
		 "%s grants more than a tenant needs; the template must say `dangerous: "
		 "true`, and a plan opt in",
		 name);
	return false;
}

static void
read_mongodb(struct reader *r, const struct td_yaml_node *root)
{
	struct tmpl *t = r->t;
	bool actions = td_yaml_get(root, "actions") != NULL;
	bool roles = td_yaml_get(root, "roles") != NULL;
	const struct word_list list = { t->words, &t->word_count, MAX_ACTIONS };

	if (actions == roles) {
		COMPLAIN(r, root, "expected one of actions and roles, found %s",
			 actions ? "both" : "neither");
		return;
	}
	if (actions) {
		read_list(r, root, "actions", &list, check_mongodb_action, NULL);
		t->pub.actions = t->words;
		t->pub.action_count = t->word_count;
	} else {
		read_list(r, root, "roles", &list, check_mongodb_role, NULL);
		t->pub.roles = t->words;
		t->pub.role_count = t->word_count;
	}
}

/* ---- the file ---- */

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
		{ "name", true },      { "kind", true },     { "description", false },
		{ "fenced", false },   { "dangerous", false }, { "actions", false },
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

	check_members(r, root, is_minio ? minio : mongodb,
		      is_minio ? sizeof(minio) / sizeof(minio[0])
			       : sizeof(mongodb) / sizeof(mongodb[0]));
	r->t->pub.name = read_name(r, root, "name");
	r->t->line = td_yaml_line(root);
	read_description(r, root);
	read_dangerous(r, root);
	read_twin(r, root, "fenced", &r->t->fenced);
	if (is_minio) {
		read_twin(r, root, "suspended", &r->t->suspended);
		read_minio(r, root);
	} else {
		read_mongodb(r, root);
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
		COMPLAIN(r, NULL, "the policy is longer than the %d bytes that MinIO takes",
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
	if (has_word(t->words, t->word_count, action))
		return true;
	for (size_t i = 0; i < t->statement_count; i++) {
		const struct statement *st = &t->statements[i];

		if (!st->deny && has_word(st->actions, st->action_count, action))
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
