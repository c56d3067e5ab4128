/*
 * Can two tenants meet? An exact search, not a rule of thumb.
 *
 * A pattern with an appid in it is a string of tokens: a literal byte, `?`, `*`, and one
 * token "the k-th character of the appid". Two patterns meet when one string drives both
 * token strings to their ends; that is reachability in a small graph whose nodes are
 * pairs of positions. The appids must differ, which is a condition on the whole path, so
 * it is split into cases that a path can check as it goes: either their lengths differ
 * (nothing to check), or they are of one length and differ at one index m. For the
 * second, the node also holds what the path has seen at m: nothing, one of the two
 * characters, or that they differ. All lengths 3..32 and all m are tried; nearly all of
 * these searches end after a few steps, because a safe pattern forces a mismatch at its
 * first hyphen.
 *
 * Two letters are enough for the characters that nothing forces: the only condition on
 * them is that one pair differs.
 */
#include "template.h"

#include <stdlib.h>
#include <string.h>

#define VARIABLE "${aws:username}"
#define APPID_MIN 3
#define APPID_MAX 32
#define MAX_TOKENS (POLICY_RESOURCE_MAX + APPID_MAX)

enum token_kind { LITERAL, ONE, MANY, APPID };

struct token {
	enum token_kind kind;
	unsigned char value; /* LITERAL: the byte; APPID: the index */
};

/* A pattern with its variable not yet filled in. */
struct pattern {
	struct token token[POLICY_RESOURCE_MAX];
	size_t count;
	size_t variable; /* where the appid goes, when it has one */
	bool has_variable;
};

struct side {
	struct token token[MAX_TOKENS];
	size_t count;
};

/* What a path has seen at index m: nothing, that the appids differ, or a character. */
#define SEEN_NOTHING 0
#define SEEN_DIFFERENT 1
#define SEEN_CHARACTER 2
#define SEEN_COUNT (SEEN_CHARACTER + 36)
#define NO_INDEX APPID_MAX

struct node {
	uint32_t stamp; /* of the search that reached it */
	uint32_t parent;
	unsigned char byte; /* that led here */
	bool consumed;	    /* a byte did */
};

struct search {
	struct side a, b;
	unsigned m; /* index where the appids shall differ; NO_INDEX: lengths do */
	struct node *nodes;
	uint32_t *queue;
	uint32_t tail;
	uint32_t stamp;
};

/* 0..35 for a character that an appid may have, else -1. */
static int
appid_digit(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= '0' && c <= '9')
		return c - '0' + 26;
	return -1;
}

static enum td_rc
parse(const char *text, struct pattern *ret, struct td_err *reterr)
{
	size_t skip = strlen(VARIABLE);

	*ret = (struct pattern){ 0 };
	if (strlen(text) > POLICY_RESOURCE_MAX)
		return td_err_set(reterr, TD_INVALID,
				  "a resource is longer than %d bytes",
				  POLICY_RESOURCE_MAX);
	while (*text != '\0') {
		struct token *t = &ret->token[ret->count];

		if (strncmp(text, VARIABLE, skip) == 0) {
			if (ret->has_variable)
				return td_err_set(reterr, TD_INVALID,
						  "a resource has the variable twice");
			ret->has_variable = true;
			ret->variable = ret->count;
			text += skip;
			continue;
		}
		if (text[0] == '$' && text[1] == '{')
			return td_err_set(reterr, TD_INVALID,
					  "a resource has another variable than "
					  "${aws:username}");
		t->kind = *text == '*' ? MANY : *text == '?' ? ONE : LITERAL;
		t->value = (unsigned char)*text++;
		ret->count++;
	}
	return TD_OK;
}

static void
fill(const struct pattern *p, unsigned length, struct side *ret)
{
	size_t n = 0;

	for (size_t i = 0; i <= p->count; i++) {
		if (p->has_variable && i == p->variable) {
			for (unsigned k = 0; k < length; k++)
				ret->token[n++] =
					(struct token){ APPID, (unsigned char)k };
		}
		if (i < p->count)
			ret->token[n++] = p->token[i];
	}
	ret->count = n;
}

static uint32_t
node_id(const struct search *s, size_t i, size_t j, unsigned seen)
{
	return (uint32_t)((i * (s->b.count + 1) + j) * SEEN_COUNT + seen);
}

