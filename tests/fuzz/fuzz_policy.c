/*
 * Template files of any bytes. Whatever the loader takes must be safe whoever wrote it:
 * valid JSON of the right size, every Allow within the tenant's own space, no action that
 * is refused by name, the same bytes when loaded again.
 */
#include "policies/actions.h"
#include "policies/policy.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)                                                                    \
	do {                                                                             \
		if (!(what))                                                             \
			abort();                                                         \
	} while (0)

static void
check_allow(json_t *statement)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(statement, "Action"), i, item)
	{
		const struct action *a = action_s3(json_string_value(item));

		REQUIRE(a != NULL && a->class != ACTION_REFUSED);
	}
	REQUIRE(json_array_size(json_object_get(statement, "Resource")) > 0);
	json_array_foreach(json_object_get(statement, "Resource"), i, item)
	{
		const char *r = json_string_value(item);

		REQUIRE(strncmp(r, "arn:aws:s3:::${aws:username}-", 29) == 0);
		REQUIRE(strstr(r + 29, "${") == NULL);
		REQUIRE(policy_patterns_meet(r, POLICY_OWN_SPACE, NULL, NULL) == TD_OK);
	}
}

static void
check_minio(const struct policy_template *t)
{
	json_t *root = json_loadb(t->json, t->json_len, JSON_REJECT_DUPLICATES, NULL);
	json_t *statement;
	struct td_buf sa;
	bool allows = false;
	size_t i;

	REQUIRE(root != NULL && t->json_len <= POLICY_MAX_CANNED);
	REQUIRE(policy_json_same(t->json, t->json_len, t->json, t->json_len));
	json_array_foreach(json_object_get(root, "Statement"), i, statement)
	{
		const char *effect =
			json_string_value(json_object_get(statement, "Effect"));

		REQUIRE(effect != NULL);
		if (strcmp(effect, "Allow") != 0)
			continue;
		allows = true;
		check_allow(statement);
	}
	json_decref(root);
	td_buf_init(&sa, POLICY_MAX_CANNED * 4);
	if (policy_minio_sa(t, "abc123", &sa, NULL) == TD_OK) {
		REQUIRE(allows && sa.len <= POLICY_MAX_SA);
		REQUIRE(strstr(td_buf_cstr(&sa), "${") == NULL);
		root = json_loadb((const char *)sa.data, sa.len, 0, NULL);
		REQUIRE(root != NULL);
		json_decref(root);
	}
	td_buf_done(&sa);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct td_yaml_text text = { "fuzz.yaml", data, size };
	struct policy_set *set = NULL;
	struct policy_set *again = NULL;
	struct td_yaml_report report;
	struct td_err err;
	enum td_rc rc = policy_set_load_memory(&text, 1, &set, &report, &err);

	/* Other bytes may show other paths of the comparison. */
	(void)policy_json_same(data, size, data, size);
	if (rc != TD_OK) {
		REQUIRE(rc == TD_INVALID && report.count > 0 && err.detail[0] != '\0');
		return 0;
	}
	REQUIRE(policy_set_count(set) == 1);
	const struct policy_template *t = policy_set_at(set, 0);

	if (t->kind == POLICY_MINIO)
		check_minio(t);
	else
		REQUIRE((t->action_count == 0) != (t->role_count == 0));
	REQUIRE(policy_set_load_memory(&text, 1, &again, NULL, &err) == TD_OK);
	REQUIRE(strcmp(policy_set_at(again, 0)->compiled_name, t->compiled_name) == 0);
	policy_set_free(again);
	policy_set_free(set);
	return 0;
}
