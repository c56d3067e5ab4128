/*
 * Opening and closing. A state folder holds
 *
 *   lock             held with flock(2) while the store is open; the pid, for people
 *   control.mdb      the control environment, and LMDB's own control.mdb-lock
 *   instance         the instance id; written last, so it says: a store was made here
 *   ballast          see ballast.c
 *
 * When `instance` is there and control.mdb is missing or empty, the data was lost, and
 * beginning anew would forget every tenant and tombstone: that is refused.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_NAME "instance"
#define DATA_NAME "control.mdb"

static enum td_rc
open_dir(struct store *s, const char *dir, struct td_err *reterr)
{
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return td_err_sys(reterr, TD_IO, errno, "state folder %s", dir);
	s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "state folder %s", dir);
	s->dir = strdup(dir);
	return s->dir != NULL ? TD_OK : td_err_set(reterr, TD_NOMEM, "no memory");
}

static void
write_pid(int fd)
{
	struct td_buf b;

	td_buf_init(&b, 32);
	td_buf_fmt(&b, "%ld\n", (long)getpid());
	/* For people only: a full disk must not keep the store from opening. */
	if (ftruncate(fd, 0) == 0 && td_buf_rc(&b) == TD_OK)
		(void)!pwrite(fd, b.data, b.len, 0);
	td_buf_done(&b);
}

static enum td_rc
lock_dir(struct store *s, struct td_err *reterr)
{
	char pid[16] = "";
	ssize_t n;

	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	if (s->lock_fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s/lock", s->dir);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		write_pid(s->lock_fd);
		return TD_OK;
	}
	if (errno != EWOULDBLOCK)
		return td_err_sys(reterr, TD_IO, errno, "%s/lock", s->dir);
	n = pread(s->lock_fd, pid, sizeof(pid) - 1, 0);
	pid[n > 0 ? (size_t)n : 0] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return td_err_set(
		reterr, TD_UNAVAILABLE,
		"%s is in use by another tenantd (process %s); stop it first, or "
		"use another state folder",
		s->dir, pid[0] != '\0' ? pid : "unknown");
}

