/*
 * Policy templates and their compiler: what a tenant may do on MinIO and on MongoDB.
 *
 * A template is one YAML file (docs/policies.md). Loading reads, checks and compiles all
 * templates of a folder: what cannot be isolated safely never becomes a policy. A refusal
 * is TD_INVALID; all reasons are in the report (may be NULL; it is begun anew), each
 * "FILE:LINE: reason", and the first one is the detail.
 *
 * Pure: no I/O but reading those files, no clock, no threads.
 * Thread rule: a struct policy_set and everything in it is immutable after load, so any
 * number of threads may read it. A reload makes a new set; the old one lives until its
 * last reader is done (the caller's business).
 */
#pragma once

#include "base/buf.h"
#include "base/yaml.h"

enum policy_kind { POLICY_MINIO, POLICY_MONGODB };

#define POLICY_NAME_MAX 48   /* bytes of a template name */
#define POLICY_HASH_LEN 64   /* hex digits of a SHA-256 */
#define POLICY_SHORT_HASH 12 /* of these in a compiled name */
/* "<template>-<12 hex digits>" and NUL. */
#define POLICY_COMPILED_SIZE (POLICY_NAME_MAX + 1 + POLICY_SHORT_HASH + 1)

/* What MinIO takes, in bytes of JSON. */
#define POLICY_MAX_CANNED 20480
#define POLICY_MAX_SA 4096
/* Of these, what the statement about closed buckets may take: a template leaves it free. */
#define POLICY_CLOSED_BYTES 2560
#define POLICY_MAX_BUCKET 20480

/*
 * One compiled template. All pointers belong to the set.
 */
struct policy_template {
	enum policy_kind kind;
	const char *name; /* ^[a-z][a-z0-9_]*$, unique among templates of its kind */
	const char *file; /* as given to the loader, for messages */
	const char *description; /* "" when it has none */
	/* What to put in its place when the tenant is over its limit (it only reads and
	 * deletes), and when the tenant is suspended (it denies everything). NULL: this
	 * template has none, and is no parent (policy_check_parent). MongoDB templates
	 * never have `suspended`: there a suspended tenant's role has no privileges. */
	const struct policy_template *fenced;
	const struct policy_template *suspended;
	/* Grants more than a tenant should have; a plan must opt in. */
	bool dangerous;
	/*
	 * SHA-256 of the canonical form, lower-case hex (kind MINIO: of json; MONGODB: of
	 * the sorted actions and roles), and "<name>-<first 12 digits of it>". Another
	 * content gives another name, so a changed policy can be rolled out beside the
	 * old one.
	 */
	char hash[POLICY_HASH_LEN + 1];
	char compiled_name[POLICY_COMPILED_SIZE];

	/* MINIO: the canned policy, canonical JSON (statements in the order of the file,
	 * actions and resources sorted, no white space), at most POLICY_MAX_CANNED
	 * bytes. */
	const char *json;
	size_t json_len;

	/* MONGODB: privileges on {db: <appid>, collection: ""}, sorted; and built-in
	 * roles on that database, sorted. One of the two is not empty, never both. */
	const char *const *actions;
	size_t action_count;
	const char *const *roles;
	size_t role_count;
};

struct policy_set;

/*
 * Load every "*.yaml" of the folder (not of folders in it), in the order of their names.
 * TD_INVALID: a file is refused, a twin is missing or unfit, two templates have one name,
 * two tenants could meet, or there is no file. TD_IO with errno: a file or the folder
 * cannot be read. TD_NOMEM. *ret_set only on TD_OK; free it with policy_set_free.
 */
enum td_rc policy_set_load(const char *dir, struct policy_set **ret_set,
			   struct td_yaml_report *report,
			   struct td_err *reterr) TD_MUST_CHECK;

/* The same from memory: each text is a file, its name stands in messages. Nothing is kept
 * of the texts after the return. count >= 1. */
enum td_rc policy_set_load_memory(const struct td_yaml_text *texts, size_t count,
				  struct policy_set **ret_set,
				  struct td_yaml_report *report,
				  struct td_err *reterr) TD_MUST_CHECK;

/*
 * Load one file by itself, for `tenantctl policy check|compile FILE`: all checks of the
 * file and its own tenants against each other, but its twins stay unresolved (NULL).
 */
enum td_rc policy_set_load_file(const char *path, struct policy_set **ret_set,
				struct td_yaml_report *report,
				struct td_err *reterr) TD_MUST_CHECK;

/* NULL is a no-op. Every template pointer ends with its set. */
void policy_set_free(struct policy_set *set);

/* Templates, sorted by kind and name. at(): i < count. */
size_t policy_set_count(const struct policy_set *set);
const struct policy_template *policy_set_at(const struct policy_set *set, size_t i);
/* NULL when there is none of that kind and name. */
const struct policy_template *policy_find(const struct policy_set *set,
					  enum policy_kind kind, const char *name);

