/* Template files: what is taken, and what is refused with which line and reason. */
#include "policies/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NAME "name: t\n"
#define HEAD NAME "statements:\n"
#define RES "  resources: ['arn:aws:s3:::${aws:username}-*']\n"
#define ALLOW(action) HEAD "- effect: Allow\n  actions: [" action "]\n" RES
#define ON(resource)                                                                     \
	HEAD "- effect: Allow\n  actions: [s3:GetObject]\n  resources: ['" resource "']" \
	     "\n"
#define MONGO NAME "kind: mongodb\n"

#define X16 "xxxxxxxxxxxxxxxx"

struct row {
	const char *says; /* what the row shows */
	const char *yaml;
	const char *wants; /* all of a complaint's text, or the part after '~' */
};

static const struct row refused[] = {
	/* the file */
	{ "an empty file is no template", "",
	  "t.yaml: expected a mapping with name and "
	  "statements" },
	{ "a list is no template", "- a\n",
	  "t.yaml:1: expected a mapping with name and statements" },
	{ "broken YAML keeps its line", "name: t\nstatements: [\n",
	  "~t.yaml:3: not YAML" },
	{ "a template needs a name",
	  "statements:\n- effect: Allow\n"
	  "  actions: [s3:GetObject]\n" RES,
	  "t.yaml:1: name is missing" },
	{ "a name is lower case", "name: Owner\n",
	  "~t.yaml:1: name: expected a name of" },
	{ "a name begins with a letter", "name: 1a\n", "~t.yaml:1: name: expected" },
	{ "a name has no comma, which MinIO refuses", "name: 'a,b'\n",
	  "~t.yaml:1: name: expected" },
	{ "a name is at most 48 bytes", "name: " X16 X16 X16 "x\n",
	  "~t.yaml:1: name: expected" },
	{ "a name is a text", "name: [a]\n", "~name: expected" },
	{ "unknown members are refused", NAME "version: 3\nstatements: []\n",
	  "t.yaml:2: unknown member version" },
	{ "members are case-sensitive", NAME "Statements: []\n",
	  "t.yaml:2: unknown member Statements" },
	{ "only two kinds exist", NAME "kind: s3\n",
	  "~t.yaml:2: kind: expected minio or mongodb, found" },
	{ "a kind is a text", NAME "kind: {}\n", "~t.yaml:2: kind: expected" },
	{ "a description is short", NAME "description: [a]\n",
	  "t.yaml:2: description: expected a text of at most 300 bytes" },
	{ "dangerous is a boolean", NAME "dangerous: yes\n",
	  "~t.yaml:2: dangerous: expected true or false, found" },
	{ "dangerous in quotes is a text", NAME "dangerous: 'true'\n",
	  "~t.yaml:2: dangerous: expected true or false, found" },
	{ "a twin is a name", NAME "fenced: 7\n", "~t.yaml:2: fenced: expected a name" },
	{ "a suspended twin is a name", NAME "suspended: ''\n",
	  "~t.yaml:2: suspended: expected a name" },

	/* statements */
	{ "statements are needed", NAME, "t.yaml:1: statements is missing" },
	{ "statements are a list", NAME "statements: {}\n",
	  "~t.yaml:2: statements: expected a list, found" },
	{ "no statement is no policy", NAME "statements: []\n",
	  "t.yaml:2: statements: expected 1 to 12 of them, found 0" },
	{ "more statements than sense",
	  NAME "statements: [1,2,3,4,5,6,7,8,9,10,11,12,13]\n",
	  "t.yaml:2: statements: expected 1 to 12 of them, found 13" },
	{ "a statement is a mapping", HEAD "- s3:GetObject\n",
	  "~t.yaml:3: statements: expected a mapping, found" },
	{ "an effect is needed", HEAD "- actions: [s3:GetObject]\n" RES,
	  "t.yaml:3: effect is missing" },
	{ "an effect is Allow or Deny",
	  HEAD "- effect: allow\n  actions: [s3:GetObject]\n" RES,
	  "~t.yaml:3: effect: expected Allow or Deny, found" },
	{ "an effect is a text",
	  HEAD "- effect: [Allow]\n  actions: [s3:GetObject]\n" RES,
	  "~t.yaml:3: effect: expected Allow or Deny, found" },
	{ "actions are needed", HEAD "- effect: Allow\n" RES,
	  "t.yaml:3: actions is missing" },
	{ "resources are needed", HEAD "- effect: Allow\n  actions: [s3:GetObject]\n",
	  "t.yaml:3: resources is missing" },
	{ "an empty list of actions", ALLOW(""),
	  "t.yaml:4: actions: expected 1 to 64 of them, found 0" },
	{ "an empty list of resources",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n  resources: []\n",
	  "t.yaml:5: resources: expected 1 to 8 of them, found 0" },
	{ "actions are a list", HEAD "- effect: Allow\n  actions: s3:GetObject\n" RES,
	  "~t.yaml:4: actions: expected a list, found" },
	{ "an action is a text", ALLOW("[s3:GetObject]"),
	  "~t.yaml:4: actions: expected a text, found" },
	{ "the same action twice", ALLOW("s3:GetObject, s3:GetObject"),
	  "t.yaml:4: actions: s3:GetObject is there twice" },
	{ "isolation by Condition",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n" RES "  Condition: {}\n",
	  "t.yaml:6: Condition is refused: headers and query parameters of a request can "
	  "forge what a condition looks at" },
	{ "the chart's spelling of it",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n" RES "  conditions: []\n",
	  "~t.yaml:6: conditions is refused" },
	{ "NotAction", HEAD "- effect: Allow\n  NotAction: [s3:PutObject]\n" RES,
	  "t.yaml:4: NotAction is refused: it grants everything that is not named" },
	{ "notActions, another spelling",
	  HEAD "- effect: Allow\n  notActions: [s3:PutObject]\n" RES,
	  "~t.yaml:4: notActions is refused" },
	{ "NotResource",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n  NotResource: []\n",
	  "t.yaml:5: NotResource is refused: it grants everything that is not named" },
	{ "Principal",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n" RES "  Principal: '*'\n",
	  "t.yaml:6: Principal is refused: a template is for the tenant's own user" },
	{ "NotPrincipal",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n" RES "  NotPrincipal: '*'\n",
	  "~t.yaml:6: NotPrincipal is refused" },
	{ "a member that only begins like one",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n" RES "  conditional: 1\n",
	  "t.yaml:6: unknown member conditional" },
	{ "an unknown member of a statement",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n" RES "  sid: x\n",
	  "t.yaml:6: unknown member sid" },

	/* actions */
	{ "s3:*", ALLOW("'s3:*'"),
	  "t.yaml:4: actions: s3:* is refused: a wildcard grants what nobody looked at; "
	  "name every action" },
	{ "everything", ALLOW("'*'"), "~t.yaml:4: actions: * is refused: a wildcard" },
	{ "a group of actions", ALLOW("'s3:Get*'"),
	  "~t.yaml:4: actions: s3:Get* is refused: a wildcard" },
	{ "a question mark", ALLOW("'s3:GetObjec?'"), "~is refused: a wildcard grants" },
	{ "admin:*", HEAD "- effect: Allow\n  actions: ['admin:*']\n",
	  "~t.yaml:4: actions: admin:* is refused: a wildcard grants" },
	{ "an administrative action", ALLOW("admin:CreateUser"),
	  "t.yaml:4: actions: admin:CreateUser is refused: a tenant administers "
	  "nothing" },
	{ "the same in capitals", ALLOW("ADMIN:CreateUser"),
	  "~a tenant administers nothing" },
	{ "an action that MinIO does not know", ALLOW("s3:ReadObject"),
	  "t.yaml:4: actions: unknown action s3:ReadObject" },
	{ "names are case-sensitive", ALLOW("s3:getobject"),
	  "t.yaml:4: actions: unknown action s3:getobject" },
	{ "an action without its service", ALLOW("GetObject"),
	  "t.yaml:4: actions: unknown action GetObject" },
	{ "sts is not for templates", ALLOW("sts:AssumeRole"),
	  "t.yaml:4: actions: unknown action sts:AssumeRole" },
	{ "PutBucketPolicy", ALLOW("s3:PutBucketPolicy"),
	  "t.yaml:4: actions: s3:PutBucketPolicy is refused: it could publish a bucket "
	  "or "
	  "change who may use it" },
	{ "DeleteBucketPolicy", ALLOW("s3:DeleteBucketPolicy"), "~is refused: it could" },
	{ "PutBucketNotification", ALLOW("s3:PutBucketNotification"),
	  "~is refused: it sends data out" },
	{ "PutReplicationConfiguration", ALLOW("s3:PutReplicationConfiguration"),
	  "~is refused: it sends data out" },
	{ "PutLifecycleConfiguration", ALLOW("s3:PutLifecycleConfiguration"),
	  "~is refused: the setting belongs to the operator" },
	{ "PutBucketVersioning", ALLOW("s3:PutBucketVersioning"),
	  "~is refused: it makes" },
	{ "ForceDeleteBucket", ALLOW("s3:ForceDeleteBucket"), "~is refused: it removes" },
	{ "BypassGovernanceRetention", ALLOW("s3:BypassGovernanceRetention"),
	  "~is refused: it breaks" },
	{ "ListenNotification", ALLOW("s3:ListenNotification"),
	  "~is refused: it can watch" },
	{ "ListenBucketNotification", ALLOW("s3:ListenBucketNotification"),
	  "~is refused: it can watch" },
	{ "ListAllMyBuckets", ALLOW("s3:ListAllMyBuckets"),
	  "t.yaml:4: actions: s3:ListAllMyBuckets is refused: it shows the names of all "
	  "tenants' buckets" },
	{ "CreateBucket", ALLOW("s3:CreateBucket"), "~is refused: only tenantd makes" },
	{ "DeleteBucket", ALLOW("s3:DeleteBucket"), "~is refused: only tenantd removes" },
	{ "PutBucketTagging would forge the mark", ALLOW("s3:PutBucketTagging"),
	  "~is refused: the tags hold tenantd's mark" },
	{ "PutObjectRetention", ALLOW("s3:PutObjectRetention"), "~nobody can delete" },
	{ "a wildcard in a Deny can only be all",
	  HEAD "- effect: Deny\n  actions: ['s3:Put*']\n" RES,
	  "~t.yaml:4: actions: s3:Put* is refused: a wildcard can be s3:* or admin:* "
	  "only" },
	{ "a Deny of something unknown denies nothing",
	  HEAD "- effect: Deny\n  actions: [s3:Put]\n" RES,
	  "t.yaml:4: actions: unknown action s3:Put" },
	{ "admin:* does not mix",
	  HEAD "- effect: Deny\n  actions: ['admin:*', s3:PutObject]\n" RES,
	  "t.yaml:3: admin:* stands in a statement of its own, without resources" },
	{ "admin:* has no resources", HEAD "- effect: Deny\n  actions: ['admin:*']\n" RES,
	  "t.yaml:3: admin:* stands in a statement of its own, without resources" },

	/* resources */
	{ "everybody's buckets", ON("arn:aws:s3:::*"),
	  "~resources: arn:aws:s3:::* is refused: without ${aws:username} it is the same "
	  "for all tenants (tenant " },
	{ "one bucket for all", ON("arn:aws:s3:::shared/*"),
	  "t.yaml:5: resources: arn:aws:s3:::shared/* is refused: without "
	  "${aws:username} it "
	  "is the same for all tenants" },
	{ "a tenant's bucket by name", ON("arn:aws:s3:::abc-data"),
	  "~(tenant aaa would reach arn:aws:s3:::abc-data of tenant abc)" },
	{ "without the hyphen abc reaches abcd", ON("arn:aws:s3:::${aws:username}*"),
	  "t.yaml:5: resources: arn:aws:s3:::${aws:username}* is refused: after "
	  "${aws:username} there must be a hyphen, which no appid has (tenant aaa would "
	  "reach arn:aws:s3:::aaaa- of tenant aaaa)" },
	{ "the bare name", ON("arn:aws:s3:::${aws:username}"),
	  "~there must be a hyphen" },
	{ "a wildcard before it", ON("arn:aws:s3:::*-${aws:username}"),
	  "~t.yaml:5: resources: arn:aws:s3:::*-${aws:username} is refused: it has a "
	  "wildcard before ${aws:username} (tenant baa would reach arn:aws:s3:::aaa-baa "
	  "of "
	  "tenant aaa)" },
	{ "a question mark before it", ON("arn:aws:s3:::?${aws:username}-*"),
	  "~it has a wildcard before ${aws:username}" },
	{ "a text before it", ON("arn:aws:s3:::sys-${aws:username}-*"),
	  "~it does not begin with the tenant's ${aws:username}- (tenant aaa would reach "
	  "arn:aws:s3:::sys-aaa- of tenant sys)" },
	{ "a text before it that reaches nobody", ON("arn:aws:s3:::no.${aws:username}-*"),
	  "t.yaml:5: resources: arn:aws:s3:::no.${aws:username}-* is refused: it does "
	  "not "
	  "begin with the tenant's ${aws:username}-" },
	{ "another variable", ON("arn:aws:s3:::${aws:userid}-*"),
	  "~it has a variable that is not ${aws:username}" },
	{ "a variable of a token", ON("arn:aws:s3:::${jwt:sub}-*"),
	  "~it has a variable that is not ${aws:username}" },
	{ "a second variable", ON("arn:aws:s3:::${aws:username}-${aws:userid}"),
	  "~only one ${aws:username} is allowed, and no other variable" },
	{ "the variable twice", ON("arn:aws:s3:::${aws:username}-${aws:username}"),
	  "~only one ${aws:username} is allowed, and no other variable" },
	{ "not an ARN", ON("${aws:username}-*"),
	  "~it does not begin with arn:aws:s3:::" },
	{ "another partition", ON("arn:minio:s3:::${aws:username}-*"),
	  "~it does not begin with arn:aws:s3:::" },
	{ "no bucket at all", ON("arn:aws:s3:::${aws:username}-"),
	  "~no bucket has that name" },
	{ "an object without its bucket", ON("arn:aws:s3:::${aws:username}-/x"),
	  "~no bucket has that name" },
	{ "a way up", ON("arn:aws:s3:::${aws:username}-a/../x"),
	  "~it has .. or // in it" },
	{ "a double slash", ON("arn:aws:s3:::${aws:username}-a//x"),
	  "~it has .. or // in it" },
	{ "a quote", ON("arn:aws:s3:::${aws:username}-a\"b"),
	  "~it has a byte that no resource needs" },
	{ "a dollar", ON("arn:aws:s3:::${aws:username}-a$b"),
	  "~it has a byte that no resource needs" },
	{ "too long", ON("arn:aws:s3:::${aws:username}-" X16 X16 X16 X16 X16 X16 X16),
	  "~it is too long" },
	{ "a Deny on another's bucket is a mistake too",
	  HEAD "- effect: Deny\n  actions: [s3:PutObject]\n"
	       "  resources: ['arn:aws:s3:::shared']\n",
	  "~t.yaml:5: resources: arn:aws:s3:::shared is refused" },
	{ "a resource twice",
	  HEAD "- effect: Allow\n  actions: [s3:GetObject]\n  resources: "
	       "['arn:aws:s3:::${aws:username}-a', 'arn:aws:s3:::${aws:username}-a']\n",
	  "~resources: arn:aws:s3:::${aws:username}-a is there twice" },

	/* mongodb */
	{ "a role has actions or roles", MONGO,
	  "t.yaml:1: expected one of actions and roles, found neither" },
	{ "not both", MONGO "actions: [find]\nroles: [read]\n",
	  "t.yaml:1: expected one of actions and roles, found both" },
	{ "statements are minio's", MONGO "actions: [find]\nstatements: []\n",
	  "t.yaml:4: unknown member statements" },
	{ "there is no suspended role", MONGO "actions: [find]\nsuspended: x\n",
	  "t.yaml:4: unknown member suspended" },
	{ "no actions", MONGO "actions: []\n",
	  "t.yaml:3: actions: expected 1 to 64 of them, found 0" },
	{ "createUser", MONGO "actions: [find, createUser]\n",
	  "t.yaml:3: createUser is refused: users and roles are made by tenantd alone" },
	{ "grantRole", MONGO "actions: [grantRole]\n", "~grantRole is refused: users" },
	{ "enableProfiler", MONGO "actions: [enableProfiler]\n",
	  "~enableProfiler is refused: its threshold is one for all tenants" },
	{ "bypassDocumentValidation", MONGO "actions: [bypassDocumentValidation]\n",
	  "~bypassDocumentValidation is refused" },
	{ "anyAction", MONGO "actions: [anyAction]\n",
	  "t.yaml:3: anyAction is refused: it is everything" },
	{ "validate", MONGO "actions: [validate]\n", "~validate is refused" },
	{ "listDatabases", MONGO "actions: [listDatabases]\n", "~names of all tenants" },
	{ "what the table does not know", MONGO "actions: [shutdown]\n",
	  "t.yaml:3: unknown, or not for tenants: shutdown" },
	{ "a wildcard is an unknown action", MONGO "actions: ['*']\n",
	  "t.yaml:3: unknown, or not for tenants: *" },
	{ "an action twice", MONGO "actions: [find, find]\n",
	  "t.yaml:3: actions: find is there twice" },
	{ "dbAdmin must be marked", MONGO "roles: [readWrite, dbAdmin]\n",
	  "~t.yaml:3: dbAdmin grants more than a tenant needs; the template must say" },
	{ "marked as safe is not marked", MONGO "dangerous: false\nroles: [dbAdmin]\n",
	  "~t.yaml:4: dbAdmin grants more" },
	{ "dbOwner never", MONGO "dangerous: true\nroles: [dbOwner]\n",
	  "t.yaml:4: dbOwner is refused: it makes users that outlive a rotation" },
	{ "userAdmin never", MONGO "dangerous: true\nroles: [userAdmin]\n",
	  "~userAdmin is refused" },
	{ "an unknown role", MONGO "dangerous: true\nroles: [root]\n",
	  "t.yaml:4: unknown, or not for tenants: root" },
};

