/*
 * The environment of a program run by `exec`. What tenantd sends is read by the rules of the
 * shell for single quotes ('\'' is one), and by nothing more: no variable, no command is
 * ever expanded.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_MAX 8192

/* A program that was given a tenant's credentials is not shown the way to the token that
 * fetched them. */
static const char *const ours[] = { "TENANTD_TOKEN_FILE", "TENANTD_TOKEN",
				    "TENANTD_STATE" };

static bool
has_key(const char *entry, const char *key, size_t len)
{
	return strncmp(entry, key, len) == 0 && entry[len] == '=';
}

static bool
is_ours(const char *entry)
{
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (has_key(entry, ours[i], strlen(ours[i])))
			return true;
	return false;
}

static void
wipe(char *entry)
{
	if (entry != NULL)
		explicit_bzero(entry, strlen(entry));
	free(entry);
}

void
ctl_environ_free(char **env)
{
	if (env == NULL)
		return;
	for (size_t i = 0; env[i] != NULL; i++)
		wipe(env[i]);
	free(env);
}

static bool
name_char(char c, bool first)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

/* One line, KEY='value' up to its newline, into out as KEY=value; *text moves past it. */
static bool
read_line(const char **text, struct td_buf *out)
{
	const char *p = *text;

	td_buf_reset(out);
	while (name_char(*p, p == *text))
		td_buf_char(out, *p++);
	if (p == *text || *p != '=')
		return false;
	td_buf_char(out, *p++);
	while (*p != '\n' && *p != '\0') {
		if (p[0] == '\\' && p[1] == '\'') {
			td_buf_char(out, '\'');
			p += 2;
			continue;
		}
		if (*p++ != '\'')
			return false;
		while (*p != '\'' && *p != '\0')
			td_buf_char(out, *p++);
		if (*p++ != '\'')
			return false;
	}
	*text = *p == '\n' ? p + 1 : p;
	return td_buf_rc(out) == TD_OK;
}

/* Takes entry; replaces the one with the same key. list has room. */
static void
put_entry(char **list, size_t *count, char *entry)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < *count; i++) {
		if (has_key(list[i], entry, len)) {
			wipe(list[i]);
			list[i] = entry;
			return;
		}
	}
	list[(*count)++] = entry;
	list[*count] = NULL;
}

static size_t
lines_of(const char *text)
{
	size_t n = 1;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static enum td_rc
add_new(const char *text, char **list, size_t *count, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;
	struct td_buf line;

	td_buf_init_secret(&line, ENTRY_MAX);
	for (unsigned number = 1; *text != '\0' && rc == TD_OK; number++) {
		char *entry;

		/* The line itself may hold a secret: only its number is told. */
		if (!read_line(&text, &line)) {
			rc = td_err_set(reterr, TD_INVALID,
					"credentials: line %u is not KEY='value'",
					number);
			break;
		}
		entry = strdup(td_buf_cstr(&line));
		if (entry == NULL)
			rc = td_err_set(reterr, TD_NOMEM, "out of memory");
		else
			put_entry(list, count, entry);
	}
	td_buf_done(&line);
	return rc;
}

enum td_rc
ctl_environ_make(const char *text, char *const old[], char ***ret, struct td_err *reterr)
{
	size_t count = 0, room = lines_of(text) + 1;
	enum td_rc rc = TD_OK;
	char **list;

	for (size_t i = 0; old[i] != NULL; i++)
		room++;
	list = calloc(room, sizeof(list[0]));
	if (list == NULL)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	for (size_t i = 0; old[i] != NULL && rc == TD_OK; i++) {
		if (is_ours(old[i]))
			continue;
		list[count] = strdup(old[i]);
		if (list[count++] == NULL)
			rc = td_err_set(reterr, TD_NOMEM, "out of memory");
	}
	if (rc == TD_OK)
		rc = add_new(text, list, &count, reterr);
	if (rc != TD_OK) {
		ctl_environ_free(list);
		return rc;
	}
	*ret = list;
	return TD_OK;
}
