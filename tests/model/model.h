/*
 * The model: the stepper and its operations against backends in memory, a virtual clock
 * and a seed that picks every interleaving, fault and crash. See README.md.
 *
 * One struct world is one history. Single thread; no global state.
 */
#pragma once

#include "tenant/budget.h"
#include "tenant/tenant.h"

#include <stdint.h>
#include <stdio.h>

#define M_TENANTS 4
#define M_BUCKETS 5 /* short names per tenant: b0 ... */
#define M_CALLS (M_TENANTS * DRV_RESOURCE_COUNT)
#define M_JOBS 64
#define M_LATE 64
#define M_LOG 160 /* requests of one call */
#define M_PLANS 3

#define M_LATE_MS 5000
#define M_GRACE_MS 20000
#define M_BACKOFF_MIN_MS 500
#define M_BACKOFF_MAX_MS 20000
#define M_PROBE_MS 2000
/* Settled within this time after the last fault, or it has not converged. */
#define M_CALM_MS (15 * 60 * 1000)

/* Our mark, and one of others. */
#define M_OURS "0123456789abcdef0123456789abcdef"
#define M_THEIRS "theirs"

/* ---- chance and time (random.c) ---- */

struct world;

uint64_t m_rand(struct world *w);
/* Uniform in [0, n). */
unsigned m_below(struct world *w, unsigned n);
/* True in `n` of 1,000. */
bool m_chance(struct world *w, unsigned n);

/* ---- backends (object.c, database.c, volume.c) ---- */

enum m_policy { M_POL_NONE, M_POL_FULL, M_POL_FENCED, M_POL_SUSPENDED };

struct m_user {
	bool exists;
	bool foreign;
	bool enabled;
	bool op_disabled; /* by the operator's hand, and by nobody since */
	enum m_policy policy;
	char secret[80];
};

struct m_sa {
	bool exists;
	char key[24];
	char secret[80];
	char parent[DRV_APPID_SIZE];
	unsigned denied; /* bits of buckets that its policy denies */
};
#define M_SAS 4 /* per tenant, over its whole life */

struct m_bucket {
	bool exists;
	bool foreign;
	char mark[40];
	int mode; /* effective: enum drv_bucket_mode, or M_MODE_RW_FENCED */
	uint64_t quota;
	unsigned objects;
};
#define M_MODE_RW_FENCED 3

struct m_db {
	bool role;
	bool foreign;
	char mark[40];
	enum m_policy access; /* of the role */
	bool user;
	char password[80];
	unsigned data;
};

struct m_volume {
	bool exists;
	bool foreign;
	uint64_t bytes;
};

/* Everything that the backends hold under one appid. */
struct m_site {
	struct m_user user;
	struct m_sa sa[M_SAS];
	struct m_bucket bucket[M_BUCKETS];
	struct m_db db;
	struct m_volume volume;
};

enum m_verb {
	M_USER_INFO,
	M_USER_ADD,
	M_USER_STATUS,
	M_USER_POLICY,
	M_USER_LOGIN,
	M_USER_DEL,
	M_SA_INFO,
	M_SA_ADD,
	M_SA_POLICY,
	M_SA_LOGIN,
	M_SA_DEL,
	M_BUCKET_INFO,
	M_BUCKET_MAKE,
	M_BUCKET_MARK,
	M_BUCKET_MODE,
	M_BUCKET_QUOTA,
	M_BUCKET_EMPTY,
	M_BUCKET_DEL,
	M_DB_INFO,
	M_DB_ROLE,
	M_DB_USER_ADD,
	M_DB_USER_DEL,
	M_DB_LOGIN,
	M_DB_DROP,
	M_VOL_INFO,
	M_VOL_MAKE,
	M_VOL_DEL,
	M_VERB_COUNT
};

/* One request to a backend: the atom of what can happen. */
struct m_request {
	enum m_verb verb;
	unsigned tenant;
	unsigned bucket;
	int value;
	uint64_t number;
	char key[24];
	char secret[80];
};
struct m_reply {
	enum td_rc rc;
	bool present;
	int value;  /* policy, mode, role access */
	int status; /* enabled, user there */
	uint64_t number;
	unsigned count;
	char mark[40];
};

