/*
 * Where tenantd is and who we are there. An option wins over the environment, that over what
 * a tenantd on this machine wrote into its state folder, that over the default. A token is
 * only ever read from a file: argv and the environment can be read by others.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_STATE "/var/lib/tenantd"
#define DEFAULT_URL "http://127.0.0.1:8460"
#define DEFAULT_TIMEOUT_MS 30000
#define MAX_TIMEOUT_MS (24 * 3600 * 1000)

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* False when it does not fit. */
static bool
put(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

enum td_rc
ctl_url_set(const char *url, struct ctl_settings *set, struct td_err *reterr)
{
	const char *host;
	size_t len;

	if (strncmp(url, "unix:", 5) == 0) {
		if (url[5] != '/' ||
		    !put(set->unix_socket, sizeof(set->unix_socket), url + 5))
			return td_err_set(reterr, TD_INVALID,
					  "%s: expected unix:/PATH of a socket", url);
		snprintf(set->url, sizeof(set->url), "http://localhost");
		return TD_OK;
	}
	if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else
		host = "";
	/* A password in the URL would be seen in argv, a path would be lost. */
	len = strcspn(host, "/?#@");
	if (len == 0 || (host[len] != '\0' && strcmp(host + len, "/") != 0) ||
	    !put(set->url, sizeof(set->url), url))
		return td_err_set(
			reterr, TD_INVALID,
			"%s: expected http://HOST[:PORT], https://HOST[:PORT] or "
			"unix:/PATH",
			url);
	if (host[len] == '/')
		set->url[strlen(set->url) - 1] = '\0';
	set->unix_socket[0] = '\0';
	return TD_OK;
}

bool
ctl_listener_pick(const char *text, struct ctl_settings *set)
{
	char first[300] = "";
	char line[300];
	char url[320];

	for (const char *next; *text != '\0'; text = next) {
		size_t len = strcspn(text, "\n");
		char *address;

		next = text + len + (text[len] == '\n');
		if (len == 0 || len >= sizeof(line))
			continue;
		memcpy(line, text, len);
		line[len] = '\0';
		address = strchr(line, ' ');
		if (address == NULL)
			continue;
		*address++ = '\0';
		if (first[0] == '\0' || strcmp(line, "control") == 0)
			snprintf(first, sizeof(first), "%s", address);
		if (strcmp(line, "control") == 0)
			break;
	}
	if (first[0] == '\0')
		return false;
	if (first[0] == '/')
		snprintf(url, sizeof(url), "unix:%s", first);
	else
		snprintf(url, sizeof(url), "%s%s",
			 strstr(first, "://") != NULL ? "" : "http://", first);
	return ctl_url_set(url, set, NULL) == TD_OK;
}

/* False when there is none or it says nothing. */
static bool
listener_file(const char *state, struct ctl_settings *set)
{
	char path[512];
	char text[4096];
	size_t len = 0;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/listeners", state) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	return strlen(text) == len && ctl_listener_pick(text, set);
}

static enum td_rc
read_url(const struct ctl_args *args, const char *state, struct ctl_settings *set,
	 struct td_err *reterr)
{
	const char *url = ctl_value(args, "url");

	if (url == NULL)
		url = environment("TENANTD_URL");
	if (url == NULL && listener_file(state, set))
		return TD_OK;
	return ctl_url_set(url != NULL ? url : DEFAULT_URL, set, reterr);
}

static enum td_rc
read_output(const struct ctl_args *args, struct ctl_settings *set, struct td_err *reterr)
{
	const char *output = ctl_value(args, "output");

	if (output == NULL || strcmp(output, "table") == 0)
		set->output = CTL_TABLE;
	else if (strcmp(output, "json") == 0)
		set->output = CTL_JSON;
	else
		return td_err_set(reterr, TD_INVALID,
				  "--output %s: expected table or json", output);
	return TD_OK;
}

enum td_rc
ctl_settings_read(const struct ctl_args *args, struct ctl_settings *ret,
		  struct td_err *reterr)
{
	struct ctl_settings set = { .timeout_ms = DEFAULT_TIMEOUT_MS };
	const char *state = environment("TENANTD_STATE");
	const char *token = ctl_value(args, "token-file");
	const char *timeout = ctl_value(args, "timeout");
	enum td_rc rc;

	if (state == NULL)
		state = DEFAULT_STATE;
	if (token == NULL)
		token = environment("TENANTD_TOKEN_FILE");
	if (token != NULL
		    ? !put(set.token_file, sizeof(set.token_file), token)
		    : snprintf(set.token_file, sizeof(set.token_file), "%s/admin.token",
			       state) >= (int)sizeof(set.token_file))
		return td_err_set(reterr, TD_INVALID,
				  "the path of the token file is too long");
	if (timeout != NULL && ctl_duration(timeout, &set.timeout_ms, NULL) != TD_OK)
		return td_err_set(reterr, TD_INVALID,
				  "--timeout %s: expected a time such as 30, 30s or 2m",
				  timeout);
	if (set.timeout_ms > MAX_TIMEOUT_MS)
		set.timeout_ms = MAX_TIMEOUT_MS;
	set.ca_file = ctl_value(args, "ca-file");
	set.quiet = ctl_has(args, "quiet");
	rc = read_output(args, &set, reterr);
	if (rc == TD_OK)
		rc = read_url(args, state, &set, reterr);
	if (rc == TD_OK)
		*ret = set;
	return rc;
}
