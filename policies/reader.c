/*
 * What every member and every list of a template has in common. What is refused is
 * refused by name wherever people are likely to try it (NotAction, Condition), because
 * "unknown member" would send them looking for the right spelling.
 */
#include "reader.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Spelled in any case, singular or plural: what isolation must not depend on. */
static const char *
refused_member(const char *key)
{
	static const struct {
		const char *name;
		const char *why;
	} table[] = {
		{ "condition",
		  "headers and query parameters of a request can forge what a "
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

void
reader_members(struct reader *r, const struct td_yaml_node *map,
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

	return len <= POLICY_NAME_MAX && s[len] == '\0' && s[0] >= 'a' && s[0] <= 'z';
}

const char *
reader_name(struct reader *r, const struct td_yaml_node *map, const char *member)
{
	const struct td_yaml_node *n = td_yaml_get(map, member);
	char found[64];

	if (n == NULL)
		return NULL;
	if (td_yaml_kind(n) == TD_YAML_SCALAR && is_name(td_yaml_scalar(n)))
		return td_yaml_scalar(n);
	COMPLAIN(r, n,
		 "%s: expected a name of a-z, 0-9 and _ that begins with a letter, at "
		 "most "
		 "%d bytes, found %s",
		 member, POLICY_NAME_MAX, td_yaml_found(n, found));
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
reader_list(struct reader *r, const struct td_yaml_node *map,
	    const struct list_rule *rule, const struct word_list *list)
{
	const char *member = rule->member;
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
		COMPLAIN(r, n, "%s: expected 1 to %zu of them, found %zu", member,
			 list->max, td_yaml_count(n));
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
		else if (rule->check(r, item, rule->st))
			list->words[(*list->count)++] = word;
	}
	if (*list->count > 1)
		qsort(list->words, *list->count, sizeof(*list->words), compare);
}

bool
reader_has(const char *const *words, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}
