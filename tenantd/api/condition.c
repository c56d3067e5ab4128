/*
 * Conditional requests and paging: the small grammar of headers and query parameters that
 * several handlers share.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

bool
etag_in_list(const char *list, const char *etag)
{
	size_t len = strlen(etag);

	for (;;) {
		list += strspn(list, " \t,");
		if (*list == '\0')
			return false;
		if (*list == '*')
			return true;
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, etag, len) == 0 &&
		    (list[len] == '\0' || list[len] == ',' || list[len] == ' '))
			return true;
		list += strcspn(list, ",");
	}
}

/* "123" in quotes. */
static bool
version_of(const char *etag, uint64_t *ret_version)
{
	char digits[24];
	size_t len = strlen(etag);

	if (len < 3 || len - 2 >= sizeof(digits) || etag[0] != '"' ||
	    etag[len - 1] != '"')
		return false;
	memcpy(digits, etag + 1, len - 2);
	digits[len - 2] = '\0';
	return api_parse_u64(digits, UINT64_MAX, ret_version);
}

enum td_rc
match_headers(struct req *r, struct engine_op *op, struct td_err *reterr)
{
	const char *match =
		MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "If-Match");
	const char *none =
		MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "If-None-Match");

	if (match != NULL && none != NULL)
		return td_err_set(reterr, TD_INVALID,
				  "If-Match and If-None-Match exclude each other");
	if (none != NULL) {
		if (strcmp(none, "*") != 0)
			return td_err_set(reterr, TD_INVALID, "If-None-Match must be *");
		op->match = ENGINE_IF_NONE_MATCH_ANY;
	}
	if (match != NULL) {
		/* A tag that we never gave out can match nothing. */
		if (!version_of(match, &op->match_version) || op->match_version == 0)
			return td_err_set(reterr, TD_PRECONDITION, "If-Match");
		op->match = ENGINE_IF_MATCH;
	}
	return TD_OK;
}

enum td_rc
page_limit(struct req *r, unsigned *ret_limit, struct td_err *reterr)
{
	const char *text = args_get(&r->args, "limit");
	uint64_t n = API_PAGE_DEFAULT;

	if (text != NULL && (!api_parse_u64(text, API_PAGE_MAX, &n) || n == 0))
		return td_err_set(reterr, TD_INVALID, "limit must be 1 to %d",
				  API_PAGE_MAX);
	*ret_limit = (unsigned)n;
	return TD_OK;
}
