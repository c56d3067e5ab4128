/*
 * The life of a tenant, decided here and nowhere else: pure functions over a snapshot.
 *
 * A struct tenant_view is a copy of everything recorded about one tenant. Three kinds of
 * function look at it and change it in memory, marking what they changed:
 *   - operations (tenant_op_*): what a request asks for;
 *   - tenant_next: what is to be done now, as actions for drivers, with the intents that
 *     must be durable before the first of them runs;
 *   - tenant_done: what an action's result means.
 * The caller (engine/, or the model in tests) turns the marks into one commit that is
 * conditional on the versions of the snapshot, and starts over with a fresh snapshot when
 * that fails. So a request, a result and a tick interleave safely in any order, and a crash
 * between any two of them leaves a state that tenant_next continues from.
 *
 * At most one action per resource is under way (view.busy); whoever runs actions says so.
 *
 * Nothing here does I/O, knows threads or asks for the time: `now_ms` is the wall clock
 * given by the caller, chance comes from env. One view belongs to one thread.
 */
#pragma once

#include "base/env.h"
#include "quota/plan.h"
#include "store/records.h"

#define TENANT_WORK_BUCKETS DRV_BUCKETS_PER_CALL

struct tenant_action;

/* What the commit must do with a record of the view. */
enum tenant_mark { TENANT_CLEAN, TENANT_PUT, TENANT_DEL };

struct tenant_slot {
	bool exists;
	uint64_t version;
	enum tenant_mark mark;
	struct rec_slot rec;
	/* Plain secret: set by the stepper when it mints (the commit seals it), and by the
	 * caller before an action runs. Owned by the view. */
	struct td_secret *secret;
};

struct tenant_bucket {
	char name[DRV_BUCKET_NAME_SIZE];
	uint64_t version; /* 0: new */
	enum tenant_mark mark;
	struct rec_bucket rec;
};

/* A mode in force, and whose it is; zeroed: manage. */
struct tenant_brake {
	enum rec_mode mode;
	char scope[REC_SCOPE_SIZE]; /* "daemon", "region/default", "tenant/abc123" ... */
	char reason[REC_MODE_REASON_SIZE];
	int64_t since_ms;
	int64_t expires_ms; /* believed time; 0: never */
};

/* What may be destroyed in the tenant's region now; zeroed: anything. */
struct tenant_budget {
	bool stopped; /* nothing destructive begins until somebody approves */
	bool limited[REC_DESTROY_COUNT];
	uint32_t room[REC_DESTROY_COUNT]; /* of limited ones: how many may still begin */
	int64_t stopped_ms;
};

struct tenant_part { /* one resource */
	/* The plan has it, and so has the region; filled by the caller, for a PUT from the
	 * plan that it asks for. */
	bool wanted;
	uint64_t version;
	enum tenant_mark mark;
	struct rec_resource rec;
	bool intent_open;
	uint64_t intent_version;
	enum tenant_mark intent_mark;
	struct rec_intent intent;
	struct tenant_slot slots[DRV_SLOT_COUNT];
	/* from the caller, not recorded */
	bool busy;    /* an action is under way */
	bool blocked; /* the backend's circuit is open: give no action */
	bool kick;    /* try now, whatever due_ms says */
	bool verify;  /* look for drift although settled */
	/* The strictest mode that covers it; see tenant_brake_note(). */
	struct tenant_brake brake;
	bool budget_waits; /* for showing: something of it waits for an approval */
};

/* Buckets that nobody may reach any more, in name order; see closed.c. */
struct tenant_closed {
	struct drv_closed bucket[DRV_CLOSED_MAX];
	size_t count;
	size_t bytes; /* of a policy that they take */
};

