/*
 * tenantctl policy ...: the compiler of policy templates, without a daemon. The same code
 * that tenantd loads its templates with, so what passes here passes there.
 */
#include "internal.h"

#include "policies/policy.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *
kind_text(const struct policy_template *t)
{
	return t->kind == POLICY_MINIO ? "minio" : "mongodb";
}

static void
tell_report(const struct td_yaml_report *report, const struct td_err *err)
{
	if (report->count == 0)
		ctl_complain("%s", err->detail);
	for (size_t i = 0; i < report->count; i++)
		ctl_complain("%s", report->text[i]);
	if (report->dropped > 0)
		ctl_complain("and %zu more", report->dropped);
}

/* Loads a file by itself, or a folder as a whole. */
static enum td_rc
load(const char *path, struct policy_set **ret_set)
{
	struct td_yaml_report report;
	struct td_err err = { 0 };
	struct stat st;
	enum td_rc rc;

	td_yaml_report_init(&report);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		rc = policy_set_load(path, ret_set, &report, &err);
	else
		rc = policy_set_load_file(path, ret_set, &report, &err);
	if (rc != TD_OK)
		tell_report(&report, &err);
	return rc;
}

static json_t *
describe(const struct policy_template *t)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "file", t->file, "kind",
			 kind_text(t), "name", t->name, "compiled_name", t->compiled_name,
			 "hash", t->hash, "dangerous", t->dangerous);
}

static void
check_row(struct ctl_table *table, const struct policy_template *t)
{
	char bytes[24] = "";

	if (t->kind == POLICY_MINIO)
		snprintf(bytes, sizeof(bytes), "%zu", t->json_len);
	ctl_table_cell(table, t->file);
	ctl_table_cell(table, t->name);
	ctl_table_cell(table, kind_text(t));
	ctl_table_cell(table, bytes);
	ctl_table_cell(table, t->compiled_name);
	ctl_table_cell(table, t->dangerous ? "yes" : "no");
}

static enum ctl_exit
check_set(struct ctl *c, const struct policy_set *set, struct ctl_table *table)
{
	enum ctl_exit ex = CTL_OK;

	for (size_t i = 0; i < policy_set_count(set) && ex == CTL_OK; i++) {
		const struct policy_template *t = policy_set_at(set, i);

		if (c->set.output == CTL_TABLE) {
			check_row(table, t);
		} else {
			json_t *v = describe(t);

			ex = ctl_print_json(c, v);
			json_decref(v);
		}
	}
	return ex;
}

enum ctl_exit
cmd_policy_check(struct ctl *c)
{
	static const char *const titles[] = { "FILE",  "TEMPLATE",	"KIND",
					      "BYTES", "COMPILED NAME", "DANGEROUS" };
	enum ctl_exit ex = CTL_OK;
	struct ctl_table table;
	bool refused = false;

	ctl_table_init(&table, titles, 6);
	for (size_t i = 0; i < c->args.word_count && ex == CTL_OK; i++) {
		struct policy_set *set = NULL;

		if (load(c->args.words[i], &set) != TD_OK)
			refused = true;
		else
			ex = check_set(c, set, &table);
		policy_set_free(set);
	}
	if (ctl_table_flush(&table, &c->out) != TD_OK)
		ex = CTL_ERROR;
	ctl_table_done(&table);
	if (c->set.quiet)
		td_buf_reset(&c->out);
	if (ex == CTL_OK)
		ex = ctl_flush(c);
	return ex == CTL_OK && refused ? CTL_ERROR : ex;
}

static json_t *
words(const char *const *list, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_string(list[i]));
	return array;
}

/* What the backend is given: MinIO's canned policy (or, for one tenant, the policy of its
 * service accounts), MongoDB's privileges. */
static enum ctl_exit
compiled(const struct policy_template *t, const char *appid, json_t **ret)
{
	enum ctl_exit ex = CTL_OK;
	struct td_err err;
	struct td_buf sa;

	if (t->kind == POLICY_MONGODB) {
		*ret = json_pack("{s:o, s:o}", "actions",
				 words(t->actions, t->action_count), "roles",
				 words(t->roles, t->role_count));
		return CTL_OK;
	}
	if (appid == NULL) {
		*ret = json_loadb(t->json, t->json_len, 0, NULL);
		return CTL_OK;
	}
	td_buf_init(&sa, POLICY_MAX_SA);
	if (policy_minio_sa(t, appid, &sa, &err) == TD_OK)
		*ret = json_loadb(td_buf_cstr(&sa), sa.len, 0, NULL);
	else
		ex = ctl_fail(&err);
	td_buf_done(&sa);
	return ex;
}

static enum ctl_exit
print_compiled(struct ctl *c, const struct policy_template *t)
{
	json_t *policy = NULL;
	json_t *v;
	enum ctl_exit ex = compiled(t, ctl_value(&c->args, "appid"), &policy);

	if (ex != CTL_OK)
		return ex;
	if (c->set.output == CTL_TABLE) {
		char *text = json_dumps(policy, JSON_INDENT(2));

		td_buf_str(&c->out, text != NULL ? text : "");
		td_buf_char(&c->out, '\n');
		free(text);
		json_decref(policy);
		return ctl_flush(c);
	}
	v = describe(t);
	json_object_set_new(v, "policy", policy);
	ex = ctl_print_json(c, v);
	json_decref(v);
	return ex;
}

enum ctl_exit
cmd_policy_compile(struct ctl *c)
{
	struct policy_set *set = NULL;
	enum ctl_exit ex = CTL_OK;

	if (load(c->args.words[0], &set) != TD_OK)
		return CTL_ERROR;
	for (size_t i = 0; i < policy_set_count(set) && ex == CTL_OK; i++)
		ex = print_compiled(c, policy_set_at(set, i));
	policy_set_free(set);
	return ex;
}
