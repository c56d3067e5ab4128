/*
 * A secret is one allocation: its length, its bytes, a closing NUL. There is no way to
 * grow, print or compare one but the functions here, so that "where do secrets go" is
 * answered by searching for td_secret_bytes().
 */
#include "secret.h"

#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct td_secret {
	size_t len;
	unsigned char bytes[];
};

static struct td_secret *
secret_alloc(size_t len)
{
	struct td_secret *s;

	if (len > TD_SECRET_MAX)
		return NULL;
	s = malloc(sizeof(*s) + len + 1);
	if (s == NULL)
		return NULL;
	s->len = len;
	s->bytes[len] = '\0';
	return s;
}

struct td_secret *
td_secret_new(const void *data, size_t len)
{
	struct td_secret *s = secret_alloc(len);

	if (s != NULL && len > 0)
		memcpy(s->bytes, data, len);
	return s;
}

struct td_secret *
td_secret_random_alnum(const struct td_env *env, size_t len)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	struct td_secret *s = secret_alloc(len);
	unsigned char pool[64];
	size_t have = 0, done = 0;

	if (s == NULL)
		return NULL;
	while (done < len) {
		if (have == 0) {
			td_random(env, pool, sizeof(pool));
			have = sizeof(pool);
		}
		/* 248 = 4 * 62: the values above would favour the first letters. */
		unsigned char v = pool[--have];
		if (v < 248)
			s->bytes[done++] = (unsigned char)set[v % 62];
	}
	explicit_bzero(pool, sizeof(pool));
	return s;
}

struct td_secret *
td_secret_random(const struct td_env *env, size_t len)
{
	struct td_secret *s = secret_alloc(len);

	if (s != NULL)
		td_random(env, s->bytes, len);
	return s;
}

struct td_secret *
td_secret_dup(const struct td_secret *s)
{
	return s == NULL ? NULL : td_secret_new(s->bytes, s->len);
}

void
td_secret_free(struct td_secret *s)
{
	if (s == NULL)
		return;
	explicit_bzero(s, sizeof(*s) + s->len + 1);
	free(s);
}

const void *
td_secret_bytes(const struct td_secret *s)
{
	return s->bytes;
}

size_t
td_secret_len(const struct td_secret *s)
{
	return s->len;
}

bool
td_secret_equal(const struct td_secret *a, const struct td_secret *b)
{
	return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}

/*
 * The group bits of a file with an access list show the list's mask, not a group's right:
 * systemd hands out credentials that way, root's file with an entry for the service's
 * user. Such a file is private when no group, no "other" and no user but us is on the
 * list. Layout: linux/posix_acl_xattr.h, version 2, little-endian.
 */
static bool
acl_is_private(int fd)
{
	enum {
		ACL_VERSION = 2,
		USER = 0x02,
		GROUP_OBJ = 0x04,
		GROUP = 0x08,
		OTHER = 0x20
	};
	unsigned char raw[4 + 32 * 8];
	ssize_t n = fgetxattr(fd, "system.posix_acl_access", raw, sizeof(raw));

	if (n < 4 || (n - 4) % 8 != 0 || raw[0] != ACL_VERSION)
		return false;
	for (const unsigned char *p = raw + 4; p < raw + n; p += 8) {
		unsigned tag = p[0] | (unsigned)p[1] << 8;
		unsigned perm = p[2] | (unsigned)p[3] << 8;
		uint32_t id = p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 |
			      (uint32_t)p[7] << 24;

		if (perm == 0)
			continue;
		if (tag == GROUP_OBJ || tag == GROUP || tag == OTHER)
			return false;
		if (tag == USER && id != geteuid() && id != 0)
			return false;
	}
	return true;
}

static enum td_rc
check_file(const char *path, int fd, struct td_err *reterr)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return td_err_set(reterr, TD_INVALID, "%s: not a regular file", path);
	if ((st.st_mode & 007) != 0 || ((st.st_mode & 070) != 0 && !acl_is_private(fd)))
		return td_err_set(reterr, TD_INVALID,
				  "%s: mode %04o lets others at a secret; chmod 0400",
				  path, (unsigned)(st.st_mode & 07777));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return td_err_set(reterr, TD_INVALID,
				  "%s: belongs to user %u, who could change it; chown it",
				  path, (unsigned)st.st_uid);
	return TD_OK;
}

/* Up to TD_SECRET_MAX bytes and one more, which shows that there are too many. */
static enum td_rc
read_all(const char *path, int fd, unsigned char *out, size_t *ret_len,
	 struct td_err *reterr)
{
	size_t len = 0;

	while (len < TD_SECRET_MAX + 1) {
		ssize_t n = read(fd, out + len, TD_SECRET_MAX + 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return td_err_sys(reterr, TD_IO, errno, "%s", path);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > TD_SECRET_MAX)
		return td_err_set(reterr, TD_INVALID, "%s: more than %d bytes", path,
				  TD_SECRET_MAX);
	if (len > 0 && out[len - 1] == '\n')
		len--;
	*ret_len = len;
	return TD_OK;
}

enum td_rc
td_secret_read_file(const char *path, struct td_secret **ret_secret,
		    struct td_err *reterr)
{
	unsigned char bytes[TD_SECRET_MAX + 1];
	struct td_secret *s = NULL;
	size_t len = 0;
	enum td_rc rc;
	/* O_NONBLOCK: a FIFO must not hold up the start; it is refused below. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", path);
	rc = check_file(path, fd, reterr);
	if (rc == TD_OK)
		rc = read_all(path, fd, bytes, &len, reterr);
	close(fd);
	if (rc == TD_OK) {
		s = td_secret_new(bytes, len);
		if (s == NULL)
			rc = td_err_set(reterr, TD_NOMEM, "%s: no memory", path);
	}
	explicit_bzero(bytes, sizeof(bytes));
	if (rc == TD_OK)
		*ret_secret = s;
	return rc;
}