struct tenant_view {
	char appid[DRV_APPID_SIZE];
	bool exists;
	bool tombstone; /* the appid was used; nothing else is set */
	uint64_t version;
	enum tenant_mark
		mark; /* TENANT_DEL: remove all its records, write the tombstone */
	struct rec_tenant rec;
	const struct plan *plan; /* of rec.plan; NULL when there is none of that name */
	struct tenant_part part[DRV_RESOURCE_COUNT];
	/*
	 * Buckets: as loaded for operations, those that the request names; as loaded for the
	 * stepper, the first TENANT_WORK_BUCKETS in name order for which
	 * tenant_bucket_work() says so (in a verify pass: the next ones in name order).
	 * Grown by operations; heap, owned by the view.
	 */
	struct tenant_bucket *buckets;
	size_t bucket_len;
	size_t bucket_cap;
	bool buckets_more; /* there are more with work than were loaded */
	/* Gathered by tenant_closed_note(); for the stepper, and for the request that purges a
	 * bucket. */
	struct tenant_closed closed;
	/* Gathered by tenant_bucket_scan() over the buckets of a view for the stepper: */
	int64_t bucket_due_ms; /* earliest removal that only waits for its time; 0: none */
	uint32_t bucket_foreign; /* buckets that are somebody else's */
	bool bucket_put_off; /* a removal whose time has come is held back by a brake */
	/* From the caller, before buckets are scanned: the mode of the tenant as a whole, and
	 * the budget of its region. */
	struct tenant_brake brake;
	struct tenant_budget budget;
	/* For the caller, set by tenant_next: what the commit charges to that budget, and
	 * whether the region is to be stopped because something found no room in it. */
	uint32_t charge[REC_DESTROY_COUNT];
	bool stop;
	enum rec_destroy stop_by;
	bool pending;	   /* recorded in STORE_PENDING (loaded) */
	bool want_pending; /* the commit makes it so */
	bool publish;	   /* the commit renews the credential document */
	bool unpublish;	   /* the commit removes it */
	/* from the caller's configuration */
	struct tenant_rules {
		int64_t delete_grace_ms;
		int64_t backoff_min_ms; /* e.g. 500 */
		int64_t backoff_max_ms; /* e.g. 60,000 */
		/* How long a request that was never answered (a crash, a timeout) may still take
		 * effect on the backend, e.g. 5,000. Until then nothing is removed, and no
		 * change of access counts as done: a late request could bring back what was
		 * proven gone. 0: do not wait. */
		int64_t late_ms;
	} rules;
	/* From the caller, 0 or more: how far the wall clock, which now_ms is everywhere, is
	 * ahead of the time that is believed (base/wall.h). Data that goes when its grace time
	 * is over waits for the latter. */
	int64_t ahead_ms;
	const struct td_env *env; /* chance only */
};

/* An empty view for appid (which need not be valid). */
void tenant_view_init(struct tenant_view *v, const char *appid);
/* Frees what it owns, wiping secrets. Safe on a zeroed struct. */
void tenant_view_done(struct tenant_view *v);
/* Is anything marked? */
bool tenant_view_dirty(const struct tenant_view *v);
/* The bucket of that short name in view.buckets, or NULL. */
struct tenant_bucket *tenant_view_bucket(struct tenant_view *v, const char *name);
/* Append a loaded or new bucket; NULL when out of memory. */
struct tenant_bucket *tenant_view_add_bucket(struct tenant_view *v, const char *name);

/* ---- what the records mean ---- */

/* What the tenant's credentials for this resource should be able to do now. */
enum drv_access tenant_access(const struct tenant_view *v, enum drv_resource r);
/* The anonymous mode a bucket should have now: access narrows the desired one (FENCED keeps
 * it, since the driver narrows readwrite; NONE gives private). */
enum drv_bucket_mode tenant_bucket_mode(const struct tenant_view *v,
					const struct rec_bucket *b);
/* Does the object driver have something to do for this bucket? */
bool tenant_bucket_work(const struct tenant_view *v, const struct rec_bucket *b,
			int64_t now_ms);
/*
 * For whoever loads a view for the stepper: call it on every bucket of the tenant, in name
 * order, after tenant, plan and parts are in the view; true: load this one (or, with
 * TENANT_WORK_BUCKETS loaded, set buckets_more). The same as tenant_bucket_work, and notes
 * bucket_due_ms and bucket_foreign. The view for tenant_done has besides these every
 * bucket that the action names, in `buckets` or in `closed`.
 */
bool tenant_bucket_scan(struct tenant_view *v, const struct rec_bucket *b,
			int64_t now_ms);
/* Notes in view.closed what is to be closed: to be called on every bucket of the tenant, in
 * name order, for the stepper (verifying, too), for tenant_done, and for
 * tenant_op_bucket_delete with purge. */
void tenant_closed_note(struct tenant_view *v, const char *name,
			const struct rec_bucket *b);
