/* What documents of system.users and system.roles say. */
#include "mongo/users.h"
#include "mongo/work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define APPID "abc123"
#define INSTANCE "0123456789abcdef0123456789abcdef"
#define MARK "'customData':{'tenantd':'" INSTANCE "','appid':'abc123'}"
#define ROLES "'roles':[{'role':'tenantd_app','db':'abc123'}]"

/* JSON with ' for ". */
static bson_t *
doc(const char *json)
{
	char text[1024];
	bson_error_t e;
	bson_t *b;

	assert_true(strlen(json) < sizeof(text));
	for (size_t i = 0; i <= strlen(json); i++)
		text[i] = json[i] == '\'' ? '"' : json[i];
	b = bson_new_from_json((const uint8_t *)text, -1, &e);
	if (!b)
		fail_msg("%s: %s", e.message, text);
	return b;
}

static const struct {
	const char *json;
	bool ok, marked, has_role, has_others;
	const char *why;
} users[] = {
	{ "{'user':'abc123','db':'abc123'," ROLES "," MARK "}", true, true, true, false,
	  "one of ours" },
	{ "{'user':'abc123.b','db':'abc123'," ROLES "," MARK "}", true, true, true, false,
	  "the other slot" },
	{ "{'user':'abc123','db':'abc123'," ROLES "}", true, false, true, false,
	  "no mark" },
	{ "{'user':'abc123','db':'abc123',"
	  "'customData':{'tenantd':'ffffffffffffffffffffffffffffffff','appid':'abc123'}}",
	  true, false, false, false, "the mark of another instance" },
	{ "{'user':'abc123','db':'abc123','customData':{'tenantd':'" INSTANCE "',"
	  "'appid':'abc124'}}",
	  true, false, false, false, "our mark, copied from another tenant" },
	{ "{'user':'abc123','db':'abc123','customData':{'tenantd':true,'appid':1}}", true,
	  false, false, false, "marks of other types" },
	{ "{'user':'abc123','db':'abc123','customData':'" INSTANCE "'}", true, false,
	  false, false, "customData that is no document" },
	{ "{'user':'abc123','db':'abc123','roles':[{'role':'tenantd_app','db':'other'}]}",
	  true, false, false, true, "the role of another database" },
	{ "{'user':'abc123','db':'abc123','roles':[{'role':'tenantd_app','db':'abc123'},"
	  "{'role':'root','db':'admin'}]}",
	  true, false, true, true, "one role more" },
	{ "{'user':'abc123','db':'abc123','roles':['root']}", true, false, false, true,
	  "a role that is no document" },
	{ "{'user':'abc123','db':'other'}", false, false, false, false,
	  "another database" },
	{ "{'db':'abc123'}", false, false, false, false, "no name" },
	{ "{}", false, false, false, false, "nothing" },
};

static void
test_users(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		bson_t *d = doc(users[i].json);
		struct mongo_user u = { 0 };
		bool ok = mongo_user_parse(d, APPID, INSTANCE, &u);

		if (ok != users[i].ok || u.marked != users[i].marked ||
		    u.has_role != users[i].has_role ||
		    u.has_others != users[i].has_others)
			fail_msg("%s: ok %d marked %d role %d others %d", users[i].why,
				 ok, u.marked, u.has_role, u.has_others);
		bson_destroy(d);
	}
}

static void
test_user_id(void **state)
{
	bson_t *d = doc("{'user':'abc123','db':'abc123','userId':{'$binary':{'base64':"
			"'AAECAwQFBgcICQoLDA0ODw==','subType':'04'}}}");
	bson_t *bad = doc("{'user':'abc123','db':'abc123','userId':{'$binary':{'base64':"
			  "'AAEC','subType':'04'}}}");
	struct mongo_user u;

	(void)state;
	assert_true(mongo_user_parse(d, APPID, INSTANCE, &u));
	assert_string_equal(u.id, "00010203-0405-0607-0809-0a0b0c0d0e0f");
	assert_true(mongo_user_parse(bad, APPID, INSTANCE, &u));
	assert_string_equal(u.id, "");
	bson_destroy(d);
	bson_destroy(bad);
}

#define P(actions) "{'resource':{'db':'abc123','collection':''},'actions':[" actions "]}"

static const char *const find_insert[] = { "find", "insert" };
static const char *const read_write[] = { "readWrite" };

