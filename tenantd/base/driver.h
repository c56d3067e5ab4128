/*
 * What a backend driver does for one tenant: the seam between the engine (which decides
 * nothing and calls) and the rooms minio/, mongo/ and lvm/ (which know one backend).
 *
 * Every call is blocking, has a deadline, is idempotent and may be repeated after a crash
 * with the same arguments. A driver keeps no tenant state of its own: what it must know is
 * in struct drv_call, what it found goes to struct drv_result.
 *
 * Fencing and suspending are not verbs of their own but values of `access` in ensure():
 * a converging call with one desired state cannot be applied half by two verbs.
 *
 * Ours or foreign. A driver changes an existing object only when the record says that it
 * is ours (`claimed`), or when the recorded intent says that the name was free before
 * (`absent_before`) AND the object proves to be ours: its secret is the sealed one of
 * the intent (a login with it works), or it bears our instance mark. Otherwise the result
 * is DRV_FOREIGN and nothing at all was changed.
 *
 * Thread rule: a struct driver may be called from many worker threads at once.
 */
#pragma once

#include "secret.h"

#include <stdint.h>

enum drv_resource { DRV_OBJECT, DRV_DATABASE, DRV_VOLUME, DRV_RESOURCE_COUNT };
/* What the tenant's credentials may do. FENCED: read and delete. NONE: suspended; no login
 * works, nothing is anonymous, no session lives. */
enum drv_access { DRV_ACCESS_FULL, DRV_ACCESS_FENCED, DRV_ACCESS_NONE };
enum drv_presence { DRV_UNKNOWN, DRV_ABSENT, DRV_OURS, DRV_FOREIGN };
enum drv_bucket_mode { DRV_BUCKET_PRIVATE, DRV_BUCKET_READONLY, DRV_BUCKET_READWRITE };
enum drv_slot_id {
	DRV_SLOT_PARENT,
	DRV_SLOT_A,
	DRV_SLOT_B,
	DRV_SLOT_LEGACY,
	DRV_SLOT_COUNT
};

#define DRV_APPID_SIZE 33	/* with NUL */
#define DRV_BUCKET_NAME_SIZE 33 /* short name, with NUL */
#define DRV_KEY_ID_SIZE 64
#define DRV_IDENTITY_SIZE 72
#define DRV_REASON_SIZE 32
#define DRV_BUCKETS_PER_CALL 64
#define DRV_CLOSED_MAX 52 /* what policies/ has room for, with the shortest names */

enum drv_slot_want {
	DRV_SLOT_KEEP,	/* must exist with this secret (made when missing) and log in */
	DRV_SLOT_RETIRE /* must be gone, its sessions ended, its login proven dead */
};

struct drv_slot {
	enum drv_slot_id id;
	enum drv_slot_want want;
	/* object: parent = user name (the appid), others = access key (20 characters).
	 * database: user name (`<appid>` or `<appid>.b`). */
	char key_id[DRV_KEY_ID_SIZE];
	const struct td_secret *secret; /* borrowed for the call */
	bool fresh; /* minted by the open intent, never seen to work: prove it by a login */
};

struct drv_bucket {
	char name[DRV_BUCKET_NAME_SIZE]; /* short; the S3 name is `<appid>-<name>` */
	enum drv_bucket_mode mode;	 /* desired; access may narrow it */
	uint64_t quota_bytes; /* desired limit, 0 = none; the brake is 125 % of it */
	bool claimed;	      /* recorded as ours */
	bool absent_before;   /* the open intent says: was not there */
	bool remove;	      /* shall be gone, with all versions (purge) */
	bool only_if_empty;   /* remove: refuse when it holds objects */
	/* results */
	enum drv_presence presence;
	enum td_rc rc; /* TD_OK: as desired */
	char detail[96];
};

/* A bucket that nobody may reach any more, though its data is still there. */
struct drv_closed {
	char name[DRV_BUCKET_NAME_SIZE]; /* short */
	bool seen; /* recorded as closed; otherwise sessions that may know it end, too */
};

