/*
 * Preloaded into tenantd by tests/fault: kills the process, as kill -9 does, at its n-th
 * step. A step is what leaves a trace outside of the process: a write to a backend's
 * socket, and a durable write of the store, once before it and once after it. So counting n
 * upwards visits every point between "we wrote it down", "the backend was asked" and "we
 * wrote down what it said".
 *
 * Counting starts when the file CRASH_ARM exists. CRASH_KIND says which steps count:
 * "commit" or "send". CRASH_AT=0 never kills.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int armed;
static atomic_long count;

static void
step(const char *kind)
{
	const char *arm = getenv("CRASH_ARM"), *at = getenv("CRASH_AT");
	const char *wanted = getenv("CRASH_KIND");

	if (!atomic_load(&armed)) {
		if (arm == NULL || access(arm, F_OK) != 0)
			return;
		atomic_store(&armed, 1);
	}
	if (wanted == NULL || at == NULL || strcmp(wanted, kind) != 0)
		return;
	if (atomic_fetch_add(&count, 1) + 1 == strtol(at, NULL, 10))
		(void)kill(getpid(), SIGKILL);
}

/* Only sockets that we connected: the API's own are accepted ones. */
static int
is_backend(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	const char *skip = getenv("CRASH_NOT_PORT");
	char port[16] = "";

	if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0 ||
	    peer.ss_family != AF_INET)
		return 0;
	len = sizeof(peer);
	if (getsockname(fd, (struct sockaddr *)&peer, &len) != 0)
		return 0;
	const unsigned char *p = (const unsigned char *)&peer + 2;
	(void)snprintf(port, sizeof(port), "%u", (unsigned)p[0] << 8 | p[1]);
	return skip == NULL || strcmp(skip, port) != 0;
}

ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);

	if (real == NULL)
		real = (ssize_t(*)(int, const void *, size_t, int))dlsym(RTLD_NEXT,
									 "send");
	ssize_t n = real(fd, buf, len, flags);
	if (n > 0 && is_backend(fd))
		step("send");
	return n;
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	static ssize_t (*real)(int, const struct msghdr *, int);

	if (real == NULL)
		real = (ssize_t(*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT,
									  "sendmsg");
	ssize_t n = real(fd, msg, flags);
	if (n > 0 && is_backend(fd))
		step("send");
	return n;
}

int
fdatasync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
	step("commit");
	int rc = real(fd);
	step("commit");
	return rc;
}
