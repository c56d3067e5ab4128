/*
 * Sockets are bound before anything else runs, so that a taken address is told at the
 * start, and each API thread later serves a dup() of each.
 */
#include "internal.h"

#include "base/pem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define PEM_MAX (256 * 1024)

static enum td_rc
read_pem(const char *path, char **ret_text, struct td_err *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	size_t len = 0;

	if (fd < 0)
		return td_err_sys(reterr, TD_INVALID, errno, "%s", path);
	text = calloc(1, PEM_MAX + 1);
	while (text != NULL && len < PEM_MAX) {
		ssize_t n = read(fd, text + len, PEM_MAX - len);

		if (n == 0)
			break;
		if (n < 0 && errno != EINTR) {
			enum td_rc rc = td_err_sys(reterr, TD_IO, errno, "%s", path);

			explicit_bzero(text, PEM_MAX);
			free(text);
			close(fd);
			return rc;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (text == NULL)
		return td_err_set(reterr, TD_NOMEM, "%s", path);
	*ret_text = text;
	if (len == 0 || len == PEM_MAX)
		return td_err_set(reterr, TD_INVALID, "%s: empty or too long", path);
	return TD_OK;
}

static enum td_rc
open_tls(const struct api_listener *opt, struct listener *l, struct td_err *reterr)
{
	enum td_rc rc;

	if (opt->tls_cert == NULL && opt->tls_key == NULL && opt->tls_client_ca == NULL)
		return TD_OK;
	if (opt->tls_cert == NULL || opt->tls_key == NULL)
		return td_err_set(reterr, TD_INVALID,
				  "listener %s: TLS needs a certificate and a key",
				  l->name);
	rc = read_pem(opt->tls_cert, &l->tls_cert, reterr);
	if (rc == TD_OK) {
		rc = td_pem_not_after(l->tls_cert, &l->tls_not_after, reterr);
		if (rc != TD_OK)
			return td_err_prefix(reterr, "%s", opt->tls_cert);
	}
	if (rc == TD_OK)
		rc = read_pem(opt->tls_key, &l->tls_key, reterr);
	if (rc == TD_OK && opt->tls_client_ca != NULL)
		rc = read_pem(opt->tls_client_ca, &l->tls_ca, reterr);
	return rc;
}

static enum td_rc
bind_tcp(const struct api_listener *opt, struct listener *l, struct td_err *reterr)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = { 0 };
	socklen_t len;
	char text[INET6_ADDRSTRLEN];
	int one = 1;

	if (inet_pton(AF_INET, opt->address, &a.in.sin_addr) == 1) {
		a.in.sin_family = AF_INET;
		a.in.sin_port = htons(opt->port);
		len = sizeof(a.in);
	} else if (inet_pton(AF_INET6, opt->address, &a.in6.sin6_addr) == 1) {
		a.in6.sin6_family = AF_INET6;
		a.in6.sin6_port = htons(opt->port);
		len = sizeof(a.in6);
	} else {
		return td_err_set(reterr, TD_INVALID,
				  "listener %s: not an address: %.64s", l->name,
				  opt->address);
	}
	l->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 ||
	    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    (a.sa.sa_family == AF_INET6 &&
	     setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) != 0) ||
	    bind(l->fd, &a.sa, len) != 0 || listen(l->fd, BACKLOG) != 0 ||
	    getsockname(l->fd, &a.sa, &len) != 0)
		return td_err_sys(reterr, TD_IO, errno, "listener %s: %.64s port %u",
				  l->name, opt->address, opt->port);
	if (a.sa.sa_family == AF_INET)
		snprintf(l->bound, sizeof(l->bound), "%s:%u", opt->address,
			 ntohs(a.in.sin_port));
	else
		snprintf(l->bound, sizeof(l->bound), "[%s]:%u",
			 inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text)),
			 ntohs(a.in6.sin6_port));
	return TD_OK;
}

/* A socket that a dead process left is removed; a live one, or a file, is not. */
static enum td_rc
clear_stale(const struct sockaddr_un *un, struct td_err *reterr)
{
	struct stat st;
	int fd, rc;

	if (lstat(un->sun_path, &st) != 0)
		return TD_OK;
	if (!S_ISSOCK(st.st_mode))
		return td_err_set(reterr, TD_INVALID, "%s is there and is not a socket",
				  un->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", un->sun_path);
	rc = connect(fd, (const struct sockaddr *)un, sizeof(*un));
	close(fd);
	if (rc == 0)
		return td_err_set(reterr, TD_IO, "%s: somebody listens there",
				  un->sun_path);
	if (unlink(un->sun_path) != 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", un->sun_path);
	return TD_OK;
}

static enum td_rc
bind_unix(const struct api_listener *opt, struct listener *l, struct td_err *reterr)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	enum td_rc rc;

	if (opt->path == NULL || opt->path[0] != '/' ||
	    strlen(opt->path) >= sizeof(un.sun_path))
		return td_err_set(
			reterr, TD_INVALID,
			"listener %s: needs an absolute path of at most %zu bytes",
			l->name, sizeof(un.sun_path) - 1);
	memcpy(un.sun_path, opt->path, strlen(opt->path));
	rc = clear_stale(&un, reterr);
	if (rc != TD_OK)
		return rc;
	l->is_unix = true;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The mode goes on before listen(): nobody can connect in between. */
	if (l->fd < 0 || fchmod(l->fd, 0) != 0 ||
	    bind(l->fd, (const struct sockaddr *)&un, sizeof(un)) != 0)
		return td_err_sys(reterr, TD_IO, errno, "listener %s: %s", l->name,
				  opt->path);
	l->path = strdup(opt->path);
	if (l->path == NULL)
		return td_err_set(reterr, TD_NOMEM, "listener %s", l->name);
	if (chmod(l->path, opt->mode & 0777) != 0 || listen(l->fd, BACKLOG) != 0)
		return td_err_sys(reterr, TD_IO, errno, "listener %s: %s", l->name,
				  opt->path);
	snprintf(l->bound, sizeof(l->bound), "%s", l->path);
	return TD_OK;
}

enum td_rc
listener_open(const struct api_listener *opt, struct listener *l, struct td_err *reterr)
{
	enum td_rc rc;

	*l = (struct listener){ .fd = -1, .routes = opt->routes };
	if (opt->name == NULL || opt->name[0] == '\0' ||
	    strlen(opt->name) >= sizeof(l->name))
		return td_err_set(reterr, TD_INVALID, "a listener needs a name");
	if (opt->routes == 0)
		return td_err_set(reterr, TD_INVALID, "listener %s has no routes",
				  opt->name);
	memcpy(l->name, opt->name, strlen(opt->name) + 1);
	rc = open_tls(opt, l, reterr);
	if (rc != TD_OK)
		return rc;
	return opt->kind == API_UNIX ? bind_unix(opt, l, reterr)
				     : bind_tcp(opt, l, reterr);
}

void
listener_close(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	if (l->path != NULL)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	if (l->tls_key != NULL)
		explicit_bzero(l->tls_key, strlen(l->tls_key));
	free(l->tls_cert);
	free(l->tls_key);
	free(l->tls_ca);
	l->tls_cert = l->tls_key = l->tls_ca = NULL;
}
