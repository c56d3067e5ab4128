/*
 * Inside the API: what its files share. Not for other rooms.
 *
 * One struct api_thread per core owns everything that belongs to its connections: requests,
 * waiting lists, deadlines, counters. Other threads reach it through thread_post() and
 * thread_touch() only. So nothing here needs a lock but that mailbox.
 */
#pragma once

#include "api.h"
#include "audit.h"
#include "decode.h"
#include "metrics.h"
#include "render.h"
#include "route.h"

#include "base/log.h"
#include "base/pulse.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#define API_MAX_LISTENERS 16
#define API_MAX_THREADS 64
#define API_MAX_REGIONS ENGINE_REGIONS_MAX
#define API_MAX_WAIT_S 60
/* Requests of one thread that may be suspended at once; more are 429. */
#define API_MAX_WAITING 20000
#define API_MAX_OPS 1024
/* A refused body up to this size is read and dropped, so that the connection lives on. */
#define API_DISCARD_MAX 65536
/* A reply is at most so long: 1,000 rows of the largest kind. */
#define API_REPLY_MAX (8U << 20)
#define API_PAGE_MAX 1000
#define API_PAGE_DEFAULT 100
/* Records that one list request looks at, so that a rare filter cannot hold the thread. */
#define API_SCAN_MAX 5000
#define API_SHOWN_BUCKETS 100
#define API_ADDRESS_SIZE 48
#define API_REQUEST_ID_SIZE 33
#define API_TOKEN_LEN 47 /* "tnd_" and 43 characters */

struct api_thread;

/* What ends a connection that takes too long; one list each, in the order of deadlines. */
enum conn_phase {
	CONN_HEADER,  /* reading a header (or the TLS handshake) */
	CONN_BODY,    /* reading a body */
	CONN_SENDING, /* the client takes the answer */
	CONN_IDLE,    /* between two requests */
	CONN_PHASES,
	CONN_HANDLED = CONN_PHASES /* ours: no deadline */
};

struct conn {
	TAILQ_ENTRY(conn) link; /* in the list of its phase */
	struct api_thread *thread;
	const struct listener *listener;
	int fd;
	enum conn_phase phase;
	int64_t deadline;
	char address[API_ADDRESS_SIZE];
};
TAILQ_HEAD(conn_list, conn);

/* A bound address; every thread serves a dup() of its socket. */
struct listener {
	char name[33];
	int fd;
	unsigned routes;
	bool is_unix;
	char *path; /* of a unix socket; removed at the end */
	char bound[128];
	char *tls_cert, *tls_key, *tls_ca; /* PEM texts, NULL: none */
	int64_t tls_not_after;		   /* of tls_cert, seconds since 1970 */
};

/* Why a waiting request goes on. */
enum wake {
	WAKE_CHANGED, /* its tenant was touched */
	WAKE_TIMEOUT,
};

struct req;
typedef void (*req_wake_fn)(struct req *r, enum wake why);
typedef void (*req_done_fn)(struct req *r);

#define HEAP_NONE SIZE_MAX

