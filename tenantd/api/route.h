/*
 * The table of routes, and finding one in it.
 *
 * Thread rule: constant data, pure functions.
 */
#pragma once

#include "store/records.h"

struct req;

#define API_ROLE(r) (1U << REC_ROLE_##r)
#define API_ANYONE 0U /* no token needed */

#define API_ROUTE_ARGS 5

enum api_route_flags {
	/* A token of role `tenant` is let in for its own {appid} only. */
	API_OWN_TENANT = 1,
	/* `Authorization: tnd_...` without the word Bearer is taken too. */
	API_BARE_TOKEN = 2,
	/* Query parameters that the route does not know are ignored, not refused. */
	API_ANY_ARGS = 4,
};

struct api_route {
	const char *method; /* GET also answers HEAD */
	const char
		*pattern; /* "/v1/tenants/{appid}": {appid}, {name} (of a bucket), {id},
			      * {region}, {resource} */
	unsigned roles;	  /* of API_ROLE, or API_ANYONE */
	unsigned sets;	  /* of enum api_routes */
	unsigned flags;
	size_t body_max;		  /* 0: no body is taken */
	const char *args[API_ROUTE_ARGS]; /* query parameters, NULL at the end */
	void (*handler)(struct req *r);
	const char *doc_id; /* operationId in docs/api/openapi.yaml */
};

/* Path parameters. */
struct req_path {
	char appid[DRV_APPID_SIZE];
	char name[DRV_BUCKET_NAME_SIZE]; /* {name}, {region}, {resource} */
	char id[17];
};

/* Query parameters, borrowed from the HTTP library. value "" when there is none. */
#define API_ARGS_MAX 8
struct req_args {
	unsigned count;
	struct {
		const char *name;
		const char *value;
	} arg[API_ARGS_MAX];
};
const char *args_get(const struct req_args *args, const char *name); /* NULL: not there */

extern const struct api_route api_route_table[];
extern const size_t api_route_count;

/*
 * Find the route. TD_OK; TD_NOT_FOUND: no such path in these sets; TD_METHOD: another
 * method has it, then allow (size ALLOW_SIZE) gets the list for the header. A parameter that
 * does not fit is left empty.
 */
#define ALLOW_SIZE 48
enum td_rc route_find(const char *method, const char *path, unsigned sets,
		      const struct api_route **ret_route, struct req_path *ret_path,
		      char allow[ALLOW_SIZE]) TD_MUST_CHECK;
