/*
 * The typed records, their keys and their canonical encodings.
 *
 * Encoding: byte 0 is the record's format version (a newer one is TD_CORRUPT with a word
 * about upgrading; older ones are rewritten when the store is opened), then little-endian integers and length-prefixed strings in
 * the order of the struct. One value has one encoding (flags are 0 or 1, no trailing bytes).
 * Structs are plain values without pointers, so that they can be copied, except where said.
 *
 * Thread rule: pure functions.
 */
#pragma once

#include "base/driver.h"
#include "store.h"

#define REC_PLAN_SIZE 33
#define REC_REGION_SIZE 33
#define REC_LABELS_MAX 16
#define REC_LABEL_BYTES 1024 /* all keys and values together */
#define REC_TEXT_SIZE 120
#define REC_MODE_REASON_SIZE 80
#define REC_SCOPE_SIZE 64     /* "tenant/", an appid, "/database" */
#define REC_BUCKETS_MAX 10000 /* per tenant */

enum rec_phase {
	REC_CREATING,
	REC_CREATED,
	REC_SUSPENDED,
	REC_DELETING,
	REC_DELETED /* never stored: a tombstone instead */
};
enum rec_mode { REC_MANAGE, REC_OBSERVE, REC_HOLD };

/* Limits that the tenant's spec overrides; bit set = overridden. */
enum rec_limit {
	REC_LIMIT_OBJECT_BYTES,
	REC_LIMIT_BUCKETS,
	REC_LIMIT_DATABASE_BYTES,
	REC_LIMIT_VOLUME_BYTES,
	REC_LIMIT_REQUESTS_PER_SECOND, /* the numbers are those of quota/'s enum plan_limit */
	REC_LIMIT_COUNT
};

struct rec_tenant {
	uint64_t number; /* small, never reused; what money records carry */
	char plan[REC_PLAN_SIZE];
	char region[REC_REGION_SIZE];
	uint32_t limits_set; /* bits 1 << enum rec_limit */
	uint64_t limits[REC_LIMIT_COUNT];
	uint16_t labels_len; /* packed: key NUL value NUL ..., sorted by key */
	char labels[REC_LABEL_BYTES + 2 * REC_LABELS_MAX];
	uint8_t deletion_protection; /* 0 or 1 */
	uint8_t suspend;	     /* 1: the operator wants it suspended */
	uint8_t phase;		     /* enum rec_phase */
	uint8_t mode; /* this and the next two are not used: see rec_brake */
	char mode_reason[REC_MODE_REASON_SIZE];
	int64_t mode_expires_ms;
	uint64_t generation; /* of the spec, from 1 */
	uint64_t observed_generation;
	int64_t created_ms;
	int64_t delete_asked_ms; /* 0: not being deleted */
	int64_t delete_due_ms;	 /* when the data goes; before that, undelete */
	uint32_t bucket_count;
	uint64_t credential_serial; /* of the last document published, 0 = none */
};

/* Conditions; a resource has a set of them. Ready is true or false, the others exist only
 * while true. */
enum rec_condition {
	REC_COND_READY,
	REC_COND_FENCED,
	REC_COND_DRIFTED,
	REC_COND_UNREACHABLE,
	REC_COND_FOREIGN,
	REC_COND_COUNT
};
struct rec_cond {
	uint8_t status; /* 0 false, 1 true */
	int64_t since_ms;
	char reason[DRV_REASON_SIZE]; /* CamelCase */
	char message[REC_TEXT_SIZE];
};

/* Do all slots of the object resource deny just the buckets that are closed? */
enum rec_closed {
	REC_CLOSED_KNOWN,   /* yes */
	REC_CLOSED_CHANGED, /* perhaps others; an ENSURE sets them right */
	REC_CLOSED_UNSURE   /* yes, but a late request could undo it: once more later */
};

struct rec_resource {
	uint8_t claimed;      /* the backend's object is ours, proven */
	uint8_t gone;	      /* deletion: removed and proven dead */
	uint8_t fenced;	      /* desired: over its hard limit */
	uint8_t access;	      /* enum drv_access last brought about (claimed only) */
	uint8_t access_known; /* 0: a call that changes access may be half done */
	uint64_t observed_generation;
	char identity[DRV_IDENTITY_SIZE];
	uint32_t failures; /* in a row, for the backoff */
	int64_t due_ms;	   /* next try, wall clock; 0 = at once */
	uint64_t progress; /* removal: objects so far */
	struct rec_cond cond[REC_COND_COUNT];
	uint8_t closed; /* enum rec_closed */
};