struct req {
	/* ---- cleared for every request, up to `keep` ---- */
	struct api_thread *t;
	struct conn *conn;
	struct MHD_Connection *mhd;    /* NULL: the connection is gone */
	const struct api_route *route; /* NULL: none matched */
	struct MHD_Response *response; /* made, not queued yet */
	unsigned status;
	bool in_handler; /* inside MHD's callback: replies are queued at once */
	bool suspended;
	bool op_pending; /* engine or store will call back */
	bool answered;	 /* a reply was made; further ones are dropped */
	bool no_bearer_ok;
	bool discard;	     /* the body is read and dropped, then `error` answered */
	bool body_over;	     /* it grew over its ceiling */
	struct td_err error; /* rc: what the dispatcher found wrong before the handler */
	int64_t started;
	size_t body_seen;
	struct req_args args;
	struct rec_token token; /* who; valid when authed */
	bool authed;
	unsigned char token_hash[TD_SHA256_LEN];
	/* waiting */
	LIST_ENTRY(req) waiter; /* of its appid's bucket */
	bool in_waiters;
	char wait_appid[DRV_APPID_SIZE];
	int64_t wait_until; /* mono ms; 0 = no wait was asked for */
	size_t heap_index;
	req_wake_fn on_wake;
	req_done_fn on_done; /* engine or store called back */
	/* credentials */
	enum api_format format;
	bool recorded; /* the durable audit entry is written */
	/* bucket delete without purge: the answer depends on the outcome */
	bool expect_gone;
	unsigned ok_status; /* of the reply after a mutation */
	/* ---- not cleared ---- */
	char keep;
	char id[API_REQUEST_ID_SIZE];
	struct req_path path;
	struct td_buf body;
	struct td_buf audit; /* encoded entry of a mutation */
	struct api_tenant_body tenant_body;
	struct engine_op_result
		result; /* of the engine, or rc/err/version of the store */
	char secret[API_TOKEN_LEN + 1]; /* a new token; wiped */
	struct rec_token new_token;
	char scope[REC_SCOPE_SIZE]; /* of the mode that is being set */
	struct rec_brake new_brake;
	struct engine_budget_state new_budget;
	STAILQ_ENTRY(req) post;
	LIST_ENTRY(req) all;
};
LIST_HEAD(req_list, req);
STAILQ_HEAD(req_queue, req);

/* Things counted by key and told to the audit once a minute. */
#define AGG_ENTRIES 256
struct agg_entry {
	uint8_t action; /* 0: free */
	uint8_t role;
	uint32_t count;
	char appid[DRV_APPID_SIZE];
	char token_id[17];
	char address[API_ADDRESS_SIZE];
};

#define WAIT_BUCKETS 1024
#define TOUCH_MAX 1024

struct api_thread {
	struct api *api;
	unsigned index;
	pthread_t tid;
	bool started;
	int epfd;
	int evfd;
	struct MHD_Daemon *daemons[API_MAX_LISTENERS];
	int daemon_fd[API_MAX_LISTENERS]; /* MHD's epoll */
	struct daemon_ctx {
		struct api_thread *thread;
		const struct listener *listener;
	} daemon_ctx[API_MAX_LISTENERS];
	bool daemon_due[API_MAX_LISTENERS];
	int64_t now; /* monotonic, of this turn of the loop */

	struct conn_list conns[CONN_PHASES];
	struct req_list reqs; /* in use */
	struct req_queue free_reqs;
	unsigned free_count;
	struct req_list waiters[WAIT_BUCKETS];
	unsigned ops; /* op_pending ones */
	struct req **heap;
	size_t heap_len, heap_cap;

	/* mailbox */
	pthread_mutex_t lock;
	struct req_queue posts;
	char (*touched)[DRV_APPID_SIZE];
	unsigned touched_len;
	bool touched_all;    /* did not fit, or regions changed */
	atomic_uint waiting; /* requests in waiters: others skip a thread without any */

	struct spool *spool;
	struct td_buf scratch;	     /* replies are rendered here; wiped */
	struct td_buf audit_scratch; /* encoded entries */
	struct rec_cred cred;	     /* plaintext, wiped after each use */
	unsigned char random[512];
	size_t random_left;

	struct agg_entry agg[AGG_ENTRIES];
	uint64_t agg_lost;
	unsigned agg_used;
	int64_t agg_due;
	atomic_bool agg_writing;

	struct metrics metrics;
	struct td_pulse pulse;
	int64_t log_since; /* of log_count: failed requests in this second */
	unsigned log_count;
	bool stopping;
	int64_t stop_deadline;
};

/* Connections by address; conn.c. */
#define IP_BUCKETS 256
struct ip_count;
LIST_HEAD(ip_list, ip_count);

struct sites { /* immutable */
	size_t count;
	unsigned refresh_seconds;
	struct api_site site[API_MAX_REGIONS];
};