static const struct {
	const char *json;
	const char *const *actions;
	size_t action_count;
	const char *const *roles;
	size_t role_count;
	bool same, takes_away, empty;
	const char *why;
} roles[] = {
	{ "{'privileges':[" P("'find','insert'") "],'roles':[]}", find_insert, 2, NULL, 0,
	  true, false, false, "as it should be" },
	{ "{'privileges':[" P("'insert','find'") "],'roles':[]}", find_insert, 2, NULL, 0,
	  true, false, false, "in another order" },
	{ "{'privileges':[" P("'insert'") "," P("'find'") "],'roles':[]}", find_insert, 2,
	  NULL, 0, true, false, false, "in two parts" },
	{ "{'privileges':[" P("'find'") "],'roles':[]}", find_insert, 2, NULL, 0, false,
	  false, false, "too little" },
	{ "{'privileges':[" P("'find','find'") "],'roles':[]}", find_insert, 2, NULL, 0,
	  false, false, false, "twice the same is not two" },
	{ "{'privileges':[" P("'find','insert','remove'") "],'roles':[]}", find_insert, 2,
	  NULL, 0, false, true, false, "too much" },
	{ "{'privileges':[{'resource':{'db':'other','collection':''},'actions':['find',"
	  "'insert']}],'roles':[]}",
	  find_insert, 2, NULL, 0, false, true, false, "on another database" },
	{ "{'privileges':[{'resource':{'db':'abc123','collection':'x'},'actions':['find',"
	  "'insert']}],'roles':[]}",
	  find_insert, 2, NULL, 0, false, true, false, "on one collection" },
	{ "{'privileges':[{'resource':{'cluster':true},'actions':['find','insert']}],'"
	  "roles':"
	  "[]}",
	  find_insert, 2, NULL, 0, false, true, false, "on the cluster" },
	{ "{'privileges':[{'resource':{'db':'abc123'},'actions':['find','insert']}]}",
	  find_insert, 2, NULL, 0, false, true, false, "a resource without collection" },
	{ "{'privileges':[],'roles':[]}", find_insert, 2, NULL, 0, false, false, true,
	  "suspended" },
	{ "{'privileges':[],'roles':[]}", NULL, 0, NULL, 0, true, false, true,
	  "suspended, as it should be" },
	{ "{'privileges':[" P("'find'") "],'roles':[]}", NULL, 0, NULL, 0, false, true,
	  false, "should be suspended" },
	{ "{'privileges':[],'roles':[{'role':'readWrite','db':'abc123'}]}", NULL, 0,
	  read_write, 1, true, false, false, "a built-in role" },
	{ "{'privileges':[],'roles':[{'role':'readWrite','db':'other'}]}", NULL, 0,
	  read_write, 1, false, true, false, "of another database" },
	{ "{'privileges':[" P("'find'") "],'roles':[{'role':'readWrite','db':'abc123'}]}",
	  find_insert, 2, NULL, 0, false, true, false, "a built-in role that must go" },
	{ "{'privileges':[],'roles':[]}", NULL, 0, read_write, 1, false, false, true,
	  "a built-in role is missing" },
};

static void
test_roles(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		struct mongo_rights rights = { .actions = roles[i].actions,
					       .action_count = roles[i].action_count,
					       .roles = roles[i].roles,
					       .role_count = roles[i].role_count };
		bson_t *d = doc(roles[i].json);
		struct mongo_rights_diff diff = mongo_role_compare(d, APPID, &rights);

		if (diff.same != roles[i].same ||
		    diff.takes_away != roles[i].takes_away ||
		    diff.empty != roles[i].empty)
			fail_msg("%s: same %d takes away %d empty %d", roles[i].why,
				 diff.same, diff.takes_away, diff.empty);
		bson_destroy(d);
	}
}

/* An empty list would end the sessions of every tenant: refused before anything is sent
 * (there are no connections here to send it by). */
static void
test_nobodys_sessions(void **state)
{
	static const char *const nameless[] = { "" };
	static const char *const null[] = { NULL };
	struct mongo_op op = { .appid = APPID, .instance_id = INSTANCE };

	(void)state;
	assert_int_equal(mongo_work_end(&op, NULL, 0, NULL), TD_INVALID);
	assert_int_equal(mongo_work_end(&op, nameless, 0, NULL), TD_INVALID);
	assert_int_equal(mongo_work_end(&op, nameless, 1, NULL), TD_INVALID);
	assert_int_equal(mongo_work_end(&op, null, 1, NULL), TD_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_user_id),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_nobodys_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
