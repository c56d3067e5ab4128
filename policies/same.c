/*
 * Equality of two policy documents. Both are brought into one normal form and compared as
 * text: strings where a list may stand become lists, lists are sorted and lose their
 * duplicates, objects are written with sorted members. Nothing is left out, so whatever
 * MinIO added or lost shows.
 */
#include "policy.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Deeper than any policy; what is deeper is not one of ours. */
#define MAX_DEPTH 12

/* Members that hold one string or a list of them. */
static bool
is_list_member(const char *key)
{
	static const char *const names[] = { "Action",	    "NotAction", "Resource",
					     "NotResource", "AWS",	 "Statement" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], key) == 0)
			return true;
	}
	return false;
}

static bool normalise(json_t *v, unsigned depth, struct td_buf *out);

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The elements' normal forms, sorted, without duplicates. */
static bool
normalise_list(json_t *list, unsigned depth, struct td_buf *out)
{
	size_t count = json_array_size(list);
	char **texts = calloc(count + 1, sizeof(*texts));
	size_t done = 0;

	for (; texts != NULL && done < count; done++) {
		struct td_buf b;
		bool ok;

		td_buf_init(&b, POLICY_MAX_CANNED * 4);
		ok = normalise(json_array_get(list, done), depth, &b);
		texts[done] = ok ? strdup(td_buf_cstr(&b)) : NULL;
		td_buf_done(&b);
		if (texts[done] == NULL)
			break;
	}
	bool ok = texts != NULL && done == count;

	if (ok) {
		qsort(texts, count, sizeof(*texts), compare);
		td_buf_char(out, '[');
		for (size_t i = 0; i < count; i++) {
			if (i > 0 && strcmp(texts[i], texts[i - 1]) == 0)
				continue;
			td_buf_str(out, texts[i]);
			td_buf_char(out, ',');
		}
		td_buf_char(out, ']');
	}
	for (size_t i = 0; i < done; i++)
		free(texts[i]);
	free(texts);
	return ok;
}

static bool
normalise_member(const char *key, json_t *v, unsigned depth, struct td_buf *out)
{
	bool ok;

	td_buf_json(out, key, strlen(key));
	td_buf_char(out, ':');
	if (strcmp(key, "Principal") == 0 && json_is_string(v)) {
		td_buf_str(out, "{\"AWS\":[");
		ok = normalise(v, depth, out);
		td_buf_str(out, ",],},");
		return ok;
	}
	if (is_list_member(key) && !json_is_array(v)) {
		td_buf_char(out, '[');
		ok = normalise(v, depth, out);
		td_buf_str(out, ",],");
		return ok;
	}
	ok = normalise(v, depth, out);
	td_buf_char(out, ',');
	return ok;
}

/* jansson keeps members in the order of the text; asking for them by sorted key makes the
 * order ours. Quadratic in the members of one object, of which a policy has a handful. */
static bool
normalise_object(json_t *object, unsigned depth, struct td_buf *out)
{
	const char *last = NULL;
	const char *next;
	bool ok = true;

	td_buf_char(out, '{');
	do {
		next = NULL;
		void *iter = json_object_iter(object);

		for (; iter != NULL; iter = json_object_iter_next(object, iter)) {
			const char *key = json_object_iter_key(iter);

			if ((last == NULL || strcmp(key, last) > 0) &&
			    (next == NULL || strcmp(key, next) < 0))
				next = key;
		}
		if (next != NULL)
			ok = normalise_member(next, json_object_get(object, next), depth,
					      out);
		last = next;
	} while (ok && next != NULL);
	td_buf_char(out, '}');
	return ok;
}

static bool
normalise(json_t *v, unsigned depth, struct td_buf *out)
{
	char *text;

	if (depth >= MAX_DEPTH)
		return false;
	if (json_is_object(v))
		return normalise_object(v, depth + 1, out);
	if (json_is_array(v))
		return normalise_list(v, depth + 1, out);
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	if (text == NULL)
		return false;
	td_buf_str(out, text);
	free(text);
	return true;
}

static bool
normal_form(const void *text, size_t len, struct td_buf *out)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	bool ok = json_is_object(root) && normalise(root, 0, out) &&
		  td_buf_rc(out) == TD_OK;

	json_decref(root);
	return ok;
}

bool
policy_json_same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	struct td_buf na, nb;
	bool same;

	td_buf_init(&na, POLICY_MAX_CANNED * 4);
	td_buf_init(&nb, POLICY_MAX_CANNED * 4);
	same = normal_form(a, a_len, &na) && normal_form(b, b_len, &nb) &&
	       na.len == nb.len && memcmp(na.data, nb.data, na.len) == 0;
	td_buf_done(&na);
	td_buf_done(&nb);
	return same;
}