struct api {
	struct store *store;
	struct seal *seal;
	struct spool_set *spools;
	struct engine *engine;
	struct td_wall *wall;
	struct denymap *denymap;
	const struct td_env *env;
	struct api_limits limits;
	enum api_audit_reads audit_reads;
	enum td_rc (*ready)(void *ctx, struct td_err *reterr);
	void *ready_ctx;
	char version[32];
	_Atomic(const struct sites *) sites;
	const struct sites *old_sites[64]; /* replaced by reloads; freed at the end */
	unsigned old_count;
	size_t listener_count;
	struct listener listeners[API_MAX_LISTENERS];
	unsigned thread_count;
	struct api_thread *threads;
	atomic_bool stopping;
	bool stopped;
	atomic_uint connections;
	pthread_mutex_t ip_lock;
	struct ip_list ips[IP_BUCKETS];
	int64_t started_ms; /* wall clock */
};

/* ---- listen.c ---- */
enum td_rc listener_open(const struct api_listener *opt, struct listener *l,
			 struct td_err *reterr) TD_MUST_CHECK;
void listener_close(struct listener *l);

/* ---- loop.c ---- */
/* Thread main; ctx is struct api_thread. */
void *thread_main(void *ctx);
/* From any thread: the owner runs r->on_done soon. */
void thread_post(struct req *r);
/* From any thread: the tenant changed. appid NULL: all waiters look. */
void thread_touch(struct api_thread *t, const char *appid);
void thread_kick(struct api_thread *t);

/* ---- conn.c ---- */
enum MHD_Result conn_accept(void *cls, const struct sockaddr *addr, socklen_t addrlen);
void conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
		 enum MHD_ConnectionNotificationCode code);
void *conn_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
struct conn *conn_of(struct MHD_Connection *mhd);
void conn_set_phase(struct conn *c, enum conn_phase phase);
/* End those over their deadline; gives the next deadline, INT64_MAX: none. */
int64_t conn_expire(struct api_thread *t);
/* Cut all that are in a phase (of stopping). */
void conn_cut(struct api_thread *t, enum conn_phase phase);
void conn_ips_free(struct api *api);

/* ---- dispatch.c ---- */
enum MHD_Result dispatch(void *cls, struct MHD_Connection *mhd, const char *url,
			 const char *method, const char *version, const char *upload_data,
			 size_t *upload_data_size, void **con_cls);
void dispatch_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			enum MHD_RequestTerminationCode toe);
/* Free for good; at the end. */
void req_free(struct req *r);

/* ---- reply.c ---- */
struct reply {
	unsigned status;
	const char *type;	  /* content type; NULL: application/json */
	const char *etag;	  /* with quotes; NULL: none */
	const char *allow;	  /* 405 */
	const char *location;	  /* 201 */
	unsigned retry_after;	  /* seconds; 0: none */
	const char *authenticate; /* 401 */
};
/* Answer with bytes of a buffer (copied; the caller wipes its own). */
void req_reply(struct req *r, const struct reply *how, const struct td_buf *body);
/* Answer with no body: 204, 304. */
void req_reply_empty(struct req *r, unsigned status, const char *etag);
/* A problem document. err may be NULL; its detail is shown only for codes that speak of
 * the client's own input. code: a more exact one, NULL or "": that of rc. */
void req_problem(struct req *r, enum td_rc rc, const struct td_err *err,
		 const char *code);
/* Answer with what is static, without copying. */
void req_reply_static(struct req *r, const struct reply *how, const void *data,
		      size_t len);

/* ---- wait.c ---- */
/* Begin to wait for changes of an appid until r->wait_until, or hear that it is too much
 * (TD_RATE_LIMITED). The request is suspended after the callback returns. */
enum td_rc wait_begin(struct req *r, const char *appid, req_wake_fn fn) TD_MUST_CHECK;
void wait_end(struct req *r);
/* Wake all waiters of an appid (NULL: all). */
void wait_touch(struct api_thread *t, const char *appid);
/* Wake what is over its time; gives the next deadline, INT64_MAX: none. */
int64_t wait_expire(struct api_thread *t);
/* Parse ?wait= (or n seconds given) into r->wait_until. */
void wait_set(struct req *r, uint64_t seconds);

