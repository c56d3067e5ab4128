/*
 * What a template grants. Every action is looked up in a table (actions.c), every
 * resource must lie within the tenant's own space by its form; whether that holds for
 * all tenants is then searched for (overlap.c), and where it does not, the complaint
 * shows two of them.
 */
#include "reader.h"

#include "actions.h"

#include <string.h>
#include <strings.h>

#define ARN "arn:aws:s3:::"
#define VARIABLE "${aws:username}"
#define EVERYTHING ARN "*"

/* ---- minio ---- */

static bool
check_s3_action(struct reader *r, const struct td_yaml_node *n,
		const struct statement *st)
{
	const char *name = td_yaml_scalar(n);
	const struct action *a = action_s3(name);

	if (st->deny && (strcmp(name, "s3:*") == 0 || strcmp(name, "admin:*") == 0))
		return true;
	if (strchr(name, '*') != NULL || strchr(name, '?') != NULL)
		COMPLAIN(r, n,
			 "actions: %.60s is refused: a wildcard %s; name every action",
			 name,
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

/*
 * What is wrong with the resource of an Allow statement, or NULL. Checked before two
 * tenants are compared, so that the reason names the mistake and not its effect.
 */
static const char *
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
		COMPLAIN(
			r, n,
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
	reader_members(r, map, members, sizeof(members) / sizeof(members[0]));
	read_effect(r, map, &st->deny);
	reader_list(r, map, &(struct list_rule){ "actions", check_s3_action, st },
		    &(struct word_list){ st->actions, &st->action_count, MAX_ACTIONS });
	reader_list(
		r, map, &(struct list_rule){ "resources", check_resource, st },
		&(struct word_list){ st->resources, &st->resource_count, MAX_RESOURCES });
	st->admin = reader_has(st->actions, st->action_count, "admin:*");
	resources = td_yaml_get(map, "resources");
	/* MinIO refuses the mix, and ignores an administrative statement's resources. */
	if (st->admin && (st->action_count > 1 || resources != NULL))
		COMPLAIN(r, map,
			 "admin:* stands in a statement of its own, without resources");
	if (!st->admin && resources == NULL)
		COMPLAIN(r, map, "resources is missing");
}

void
grant_minio(struct reader *r, const struct td_yaml_node *root)
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

void
grant_mongodb(struct reader *r, const struct td_yaml_node *root)
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
		reader_list(r, root,
			    &(struct list_rule){ "actions", check_mongodb_action, NULL },
			    &list);
		t->pub.actions = t->words;
		t->pub.action_count = t->word_count;
	} else {
		reader_list(r, root,
			    &(struct list_rule){ "roles", check_mongodb_role, NULL },
			    &list);
		t->pub.roles = t->words;
		t->pub.role_count = t->word_count;
	}
}
