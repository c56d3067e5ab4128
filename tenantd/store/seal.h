/*
 * Sealing of secrets at rest: AES-256-GCM under a data key per tenant, which is itself
 * sealed under the master key. The associated data names table, appid, resource, slot and
 * serial, so that a sealed value moved to another record does not open.
 *
 * Sealed form: nonce (12) || ciphertext || tag (16).
 *
 * Thread rule: struct seal is immutable after seal_new, except for its cache of unwrapped
 * data keys, which is per thread; every function from any thread.
 */
#pragma once

#include "base/crypto.h"
#include "records.h"

struct seal;

/* master: 32 bytes. Copied; env is borrowed. */
enum td_rc seal_new(const struct td_env *env, const struct td_secret *master,
		    struct seal **ret_seal, struct td_err *reterr) TD_MUST_CHECK;
void seal_free(struct seal *s);
/*
 * Check the master key against the store (meta record "master"): the first call on an empty
 * store writes a check value; a wrong key gives TD_CRYPTO with a detail that says so.
 */
enum td_rc seal_check_master(struct seal *s, struct store *store,
			     struct td_err *reterr) TD_MUST_CHECK;

/* Read a master key file: mode 0400 or 0600, 64 hex digits (a trailing newline is fine).
 * systemd credentials are files too. */
enum td_rc seal_read_master_file(const char *path, struct td_secret **ret_master,
				 struct td_err *reterr) TD_MUST_CHECK;

/* A new data key for a tenant, wrapped for the record. */
enum td_rc seal_datakey_new(struct seal *s, const char *appid,
			    struct rec_datakey *ret_rec,
			    struct td_err *reterr) TD_MUST_CHECK;

/* What a sealed value belongs to. */
struct seal_ad {
	enum store_table table;
	const char *appid;
	uint8_t resource; /* enum drv_resource, or 0 */
	uint8_t slot;	  /* enum drv_slot_id, or 0 */
	uint64_t serial;
};
/* Appends the sealed form of (data, len) to out. */
enum td_rc seal_close(struct seal *s, const struct rec_datakey *dk,
		      const struct seal_ad *ad, struct td_bytes data, struct td_buf *out,
		      struct td_err *reterr) TD_MUST_CHECK;
/* Opens into out (init it with td_buf_init_secret). TD_CRYPTO when it does not open. */
enum td_rc seal_open(struct seal *s, const struct rec_datakey *dk,
		     const struct seal_ad *ad, struct td_bytes sealed, struct td_buf *out,
		     struct td_err *reterr) TD_MUST_CHECK;

/* Slot secrets: seal into / open from the record's `sealed` member. */
enum td_rc seal_slot_close(struct seal *s, const struct rec_datakey *dk,
			   const char *appid, enum drv_resource r, enum drv_slot_id id,
			   const struct td_secret *secret, struct rec_slot *slot,
			   struct td_err *reterr) TD_MUST_CHECK;
enum td_rc seal_slot_open(struct seal *s, const struct rec_datakey *dk, const char *appid,
			  enum drv_resource r, enum drv_slot_id id,
			  const struct rec_slot *slot, struct td_secret **ret_secret,
			  struct td_err *reterr) TD_MUST_CHECK;

/*
 * The credential document: encode, seal, chunk and put all its records into the commit
 * (deleting chunks of a longer predecessor). state and region go to the readable head, which
 * is bound to the seal; its total_len and datakey (a copy of dk) are set here. doc NULL: a
 * head without a document (reading it gives a zeroed one).
 */
enum td_rc seal_cred_put(struct seal *s, const struct rec_datakey *dk, const char *appid,
			 const struct rec_cred_head *head, const struct rec_cred *doc,
			 struct store_commit *c, struct td_err *reterr) TD_MUST_CHECK;
/*
 * Read and open it. TD_NOT_FOUND when the tenant has none; with doc NULL only the head is
 * read. ret_version (may be NULL): of chunk 0. The data key is unwrapped through the
 * per-thread cache. TD_CRYPTO when it is wrapped under another master key, or does not open.
 */
enum td_rc seal_cred_get(struct seal *s, struct store_read *r, const char *appid,
			 struct rec_cred_head *ret_head, struct rec_cred *doc,
			 uint64_t *ret_version, struct td_err *reterr) TD_MUST_CHECK;