/* ---- async.c ---- */
/* Hand an operation on the tenant (and bucket) of the path over, under the conditions of
 * the headers and with its audit entry; on_done runs on this thread with r->result filled. The
 * answer is given here when it cannot be: also when too many are under way. What op points
 * to must live in r. */
void req_order(struct req *r, struct engine_op *op, enum api_audit_action action,
	       const char *detail, req_done_fn on_done);
/* Takes the commit, always. */
enum td_rc req_commit(struct req *r, struct store_commit *c,
		      req_done_fn on_done) TD_MUST_CHECK;

/* A commit that expects an appid's tombstone to be absent has failed: answer why. */
void req_problem_retired(struct req *r);

/* ---- auth.c ---- */
/* Who asks: fills r->token. TD_UNAUTHENTICATED, or what the store says. */
enum td_rc auth_request(struct req *r, struct td_err *reterr) TD_MUST_CHECK;
/* The same token once more, after a wait: it may have been revoked. */
enum td_rc auth_again(struct req *r, struct td_err *reterr) TD_MUST_CHECK;

/* ---- h_token.c ---- */
/* Delete a token's record and both entries of it in indexes, on the condition that the entry
 * by id still has this version. */
void token_remove(struct store_commit *c, const struct rec_token *rec,
		  const unsigned char hash[TD_SHA256_LEN], uint64_t version);

/* ---- agg.c ---- */
struct agg_key {
	enum api_audit_action action;
	const char *appid, *token_id, *address; /* "" where it does not matter */
	uint8_t role;
};
void agg_count(struct api_thread *t, const struct agg_key *key);
/* Write what is due; gives the next time to call, INT64_MAX: none. */
int64_t agg_flush(struct api_thread *t, int64_t now);

/* ---- audit.c ---- */
/* Fill an entry from the request: who, from where, what id. */
void audit_fill(const struct req *r, enum api_audit_action action, struct rec_audit *ret);

/* ---- condition.c ---- */
/* Does a list of entity tags ("a", W/"b", *) hold this one? Weak comparison. */
bool etag_in_list(const char *list, const char *etag);
/* If-Match and If-None-Match of a PUT, DELETE or POST into the operation. */
enum td_rc match_headers(struct req *r, struct engine_op *op,
			 struct td_err *reterr) TD_MUST_CHECK;
/* `limit` of a list; TD_INVALID when it is not 1 to API_PAGE_MAX. */
enum td_rc page_limit(struct req *r, unsigned *ret_limit,
		      struct td_err *reterr) TD_MUST_CHECK;

/* ---- handlers ---- */
#define API_HANDLER(name) void name(struct req *r)
API_HANDLER(h_tenant_put);
API_HANDLER(h_tenant_get);
API_HANDLER(h_tenant_delete);
API_HANDLER(h_tenant_suspend);
API_HANDLER(h_tenant_resume);
API_HANDLER(h_tenant_undelete);
API_HANDLER(h_tenant_list);
API_HANDLER(h_bucket_put);
API_HANDLER(h_bucket_get);
API_HANDLER(h_bucket_delete);
API_HANDLER(h_bucket_list);
API_HANDLER(h_token_create);
API_HANDLER(h_token_list);
API_HANDLER(h_token_get);
API_HANDLER(h_token_delete);
API_HANDLER(h_credentials);
API_HANDLER(h_audit_list);
API_HANDLER(h_mode_list);
API_HANDLER(h_mode_get);
API_HANDLER(h_mode_put);
API_HANDLER(h_budget_list);
API_HANDLER(h_approve);
API_HANDLER(h_plan);
API_HANDLER(h_healthz);
API_HANDLER(h_readyz);
API_HANDLER(h_metrics);
API_HANDLER(h_openapi);

/* Embedded docs/api/openapi.yaml. */
extern const unsigned char api_openapi[], api_openapi_end[];

const struct sites *api_sites(struct api *api);
const struct api_site *api_site_find(const struct sites *s, const char *region);
