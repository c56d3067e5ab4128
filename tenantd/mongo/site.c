/*
 * A URI can make libmongoc do surprising things (ask a cloud's metadata address for
 * credentials, follow DNS records, switch certificate checks off), so only the options
 * listed here pass, and everything else about a connection is said by us.
 */
#include "mongo/site.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct mongo_site {
	mongoc_uri_t *base; /* hosts and accepted options; no credentials */
	char *auth_source;
};

static const char *const known_options[] = {
	MONGOC_URI_REPLICASET,
	MONGOC_URI_TLS,
	MONGOC_URI_SSL,
	MONGOC_URI_TLSCAFILE,
	MONGOC_URI_TLSCERTIFICATEKEYFILE,
	MONGOC_URI_DIRECTCONNECTION,
	MONGOC_URI_AUTHSOURCE,
};

static bool
known(const char *option)
{
	for (size_t i = 0; i < sizeof(known_options) / sizeof(known_options[0]); i++)
		if (strcasecmp(option, known_options[i]) == 0)
			return true;
	return false;
}

static enum td_rc
check(const mongoc_uri_t *uri, struct td_err *reterr)
{
	bson_iter_t it;

	if (mongoc_uri_get_srv_hostname(uri))
		return td_err_set(
			reterr, TD_INVALID,
			"MongoDB: mongodb+srv is not supported; name the members");
	if (mongoc_uri_get_username(uri) || mongoc_uri_get_password(uri))
		return td_err_set(
			reterr, TD_INVALID,
			"MongoDB: credentials belong into files, not into the uri");
	if (mongoc_uri_get_auth_mechanism(uri))
		return td_err_set(reterr, TD_INVALID,
				  "MongoDB: authMechanism is always SCRAM-SHA-256");
	if (mongoc_uri_get_compressors(uri) &&
	    !bson_empty(mongoc_uri_get_compressors(uri)))
		return td_err_set(reterr, TD_INVALID,
				  "MongoDB: unknown option compressors in the uri");
	if (mongoc_read_prefs_get_mode(mongoc_uri_get_read_prefs_t(uri)) !=
	    MONGOC_READ_PRIMARY)
		return td_err_set(reterr, TD_INVALID,
				  "MongoDB: the uri must not choose a read preference");
	if (!bson_iter_init(&it, mongoc_uri_get_options(uri)))
		return td_err_set(reterr, TD_INTERNAL, "MongoDB: options of the uri");
	while (bson_iter_next(&it))
		if (!known(bson_iter_key(&it)))
			return td_err_set(reterr, TD_INVALID,
					  "MongoDB: unknown option %s in the uri",
					  bson_iter_key(&it));
	return TD_OK;
}

enum td_rc
mongo_site_new(const char *text, const char *ca_file, struct mongo_site **ret_site,
	       struct td_err *reterr)
{
	const char *source;
	struct mongo_site *site;
	bson_error_t e;
	enum td_rc rc;

	site = calloc(1, sizeof(*site));
	if (!site)
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory for the uri");
	/* libmongoc's text could quote a password: not taken over. */
	site->base = text ? mongoc_uri_new_with_error(text, &e) : NULL;
	if (!site->base) {
		mongo_site_free(site);
		return td_err_set(
			reterr, TD_INVALID,
			"MongoDB: not a uri mongodb://host[:port][,...]/?options");
	}
	rc = check(site->base, reterr);
	if (rc != TD_OK) {
		mongo_site_free(site);
		return rc;
	}
	source = mongoc_uri_get_auth_source(site->base);
	site->auth_source = strdup(source && *source ? source : "admin");
	if (!site->auth_source ||
	    (ca_file &&
	     (!mongoc_uri_set_option_as_bool(site->base, MONGOC_URI_TLS, true) ||
	      !mongoc_uri_set_option_as_utf8(site->base, MONGOC_URI_TLSCAFILE,
					     ca_file)))) {
		mongo_site_free(site);
		return td_err_set(reterr, TD_INVALID, "MongoDB: the CA file");
	}
	*ret_site = site;
	return TD_OK;
}

void
mongo_site_free(struct mongo_site *site)
{
	if (!site)
		return;
	if (site->base)
		mongoc_uri_destroy(site->base);
	free(site->auth_source);
	free(site);
}

const char *
mongo_site_auth_source(const struct mongo_site *site)
{
	return site->auth_source;
}

/* A URI of one member with the TLS options of the site. */
static mongoc_uri_t *
member_uri(const struct mongo_site *site, const struct mongo_address *at)
{
	static const char *const files[] = { MONGOC_URI_TLSCAFILE,
					     MONGOC_URI_TLSCERTIFICATEKEYFILE };
	bool ok = true, six = strchr(at->host, ':') != NULL;
	mongoc_uri_t *uri;
	char *text;

	text = bson_strdup_printf(six ? "mongodb://[%s]:%u/" : "mongodb://%s:%u/",
				  at->host, (unsigned)at->port);
	uri = mongoc_uri_new(text);
	bson_free(text);
	if (!uri)
		return NULL;
	ok = mongoc_uri_set_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, true);
	if (mongoc_uri_get_tls(site->base))
		ok = ok && mongoc_uri_set_option_as_bool(uri, MONGOC_URI_TLS, true);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		const char *path =
			mongoc_uri_get_option_as_utf8(site->base, files[i], NULL);

		if (path)
			ok = ok && mongoc_uri_set_option_as_utf8(uri, files[i], path);
	}
	if (ok)
		return uri;
	mongoc_uri_destroy(uri);
	return NULL;
}

mongoc_uri_t *
mongo_site_uri(const struct mongo_site *site, const struct mongo_address *at,
	       const struct mongo_identity *who, const struct mongo_times *times)
{
	const char *password = td_secret_bytes(who->password);
	mongoc_uri_t *uri;

	if (strlen(password) != td_secret_len(who->password))
		return NULL;
	uri = at ? member_uri(site, at) : mongoc_uri_copy(site->base);
	if (!uri)
		return NULL;
	if (mongoc_uri_set_username(uri, who->username) &&
	    mongoc_uri_set_password(uri, password) &&
	    mongoc_uri_set_auth_source(uri, who->auth_source) &&
	    mongoc_uri_set_auth_mechanism(uri, "SCRAM-SHA-256") &&
	    mongoc_uri_set_appname(uri, "tenantd") &&
	    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
					   times->select_ms) &&
	    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS,
					   times->connect_ms) &&
	    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
					   times->socket_ms))
		return uri;
	mongoc_uri_destroy(uri);
	return NULL;
}
