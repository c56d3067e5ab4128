/*
 * libmicrohttpd's timeout restarts with every byte, so a client that drips holds a
 * connection for ever. Here every connection is in one list by what it is doing, with a
 * deadline that no byte moves; over it, the socket is shut down and the library sees the
 * end. A list per phase is in the order of deadlines, since a phase has one duration.
 *
 * Limits are counted over all threads: the library's own count per daemon.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* An IPv4 address, or the /64 of an IPv6 one: what one client can choose freely. */
struct ip_key {
	unsigned char bytes[8];
	unsigned char family;
};
struct ip_count {
	LIST_ENTRY(ip_count) link;
	struct ip_key key;
	unsigned count; /* at least 1 */
};

static bool
ip_key_of(const struct sockaddr *sa, struct ip_key *ret_key)
{
	memset(ret_key, 0, sizeof(*ret_key));
	if (sa == NULL)
		return false;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		memcpy(ret_key->bytes, &in->sin_addr, 4);
		ret_key->family = 4;
		return true;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(ret_key->bytes, &in6->sin6_addr, 8);
		ret_key->family = 6;
		return true;
	}
	return false;
}

static struct ip_list *
ip_bucket(struct api *api, const struct ip_key *key)
{
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < sizeof(key->bytes); i++)
		h = (h ^ key->bytes[i]) * 16777619U;
	return &api->ips[h % IP_BUCKETS];
}

/* With ip_lock held. NULL: it has no connection. */
static struct ip_count *
ip_find(struct api *api, const struct ip_key *key)
{
	struct ip_count *ip;

	LIST_FOREACH(ip, ip_bucket(api, key), link)
	if (memcmp(&ip->key, key, sizeof(*key)) == 0)
		return ip;
	return NULL;
}

/* Connections of an address now. */
static unsigned
ip_get(struct api *api, const struct sockaddr *sa)
{
	const struct ip_count *ip;
	struct ip_key key;
	unsigned count;

	if (!ip_key_of(sa, &key))
		return 0;
	pthread_mutex_lock(&api->ip_lock);
	ip = ip_find(api, &key);
	count = ip != NULL ? ip->count : 0;
	pthread_mutex_unlock(&api->ip_lock);
	return count;
}

/* One more of an address. A lack of memory counts nothing. */
static void
ip_up(struct api *api, const struct sockaddr *sa)
{
	struct ip_count *ip;
	struct ip_key key;

	if (api->limits.max_connections_per_ip == 0 || !ip_key_of(sa, &key))
		return;
	pthread_mutex_lock(&api->ip_lock);
	ip = ip_find(api, &key);
	if (ip == NULL && (ip = calloc(1, sizeof(*ip))) != NULL) {
		ip->key = key;
		LIST_INSERT_HEAD(ip_bucket(api, &key), ip, link);
	}
	if (ip != NULL)
		ip->count++;
	pthread_mutex_unlock(&api->ip_lock);
}

static void
ip_down(struct api *api, const struct sockaddr *sa)
{
	struct ip_count *ip;
	struct ip_key key;

	if (api->limits.max_connections_per_ip == 0 || !ip_key_of(sa, &key))
		return;
	pthread_mutex_lock(&api->ip_lock);
	ip = ip_find(api, &key);
	if (ip != NULL && --ip->count == 0) {
		LIST_REMOVE(ip, link);
		free(ip);
	}
	pthread_mutex_unlock(&api->ip_lock);
}

void
conn_ips_free(struct api *api)
{
	struct ip_count *ip;

	for (unsigned i = 0; i < IP_BUCKETS; i++) {
		while ((ip = LIST_FIRST(&api->ips[i])) != NULL) {
			LIST_REMOVE(ip, link);
			free(ip);
		}
	}
}

enum MHD_Result
conn_accept(void *cls, const struct sockaddr *addr, socklen_t addrlen)
{
	struct daemon_ctx *d = cls;
	struct api *api = d->thread->api;
	unsigned per_ip = api->limits.max_connections_per_ip;

	(void)addrlen;
	if (atomic_load_explicit(&api->stopping, memory_order_relaxed) ||
	    atomic_load_explicit(&api->connections, memory_order_relaxed) >=
		    api->limits.max_connections ||
	    (per_ip > 0 && ip_get(api, addr) >= per_ip)) {
		metrics_add(&d->thread->metrics.refused_connections, 1);
		return MHD_NO;
	}
	return MHD_YES;
}

