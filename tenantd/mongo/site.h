/*
 * Where a replica set is and how it is reached, taken apart from the operator's URI once;
 * and the URIs that libmongoc is given, which are only ever built here, from those parts.
 *
 * Thread rule: immutable after creation; any number of threads.
 */
#pragma once

#include "base/secret.h"

#include <mongoc/mongoc.h>

struct mongo_site;

/* See struct mongo_driver_options for what a URI may hold. TD_INVALID, TD_NOMEM. */
enum td_rc mongo_site_new(const char *uri, const char *ca_file,
			  struct mongo_site **ret_site,
			  struct td_err *reterr) TD_MUST_CHECK;
void mongo_site_free(struct mongo_site *site);
/* The database of tenantd's own user. Borrowed. */
const char *mongo_site_auth_source(const struct mongo_site *site);

/* One member. */
struct mongo_address {
	char host[256];
	uint16_t port;
};

struct mongo_identity {
	const char *username;
	const struct td_secret *password;
	const char *auth_source;
};

/* Bounds of one client. Their sum is what a command on a dead server takes at most. */
struct mongo_times {
	int32_t select_ms;
	int32_t connect_ms;
	int32_t socket_ms;
};

/*
 * at: that member only, whatever its state (directConnection); NULL: the whole set.
 * Always SCRAM-SHA-256. NULL when a part cannot stand in a URI or memory is short. The
 * caller ends it with mongoc_uri_destroy (which wipes it, see mongo_global_init).
 */
mongoc_uri_t *mongo_site_uri(const struct mongo_site *site,
			     const struct mongo_address *at,
			     const struct mongo_identity *who,
			     const struct mongo_times *times);