enum drv_resource m_verb_resource(enum m_verb verb);
const char *m_verb_text(enum m_verb verb);
bool m_verb_changes(enum m_verb verb);
/* Take effect, now and atomically. */
void m_execute(struct world *w, const struct m_request *q, struct m_reply *r);

/* ---- one driver call (call.c) ---- */

/*
 * A driver is a plain function over m_ask(). To stop it between any two requests it is run
 * again from its start for every request, with the replies so far taken from a log; the
 * first one that is not in the log is made, the next one gives M_HALT.
 */
#define M_HALT ((enum td_rc)(TD_RC_COUNT + 1))

struct m_call {
	bool used;
	unsigned tenant;
	struct tenant_action *action; /* owned */
	struct td_secret *secret[DRV_SLOT_COUNT];
	char key_id[DRV_SLOT_COUNT][DRV_KEY_ID_SIZE];
	struct m_reply log[M_LOG];
	unsigned logged;
	unsigned cursor; /* of this run */
	bool performed;	 /* this run has made its request */
	bool peek;	 /* tell the next request in `next`, do not make it */
	bool peeked;
	struct m_request next;
	bool gated;	    /* it has passed the gate */
	enum rec_mode mode; /* as it passed */
	bool cuts;	    /* it closes a suspended tenant */
	bool ended;
	enum td_rc rc;
	struct drv_result result;
	struct td_err err;
	int64_t at_ms; /* next request then */
	struct world *w;
};

enum td_rc m_ask(struct m_call *c, struct m_request *q, struct m_reply *r);
/* Make one request; sets ended when the driver returned. */
void m_call_step(struct m_call *c);
/* A crash: what it would have asked next may be on the wire already. */
bool m_call_peek(struct m_call *c, struct m_request *ret);
void m_call_end(struct m_call *c);

typedef enum td_rc (*m_driver_fn)(struct m_call *c, struct drv_call *call,
				  struct drv_result *res, struct td_err *err);
enum td_rc m_object_driver(struct m_call *c, struct drv_call *call,
			   struct drv_result *res, struct td_err *err);
enum td_rc m_database_driver(struct m_call *c, struct drv_call *call,
			     struct drv_result *res, struct td_err *err);
enum td_rc m_volume_driver(struct m_call *c, struct drv_call *call,
			   struct drv_result *res, struct td_err *err);

/* ---- the store (records.c) ---- */

struct m_record {
	unsigned char *data;
	size_t len;
	uint64_t version; /* 0: absent */
};
enum {
	M_REC_TENANT,
	M_REC_TOMB,
	M_REC_PENDING,
	M_REC_CRED,
	M_REC_PART,
	M_REC_INTENT = 7,
	M_REC_SLOT = 10,
	M_REC_BUCKET = 22,
	M_REC_COUNT = M_REC_BUCKET + M_BUCKETS
};

/* What was handed out: the plain document, as far as the model needs it. */
struct m_doc {
	bool ready;
	bool has[2];
	char key[DRV_KEY_ID_SIZE];
	char secret[80];
	char password[80];
};

struct m_op;
struct m_commit {
	unsigned tenant;
	uint64_t expect[M_REC_COUNT];
	bool expected[M_REC_COUNT];
	struct m_record put[M_REC_COUNT]; /* version 1: put */
	bool del[M_REC_COUNT];
	bool has_doc;
	struct m_doc doc;
	const struct m_op *op; /* whose wish becomes the tenant's, or NULL */
	uint64_t brakes, budget_version;
	uint32_t charge[REC_DESTROY_COUNT];
	bool stop;
	enum rec_destroy stop_by;
};

enum m_load { M_LOAD_STEPPER, M_LOAD_NAMED, M_LOAD_VERIFY };
/* A view of the durable records. named: bits of buckets to load besides. */
void m_view_load(struct world *w, unsigned tenant, enum m_load how, unsigned named,
		 struct tenant_view *v);