/* A folder that held a store must still hold it. */
static enum td_rc
check_mark(struct store *s, struct td_err *reterr)
{
	struct stat st;

	if (faccessat(s->dir_fd, MARK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return TD_OK;
	if (fstatat(s->dir_fd, DATA_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_size > 0)
		return TD_OK;
	return td_err_set(
		reterr, TD_CORRUPT,
		"%s held a store, but " DATA_NAME " is missing or empty; restore it "
		"from a backup (or, to begin anew and forget every tenant, empty the "
		"folder)",
		s->dir);
}

static enum td_rc
write_mark(struct store *s, struct td_err *reterr)
{
	int fd;
	bool ok;

	if (faccessat(s->dir_fd, MARK_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return TD_OK;
	fd = openat(s->dir_fd, MARK_NAME ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s/" MARK_NAME, s->dir);
	ok = write(fd, s->instance, STORE_INSTANCE_LEN) == STORE_INSTANCE_LEN &&
	     write(fd, "\n", 1) == 1 && fsync(fd) == 0;
	close(fd);
	if (!ok || renameat(s->dir_fd, MARK_NAME ".new", s->dir_fd, MARK_NAME) != 0 ||
	    fsync(s->dir_fd) != 0)
		return td_err_sys(reterr, TD_IO, errno, "%s/" MARK_NAME, s->dir);
	return TD_OK;
}

static enum td_rc
check_options(const struct store_options *opt, struct td_err *reterr)
{
	if (opt->map_bytes < 1024 * 1024 || opt->max_bytes > opt->map_bytes)
		return td_err_set(
			reterr, TD_INVALID,
			"store.map_bytes must be at least 1 MiB and not less than "
			"store.max_bytes");
	if (opt->max_bytes < 256 * 1024 || opt->reserve_bytes > opt->max_bytes / 2)
		return td_err_set(reterr, TD_INVALID,
				  "store.max_bytes must be at least 256 KiB, and "
				  "store.reserve_bytes at most half of it");
	if (opt->max_readers < 4)
		return td_err_set(reterr, TD_INVALID, "store.max_readers: at least 4");
	return TD_OK;
}

static enum td_rc
open_files(struct store *s, const struct store_options *opt, struct td_err *reterr)
{
	struct env_options eo = { .dir = opt->dir,
				  .map_bytes = opt->map_bytes,
				  .max_readers = opt->max_readers,
				  .chance = opt->env };
	enum td_rc rc;

	rc = open_dir(s, opt->dir, reterr);
	if (rc == TD_OK)
		rc = lock_dir(s, reterr);
	if (rc == TD_OK)
		rc = check_mark(s, reterr);
	if (rc == TD_OK)
		rc = env_open(&store_control_layout, &eo, &s->control, reterr);
	if (rc == TD_OK)
		rc = store_clock_load(s, reterr);
	if (rc == TD_OK)
		rc = store_instance_load(s, reterr);
	if (rc == TD_OK)
		rc = write_mark(s, reterr);
	if (rc == TD_OK)
		store_ballast_open(s);
	return rc;
}

static enum td_rc
start_writer(struct store *s, struct td_err *reterr)
{
	int m = pthread_key_create(&s->read_key, store_read_thread_exit);

	s->read_key_made = m == 0;
	if (m == 0)
		m = pthread_create(&s->writer, NULL, store_writer_main, s);
	if (m != 0)
		return td_err_sys(reterr, TD_NOMEM, m, "writer thread");
	s->writer_runs = true;
	(void)pthread_setname_np(s->writer, "store-writer");
	return TD_OK;
}

enum td_rc
store_open(const struct store_options *opt, struct store **ret_store,
	   struct td_err *reterr)
{
	struct store *s;
	enum td_rc rc = check_options(opt, reterr);

	if (rc != TD_OK)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return td_err_set(reterr, TD_NOMEM, "no memory for the store");
	s->env = opt->env;
	s->dir_fd = -1;
	s->lock_fd = -1;
	/* Changing a page takes a copy: with the last of the map in use nothing could go. */
	s->max_bytes = opt->map_bytes - opt->map_bytes / 16;
	if (opt->max_bytes < s->max_bytes)
		s->max_bytes = opt->max_bytes;
	s->reserve_bytes = opt->reserve_bytes;
	s->ballast_bytes = opt->ballast_bytes;
	s->tail = &s->head;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->reads_lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	rc = open_files(s, opt, reterr);
	if (rc == TD_OK)
		rc = start_writer(s, reterr);
	if (rc != TD_OK) {
		store_close(s);
		return rc;
	}
	*ret_store = s;
	return TD_OK;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	if (s->writer_runs) {
		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		pthread_cond_signal(&s->wake);
		pthread_mutex_unlock(&s->lock);
		pthread_join(s->writer, NULL);
	}
	if (s->read_key_made) {
		store_reads_close(s);
		pthread_key_delete(s->read_key);
	}
	env_close(&s->control);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->reads_lock);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

const char *
store_instance_id(const struct store *s)
{
	return s->instance;
}

enum td_rc
store_watch(struct store *s, store_watch_fn fn, void *ctx)
{
	enum td_rc rc = TD_UNAVAILABLE;
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = atomic_load(&s->watcher_count);
	if (n < STORE_WATCHERS_MAX) {
		s->watchers[n] = (struct store_watcher){ .fn = fn, .ctx = ctx };
		/* Last: the writer looks without the lock. */
		atomic_store_explicit(&s->watcher_count, n + 1, memory_order_release);
		rc = TD_OK;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

bool
store_full(const struct store *s)
{
	return atomic_load(&s->full);
}

void
store_stats(struct store *s, struct store_stats *ret_stats)
{
	struct stat st = { 0 };
	uint64_t left = 0;

	(void)env_free_bytes(&s->control, &left);
	(void)fstatat(s->dir_fd, DATA_NAME, &st, AT_SYMLINK_NOFOLLOW);
	*ret_stats = (struct store_stats){
		.used_bytes = atomic_load(&s->used_bytes),
		.max_bytes = s->max_bytes,
		.reserve_bytes = s->reserve_bytes,
		.free_bytes = left,
		.file_bytes = (uint64_t)st.st_size,
		.commits = atomic_load(&s->commits),
		.conflicts = atomic_load(&s->conflicts),
		.failures = atomic_load(&s->failures),
		.queue = atomic_load(&s->queued),
		.full = store_full(s),
		.ballast_used = atomic_load(&s->ballast_used),
		.broken = atomic_load(&s->broken),
	};
}