static void
reach(struct search *s, uint32_t id, const struct node *how)
{
	if (s->nodes[id].stamp == s->stamp)
		return;
	s->nodes[id] = *how;
	s->nodes[id].stamp = s->stamp;
	s->queue[s->tail++] = id;
}

static bool
takes(const struct token *t, unsigned char byte)
{
	switch (t->kind) {
	case LITERAL:
		return t->value == byte;
	case APPID:
		return appid_digit(byte) >= 0;
	case ONE:
	case MANY:
		break;
	}
	return true;
}

/* What the path has seen after `byte` at these tokens; false when the appids are the same
 * at m. */
static bool
see(const struct search *s, const struct token *a, const struct token *b,
    unsigned char byte, unsigned *seen)
{
	bool at_a = a->kind == APPID && a->value == s->m;
	bool at_b = b->kind == APPID && b->value == s->m;

	if (at_a && at_b)
		return false;
	if (!at_a && !at_b)
		return true;
	/* Each variable stands once, so the second time is the other appid's. */
	unsigned digit = SEEN_CHARACTER + (unsigned)appid_digit(byte);

	if (*seen == digit)
		return false;
	*seen = *seen == SEEN_NOTHING ? digit : SEEN_DIFFERENT;
	return true;
}

static void
consume(struct search *s, size_t i, size_t j, unsigned seen, unsigned char byte)
{
	const struct token *a = &s->a.token[i];
	const struct token *b = &s->b.token[j];
	struct node how = { 0, node_id(s, i, j, seen), byte, true };

	if (!takes(a, byte) || !takes(b, byte) || !see(s, a, b, byte, &seen))
		return;
	reach(s, node_id(s, i + (a->kind != MANY), j + (b->kind != MANY), seen), &how);
}

static void
expand(struct search *s, uint32_t id)
{
	unsigned seen = id % SEEN_COUNT;
	size_t j = id / SEEN_COUNT % (s->b.count + 1);
	size_t i = id / SEEN_COUNT / (s->b.count + 1);
	bool more_a = i < s->a.count;
	bool more_b = j < s->b.count;
	struct node skip = { 0, id, 0, false };

	if (more_a && s->a.token[i].kind == MANY)
		reach(s, node_id(s, i + 1, j, seen), &skip);
	if (more_b && s->b.token[j].kind == MANY)
		reach(s, node_id(s, i, j + 1, seen), &skip);
	if (!more_a || !more_b)
		return;
	if (s->a.token[i].kind == LITERAL) {
		consume(s, i, j, seen, s->a.token[i].value);
	} else if (s->b.token[j].kind == LITERAL) {
		consume(s, i, j, seen, s->b.token[j].value);
	} else {
		consume(s, i, j, seen, 'a');
		consume(s, i, j, seen, 'b');
	}
}

/* Walk back from the end and write down the bytes. */
static void
describe(const struct search *s, uint32_t id, struct policy_witness *w)
{
	unsigned char text[sizeof(w->resource)];
	size_t len = 0;

	*w = (struct policy_witness){ 0 };
	for (;;) {
		const struct node *n = &s->nodes[id];

		if (n->parent == id)
			break;
		if (n->consumed) {
			uint32_t pair = n->parent / SEEN_COUNT;
			const struct token *b = &s->b.token[pair % (s->b.count + 1)];
			const struct token *a = &s->a.token[pair / (s->b.count + 1)];

			/* No shortest path is longer than both token strings. */
			text[len++] = n->byte;
			if (a->kind == APPID)
				w->appid_a[a->value] = (char)n->byte;
			if (b->kind == APPID)
				w->appid_b[b->value] = (char)n->byte;
		}
		id = n->parent;
	}
	for (size_t k = 0; k < len; k++)
		w->resource[k] = (char)text[len - 1 - k];
}

static bool
search_run(struct search *s, struct policy_witness *w)
{
	unsigned start = s->m == NO_INDEX ? SEEN_DIFFERENT : SEEN_NOTHING;
	uint32_t first = node_id(s, 0, 0, start);
	uint32_t end = node_id(s, s->a.count, s->b.count, SEEN_DIFFERENT);
	struct node root = { 0, first, 0, false };

	s->stamp++;
	s->tail = 0;
	reach(s, first, &root);
	for (uint32_t head = 0; head < s->tail; head++) {
		if (s->queue[head] == end) {
			describe(s, end, w);
			return true;
		}
		expand(s, s->queue[head]);
	}
	return false;
}