static bool
has_complaint(const struct td_yaml_report *report, const char *wants)
{
	for (size_t i = 0; i < report->count; i++) {
		if (wants[0] == '~' ? strstr(report->text[i], wants + 1) != NULL
				    : strcmp(report->text[i], wants) == 0)
			return true;
	}
	return false;
}

static enum td_rc
load(const char *yaml, struct policy_set **ret, struct td_yaml_report *report,
     struct td_err *err)
{
	const struct td_yaml_text text = { "t.yaml", yaml, strlen(yaml) };

	return policy_set_load_memory(&text, 1, ret, report, err);
}

static void
refused_with_line_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		const struct row *row = &refused[i];
		struct policy_set *set = NULL;
		struct td_yaml_report report;
		struct td_err err = { 0 };
		enum td_rc rc = load(row->yaml, &set, &report, &err);

		if (rc != TD_INVALID || !has_complaint(&report, row->wants)) {
			for (size_t k = 0; k < report.count; k++)
				print_error("  %s\n", report.text[k]);
			fail_msg("%s: rc %d, no complaint \"%s\"", row->says, (int)rc,
				 row->wants);
		}
		assert_null(set);
		assert_int_equal(err.rc, TD_INVALID);
		/* The detail is the first complaint, or says how many there are. */
		assert_non_null(strstr(err.detail, "t.yaml"));
	}
}