/* As desired on the backend, and usable? */
bool tenant_bucket_ready(const struct tenant_view *v, const struct rec_bucket *b);
/* On its way out: not to be listed as one of the tenant's buckets any more. */
bool tenant_bucket_leaving(const struct rec_bucket *b);
/* Leaving with all it holds: nobody shall reach it, and its data is there until its time. */
bool tenant_bucket_shut(const struct rec_bucket *b);
/* Shut, and seen to be so on the backend: no slot and nobody anonymous reaches it. */
bool tenant_bucket_closed(const struct rec_bucket *b);
/* Is its removal held back by a brake on its own (and not by the tenant's deletion)? */
bool tenant_bucket_put_off(const struct tenant_view *v, const struct rec_bucket *b);
/* It was to go and stayed, because it holds objects; true until the next wish about it (see
 * tenant_op_bucket_delete). */
bool tenant_bucket_refused(const struct rec_bucket *b);
/* Everything as desired (phase Created or Suspended, generation observed, nothing open)? */
bool tenant_settled(const struct tenant_view *v);
/* Limits of the tenant: its plan's, overridden by its own. */
struct plan_limits tenant_limits(const struct tenant_view *v);

/* ---- brakes ---- */

/*
 * A mode that covers these parts (bits 1 << enum drv_resource), or the whole tenant with
 * TENANT_ALL_PARTS: the strictest one that has not expired by the believed time counts.
 * v->ahead_ms must be set. scope: the record's key as text.
 */
#define TENANT_ALL_PARTS ((1U << DRV_RESOURCE_COUNT) - 1)
void tenant_brake_note(struct tenant_view *v, unsigned parts, const char *scope,
		       const struct rec_brake *rec, int64_t now_ms);
/* Is it over, by the believed time? */
bool tenant_brake_expired(const struct rec_brake *rec, int64_t believed_ms);
/* Is it under the mode observe, and there? Then drift is looked for although it may not be
 * settled: what was found does not get repaired, and must not hide the next. */
bool tenant_observed(const struct tenant_view *v);
/*
 * The last look before a driver is called, on a fresh view that holds the buckets which the
 * action removes: TD_HELD when a mode covers it, and when it destroys something that no
 * commit has charged to the budget. Cutting off a suspended tenant is always let through.
 */
enum td_rc tenant_gate(const struct tenant_view *v, const struct tenant_action *a,
		       struct td_err *reterr) TD_MUST_CHECK;
/* Does it destroy something, so that it belongs to a budget? */
bool tenant_action_destroys(const struct tenant_view *v, const struct tenant_action *a);

/* ---- the stepper ---- */

enum tenant_verb { TENANT_OBSERVE, TENANT_ENSURE, TENANT_REMOVE };

struct tenant_action {
	enum drv_resource resource;
	enum tenant_verb verb;
	uint64_t intent_id; /* 0 for OBSERVE */
	enum drv_access access;
	bool claimed;
	bool absent_before;
	bool unlock;
	uint64_t generation;
	char template_name[64];
	struct {
		enum drv_slot_id id;
		enum drv_slot_want want;
		bool fresh;
	} slots[DRV_SLOT_COUNT];
	size_t slot_count;
	/* Copies of what the driver is asked; results come back in them. */
	struct drv_bucket buckets[TENANT_WORK_BUCKETS];
	size_t bucket_count;
	struct tenant_closed closed; /* object: all of them */
	bool reclose;		     /* the slots may deny others: see drv_call */
	uint64_t volume_bytes;
};

struct tenant_step {
	/* Run these after the view's marks are durable; with no marks, at once. */
	struct tenant_action *actions[DRV_RESOURCE_COUNT]; /* heap; NULL: none */
	/* Look again at this wall time at the latest; INT64_MAX: only when something changes. */
	int64_t wake_ms;
};
/* What now? Marks the view. TD_NOMEM is the only failure. */
enum td_rc tenant_next(struct tenant_view *v, int64_t now_ms,
		       struct tenant_step *ret_step, struct td_err *reterr) TD_MUST_CHECK;
void tenant_step_done(struct tenant_step *step);

/* What an action brought. `v` is a fresh view whose part is busy with this action; rc and err
 * are the driver's. Marks the view; clears part.busy. */