/* An appid that no pattern holds is any other one. */
static void
invent(char appid[33], const char *other)
{
	if (appid[0] == '\0')
		memcpy(appid, strcmp(other, "aaa") == 0 ? "bbb" : "aaa", 4);
}

static bool
try_lengths(struct search *s, const struct pattern *a, const struct pattern *b,
	    struct policy_witness *w)
{
	unsigned last_a = a->has_variable ? APPID_MAX : APPID_MIN;
	unsigned last_b = b->has_variable ? APPID_MAX : APPID_MIN;
	bool both = a->has_variable && b->has_variable;

	for (unsigned la = APPID_MIN; la <= last_a; la++) {
		fill(a, la, &s->a);
		for (unsigned lb = APPID_MIN; lb <= last_b; lb++) {
			fill(b, lb, &s->b);
			s->m = both && la == lb ? 0 : NO_INDEX;
			do {
				if (search_run(s, w)) {
					invent(w->appid_a, w->appid_b);
					invent(w->appid_b, w->appid_a);
					return true;
				}
			} while (s->m != NO_INDEX && ++s->m < la);
		}
	}
	return false;
}

enum td_rc
policy_patterns_meet(const char *a, const char *b, struct policy_witness *ret_witness,
		     struct td_err *reterr)
{
	struct pattern pa, pb;
	struct policy_witness w;
	struct search s = { 0 };
	enum td_rc rc = parse(a, &pa, reterr);

	if (rc == TD_OK)
		rc = parse(b, &pb, reterr);
	if (rc != TD_OK)
		return rc;
	fill(&pa, APPID_MAX, &s.a);
	fill(&pb, APPID_MAX, &s.b);
	size_t nodes = (s.a.count + 1) * (s.b.count + 1) * SEEN_COUNT;

	s.nodes = calloc(nodes, sizeof(*s.nodes));
	s.queue = calloc(nodes, sizeof(*s.queue));
	if (s.nodes == NULL || s.queue == NULL)
		rc = td_err_set(reterr, TD_NOMEM, "out of memory comparing resources");
	else if (try_lengths(&s, &pa, &pb, &w))
		rc = td_err_set(reterr, TD_CONFLICT,
				"the tenants %s and %s would both reach %s", w.appid_a,
				w.appid_b, w.resource);
	free(s.nodes);
	free(s.queue);
	if (rc == TD_CONFLICT && ret_witness != NULL)
		*ret_witness = w;
	return rc;
}

static enum td_rc
check_pair(const struct allowed *a, const struct allowed *b,
	   struct td_yaml_report *report, struct td_err *reterr)
{
	struct td_err err;
	enum td_rc rc = policy_patterns_meet(a->resource, b->resource, NULL, &err);

	if (rc == TD_CONFLICT || rc == TD_INVALID) {
		td_yaml_complain(report, NULL, NULL, "%s: resource %.60s%s%s: %s",
				 a->file, a->resource, b == a ? "" : " with that of ",
				 b == a ? "" : b->file, err.detail);
		return TD_OK;
	}
	if (rc != TD_OK && reterr != NULL)
		*reterr = err;
	return rc;
}

/* Is all that it matches the tenant's own, whoever the tenant is? */
static bool
is_within_own(const char *resource)
{
	return strncmp(resource, POLICY_OWN_SPACE, strlen(POLICY_OWN_SPACE) - 1) == 0;
}

enum td_rc
overlap_check(const struct allowed *list, size_t count, struct td_yaml_report *report,
	      struct td_err *reterr)
{
	static const struct allowed own = { POLICY_OWN_SPACE, "every tenant" };
	enum td_rc rc = TD_OK;

	for (size_t i = 0; rc == TD_OK && i < count; i++) {
		rc = check_pair(&list[i], &own, report, reterr);
		/* What does not meet a tenant's own space meets nothing within it: only
		 * pairs of which neither is within remain. */
		for (size_t j = i; rc == TD_OK && j < count; j++) {
			if (!is_within_own(list[i].resource) &&
			    !is_within_own(list[j].resource))
				rc = check_pair(&list[i], &list[j], report, reterr);
		}
	}
	return rc == TD_OK ? td_yaml_report_rc(report, reterr) : rc;
}
