/*
 * The credential in use is shared and counted: a request holds the one it was signed
 * with, so that its sealed reply can still be opened after another thread has switched to
 * a new key.
 */
#include "minio/keyring.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct key_paths {
	char *access_key;
	char *secret_key;
};

struct keyring {
	struct key_paths current;
	struct key_paths next;
	pthread_mutex_t lock; /* over what follows, and the counts */
	struct credential *cred;
};

static void
credential_free(struct credential *c)
{
	if (!c)
		return;
	td_secret_free(c->access_key);
	td_secret_free(c->secret);
	free(c);
}

static bool
access_key_ok(const struct td_secret *key)
{
	const unsigned char *p = td_secret_bytes(key);
	size_t len = td_secret_len(key);

	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == ',' || p[i] == '=')
			return false;
	return len >= 3;
}

static enum td_rc
credential_read(const struct key_paths *paths, struct credential **ret,
		struct td_err *reterr)
{
	struct credential *c = calloc(1, sizeof(*c));
	enum td_rc rc;

	if (!c)
		return td_err_set(reterr, TD_NOMEM, "no memory for a credential");
	c->refs = 1;
	rc = td_secret_read_file(paths->access_key, &c->access_key, reterr);
	if (rc == TD_OK)
		rc = td_secret_read_file(paths->secret_key, &c->secret, reterr);
	if (rc == TD_OK && !access_key_ok(c->access_key))
		rc = td_err_set(reterr, TD_INVALID, "%s holds no access key",
				paths->access_key);
	if (rc == TD_OK && td_secret_len(c->secret) == 0)
		rc = td_err_set(reterr, TD_INVALID, "%s is empty", paths->secret_key);
	if (rc != TD_OK) {
		credential_free(c);
		return rc;
	}
	*ret = c;
	return TD_OK;
}

static bool
credential_same(const struct credential *a, const struct credential *b)
{
	return td_secret_equal(a->access_key, b->access_key) &&
	       td_secret_equal(a->secret, b->secret);
}

struct credential *
keyring_take(struct keyring *k)
{
	struct credential *cred;

	pthread_mutex_lock(&k->lock);
	cred = k->cred;
	cred->refs++;
	pthread_mutex_unlock(&k->lock);
	return cred;
}

/* With the lock held. */
static void
credential_drop(struct credential *cred)
{
	if (--cred->refs == 0)
		credential_free(cred);
}

void
keyring_give(struct keyring *k, struct credential *cred)
{
	if (!cred)
		return;
	pthread_mutex_lock(&k->lock);
	credential_drop(cred);
	pthread_mutex_unlock(&k->lock);
}

/* With the lock held: use what the files hold if that is another key than `used`. */
static bool
credential_switch(struct keyring *k, const struct key_paths *paths,
		  const struct credential *used)
{
	struct credential *fresh;

	if (!paths->access_key || credential_read(paths, &fresh, NULL) != TD_OK)
		return false;
	if (credential_same(fresh, used)) {
		credential_free(fresh);
		return false;
	}
	credential_drop(k->cred);
	k->cred = fresh;
	return true;
}

/* MinIO refused `used`: is there another one to try? */
bool
keyring_renew(struct keyring *k, const struct credential *used)
{
	bool renewed;

	pthread_mutex_lock(&k->lock);
	renewed = k->cred != used || credential_switch(k, &k->current, used) ||
		  credential_switch(k, &k->next, used);
	pthread_mutex_unlock(&k->lock);
	return renewed;
}

enum td_rc
keyring_reread(struct keyring *k, struct td_err *reterr)
{
	struct credential *fresh;
	enum td_rc rc;

	rc = credential_read(&k->current, &fresh, reterr);
	if (rc != TD_OK)
		return rc;
	pthread_mutex_lock(&k->lock);
	if (credential_same(fresh, k->cred)) {
		credential_free(fresh);
	} else {
		credential_drop(k->cred);
		k->cred = fresh;
	}
	pthread_mutex_unlock(&k->lock);
	return TD_OK;
}

static bool
paths_copy(struct key_paths *out, const struct minio_key_files *files)
{
	if (!files->access_key_file)
		return true;
	out->access_key = strdup(files->access_key_file);
	out->secret_key = strdup(files->secret_key_file);
	return out->access_key && out->secret_key;
}

enum td_rc
keyring_new(const struct minio_key_files *current, const struct minio_key_files *next,
	    struct keyring **ret, struct td_err *reterr)
{
	struct keyring *k;
	enum td_rc rc = TD_OK;

	if (!current->access_key_file || !current->secret_key_file)
		return td_err_set(reterr, TD_INVALID, "minio: no credential files");
	if (!next->access_key_file != !next->secret_key_file)
		return td_err_set(reterr, TD_INVALID,
				  "minio: the next credential needs both files");
	k = calloc(1, sizeof(*k));
	if (!k)
		return td_err_set(reterr, TD_NOMEM, "no memory for credentials");
	pthread_mutex_init(&k->lock, NULL);
	if (!paths_copy(&k->current, current) || !paths_copy(&k->next, next))
		rc = td_err_set(reterr, TD_NOMEM, "no memory for credentials");
	if (rc == TD_OK)
		rc = credential_read(&k->current, &k->cred, reterr);
	if (rc != TD_OK) {
		keyring_free(k);
		return rc;
	}
	*ret = k;
	return TD_OK;
}

void
keyring_free(struct keyring *k)
{
	if (!k)
		return;
	credential_free(k->cred);
	free(k->current.access_key);
	free(k->current.secret_key);
	free(k->next.access_key);
	free(k->next.secret_key);
	pthread_mutex_destroy(&k->lock);
	free(k);
}
