/*
 * A reader sees the old file or the new one, whole, also after a crash: everything is written
 * and synced beside it, then renamed over it.
 *
 * The signal goes through a pidfd, so that the process whose name was checked is the one that
 * gets it: should it end in between, nobody does, even if its number is given out again.
 */
#include "denymap_file.h"

#include "denymap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PID_TEXT_MAX 32
#define MASTER_COMM "nginx\n"

/* ---- pure ---- */

enum denymap_mode
denymap_mode(const struct rec_tenant *rec, enum denymap_fence fence)
{
	if (rec->suspend != 0 || rec->phase == REC_SUSPENDED ||
	    rec->phase == REC_DELETING)
		return DENYMAP_DENY;
	return fence == DENYMAP_FENCED ? DENYMAP_READONLY : DENYMAP_FREE;
}

void
denymap_line(struct td_buf *out, const char *appid, enum denymap_mode mode)
{
	/* What these mean to nginx's map is taken from them by a backslash. */
	static const char *const words[] = { "default", "hostnames", "include",
					     "volatile" };

	if (mode == DENYMAP_FREE)
		return;
	if (!rec_appid_any_ok(appid)) {
		if (out->rc == TD_OK)
			out->rc = TD_INVALID;
		return;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], appid) == 0)
			td_buf_char(out, '\\');
	td_buf_str(out, appid);
	td_buf_str(out, mode == DENYMAP_READONLY ? " readonly;\n" : " deny;\n");
}

bool
denymap_pid_parse(const char *text, size_t len, pid_t *ret_pid)
{
	int64_t pid = 0;

	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len == 0 || len > 10 || text[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		pid = pid * 10 + (text[i] - '0');
	}
	if (pid < 2 || pid > INT_MAX)
		return false;
	*ret_pid = (pid_t)pid;
	return true;
}

/* ---- the file ---- */

/* At most `size` bytes of a file; the number read, or -1 with errno. */
static ssize_t
read_some(int fd, char *out, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = read(fd, out + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

static bool
same_content(const char *path, const struct td_buf *content)
{
	char piece[16384];
	struct stat st;
	size_t at = 0;
	bool same;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return false;
	same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (size_t)st.st_size == content->len;
	while (same && at < content->len) {
		ssize_t n = read_some(fd, piece, sizeof(piece));

		same = n > 0 && (size_t)n <= content->len - at &&
		       memcmp(piece, content->data + at, (size_t)n) == 0;
		at += n > 0 ? (size_t)n : 0;
	}
	(void)close(fd);
	return same;
}

static bool
write_all(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* The folder's entry must be on disk, too. */
static bool
sync_folder(const char *path)
{
	char *dir = strndup(path, (size_t)(strrchr(path, '/') - path) + 1);
	int fd = dir == NULL ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	int keep = errno;

	free(dir);
	if (fd >= 0)
		(void)close(fd);
	errno = keep;
	return ok;
}

static enum td_rc
replace(const char *path, const char *temp, const struct td_buf *content,
	bool *ret_changed, struct td_err *reterr)
{
	/* Left by a crash; not opened as it is, since a link may stand there. */
	(void)unlink(temp);
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "cannot make %s", temp);
	/* The gateway runs as somebody else, and our umask is strict. */
	bool ok = fchmod(fd, 0644) == 0 && write_all(fd, content->data, content->len) &&
		  fsync(fd) == 0;
	int keep = errno;
	if (close(fd) != 0 && ok) {
		ok = false;
		keep = errno;
	}
	if (ok && rename(temp, path) != 0) {
		ok = false;
		keep = errno;
	}
	if (!ok) {
		(void)unlink(temp);
		return td_err_sys(reterr, TD_IO, keep, "cannot write %s", path);
	}
	*ret_changed = true;
	if (!sync_folder(path))
		return td_err_sys(reterr, TD_IO, errno, "cannot sync the folder of %s",
				  path);
	return TD_OK;
}

enum td_rc
denymap_file_write(const char *path, const struct td_buf *content, bool *ret_changed,
		   struct td_err *reterr)
{
	char *temp = NULL;

	*ret_changed = false;
	if (same_content(path, content))
		return TD_OK;
	if (asprintf(&temp, "%s.new", path) < 0)
		return td_err_set(reterr, TD_NOMEM, "out of memory");
	enum td_rc rc = replace(path, temp, content, ret_changed, reterr);
	free(temp);
	return rc;
}

/* ---- the signal ---- */

static enum td_rc
read_pid(const char *path, pid_t *ret_pid, struct td_err *reterr)
{
	char text[PID_TEXT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return td_err_sys(reterr, errno == ENOENT ? TD_NOT_FOUND : TD_IO, errno,
				  "cannot open %s", path);
	ssize_t n = read_some(fd, text, sizeof(text));
	int keep = errno;
	(void)close(fd);
	if (n < 0)
		return td_err_sys(reterr, TD_IO, keep, "cannot read %s", path);
	/* nginx makes the file, then writes it. */
	if (n == 0)
		return td_err_set(reterr, TD_NOT_FOUND, "%s is empty", path);
	if (!denymap_pid_parse(text, (size_t)n, ret_pid))
		return td_err_set(reterr, TD_INVALID, "%s does not hold a process id",
				  path);
	return TD_OK;
}

static enum td_rc
check_comm(const char *pid_file, pid_t pid, struct td_err *reterr)
{
	char path[64], comm[64];

	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read_some(fd, comm, sizeof(comm));
	int keep = errno;
	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return td_err_sys(reterr,
				  keep == ENOENT || keep == ESRCH ? TD_NOT_FOUND : TD_IO,
				  keep, "cannot read %s", path);
	if ((size_t)n != strlen(MASTER_COMM) || memcmp(comm, MASTER_COMM, (size_t)n) != 0)
		return td_err_set(reterr, TD_INVALID,
				  "%s: process %ld is not an nginx; it was left alone",
				  pid_file, (long)pid);
	return TD_OK;
}

enum td_rc
denymap_file_signal(const char *pid_file, struct td_err *reterr)
{
	pid_t pid = 0;
	enum td_rc rc = read_pid(pid_file, &pid, reterr);

	if (rc != TD_OK)
		return rc;
	int fd = pidfd_open(pid, 0);
	if (fd < 0)
		return td_err_sys(reterr, errno == ESRCH ? TD_NOT_FOUND : TD_IO, errno,
				  "%s: process %ld", pid_file, (long)pid);
	rc = check_comm(pid_file, pid, reterr);
	if (rc == TD_OK && pidfd_send_signal(fd, SIGHUP, NULL, 0) != 0)
		rc = td_err_sys(reterr,
				errno == ESRCH	 ? TD_NOT_FOUND
				: errno == EPERM ? TD_FORBIDDEN
						 : TD_IO,
				errno, "%s: cannot signal process %ld", pid_file,
				(long)pid);
	(void)close(fd);
	return rc;
}