struct drv_call {
	const char *appid;
	const char *instance_id; /* our mark on what we make, 32 hex digits */
	int64_t deadline_mono_ms;
	enum drv_access access;
	bool claimed;
	bool absent_before;
	bool unlock; /* NONE -> FULL/FENCED was asked for: may re-enable what is disabled */
	const char *template_name; /* policies/: policy or role template of the plan */
	const struct drv_slot *slots;
	size_t slot_count;
	struct drv_bucket *buckets; /* object only; results are written in place */
	size_t bucket_count;	    /* at most DRV_BUCKETS_PER_CALL */
	/*
	 * object: all closed buckets of the tenant, in name order. Every slot that is made or
	 * repaired denies them. `reclose`: the slots that are there may deny others than these,
	 * so ensure() sets them right before it gives any access; without it they are believed
	 * to be right.
	 */
	const struct drv_closed *closed;
	size_t closed_count; /* at most DRV_CLOSED_MAX */
	bool reclose;
	uint64_t volume_bytes; /* volume only */
};

struct drv_result {
	enum drv_presence presence;
	char identity[DRV_IDENTITY_SIZE]; /* deployment id, user UUID ...; "" unknown */
	bool more;			  /* remove: not finished, call again */
	bool drifted; /* observe, ensure: something was or is not as recorded */
	char reason[DRV_REASON_SIZE]; /* CamelCase reason for a condition, "" = none */
	char message[120];	      /* for people; no secret */
	uint64_t progress;	      /* remove: objects removed so far in this call */
	/* ensure with `reclose`: all slots were seen to deny just the closed buckets, on every
	 * member. false with TD_OK: not proven, `unclosed` says why; the rest is done. */
	bool closed;
	char unclosed[120]; /* for people; no secret */
};

struct driver;

struct driver_ops {
	/* Look, change nothing. presence of the tenant's object and of each bucket named;
	 * for claimed ones `drifted` when it is not what `call` desires. */
	enum td_rc (*observe)(struct driver *, const struct drv_call *,
			      struct drv_result *, struct td_err *);
	/* Make it as desired: create, repair, change access, slots and the named buckets. */
	enum td_rc (*ensure)(struct driver *, const struct drv_call *,
			     struct drv_result *, struct td_err *);
	/* Remove everything of the tenant, in the safe order, for at most the deadline;
	 * `more` when it must be called again. TD_OK and !more: gone and proven dead. */
	enum td_rc (*remove)(struct driver *, const struct drv_call *,
			     struct drv_result *, struct td_err *);
	/* Is the backend there, and do our own credentials work? Also re-reads credential
	 * files. Used by readiness and to close a circuit breaker. */
	enum td_rc (*probe)(struct driver *, int64_t deadline_mono_ms, struct td_err *);
	void (*free)(struct driver *);
};

struct driver {
	const struct driver_ops *ops;
	enum drv_resource resource;
	const char *name; /* "minio", "mongodb", "none" */
};

/*
 * Called by a driver around each backend request when a listener is set (bench and
 * tests): what, how long, outcome. From the calling worker thread. Never holds a secret.
 */
struct drv_trace {
	void *ctx;
	void (*call)(void *ctx, const char *backend, const char *what, int64_t took_us,
		     int status);
};

static inline enum td_rc
driver_observe(struct driver *d, const struct drv_call *c, struct drv_result *r,
	       struct td_err *e)
{
	return d->ops->observe(d, c, r, e);
}
static inline enum td_rc
driver_ensure(struct driver *d, const struct drv_call *c, struct drv_result *r,
	      struct td_err *e)
{
	return d->ops->ensure(d, c, r, e);
}
static inline enum td_rc
driver_remove(struct driver *d, const struct drv_call *c, struct drv_result *r,
	      struct td_err *e)
{
	return d->ops->remove(d, c, r, e);
}
