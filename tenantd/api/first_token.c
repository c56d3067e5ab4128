/*
 * The first token. The file is complete and synced before the store knows the hash: a crash
 * in between leaves a file whose token opens nothing and an empty store, and the next start
 * makes both anew.
 */
#include "internal.h"

#include "base/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum td_rc
sync_folder(const char *path, struct td_err *reterr)
{
	char copy[PATH_MAX];
	enum td_rc rc = TD_OK;
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		rc = td_err_sys(reterr, TD_IO, errno, "folder of %s", path);
	if (fd >= 0)
		close(fd);
	return rc;
}

static enum td_rc
write_file(const char *path, const char *token, struct td_err *reterr)
{
	char temp[PATH_MAX], line[API_TOKEN_LEN + 2];
	int len = snprintf(temp, sizeof(temp), "%s.new", path);
	enum td_rc rc = TD_OK;
	int fd;

	if (len < 0 || (size_t)len >= sizeof(temp))
		return td_err_set(reterr, TD_INVALID, "%s: too long", path);
	snprintf(line, sizeof(line), "%s\n", token);
	(void)unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	if (fd < 0 || write(fd, line, API_TOKEN_LEN + 1) != API_TOKEN_LEN + 1 ||
	    fchmod(fd, 0400) != 0 || fsync(fd) != 0 || rename(temp, path) != 0)
		rc = td_err_sys(reterr, TD_IO, errno, "%s", path);
	if (fd >= 0)
		close(fd);
	explicit_bzero(line, sizeof(line));
	return rc == TD_OK ? sync_folder(path, reterr) : rc;
}

static enum td_rc
commit(struct store *store, const struct rec_token *rec,
       const unsigned char hash[TD_SHA256_LEN], struct td_err *reterr)
{
	struct store_commit *c = store_commit_new(STORE_RESERVE);
	struct rec_audit entry = { .time_ms = rec->created_ms,
				   .action = API_AUDIT_ADMIN_TOKEN,
				   .count = 1 };
	struct td_buf b;
	enum td_rc rc;

	if (c == NULL)
		return td_err_set(reterr, TD_NOMEM, "admin token");
	memcpy(entry.object, rec->id, sizeof(rec->id));
	td_buf_init(&b, 2 * STORE_VALUE_MAX);
	rec_token_encode(rec, &b);
	store_commit_expect(c, STORE_TOKEN, hash, TD_SHA256_LEN, 0);
	store_commit_put(c, STORE_TOKEN, hash, TD_SHA256_LEN, b.data, b.len);
	store_commit_put(c, STORE_TOKEN_ID, rec->id, strlen(rec->id), hash,
			 TD_SHA256_LEN);
	td_buf_reset(&b);
	rec_audit_encode(&entry, &b);
	store_commit_audit(c, b.data, b.len);
	rc = td_buf_rc(&b);
	td_buf_done(&b);
	if (rc != TD_OK) {
		store_commit_free(c);
		return td_err_set(reterr, rc, "admin token");
	}
	return store_commit(store, c, NULL, reterr);
}

enum td_rc
api_admin_token(struct store *store, const struct td_env *env, const char *path,
		struct td_err *reterr)
{
	unsigned char raw[32], id[8], hash[TD_SHA256_LEN];
	char token[API_TOKEN_LEN + 1] = "tnd_";
	struct rec_token rec = { .role = REC_ROLE_ADMIN, .label = "first admin token" };
	struct store_read *read = NULL;
	uint64_t tokens;
	enum td_rc rc = store_read_begin(store, &read, reterr);

	if (rc != TD_OK)
		return rc;
	tokens = store_count(read, STORE_TOKEN);
	store_read_end(read);
	if (tokens > 0)
		return TD_OK;
	td_random(env, raw, sizeof(raw));
	td_random(env, id, sizeof(id));
	td_b64url(raw, sizeof(raw), token + 4);
	td_sha256(token, API_TOKEN_LEN, hash);
	for (unsigned i = 0; i < sizeof(id); i++)
		snprintf(rec.id + (size_t)2 * i, 3, "%02x", id[i]);
	rec.created_ms = td_now_ms(env);
	rc = write_file(path, token, reterr);
	if (rc == TD_OK)
		rc = commit(store, &rec, hash, reterr);
	explicit_bzero(raw, sizeof(raw));
	explicit_bzero(token, sizeof(token));
	return rc;
}