static void
all_mistakes_are_told_at_once(void **state)
{
	struct policy_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;

	(void)state;
	assert_int_equal(load("name: T\nversion: 1\nstatements:\n- effect: No\n"
			      "  actions: ['s3:*', s3:CreateBucket]\n"
			      "  resources: ['arn:aws:s3:::*']\n",
			      &set, &report, &err),
			 TD_INVALID);
	assert_int_equal(report.count, 6);
	assert_non_null(strstr(report.text[0], "t.yaml:2: unknown member version"));
	assert_non_null(strstr(report.text[1], "t.yaml:1: name"));
	assert_non_null(strstr(report.text[2], "t.yaml:4: effect"));
	assert_non_null(strstr(report.text[3], "t.yaml:5: actions: s3:*"));
	assert_non_null(strstr(report.text[4], "t.yaml:5: actions: s3:CreateBucket"));
	assert_non_null(strstr(report.text[5], "t.yaml:6: resources"));
	assert_non_null(strstr(err.detail, "t.yaml:2: unknown member version"));
}

static void
the_platforms_own_form_is_taken(void **state)
{
	struct policy_set *set = NULL;
	struct td_err err;
	const struct policy_template *t;

	(void)state;
	/* Neither kind nor twins: as the platform's chart has it. */
	assert_int_equal(
		load("name: laf_owner_by_prefix\nstatements:\n- resources:\n"
		     "    - 'arn:aws:s3:::${aws:username}-*'\n  effect: Allow\n"
		     "  actions:\n    - \"s3:PutObject\"\n    - \"s3:GetObject\"\n",
		     &set, NULL, &err),
		TD_OK);
	assert_int_equal(policy_set_count(set), 1);
	t = policy_set_at(set, 0);
	assert_int_equal(t->kind, POLICY_MINIO);
	assert_string_equal(t->file, "t.yaml");
	assert_string_equal(t->description, "");
	assert_false(t->dangerous);
	assert_null(t->fenced);
	assert_null(t->suspended);
	assert_string_equal(
		t->json,
		"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
		"\"Action\":[\"s3:GetObject\",\"s3:PutObject\"],\"Resource\":"
		"[\"arn:aws:s3:::${aws:username}-*\"]}]}");
	assert_int_equal(t->json_len, strlen(t->json));
	policy_set_free(set);
}