struct m_commit *m_commit_new(struct world *w, unsigned tenant, struct tenant_view *v);
void m_commit_free(struct m_commit *c);
/* TD_OK or TD_PRECONDITION. */
enum td_rc m_commit_apply(struct world *w, struct m_commit *c);
void m_records_free(struct world *w);

/* ---- the daemon (daemon.c) ---- */

enum m_job_kind { M_JOB_LOOK, M_JOB_DONE, M_JOB_OP };
struct m_job { /* a commit on its way, and what follows it */
	bool used;
	enum m_job_kind kind;
	unsigned tenant;
	int64_t at_ms;
	struct m_commit *commit;
	struct tenant_step step; /* LOOK */
	int64_t wake_ms;
	bool settled;
	struct m_call *call; /* DONE */
	int op;		     /* OP: index of client */
};

struct m_entry { /* the daemon's memory of a tenant */
	bool look;
	bool looking;
	bool verify;
	int64_t wake_ms;
	bool busy[DRV_RESOURCE_COUNT];
};

void m_daemon_start(struct world *w);
void m_daemon_crash(struct world *w);
/* One of the things the daemon could do now; false when there is none. */
bool m_daemon_step(struct world *w);
/* The next time at which it has something to do, INT64_MAX never. */
int64_t m_daemon_wake(const struct world *w);
bool m_daemon_idle(const struct world *w);

/* ---- clients (client.c) ---- */

/* What the committed requests add up to: the model's own idea of the desired state. */
struct m_wish {
	bool exists, suspend, deleting, retired;
	bool bucket[M_BUCKETS];
	bool maybe_kept[M_BUCKETS]; /* a delete without purge: may come back */
	uint8_t mode[M_BUCKETS];
	uint64_t quota[M_BUCKETS];
	int64_t purge_due_ms[M_BUCKETS]; /* purged, data stays until then; 0: not */
	bool fenced;
	unsigned reopened; /* resumes and undeletes */
};
enum m_op_kind {
	M_OP_PUT,
	M_OP_SUSPEND,
	M_OP_RESUME,
	M_OP_DELETE,
	M_OP_UNDELETE,
	M_OP_BUCKET_PUT,
	M_OP_BUCKET_DELETE,
	M_OP_FENCE,
	M_OP_KINDS
};
struct m_op {
	enum m_op_kind kind;
	unsigned tenant;
	bool force;
	unsigned plan;
	unsigned buckets; /* bits */
	unsigned bucket;
	uint8_t mode;
	uint64_t quota;
	bool has_limit;
	uint64_t limit;
	struct m_wish after;
	unsigned tries;
};
#define M_CLIENTS 3
void m_client_begin(struct world *w, unsigned client);
/* Load, decide, commit job; again on conflict. */
void m_client_try(struct world *w, unsigned client);
void m_client_committed(struct world *w, unsigned client);

/* ---- the world (history.c) ---- */

struct m_late {
	bool used;
	int64_t at_ms;
	struct m_request q;
};

struct m_tenant {
	char appid[DRV_APPID_SIZE];
	struct m_site site;
	struct m_record rec[M_REC_COUNT];
	struct m_entry entry; /* lost in a crash */
	struct m_wish wish;
	struct m_doc doc; /* durable, with rec[M_REC_CRED] */
	bool doc_seen;	  /* something was published once */
	struct m_doc first;
	bool cursed;	     /* every request about it is refused, for ever */
	bool disturbed;	     /* an operator's hand or a lie: not usable at times */
	bool remove_started; /* a REMOVE was executed since the last undelete */
	unsigned reopened_at_disable;
	bool was_created;
	bool suspended_shown;
	uint64_t checked_version;
	struct rec_brake brake; /* durable; REC_MANAGE: none */
	bool frozen;
	struct m_site as_held; /* what the backends may not differ from while frozen */
};

struct m_options {
	FILE *trace; /* NULL: none */
	unsigned steps;
};