enum rec_bucket_state {
	REC_BUCKET_NEW,	     /* recorded, backend not looked at */
	REC_BUCKET_CLAIMING, /* was absent; a create may be under way */
	REC_BUCKET_OURS,
	REC_BUCKET_FOREIGN,
	REC_BUCKET_REMOVING
};
struct rec_bucket {
	uint8_t state; /* enum rec_bucket_state */
	uint8_t mode;  /* desired, enum drv_bucket_mode */
	uint64_t quota_bytes;
	uint8_t observed;      /* 1: the two below are what the backend holds */
	uint8_t observed_mode; /* effective one (access may narrow it) */
	uint64_t observed_quota;
	uint8_t purge;	       /* REMOVING: with its objects */
	int64_t remove_due_ms; /* REMOVING: data goes then */
	int64_t created_ms;
	char message[REC_TEXT_SIZE]; /* last failure, "" = none */
	uint8_t closed; /* REMOVING with purge: every slot was seen to deny it */
};

enum rec_slot_state { REC_SLOT_MINTING, REC_SLOT_LIVE, REC_SLOT_DRAINING, REC_SLOT_DEAD };
enum rec_consumers { REC_REFRESHING, REC_STATIC };
#define REC_SEALED_MAX 320
struct rec_slot {
	uint64_t serial;
	char key_id[DRV_KEY_ID_SIZE];
	uint8_t state;	   /* enum rec_slot_state */
	uint8_t consumers; /* enum rec_consumers */
	int64_t created_ms;
	int64_t state_since_ms;
	uint16_t sealed_len;
	unsigned char sealed[REC_SEALED_MAX]; /* see store/seal.h */
};

/* What is about to be done to a backend, written before it is tried. */
enum rec_verb { REC_VERB_ENSURE = 1, REC_VERB_REMOVE = 2 };
struct rec_intent {
	uint64_t id; /* from the store's counter; in logs and audit */
	uint8_t verb;
	uint8_t access; /* enum drv_access that the call brings about */
	uint8_t absent_before;
	uint8_t unlock;
	uint64_t generation;
	int64_t started_ms;
};

struct rec_datakey {
	uint8_t master_id[8]; /* first bytes of SHA-256 over the master key */
	unsigned char wrapped[12 + 32 + 16];
};

struct rec_tombstone {
	uint64_t number;
	int64_t created_ms;
	int64_t deleted_ms;
	char region[REC_REGION_SIZE];
};

enum rec_role {
	REC_ROLE_ADMIN,
	REC_ROLE_AUDITOR,
	REC_ROLE_BILLING,
	REC_ROLE_PRODUCER,
	REC_ROLE_RUNTIME,
	REC_ROLE_TENANT,
	REC_ROLE_COUNT
};
struct rec_token {
	char id[17];		    /* 16 hex digits */
	uint8_t role;		    /* enum rec_role */
	char appid[DRV_APPID_SIZE]; /* bound tenant, "" = none */
	char label[65];
	int64_t created_ms;
	int64_t expires_ms; /* 0: never */
	char created_by[17];
};

/* A mode that somebody set; manage has no record. The key is the scope: "daemon",
 * "region/NAME", "tenant/APPID" or "tenant/APPID/RESOURCE". */
struct rec_brake {
	uint8_t mode; /* REC_OBSERVE or REC_HOLD */
	char reason[REC_MODE_REASON_SIZE];
	int64_t since_ms;
	int64_t expires_ms; /* believed time (base/wall.h); 0: never */
	char set_by[17];    /* token id */
};

/* What cannot be undone, or cuts somebody off, and so has a budget per region and hour. */
enum rec_destroy {
	REC_CLOSE,  /* the access of a tenant that is being deleted is closed */
	REC_REMOVE, /* the removal of a tenant's data begins */
	REC_REMOVE_BUCKET,
	REC_DESTROY_COUNT
};
#define REC_BUDGET_SLOTS 13
#define REC_BUDGET_SLOT_MS (5 * 60 * 1000)
struct rec_budget_line {
	uint32_t spent[REC_BUDGET_SLOTS]; /* a ring, by the slot's number */
	uint32_t extra;			  /* approved besides, and not spent yet */
};
struct rec_budget {
	uint64_t slot; /* number of the newest slot: believed time / REC_BUDGET_SLOT_MS */
	struct rec_budget_line line[REC_DESTROY_COUNT];
	int64_t extra_until_ms;
	int64_t stopped_ms; /* since when nothing destructive begins; 0: it is not stopped */
	uint8_t stopped_by; /* enum rec_destroy: whose budget was spent */
};

/* One credential document; stored in chunks, sealed (see seal.h). The head, in front of
 * chunk 0, is readable without the key: the hot path decides by it. It has a copy of the
 * wrapped data key, so that one record is all that a read needs. */