static void
what_is_narrower_than_a_prefix_is_taken(void **state)
{
	static const char *const good[] = {
		"arn:aws:s3:::${aws:username}-data",
		"arn:aws:s3:::${aws:username}-data/*",
		"arn:aws:s3:::${aws:username}-a?/x.y_z=(1)'!",
		"arn:aws:s3:::${aws:username}-*/public/*",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct policy_set *set = NULL;
		struct td_err err;
		struct td_buf b;

		td_buf_init(&b, 4096);
		td_buf_fmt(
			&b,
			"name: t\nstatements:\n- effect: Allow\n  actions: [s3:GetObject]"
			"\n  resources: [\"%s\"]\n",
			good[i]);
		if (load(td_buf_cstr(&b), &set, NULL, &err) != TD_OK)
			fail_msg("%s: %s", good[i], err.detail);
		assert_non_null(strstr(policy_set_at(set, 0)->json, good[i]));
		policy_set_free(set);
		td_buf_done(&b);
	}
}

static void
denies_may_be_wide(void **state)
{
	struct policy_set *set = NULL;
	struct td_err err;

	(void)state;
	assert_int_equal(load(NAME
			      "dangerous: false\nstatements:\n"
			      "- {effect: Deny, actions: ['s3:*'], resources: "
			      "['arn:aws:s3:::*']}\n"
			      "- {effect: Deny, actions: [s3:CreateBucket], resources: "
			      "['arn:aws:s3:::${aws:username}-*']}\n"
			      "- {effect: Deny, actions: ['admin:*']}\n",
			      &set, NULL, &err),
			 TD_OK);
	assert_string_equal(policy_set_at(set, 0)->json,
			    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":"
			    "\"Deny\",\"Action\":"
			    "[\"s3:*\"],\"Resource\":[\"arn:aws:s3:::*\"]},{\"Effect\":"
			    "\"Deny\",\"Action\":"
			    "[\"s3:CreateBucket\"],\"Resource\":[\"arn:aws:s3:::${aws:"
			    "username}-*\"]},{"
			    "\"Effect\":\"Deny\",\"Action\":[\"admin:*\"]}]}");
	policy_set_free(set);
}

