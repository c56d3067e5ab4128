/*
 * Reading one file: complaints with their line, members of a mapping, lists of words.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "template.h"

struct reader {
	struct tmpl *t;
	struct td_yaml_report *report;
	bool failed;
};

#define COMPLAIN(r, node, ...)                                                           \
	do {                                                                             \
		(r)->failed = true;                                                      \
		td_yaml_complain((r)->report, (r)->t->doc, (node), __VA_ARGS__);         \
	} while (0)

struct member {
	const char *name;
	bool required;
};

/* Every key of a mapping is one of `members`, and those required are there. */
void reader_members(struct reader *r, const struct td_yaml_node *map,
		    const struct member *members, size_t count);

/* The text of a member that is a template name, or NULL (told, unless it is absent). */
const char *reader_name(struct reader *r, const struct td_yaml_node *map,
			const char *member);

struct word_list {
	const char **words;
	size_t *count;
	size_t max;
};

/* Tells what is wrong with one word; false when it did. st: the statement that it is
 * for, NULL when it is for none. */
typedef bool (*word_check)(struct reader *r, const struct td_yaml_node *n,
			   const struct statement *st);

/* What a list of words must be: each once, each passing `check`. */
struct list_rule {
	const char *member;
	word_check check;
	const struct statement *st;
};

/* A member that is a sequence of texts (nothing is done when it is absent), sorted into
 * *list. */
void reader_list(struct reader *r, const struct td_yaml_node *map,
		 const struct list_rule *rule, const struct word_list *list);

bool reader_has(const char *const *words, size_t count, const char *word);

/* The two kinds' own members. */
void grant_minio(struct reader *r, const struct td_yaml_node *root);
void grant_mongodb(struct reader *r, const struct td_yaml_node *root);