enum rec_cred_state { REC_CRED_READY, REC_CRED_SUSPENDED };
struct rec_cred_head {
	struct rec_datakey datakey; /* under which the document is sealed */
	uint8_t state;		    /* enum rec_cred_state */
	uint64_t serial; /* grows with every published document of the tenant */
	char region[REC_REGION_SIZE];
	uint32_t total_len; /* sealed bytes over all chunks */
};
#define REC_CRED_BUCKETS 100 /* more: the path to the list */
struct rec_cred_bucket {
	char name[DRV_BUCKET_NAME_SIZE];
	uint8_t mode;
};
/* The plaintext. Wipe it after use. */
struct rec_cred {
	uint8_t has_object;
	char access_key[DRV_KEY_ID_SIZE];
	char secret_key[72];
	uint8_t has_database;
	char username[DRV_KEY_ID_SIZE];
	char password[72];
	char database[DRV_APPID_SIZE];
	uint8_t has_volume;
	uint64_t volume_bytes;
	uint32_t bucket_total; /* of the tenant; more than bucket_count when cut */
	uint16_t bucket_count;
	struct rec_cred_bucket buckets[REC_CRED_BUCKETS];
};

/* An audit entry. Encoded with its time first (store_audit_prune reads it). `who` fields are
 * personal: the encoder is given them sealed or plain by the caller. */
struct rec_audit {
	int64_t time_ms;
	uint8_t action;	 /* enum of api/audit.h; never renumbered */
	uint8_t outcome; /* enum td_rc */
	uint8_t role;	 /* enum rec_role + 1; 0 = the daemon itself */
	uint32_t count;	 /* 1, or how often for aggregated entries */
	char appid[DRV_APPID_SIZE];
	char token_id[17];
	char address[48];
	char request_id[33];
	char object[65];  /* bucket, token id, resource ... */
	char detail[160]; /* what changed, for people; never a secret */
};

/* ---- keys: written into out (STORE_KEY_MAX), length returned; 0 when a name is empty or too
 * long, which the store refuses as a key (but store_walk takes it as the whole table) ---- */
size_t rec_key_appid(const char *appid, unsigned char out[STORE_KEY_MAX]);
size_t rec_key_resource(const char *appid, enum drv_resource r,
			unsigned char out[STORE_KEY_MAX]);
size_t rec_key_bucket(const char *appid, const char *name,
		      unsigned char out[STORE_KEY_MAX]);
size_t rec_key_slot(const char *appid, enum drv_resource r, enum drv_slot_id slot,
		    unsigned char out[STORE_KEY_MAX]);
size_t rec_key_credential(const char *appid, uint8_t chunk,
			  unsigned char out[STORE_KEY_MAX]);
/* For STORE_TOKEN_TENANT. */
size_t rec_key_token_tenant(const char *appid, const char *token_id,
			    unsigned char out[STORE_KEY_MAX]);
/* For STORE_BRAKE: "daemon" with kind REC_SCOPE_DAEMON, whose name is not looked at; also
 * as a text, since it is printable. */
enum rec_scope { REC_SCOPE_DAEMON, REC_SCOPE_REGION, REC_SCOPE_TENANT };
size_t rec_key_brake(enum rec_scope kind, const char *name,
		     unsigned char out[STORE_KEY_MAX]);
/* The same for one resource of a tenant. */
size_t rec_key_brake_resource(const char *appid, enum drv_resource r,
			      unsigned char out[STORE_KEY_MAX]);
/* For STORE_BUDGET. */
size_t rec_key_region(const char *region, unsigned char out[STORE_KEY_MAX]);
/* `appid NUL`: the prefix of all keys above that take an appid and are not brakes, but the
 * first. */
size_t rec_key_prefix(const char *appid, unsigned char out[STORE_KEY_MAX]);

/* ---- codecs ----
 * encode: append to out. A record that decode would refuse (an enum out of range, a name with
 * a blank) marks the buffer TD_INVALID; free texts (message, reason, detail, label, identity,
 * all of audit) are made clean UTF-8 instead, so that a cut message never costs a record.
 * decode: TD_CORRUPT with a detail when the bytes are not a canonical record; strings are
 * checked for their character set, enums for their range. On failure *ret_rec is zeroed. */
#define REC_CODEC(name)                                                                  \
	void rec_##name##_encode(const struct rec_##name *rec, struct td_buf *out);      \
	enum td_rc rec_##name##_decode(const void *data, size_t len,                     \
				       struct rec_##name *ret_rec,                       \
				       struct td_err *reterr) TD_MUST_CHECK
REC_CODEC(tenant);
REC_CODEC(resource);
REC_CODEC(bucket);
REC_CODEC(slot);
REC_CODEC(intent);
REC_CODEC(datakey);
REC_CODEC(tombstone);
REC_CODEC(token);
REC_CODEC(cred_head);
REC_CODEC(cred);
REC_CODEC(audit);
REC_CODEC(brake);
REC_CODEC(budget);

/* `^[a-z][a-z0-9]{5,15}$` */
bool rec_appid_new_ok(const char *appid);
/* `^[a-z0-9]{3,32}$` */
bool rec_appid_any_ok(const char *appid);
/* `^[a-z0-9][a-z0-9-]{1,30}[a-z0-9]$`, and `<appid>-<name>` fits S3's 63. */
bool rec_bucket_name_ok(const char *name);