static void
a_mongodb_role_is_sorted(void **state)
{
	struct policy_set *set = NULL;
	struct td_err err;
	const struct policy_template *t;

	(void)state;
	assert_int_equal(load(MONGO "description: d\nactions: [insert, find, dbStats]\n",
			      &set, NULL, &err),
			 TD_OK);
	t = policy_set_at(set, 0);
	assert_int_equal(t->kind, POLICY_MONGODB);
	assert_string_equal(t->description, "d");
	assert_int_equal(t->action_count, 3);
	assert_string_equal(t->actions[0], "dbStats");
	assert_string_equal(t->actions[1], "find");
	assert_string_equal(t->actions[2], "insert");
	assert_null(t->roles);
	assert_int_equal(t->role_count, 0);
	assert_null(t->json);
	policy_set_free(set);
}

static void
only_what_is_more_than_reading_is_dangerous(void **state)
{
	struct policy_set *set = NULL;
	struct td_err err;

	(void)state;
	assert_int_equal(load(MONGO "roles: [read]\n", &set, NULL, &err), TD_OK);
	assert_false(policy_set_at(set, 0)->dangerous);
	policy_set_free(set);
	/* The mark may stand after the roles. */
	assert_int_equal(load(MONGO "roles: [readWrite, dbAdmin]\ndangerous: true\n",
			      &set, NULL, &err),
			 TD_OK);
	assert_true(policy_set_at(set, 0)->dangerous);
	assert_string_equal(policy_set_at(set, 0)->roles[0], "dbAdmin");
	assert_string_equal(policy_set_at(set, 0)->roles[1], "readWrite");
	policy_set_free(set);
}

