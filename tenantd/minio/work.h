/*
 * What the parts of the driver share: one verb at work for one tenant.
 *
 * parent.c knows the tenant's user, slots.c its service accounts, buckets.c its buckets,
 * purge.c how content goes, closed.c the proof that nobody reaches a closed one; driver.c
 * puts them in order.
 *
 * Thread rule: a struct work belongs to the thread that runs the verb.
 */
#pragma once

#include "minio/admin.h"
#include "minio/driver.h"
#include "minio/s3.h"

#include "policies/policy.h"

#include <pthread.h>

#define INSTANCE_SIZE 33
#define S3_BUCKET_SIZE 80
#define KNOWN_POLICIES 64
#define DOUBTS 64

struct minio_driver {
	struct driver base;
	struct minio_client *client;
	const struct policy_set *policies;
	char instance_id[INSTANCE_SIZE];
	pthread_mutex_t lock; /* over what follows */
	bool deployment_asked;
	char deployment[MINIO_DEPLOYMENT_SIZE];
	/* Compiled names of policies that this process has put there; a small ring. */
	char known[KNOWN_POLICIES][POLICY_COMPILED_SIZE];
	size_t known_next;
	/* Tenants whose service accounts observe() saw with another policy: ensure() alone
	 * would have to pay for a look each time. A small ring; what falls out is seen again. */
	char doubt[DOUBTS][DRV_APPID_SIZE];
	size_t doubt_next;
};

struct work {
	struct minio_driver *d;
	const struct drv_call *c;
	struct drv_result *r;
	struct minio_call call;
	const char *instance;
	const struct policy_template *full; /* the plan's */
	const struct policy_template *want; /* full, its fenced or its suspended twin */
	const struct policy_template
		*suspended;		   /* NULL: the template is unknown (remove) */
	const struct drv_slot *parent;	   /* NULL: not given */
	char probe_bucket[S3_BUCKET_SIZE]; /* for logins; need not exist */
	struct minio_user user;		   /* as last read */
	/* The first failure that did not stop the verb. */
	enum td_rc kept_rc;
	struct td_err kept;
	/* The same of closing buckets, with `reclose`. */
	enum td_rc unclosed_rc;
	struct td_err unclosed;
};

/* ---- driver.c ---- */

/* Says what was or is not as recorded; the first one stays. */
void work_drift(struct work *w, const char *reason, const char *fmt, ...) TD_PRINTF(3, 4);
/* Remembers a failure and goes on; the first one stays. TD_OK is ignored. */
void work_keep(struct work *w, enum td_rc rc, const struct td_err *err);
/* The same for what keeps buckets from being closed. */
void work_unclosed(struct work *w, enum td_rc rc, const struct td_err *err);
/* Does this code mean that going on is of no use (nobody answers, no time, own key)? */
bool work_is_fatal(enum td_rc rc);
struct sigv4_key work_key(const struct drv_slot *slot);

/* ---- parent.c ---- */

enum own { OWN_ABSENT, OWN_OURS, OWN_FOREIGN };

/* Reads w->user and decides by the rule of base/driver.h. */
enum td_rc parent_decide(struct work *w, enum own *ret,
			 struct td_err *reterr) TD_MUST_CHECK;
/* For a name that looks absent: is it the root user's, or another key's after all? */
enum td_rc parent_name_taken(struct work *w, bool *ret,
			     struct td_err *reterr) TD_MUST_CHECK;
/* Compare a claimed user with what the call wants. */
enum td_rc parent_observe(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Make the user, with no rights yet; TD_FOREIGN: the name is somebody's. */
enum td_rc parent_create(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* A present user: unlocked where that was asked for, its secret ours. *ret_locked: it is
 * disabled and stays so. */
enum td_rc parent_repair(struct work *w, bool *ret_locked,
			 struct td_err *reterr) TD_MUST_CHECK;
/* Map w->want, and tell a mapping that was not ours. */
enum td_rc parent_map(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Was the last mapping read one of this template's (full, fenced or suspended)? */
bool parent_mapped_in_family(const struct work *w);
/* Deny everything, end all sessions, disable, on every member. Failures are kept, and all
 * is tried. The user is there. */
void parent_cut_off(struct work *w);
/* End all temporary keys on every member; failures are kept. */
void parent_revoke(struct work *w);
/* After cut_off: does every member refuse its login? */
enum td_rc parent_prove_locked(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Remove the user and with it all its service accounts; prove it. */
enum td_rc parent_remove(struct work *w, struct td_err *reterr) TD_MUST_CHECK;

/* ---- slots.c ---- */

/* Compare all service accounts that are to be kept (the user is enabled). */
enum td_rc slots_observe(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Give the kept ones that exist the embedded policy of w->full, where the mapping shows
 * another template or observe() saw another policy. Before parent_map. */
enum td_rc slots_refresh(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* For `reclose`: give the kept ones that exist the policy with the closed buckets of the
 * call, and read it back. What fails is remembered in w->unclosed; only fatal failures
 * come back. */
enum td_rc slots_reclose(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Make, repair and prove those to keep. The user is enabled. */
enum td_rc slots_keep(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Delete those to retire and prove them dead. */
enum td_rc slots_retire(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Is this service account ours by its mark? */
enum td_rc slots_find_mark(struct work *w, bool *ret,
			   struct td_err *reterr) TD_MUST_CHECK;
/* No slot logs in any more (remove). */
enum td_rc slots_prove_dead(struct work *w, struct td_err *reterr) TD_MUST_CHECK;

/* ---- closed.c ---- */

/* After slots_reclose, with rights given: does every member refuse the closed buckets to every
 * slot? Sessions end where one of them was not closed before. Failures as above. */
enum td_rc closed_prove(struct work *w, struct td_err *reterr) TD_MUST_CHECK;

/* ---- buckets.c ---- */

/* The S3 name, checked; TD_INVALID. */
enum td_rc bucket_s3_name(const struct work *w, const struct drv_bucket *b,
			  char out[S3_BUCKET_SIZE], struct td_err *reterr) TD_MUST_CHECK;
enum td_rc bucket_decide(struct work *w, const struct drv_bucket *b, const char *s3_name,
			 enum own *ret, struct td_err *reterr) TD_MUST_CHECK;
/* All named buckets; results go into them, only fatal failures come back. */
enum td_rc buckets_observe(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
enum td_rc buckets_ensure(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Make those private that are closed and not yet to be removed; the rest stays as it is. */
enum td_rc buckets_close(struct work *w, struct td_err *reterr) TD_MUST_CHECK;
/* Remove all that are ours, with their content, until done or the time is up (r->more). */
enum td_rc buckets_remove(struct work *w, struct td_err *reterr) TD_MUST_CHECK;

/* ---- purge.c ---- */

/* Remove a bucket of ours with everything in it. *ret_more: not finished. r->progress
 * counts. TD_BACKEND_REFUSED and reason ObjectLock when content is locked. */
enum td_rc purge_bucket(struct work *w, const char *s3_name, bool *ret_more,
			struct td_err *reterr) TD_MUST_CHECK;