struct world {
	uint64_t rng[2];
	uint64_t seed;
	int64_t now_ms;
	uint64_t version;
	uint64_t hash;
	struct td_env env;
	struct m_tenant t[M_TENANTS];
	struct m_call calls[M_CALLS];
	struct m_job jobs[M_JOBS];
	struct m_op ops[M_CLIENTS];
	bool op_busy[M_CLIENTS];
	struct m_late late[M_LATE];
	struct plan plans[M_PLANS];
	unsigned window; /* buckets loaded for the stepper */
	bool calm;
	bool up;	 /* the daemon runs */
	bool foreign_go; /* in the calm */
	bool braked;	 /* an operator sets modes; perhaps there is a budget */
	bool nervous;	 /* one tenant is suspended and resumed all the time */
	bool purging;	 /* one tenant purges and takes back all the time */
	unsigned fault;	 /* of 1,000 requests */
	bool lied;
	int64_t outage_until[DRV_RESOURCE_COUNT];
	int64_t slow_until[DRV_RESOURCE_COUNT];
	unsigned in_row[DRV_RESOURCE_COUNT];
	bool circuit[DRV_RESOURCE_COUNT];
	int64_t probe_at[DRV_RESOURCE_COUNT];
	int64_t start_ms;
	struct rec_brake brake; /* of the daemon; durable, as all of these */
	uint64_t brakes;	/* version of all modes */
	struct rec_budget budget;
	struct budget_limits limits;
	uint64_t budget_version;
	unsigned approved, removals, freezes;
	FILE *trace;
	bool failed;
	char why[256];
	unsigned events, crashes, faults, conflicts, actions, lates;
};

/* One history from its seed; false and w->why when an invariant broke. */
bool m_history(struct world *w, uint64_t seed, const struct m_options *opt);
void m_tell(struct world *w, const char *fmt, ...) TD_PRINTF(2, 3);
void m_fail(struct world *w, const char *fmt, ...) TD_PRINTF(2, 3);
/* Put a request on the wire that takes effect later. */
void m_late_add(struct world *w, const struct m_request *q);

/* ---- brakes (brake.c) ---- */

/* Into a view whose parts are loaded. */
void m_brakes_note(const struct world *w, unsigned tenant, struct tenant_view *v);
void m_brakes_into_commit(const struct world *w, const struct tenant_view *v,
			  struct m_commit *c);
/* TD_PRECONDITION: they changed meanwhile. */
enum td_rc m_brakes_commit(struct world *w, const struct m_commit *c);
/* An operator sets or ends a mode, or approves. */
void m_brake_event(struct world *w);
void m_brakes_calm(struct world *w);
/* Of a call that is about to make its first request; false: it is refused, and ended. */
bool m_brake_gate(struct world *w, struct m_call *c);
/* Somebody else, or a suspend, changes what the backends hold of this tenant. */
void m_thaw(struct world *w, unsigned tenant);
void m_check_brake_action(struct world *w, unsigned tenant,
			  const struct tenant_action *a);
void m_check_brake_request(struct world *w, const struct m_call *c,
			   const struct m_request *q);
void m_check_frozen(struct world *w);
/* Everything is held; after a while all that is suspended must be closed. */
void m_brakes_hold(struct world *w);
void m_check_held(struct world *w);

/* ---- invariants (check.c) ---- */

/* After every event. */
void m_check_always(struct world *w);
/* Of a request, before it takes effect. */
void m_check_request(struct world *w, const struct m_request *q);
/* Of an action that is about to start. */
void m_check_action(struct world *w, unsigned tenant, const struct tenant_action *a);
/* After a commit. */
void m_check_commit(struct world *w, unsigned tenant);
/* When the calm has come to rest, before anything is verified. */
void m_check_calm(struct world *w);
/* After the calm, before and after everything was verified. */
enum m_end { M_END_UNVERIFIED, M_END };
void m_check_end(struct world *w, enum m_end when);
bool m_object_works(const struct world *w, unsigned tenant);
bool m_database_works(const struct world *w, unsigned tenant);