static void
the_name_holds_the_content(void **state)
{
	/* SHA-256 of "actions find", by sha256sum. */
	static const char sum[] =
		"82250b303eb7febb887a89685d178a9f7a432c88ba7e6f65c55bd504815ceb37";
	struct policy_set *a = NULL;
	struct policy_set *b = NULL;
	struct td_err err;

	(void)state;
	assert_int_equal(load(MONGO "actions: [find]\n", &a, NULL, &err), TD_OK);
	assert_string_equal(policy_set_at(a, 0)->hash, sum);
	assert_memory_equal(policy_set_at(a, 0)->compiled_name, "t-", 2);
	assert_memory_equal(policy_set_at(a, 0)->compiled_name + 2, sum, 12);
	assert_int_equal(strlen(policy_set_at(a, 0)->compiled_name), 14);

	/* Order and comments are not content; actions and roles are not the same. */
	assert_int_equal(
		load("# c\nkind: mongodb\nactions: [find]\nname: t\n", &b, NULL, &err),
		TD_OK);
	assert_string_equal(policy_set_at(b, 0)->compiled_name,
			    policy_set_at(a, 0)->compiled_name);
	policy_set_free(b);
	assert_int_equal(load(MONGO "actions: [find, insert]\n", &b, NULL, &err), TD_OK);
	assert_string_not_equal(policy_set_at(b, 0)->compiled_name,
				policy_set_at(a, 0)->compiled_name);
	policy_set_free(b);
	policy_set_free(a);
}