static const struct sockaddr *
peer(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info != NULL ? info->client_addr : NULL;
}

static void
address_text(const struct sockaddr *sa, char out[API_ADDRESS_SIZE])
{
	const void *raw = NULL;

	if (sa != NULL && sa->sa_family == AF_INET)
		raw = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	else if (sa != NULL && sa->sa_family == AF_INET6)
		raw = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
	if (raw == NULL || inet_ntop(sa->sa_family, raw, out, API_ADDRESS_SIZE) == NULL)
		memcpy(out, "unix", sizeof("unix"));
}

static void
conn_started(struct daemon_ctx *d, struct MHD_Connection *mhd, void **socket_context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct api_thread *t = d->thread;
	struct conn *c = calloc(1, sizeof(*c));

	atomic_fetch_add_explicit(&t->api->connections, 1, memory_order_relaxed);
	metrics_add(&t->metrics.accepted, 1);
	*socket_context = c;
	if (c == NULL) {
		/* Without a record it could not be watched: end it at once. */
		if (info != NULL)
			shutdown(info->connect_fd, SHUT_RDWR);
		return;
	}
	c->thread = t;
	c->listener = d->listener;
	c->fd = info != NULL ? info->connect_fd : -1;
	c->phase = CONN_HANDLED;
	address_text(peer(mhd), c->address);
	ip_up(t->api, peer(mhd));
	conn_set_phase(c, CONN_HEADER);
}

void
conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
	    enum MHD_ConnectionNotificationCode code)
{
	struct daemon_ctx *d = cls;
	struct conn *c = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		conn_started(d, mhd, socket_context);
		return;
	}
	atomic_fetch_sub_explicit(&d->thread->api->connections, 1, memory_order_relaxed);
	if (c == NULL)
		return;
	ip_down(d->thread->api, peer(mhd));
	conn_set_phase(c, CONN_HANDLED);
	free(c);
	*socket_context = NULL;
}

struct conn *
conn_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* The request line is complete. */
void *
conn_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct conn *c = conn_of(mhd);

	(void)cls;
	(void)uri;
	/* The first request's time began with the connection. */
	if (c != NULL && c->phase == CONN_IDLE)
		conn_set_phase(c, CONN_HEADER);
	return NULL;
}

void
conn_set_phase(struct conn *c, enum conn_phase phase)
{
	const struct api_limits *limits = &c->thread->api->limits;
	int64_t ms[CONN_PHASES] = {
		[CONN_HEADER] = limits->header_ms,
		[CONN_BODY] = limits->body_ms,
		[CONN_SENDING] = limits->body_ms,
		[CONN_IDLE] = limits->idle_ms,
	};

	if (c->phase != CONN_HANDLED)
		TAILQ_REMOVE(&c->thread->conns[c->phase], c, link);
	c->phase = phase;
	if (phase == CONN_HANDLED)
		return;
	c->deadline = c->thread->now + ms[phase];
	TAILQ_INSERT_TAIL(&c->thread->conns[phase], c, link);
}

/* The library notices the end of the stream and closes it. */
static void
conn_end(struct conn *c)
{
	conn_set_phase(c, CONN_HANDLED);
	shutdown(c->fd, SHUT_RDWR);
}

int64_t
conn_expire(struct api_thread *t)
{
	int64_t next = INT64_MAX;

	for (unsigned phase = 0; phase < CONN_PHASES; phase++) {
		struct conn *c;

		while ((c = TAILQ_FIRST(&t->conns[phase])) != NULL &&
		       c->deadline <= t->now) {
			metrics_add(&t->metrics.cut_connections[phase], 1);
			conn_end(c);
		}
		if (c != NULL && c->deadline < next)
			next = c->deadline;
	}
	return next;
}

void
conn_cut(struct api_thread *t, enum conn_phase phase)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&t->conns[phase])) != NULL)
		conn_end(c);
}