void tenant_done(struct tenant_view *v, const struct tenant_action *action, enum td_rc rc,
		 const struct drv_result *result, const struct td_err *err,
		 int64_t now_ms);

/* ---- operations ---- */

struct tenant_put_bucket {
	char name[DRV_BUCKET_NAME_SIZE];
	bool has_mode;
	enum drv_bucket_mode mode;
	bool has_quota;
	uint64_t quota_bytes;
};

struct tenant_put {
	const char *plan;   /* NULL: left out */
	const char *region; /* NULL: left out */
	bool has_limits;    /* replaces all overrides */
	uint32_t limits_set;
	uint64_t limits[REC_LIMIT_COUNT];
	bool has_labels;    /* replaces all */
	const char *labels; /* packed as in rec_tenant */
	uint16_t labels_len;
	bool has_protection;
	bool deletion_protection;
	const struct tenant_put_bucket *buckets; /* adds or changes, never removes */
	size_t bucket_count;
	/* from the caller */
	const struct plan
		*new_plan; /* of `plan`, or of the default when creating; NULL: unknown */
	const char *default_region;
	bool region_known; /* region (or the default) is configured */
	uint64_t number;   /* for a new tenant */
	bool reserved;	   /* the appid is on the reserved list */
};

struct tenant_op_result {
	bool created;
	bool changed; /* false: nothing to commit, answer 200 */
	char code
		[40]; /* more exact problem code than td_rc's ("unknown_plan"), "" = none */
};

/* The operations mark the view and return TD_OK, or return the error to answer with and mark
 * nothing. View must be loaded with the buckets that the request names. */
enum td_rc tenant_op_put(struct tenant_view *v, const struct tenant_put *put,
			 int64_t now_ms, struct tenant_op_result *ret,
			 struct td_err *reterr) TD_MUST_CHECK;
struct tenant_delete_options {
	bool force; /* no grace time */
};
enum td_rc tenant_op_delete(struct tenant_view *v,
			    const struct tenant_delete_options *opt, int64_t now_ms,
			    struct tenant_op_result *ret,
			    struct td_err *reterr) TD_MUST_CHECK;
enum td_rc tenant_op_undelete(struct tenant_view *v, int64_t now_ms,
			      struct tenant_op_result *ret,
			      struct td_err *reterr) TD_MUST_CHECK;
enum td_rc tenant_op_suspend(struct tenant_view *v, int64_t now_ms,
			     struct tenant_op_result *ret,
			     struct td_err *reterr) TD_MUST_CHECK;
enum td_rc tenant_op_resume(struct tenant_view *v, int64_t now_ms,
			    struct tenant_op_result *ret,
			    struct td_err *reterr) TD_MUST_CHECK;
enum td_rc tenant_op_bucket_put(struct tenant_view *v, const struct tenant_put_bucket *b,
				int64_t now_ms, struct tenant_op_result *ret,
				struct td_err *reterr) TD_MUST_CHECK;
struct tenant_bucket_delete_options {
	/* With its objects: access is closed at once, and what it holds goes after the grace
	 * time; until then tenant_op_bucket_put() brings it back. */
	bool purge;
};
/* Without purge the driver refuses a bucket that holds objects; the record then goes back to
 * OURS with message "bucket_not_empty", which stays until the bucket is asked for with another
 * mode or quota, or its removal again. TD_PURGE_LIMIT: as many as a policy has room for are
 * closed. */
enum td_rc tenant_op_bucket_delete(struct tenant_view *v, const char *name,
				   const struct tenant_bucket_delete_options *opt,
				   int64_t now_ms, struct tenant_op_result *ret,
				   struct td_err *reterr) TD_MUST_CHECK;

/* Text of enums on the wire: "Creating", "private", "object", "Ready" ... NULL if unknown. */
const char *tenant_phase_text(enum rec_phase p);
const char *tenant_mode_text(enum drv_bucket_mode m);
bool tenant_mode_parse(const char *text, enum drv_bucket_mode *ret_mode);
const char *tenant_resource_text(enum drv_resource r);
const char *tenant_condition_text(enum rec_condition c);
const char *tenant_brake_text(enum rec_mode m); /* "manage", "observe", "hold" */
bool tenant_brake_parse(const char *text, enum rec_mode *ret_mode);
const char *
tenant_destroy_text(enum rec_destroy d); /* "close", "remove", "remove-bucket" */
