/*
 * Nothing is remembered about `current` and `next` but the one in use: on a refusal both
 * are read, and the first that differs from the refused one is taken. When both have been
 * refused they are tried by turns, one attempt per backend call, so that a password that
 * an operator sets later is found without anybody being told.
 */
#include "mongo/creds.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mongo_creds {
	pthread_mutex_t lock;
	struct mongo_cred use;
	char *files[4]; /* user name and password of current, of next; NULL: none */
};

static void
lock(struct mongo_creds *creds)
{
	pthread_mutex_lock(&creds->lock);
}

static void
unlock(struct mongo_creds *creds)
{
	pthread_mutex_unlock(&creds->lock);
}

void
mongo_cred_done(struct mongo_cred *cred)
{
	free(cred->username);
	td_secret_free(cred->password);
	*cred = (struct mongo_cred){ 0 };
}

static bool
same(const struct mongo_cred *a, const struct mongo_cred *b)
{
	return strcmp(a->username, b->username) == 0 &&
	       td_secret_equal(a->password, b->password);
}

/* A NUL inside would cut what libmongoc is given. */
static bool
is_text(const struct td_secret *s)
{
	size_t len = td_secret_len(s);

	return len > 0 && memchr(td_secret_bytes(s), 0, len) == NULL;
}

static enum td_rc
read_pair(char *const files[2], struct mongo_cred *ret_cred, struct td_err *reterr)
{
	TD_CLEAN_SECRET struct td_secret *name = NULL;
	TD_CLEAN_SECRET struct td_secret *password = NULL;
	char *username;
	enum td_rc rc;

	rc = td_secret_read_file(files[0], &name, reterr);
	if (rc == TD_OK)
		rc = td_secret_read_file(files[1], &password, reterr);
	if (rc != TD_OK)
		return rc;
	if (!is_text(name) || !is_text(password))
		return td_err_set(reterr, TD_INVALID,
				  "MongoDB: %s or %s is empty or not text", files[0],
				  files[1]);
	username = strdup(td_secret_bytes(name));
	if (!username)
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	*ret_cred = (struct mongo_cred){ .username = username,
					 .password = TD_TAKE(password) };
	return TD_OK;
}

/* Replaces what is in use. */
static void
use(struct mongo_creds *creds, struct mongo_cred *cred)
{
	unsigned generation = creds->use.generation + 1;

	mongo_cred_done(&creds->use);
	creds->use = *cred;
	creds->use.generation = generation;
	*cred = (struct mongo_cred){ 0 };
}

static bool
copy_files(struct mongo_creds *creds, const struct mongo_key_files *current,
	   const struct mongo_key_files *next)
{
	const char *from[4] = { current->username_file, current->password_file,
				next->username_file, next->password_file };

	if (!from[2] || !from[3])
		from[2] = from[3] = NULL;
	for (size_t i = 0; i < 4; i++) {
		creds->files[i] = from[i] ? strdup(from[i]) : NULL;
		if (from[i] && !creds->files[i])
			return false;
	}
	return true;
}

enum td_rc
mongo_creds_new(const struct mongo_key_files *current, const struct mongo_key_files *next,
		struct mongo_creds **ret_creds, struct td_err *reterr)
{
	struct mongo_creds *creds;
	enum td_rc rc;

	if (!current->username_file || !current->password_file)
		return td_err_set(
			reterr, TD_INVALID,
			"MongoDB: a user name file and a password file are needed");
	creds = calloc(1, sizeof(*creds));
	if (!creds)
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	pthread_mutex_init(&creds->lock, NULL);
	if (!copy_files(creds, current, next)) {
		mongo_creds_free(creds);
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	}
	rc = read_pair(&creds->files[0], &creds->use, reterr);
	if (rc != TD_OK) {
		mongo_creds_free(creds);
		return rc;
	}
	*ret_creds = creds;
	return TD_OK;
}

void
mongo_creds_free(struct mongo_creds *creds)
{
	if (!creds)
		return;
	mongo_cred_done(&creds->use);
	for (size_t i = 0; i < 4; i++)
		free(creds->files[i]);
	pthread_mutex_destroy(&creds->lock);
	free(creds);
}

enum td_rc
mongo_creds_get(struct mongo_creds *creds, struct mongo_cred *ret_cred,
		struct td_err *reterr)
{
	struct mongo_cred copy;

	lock(creds);
	copy.username = strdup(creds->use.username);
	copy.password = td_secret_dup(creds->use.password);
	copy.generation = creds->use.generation;
	unlock(creds);
	if (!copy.username || !copy.password) {
		mongo_cred_done(&copy);
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	}
	*ret_cred = copy;
	return TD_OK;
}

unsigned
mongo_creds_generation(struct mongo_creds *creds)
{
	unsigned generation;

	lock(creds);
	generation = creds->use.generation;
	unlock(creds);
	return generation;
}

static enum td_rc
refused_locked(struct mongo_creds *creds, unsigned generation, struct td_err *reterr)
{
	enum td_rc rc = TD_BACKEND_AUTH;

	if (creds->use.generation != generation)
		return TD_OK;
	for (size_t i = 0; i < 4; i += 2) {
		struct mongo_cred found = { 0 };

		if (!creds->files[i] ||
		    read_pair(&creds->files[i], &found, NULL) != TD_OK)
			continue;
		if (rc != TD_OK && !same(&found, &creds->use)) {
			use(creds, &found);
			rc = TD_OK;
		}
		mongo_cred_done(&found);
	}
	if (rc == TD_OK)
		return TD_OK;
	return td_err_set(reterr, TD_BACKEND_AUTH,
			  "MongoDB refuses user %s with the password of %s",
			  creds->use.username, creds->files[1]);
}

enum td_rc
mongo_creds_refused(struct mongo_creds *creds, unsigned generation, struct td_err *reterr)
{
	enum td_rc rc;

	lock(creds);
	rc = refused_locked(creds, generation, reterr);
	unlock(creds);
	return rc;
}

enum td_rc
mongo_creds_reload(struct mongo_creds *creds, struct td_err *reterr)
{
	struct mongo_cred current = { 0 }, next = { 0 };
	enum td_rc rc;

	lock(creds);
	rc = read_pair(&creds->files[0], &current, reterr);
	if (rc == TD_OK) {
		bool as_next = creds->files[2] &&
			       read_pair(&creds->files[2], &next, NULL) == TD_OK &&
			       same(&next, &creds->use);

		if (!as_next && !same(&current, &creds->use))
			use(creds, &current);
	}
	unlock(creds);
	mongo_cred_done(&current);
	mongo_cred_done(&next);
	return rc;
}