/*
 * May a plan use this template for its tenants? It must exist, must have its twins
 * (fenced; MINIO also suspended) and, where it is dangerous, the plan must have opted in.
 * TD_NOT_FOUND or TD_INVALID otherwise. *ret_template only on TD_OK, may be NULL.
 */
enum policy_optin { POLICY_SAFE_ONLY, POLICY_DANGEROUS_TOO };
enum td_rc policy_check_parent(const struct policy_set *set, enum policy_kind kind,
			       const char *name, enum policy_optin optin,
			       const struct policy_template **ret_template,
			       struct td_err *reterr) TD_MUST_CHECK;

/*
 * The policy embedded in a tenant's service accounts: the template's statements with
 * the appid in place of the variable, and both forms of the ARN (buckets, objects) for a
 * prefix of buckets. Appended to out as canonical JSON. Always of the *unfenced* parent
 * template: what a service account may do is this AND what its parent may do, so changing
 * the parent's policy is enough to fence or suspend.
 * TD_INVALID: not a MinIO template, it allows nothing (a suspended one), or not an appid
 * (^[a-z0-9]{3,32}$). TD_TOO_LARGE: over POLICY_MAX_SA bytes; cannot happen for a
 * template that policy_check_parent accepts. TD_NOMEM, or out's ceiling.
 */
enum td_rc policy_minio_sa(const struct policy_template *t, const char *appid,
			   struct td_buf *out, struct td_err *reterr) TD_MUST_CHECK;

/*
 * The same, and a last statement that denies everything in these buckets of the tenant
 * (short names, borrowed), by both forms of their ARNs in literals. None: byte for byte
 * what policy_minio_sa() gives. TD_INVALID: not a short name. TD_TOO_LARGE: the statement is
 * over POLICY_CLOSED_BYTES; cannot happen for buckets that policy_closed_fit() takes.
 */
struct policy_closed {
	const char *const *names;
	size_t count;
};
enum td_rc policy_minio_sa_closed(const struct policy_template *t, const char *appid,
				  const struct policy_closed *closed, struct td_buf *out,
				  struct td_err *reterr) TD_MUST_CHECK;
/*
 * May one more bucket be closed? *bytes is what those before it take, 0 for none, and is
 * added to when it fits.
 */
bool policy_closed_fit(const char *appid, const char *name, size_t *bytes);

/*
 * The bucket policy of an anonymous-access mode, for the whole S3 bucket name
 * ("<appid>-data"). Appended to out; private appends nothing, which means: delete the
 * bucket policy. The last one is what a readwrite bucket gets under a fence: anonymous
 * list, get and delete.
 * TD_INVALID: not a bucket name (^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$). TD_NOMEM, or out's
 * ceiling.
 */
enum policy_anonymous {
	POLICY_ANON_PRIVATE,
	POLICY_ANON_READONLY,
	POLICY_ANON_READWRITE,
	POLICY_ANON_READWRITE_FENCED
};
enum td_rc policy_minio_bucket(const char *bucket, enum policy_anonymous mode,
			       struct td_buf *out, struct td_err *reterr) TD_MUST_CHECK;

/*
 * Do two policy documents mean the same to MinIO? For reading back: MinIO re-serialises
 * a policy (any order of actions and resources, Principal "*" as {"AWS":["*"]}). Strings
 * and lists of strings are compared as sets, statements in any order, nothing is ignored:
 * a member that one of them lacks makes them differ. Bytes that are no JSON object are
 * equal to nothing; out of memory counts as different.
 */
bool policy_json_same(const void *a, size_t a_len, const void *b, size_t b_len);

/*
 * Can two different tenants meet? Exact, over all pairs of appids ^[a-z0-9]{3,32}$: is
 * there an ARN that pattern `a`, with one appid for ${aws:username}, matches, and pattern
 * `b`, with another, matches too? `*` is any bytes (also '/'), `?` one byte.
 * TD_OK: never. TD_CONFLICT: yes, the witness is in *ret_witness (may be NULL).
 * TD_INVALID: a pattern holds the variable twice, another variable, or is longer than
 * POLICY_RESOURCE_MAX. TD_NOMEM. The loader runs this over each Allow resource of a set
 * against POLICY_OWN_SPACE, and over all pairs that this does not already settle.
 */
#define POLICY_RESOURCE_MAX 128
#define POLICY_OWN_SPACE "arn:aws:s3:::${aws:username}-*" /* all that is a tenant's */
struct policy_witness {
	char appid_a[33];
	char appid_b[33];
	char resource[2 * POLICY_RESOURCE_MAX + 66];
};
enum td_rc policy_patterns_meet(const char *a, const char *b,
				struct policy_witness *ret_witness,
				struct td_err *reterr) TD_MUST_CHECK;
