/*
 * With error API version 2 (set on every client) whatever the server says has a domain of
 * its own, so a code is never taken for one of libmongoc's. The one exception is a login:
 * a refusal and a cut connection have the same domain and code and differ by text only.
 */
#include "mongo/err.h"

#include <mongoc/mongoc.h>
#include <string.h>

static const struct {
	uint32_t code;
	enum td_rc rc;
} server_codes[] = {
	{ 6, TD_UNREACHABLE },	   /* HostUnreachable */
	{ 7, TD_UNREACHABLE },	   /* HostNotFound */
	{ 11, TD_NOT_FOUND },	   /* UserNotFound */
	{ 13, TD_BACKEND_AUTH },   /* Unauthorized */
	{ 18, TD_BACKEND_AUTH },   /* AuthenticationFailed */
	{ 24, TD_CONFLICT },	   /* LockTimeout */
	{ 31, TD_NOT_FOUND },	   /* RoleNotFound */
	{ 46, TD_CONFLICT },	   /* LockBusy */
	{ 50, TD_TIMEOUT },	   /* MaxTimeMSExpired */
	{ 64, TD_TIMEOUT },	   /* WriteConcernFailed: wtimeout */
	{ 89, TD_UNREACHABLE },	   /* NetworkTimeout */
	{ 91, TD_UNREACHABLE },	   /* ShutdownInProgress */
	{ 100, TD_UNREACHABLE },   /* UnsatisfiableWriteConcern: too few members */
	{ 112, TD_CONFLICT },	   /* WriteConflict */
	{ 117, TD_CONFLICT },	   /* ConflictingOperationInProgress */
	{ 189, TD_UNREACHABLE },   /* PrimarySteppedDown */
	{ 202, TD_TIMEOUT },	   /* NetworkInterfaceExceededTimeLimit */
	{ 215, TD_CONFLICT },	   /* DatabaseDropPending */
	{ 262, TD_TIMEOUT },	   /* ExceededTimeLimit */
	{ 391, TD_BACKEND_AUTH },  /* ReauthenticationRequired */
	{ 9001, TD_UNREACHABLE },  /* SocketException */
	{ 10107, TD_UNREACHABLE }, /* NotWritablePrimary */
	{ 11600, TD_UNREACHABLE }, /* InterruptedAtShutdown */
	{ 11601, TD_CONFLICT },	   /* Interrupted */
	{ 11602, TD_UNREACHABLE }, /* InterruptedDueToReplStateChange */
	{ 13435, TD_UNREACHABLE }, /* NotPrimaryNoSecondaryOk */
	{ 13436, TD_UNREACHABLE }, /* NotPrimaryOrSecondary */
	{ 51002, TD_EXISTS },	   /* role */
	{ 51003, TD_EXISTS },	   /* user */
};

static enum td_rc
server_rc(uint32_t code)
{
	for (size_t i = 0; i < sizeof(server_codes) / sizeof(server_codes[0]); i++)
		if (server_codes[i].code == code)
			return server_codes[i].rc;
	return TD_BACKEND_REFUSED;
}

bool
mongo_err_login_refused(const bson_error_t *e)
{
	return e->domain == MONGOC_ERROR_CLIENT &&
	       e->code == MONGOC_ERROR_CLIENT_AUTHENTICATE &&
	       strcmp(e->message, "Authentication failed.") == 0;
}

enum td_rc
mongo_err(const bson_error_t *e, const char *what, enum mongo_err_text text,
	  struct td_err *reterr)
{
	bool from_server = e->domain == MONGOC_ERROR_SERVER ||
			   e->domain == MONGOC_ERROR_WRITE_CONCERN;
	enum td_rc rc;

	if (from_server)
		rc = server_rc(e->code);
	else if (mongo_err_login_refused(e))
		rc = TD_BACKEND_AUTH;
	else if (e->domain == MONGOC_ERROR_STREAM ||
		 e->domain == MONGOC_ERROR_SERVER_SELECTION ||
		 e->domain == MONGOC_ERROR_PROTOCOL || e->domain == MONGOC_ERROR_CLIENT ||
		 e->domain == MONGOC_ERROR_SASL || e->domain == MONGOC_ERROR_SCRAM)
		rc = TD_UNREACHABLE;
	else
		rc = TD_INTERNAL;
	if (text == MONGO_ERR_TEXT)
		td_err_set(reterr, rc, "MongoDB: %s: %s (%u/%u)", what, e->message,
			   e->domain, e->code);
	else
		td_err_set(reterr, rc, "MongoDB: %s failed (%u/%u)", what, e->domain,
			   e->code);
	if (reterr)
		reterr->upstream_status = from_server ? (int)e->code : 0;
	return rc;
}

bool
mongo_rc_passing(enum td_rc rc)
{
	return rc == TD_UNREACHABLE || rc == TD_CONFLICT || rc == TD_TIMEOUT;
}