static void
a_policy_that_minio_would_not_take_is_refused(void **state)
{
	static const char *const known[] = {
		"AbortMultipartUpload",
		"BypassGovernanceRetention",
		"CreateBucket",
		"DeleteBucket",
		"DeleteBucketCors",
		"DeleteBucketPolicy",
		"DeleteObject",
		"DeleteObjectTagging",
		"DeleteObjectVersion",
		"DeleteObjectVersionTagging",
		"ForceDeleteBucket",
		"GetBucketCors",
		"GetBucketLocation",
		"GetBucketNotification",
		"GetBucketObjectLockConfiguration",
		"GetBucketPolicy",
		"GetBucketPolicyStatus",
		"GetBucketTagging",
		"GetBucketVersioning",
		"GetEncryptionConfiguration",
		"GetLifecycleConfiguration",
		"GetObject",
		"GetObjectAttributes",
		"GetObjectLegalHold",
		"GetObjectRetention",
		"GetObjectTagging",
		"GetObjectVersion",
		"GetObjectVersionAttributes",
		"GetObjectVersionForReplication",
		"GetObjectVersionTagging",
		"GetReplicationConfiguration",
		"HeadBucket",
		"ListAllMyBuckets",
		"ListBucket",
		"ListBucketMultipartUploads",
		"ListBucketVersions",
		"ListMultipartUploadParts",
		"ListenBucketNotification",
		"ListenNotification",
		"PutBucketCors",
		"PutBucketNotification",
		"PutBucketObjectLockConfiguration",
		"PutBucketPolicy",
		"PutBucketTagging",
		"PutBucketVersioning",
		"PutEncryptionConfiguration",
		"PutLifecycleConfiguration",
		"PutObject",
		"PutObjectFanOut",
		"PutObjectLegalHold",
		"PutObjectRetention",
		"PutObjectTagging",
		"PutObjectVersionTagging",
		"PutReplicationConfiguration",
		"ReplicateDelete",
		"ReplicateObject",
		"ReplicateTags",
		"ResetBucketReplicationState",
		"RestoreObject",
	};
	struct policy_set *set = NULL;
	struct td_yaml_report report;
	struct td_err err;
	struct td_buf b;

	(void)state;
	td_buf_init(&b, 65536);
	/* 12 statements of every known action on 8 long resources: 30 kB. */
	td_buf_str(&b, "name: t\nstatements:\n");
	for (int st = 0; st < 12; st++) {
		td_buf_str(&b, "- effect: Deny\n  actions:\n");
		for (size_t i = 0; i < COUNT(known); i++)
			td_buf_fmt(&b, "  - s3:%s\n", known[i]);
		td_buf_str(&b, "  resources:\n");
		for (int i = 0; i < 8; i++)
			td_buf_fmt(&b,
				   "  - arn:aws:s3:::${aws:username}-" X16 X16 X16 X16 X16
					   X16 "%d\n",
				   i);
	}
	assert_int_equal(td_buf_rc(&b), TD_OK);
	assert_int_equal(load(td_buf_cstr(&b), &set, &report, &err), TD_INVALID);
	assert_string_equal(
		report.text[0],
		"t.yaml: the policy is longer than the 20480 bytes that MinIO "
		"takes");
	td_buf_done(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_with_line_and_reason),
		cmocka_unit_test(all_mistakes_are_told_at_once),
		cmocka_unit_test(the_platforms_own_form_is_taken),
		cmocka_unit_test(what_is_narrower_than_a_prefix_is_taken),
		cmocka_unit_test(denies_may_be_wide),
		cmocka_unit_test(a_mongodb_role_is_sorted),
		cmocka_unit_test(only_what_is_more_than_reading_is_dangerous),
		cmocka_unit_test(the_name_holds_the_content),
		cmocka_unit_test(a_policy_that_minio_would_not_take_is_refused),
	};

	return cmocka_run_group_tests_name("policies_template", tests, NULL, NULL);
}
