/*
 * The HTTP API: listeners, authentication, the routes of docs/api/openapi.yaml.
 *
 * Life: api_admin_token (first start), api_new (binds all listeners; nothing is served
 * yet), api_start (threads run, requests are answered), api_stop, then engine_free,
 * spool_close and store_close, and api_free last: engine and store may still call back
 * into it until they are closed. main owns that order.
 *
 * Thread rule: api_new, api_start, api_stop and api_free from one thread; the other
 * functions from any thread.
 */
#pragma once

#include "base/wall.h"
#include "engine/denymap.h"
#include "engine/engine.h"
#include "store/spool.h"

struct api;

/* Which routes a listener has; others are 404 there. */
enum api_routes {
	API_ROUTES_RUNTIME = 1, /* credentials only */
	API_ROUTES_CONTROL = 2,
	API_ROUTES_INGEST = 4,
	API_ROUTES_OPS = 8, /* health, metrics, openapi.yaml */
};

enum api_listener_kind { API_TCP, API_UNIX };

struct api_listener {
	const char *name; /* unique; "control" */
	enum api_listener_kind kind;
	const char *address; /* TCP: a numeric address, "127.0.0.1", "::1" */
	uint16_t port;	     /* TCP: 0 = a free one, see api_listener_bound */
	const char *path;    /* UNIX: made anew; a stale socket is removed */
	unsigned mode;	     /* UNIX: of the socket, e.g. 0660 */
	unsigned routes;     /* of enum api_routes, at least one */
	/* TLS when tls_cert is set. PEM files, read by api_new. */
	const char *tls_cert;
	const char *tls_key;
	const char
		*tls_client_ca; /* optional: clients are asked for a certificate of this
				    * CA. None is required and none is judged yet: nothing
				    * may be granted for it */
};

struct api_limits {
	unsigned max_connections;	 /* over all listeners; 0 = 4096 */
	unsigned max_connections_per_ip; /* 0 = no limit */
	size_t header_bytes;		 /* request line and headers; 0 = 8192 */
	int64_t header_ms; /* from the connect or request line to the end of the header,
			    * whatever drips meanwhile; 0 = 10,000 */
	int64_t body_ms;   /* for the body, and for taking the answer; 0 = 30,000 */
	int64_t idle_ms;   /* between two requests; 0 = 75,000 */
};

/* What pods of a region are told. */
struct api_region {
	const char *name;
	const char *s3_region;	      /* "us-east-1" */
	const char *gateway_internal; /* "http://10.0.0.5:9000" */
	const char *gateway_external;
	const char *mongodb_hosts;	 /* "h1:27017,h2:27017" */
	const char *mongodb_replica_set; /* NULL or "": none */
	bool mongodb_tls;
	const char *volume_driver; /* NULL: none */
};

/* How a credential read's audit record is kept before the answer goes out. */
enum api_audit_reads {
	API_AUDIT_SPOOL,  /* in the memory-mapped spool: survives kill -9 */
	API_AUDIT_DURABLE /* in the store, durable: survives a power cut, is slower */
};

struct api_options {
	const struct api_listener *listeners;
	size_t listener_count; /* 1..16 */
	unsigned threads;      /* 0 = one per core, at most 64; see api_threads() */
	struct api_limits limits;
	struct store *store; /* borrowed, like all pointers below */
	struct seal *seal;
	struct spool_set *spools; /* at least api_threads(threads) of them */
	struct engine *engine;
	struct td_wall *wall;	 /* until api_stop; NULL: nothing is told of it */
	struct denymap *denymap; /* until api_stop; NULL: there is none */
	const struct td_env *env;
	const struct api_region *regions; /* copied */
	size_t region_count;
	unsigned refresh_seconds; /* of format=aws; 0 = 3600 */
	enum api_audit_reads audit_reads;
	/* More to say in /readyz, or NULL: TD_OK, or what is not ready. Called often, from
	 * API threads: must be quick. */
	enum td_rc (*ready)(void *ctx, struct td_err *reterr);
	void *ready_ctx;
	const char *version; /* "0.1.0" */
};

/* How many API threads (and so spools) `threads` means on this machine. */
unsigned api_threads(unsigned threads);

/*
 * Bind the listeners and prepare the threads. TD_INVALID: an option or a TLS file that
 * cannot be; TD_IO with errno: an address that cannot be bound; TD_NOMEM.
 */
enum td_rc api_new(const struct api_options *opt, struct api **ret_api,
		   struct td_err *reterr) TD_MUST_CHECK;
/* Serve. Fails only when threads or file descriptors cannot be had. */
enum td_rc api_start(struct api *api, struct td_err *reterr) TD_MUST_CHECK;
/*
 * Stop serving: new connections are refused, those that wait are answered with 503, running
 * mutations are waited for (at most 10 s) and answered, threads are joined. Idempotent.
 * NULL is ok.
 */
void api_stop(struct api *api);
/* After api_stop, engine_free and store_close. NULL is ok. */
void api_free(struct api *api);

/* Asks every API thread for a sign of life, and wakes it; the longest time in milliseconds
 * that one of them has owed an answer (base/pulse.h), 0: none does. Between api_start and
 * api_stop, by one watcher. */
int64_t api_pulse(struct api *api, int64_t now_mono);

/* Where listener i is bound: "127.0.0.1:41234", "[::1]:41234", or the path of a unix
 * socket. Borrowed; NULL past the end. */
const char *api_listener_bound(const struct api *api, size_t i);

/* Change regions and refresh_seconds after a reload: regions are copied,
 * credential ETags change with them, long polls are woken. */
enum td_rc api_set_regions(struct api *api, const struct api_region *regions,
			   size_t region_count, unsigned refresh_seconds,
			   struct td_err *reterr) TD_MUST_CHECK;

/*
 * When the store holds no token at all, make an admin token: its hash goes to the store,
 * the token itself to `path` (mode 0400, replaced atomically, synced before the store
 * commit, so that a crash in between makes another one). Otherwise nothing.
 */
enum td_rc api_admin_token(struct store *store, const struct td_env *env,
			   const char *path, struct td_err *reterr) TD_MUST_CHECK;

/* How long an expired token is still listed. It is refused from its expiry on. */
#define API_TOKEN_KEEP_MS (INT64_C(7) * 24 * 3600 * 1000)

/* Where the walk over all tokens stands; zero at first. */
struct api_token_prune {
	char after[17];
};
/*
 * Go a bounded step on the walk over all tokens: those that expired API_TOKEN_KEEP_MS before
 * now_ms (the believed time: base/wall.h) or longer ago are deleted, in one STORE_RESERVE commit with an audit entry each; the very last
 * token stays (see api_admin_token). *ret_pruned: how many. After the last token the walk
 * begins again: at->after is then "". Fails as the store does; what was passed over comes up
 * again in the next round. One thread per walk.
 */
enum td_rc api_prune_tokens(struct store *store, int64_t now_ms,
			    struct api_token_prune *at, unsigned *ret_pruned,
			    struct td_err *reterr) TD_MUST_CHECK;

/*
 * Deletes the records of modes that expired before now_ms (the believed time), at most 200,
 * in one STORE_RESERVE commit with an audit entry each. *ret_pruned: how many. Fails as the
 * store does. One thread at a time.
 */
enum td_rc api_prune_modes(struct store *store, int64_t now_ms, unsigned *ret_pruned,
			   struct td_err *reterr) TD_MUST_CHECK;
