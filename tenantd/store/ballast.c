/*
 * The ballast: a file with real blocks that does nothing until the file system is full.
 * Then it is emptied, and what must work on a full disk (revoking, deleting, draining
 * the audit spool, pruning) has room. It is not needed for correctness: where it cannot be
 * made for want of room, normal commits wait until it can.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BALLAST_NAME "ballast"
#define RETRY_MS 1000

/* All of it or nothing: 0 or the errno. */
static int
fill(struct store *s)
{
	int fd = openat(s->dir_fd, BALLAST_NAME,
			O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	int rc;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == s->ballast_bytes &&
	    (uint64_t)st.st_blocks * 512 >= s->ballast_bytes) {
		close(fd);
		return 0;
	}
	rc = ftruncate(fd, 0) != 0 ? errno
				   : posix_fallocate(fd, 0, (off_t)s->ballast_bytes);
	if (rc != 0)
		(void)!ftruncate(fd, 0);
	close(fd);
	return rc;
}

static void
set_gone(struct store *s, bool gone)
{
	s->ballast_gone = gone;
	atomic_store(&s->ballast_used, gone);
}

void
store_ballast_open(struct store *s)
{
	if (s->ballast_bytes == 0) {
		(void)unlinkat(s->dir_fd, BALLAST_NAME, 0);
		return;
	}
	/* Any other failure means that there never is one; then none can be given up. */
	set_gone(s, env_is_full(fill(s)));
	s->ballast_tried_ms = td_mono_ms(s->env);
}

bool
store_ballast_release(struct store *s)
{
	int fd;
	bool ok;

	if (s->ballast_bytes == 0 || s->ballast_gone)
		return false;
	fd = openat(s->dir_fd, BALLAST_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return false;
	/* On disk at once, so that the blocks are free for the next fallocate. */
	ok = ftruncate(fd, 0) == 0;
	(void)fsync(fd);
	close(fd);
	set_gone(s, true);
	s->ballast_tried_ms = td_mono_ms(s->env);
	return ok;
}

bool
store_ballast_restore(struct store *s)
{
	int64_t now = td_mono_ms(s->env);

	if (now - s->ballast_tried_ms < RETRY_MS)
		return false;
	s->ballast_tried_ms = now;
	/* Only with as much again left: else the next commit would take it back. */
	if (env_space_tight(&s->control, 2 * s->ballast_bytes) || fill(s) != 0)
		return false;
	set_gone(s, false);
	return true;
}
