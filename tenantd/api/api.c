/*
 * Setting up and tearing down. Everything that can fail for a reason of the operator's
 * (addresses, certificates, options) fails in api_new; threads start in api_start.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Over the header ceiling, for the answer's own header and what the library keeps. */
#define POOL_EXTRA 4096

unsigned
api_threads(unsigned threads)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (threads == 0)
		threads = cores > 0 ? (unsigned)cores : 1;
	return threads < API_MAX_THREADS ? threads : API_MAX_THREADS;
}

/* ---- regions ---- */

/* Goes into URIs and documents without escapes: plain printable ASCII only. */
static enum td_rc
copy_text(char *out, size_t size, const char *text, struct td_err *reterr)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len >= size)
		return td_err_set(reterr, TD_INVALID, "longer than %zu bytes: %.64s",
				  size - 1, text);
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("\"'\\", text[i]) != NULL)
			return td_err_set(reterr, TD_INVALID,
					  "a character that cannot be here: %.64s", text);
	memset(out, 0, size);
	if (len > 0)
		memcpy(out, text, len);
	return TD_OK;
}

static enum td_rc
make_site(const struct api_region *in, struct api_site *out, struct td_err *reterr)
{
	unsigned char hash[TD_SHA256_LEN];
	char set[128];
	enum td_rc rc = copy_text(out->name, sizeof(out->name), in->name, reterr);

	if (rc == TD_OK)
		rc = copy_text(out->s3_region, sizeof(out->s3_region), in->s3_region,
			       reterr);
	if (rc == TD_OK)
		rc = copy_text(out->internal_endpoint, sizeof(out->internal_endpoint),
			       in->gateway_internal, reterr);
	if (rc == TD_OK)
		rc = copy_text(out->external_endpoint, sizeof(out->external_endpoint),
			       in->gateway_external, reterr);
	if (rc == TD_OK)
		rc = copy_text(out->mongodb_hosts, sizeof(out->mongodb_hosts),
			       in->mongodb_hosts, reterr);
	if (rc == TD_OK)
		rc = copy_text(out->volume_driver, sizeof(out->volume_driver),
			       in->volume_driver, reterr);
	if (rc == TD_OK)
		rc = copy_text(set, sizeof(set), in->mongodb_replica_set, reterr);
	if (rc != TD_OK)
		return td_err_prefix(reterr, "region %.32s", in->name);
	snprintf(out->mongodb_options, sizeof(out->mongodb_options), "%s%s%s",
		 set[0] != '\0' ? "&replicaSet=" : "", set,
		 in->mongodb_tls ? "&tls=true" : "");
	memset(out->hash, 0, sizeof(out->hash));
	td_sha256(out, sizeof(*out), hash);
	for (unsigned i = 0; i < 4; i++)
		snprintf(out->hash + (size_t)2 * i, 3, "%02x", hash[i]);
	return TD_OK;
}

static enum td_rc
make_sites(const struct api_region *regions, size_t count, unsigned refresh_seconds,
	   struct sites **ret_sites, struct td_err *reterr)
{
	struct sites *s;
	enum td_rc rc = TD_OK;

	if (count > API_MAX_REGIONS)
		return td_err_set(reterr, TD_INVALID, "more than %d regions",
				  API_MAX_REGIONS);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return td_err_set(reterr, TD_NOMEM, "regions");
	s->count = count;
	s->refresh_seconds = refresh_seconds > 0 ? refresh_seconds : 3600;
	for (size_t i = 0; i < count && rc == TD_OK; i++)
		rc = make_site(&regions[i], &s->site[i], reterr);
	if (rc != TD_OK)
		free(s);
	else
		*ret_sites = s;
	return rc;
}

const struct sites *
api_sites(struct api *api)
{
	return atomic_load_explicit(&api->sites, memory_order_acquire);
}

const struct api_site *
api_site_find(const struct sites *s, const char *region)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->site[i].name, region) == 0)
			return &s->site[i];
	return NULL;
}

enum td_rc
api_set_regions(struct api *api, const struct api_region *regions, size_t region_count,
		unsigned refresh_seconds, struct td_err *reterr)
{
	const struct sites *old = api_sites(api);
	struct sites *s;
	enum td_rc rc = make_sites(regions, region_count, refresh_seconds, &s, reterr);

	if (rc != TD_OK)
		return rc;
	if (s->count == old->count && s->refresh_seconds == old->refresh_seconds &&
	    memcmp(s->site, old->site, sizeof(s->site)) == 0) {
		free(s);
		return TD_OK;
	}
	/* Readers may still hold the old one; a reload that changes regions is rare. */
	if (api->old_count == sizeof(api->old_sites) / sizeof(api->old_sites[0])) {
		free(s);
		return td_err_set(reterr, TD_UNAVAILABLE,
				  "regions were changed too often; restart");
	}
	api->old_sites[api->old_count++] = old;
	atomic_store_explicit(&api->sites, s, memory_order_release);
	for (unsigned i = 0; i < api->thread_count; i++)
		thread_touch(&api->threads[i], NULL);
	return TD_OK;
}

/* ---- threads ---- */

static struct MHD_Daemon *
start_daemon(struct api_thread *t, struct daemon_ctx *ctx)
{
	const struct listener *l = ctx->listener;
	const struct api_limits *limits = &t->api->limits;
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;
	int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
	struct MHD_OptionItem tls[4];
	unsigned n = 0;
	struct MHD_Daemon *d;

	if (fd < 0)
		return NULL;
	if (l->tls_cert != NULL) {
		flags |= MHD_USE_TLS;
		tls[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0,
						    l->tls_cert };
		tls[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0,
						    l->tls_key };
		if (l->tls_ca != NULL)
			tls[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_TRUST, 0,
							    l->tls_ca };
	}
	tls[n] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	d = MHD_start_daemon(flags, 0, conn_accept, ctx, dispatch, ctx,
			     MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_CONNECTION,
			     conn_notify, ctx, MHD_OPTION_NOTIFY_COMPLETED,
			     dispatch_completed, ctx, MHD_OPTION_URI_LOG_CALLBACK,
			     conn_uri, ctx, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			     limits->header_bytes + POOL_EXTRA,
			     MHD_OPTION_CONNECTION_LIMIT, limits->max_connections + 64,
			     MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (d == NULL)
		close(fd);
	return d;
}

static enum td_rc
thread_daemons(struct api_thread *t, struct td_err *reterr)
{
	for (size_t i = 0; i < t->api->listener_count; i++) {
		const union MHD_DaemonInfo *info;
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

		t->daemon_ctx[i] = (struct daemon_ctx){ t, &t->api->listeners[i] };
		t->daemons[i] = start_daemon(t, &t->daemon_ctx[i]);
		if (t->daemons[i] == NULL)
			return td_err_sys(reterr, TD_IO, errno,
					  "listener %s: the HTTP library refused it%s",
					  t->api->listeners[i].name,
					  t->api->listeners[i].tls_cert != NULL
						  ? " (are certificate and key a pair?)"
						  : "");
		info = MHD_get_daemon_info(t->daemons[i], MHD_DAEMON_INFO_EPOLL_FD);
		t->daemon_fd[i] = info != NULL ? info->listen_fd : -1;
		if (epoll_ctl(t->epfd, EPOLL_CTL_ADD, t->daemon_fd[i], &ev) != 0)
			return td_err_sys(reterr, TD_IO, errno, "epoll");
	}
	return TD_OK;
}

static enum td_rc
thread_init(struct api *api, unsigned index, struct td_err *reterr)
{
	struct api_thread *t = &api->threads[index];
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = API_MAX_LISTENERS };

	t->epfd = epoll_create1(EPOLL_CLOEXEC);
	t->evfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t->touched = calloc(TOUCH_MAX, sizeof(*t->touched));
	if (t->epfd < 0 || t->evfd < 0 ||
	    epoll_ctl(t->epfd, EPOLL_CTL_ADD, t->evfd, &ev) != 0)
		return td_err_sys(reterr, TD_IO, errno, "epoll");
	if (t->touched == NULL)
		return td_err_set(reterr, TD_NOMEM, "threads");
	t->spool = spool_get(api->spools, index);
	t->now = td_mono_ms(api->env);
	return t->spool != NULL ? thread_daemons(t, reterr)
				: td_err_set(reterr, TD_INVALID, "too few audit spools");
}

/* What cannot fail, so that api_free may be called after any failure. */
static void
thread_clear(struct api *api, unsigned index)
{
	struct api_thread *t = &api->threads[index];

	t->api = api;
	t->index = index;
	t->epfd = t->evfd = -1;
	for (unsigned i = 0; i < CONN_PHASES; i++)
		TAILQ_INIT(&t->conns[i]);
	LIST_INIT(&t->reqs);
	STAILQ_INIT(&t->free_reqs);
	STAILQ_INIT(&t->posts);
	pthread_mutex_init(&t->lock, NULL);
	td_buf_init_secret(&t->scratch, API_REPLY_MAX);
	td_buf_init(&t->audit_scratch, STORE_VALUE_MAX);
}

static void
thread_done(struct api_thread *t)
{
	struct req *r;

	while ((r = LIST_FIRST(&t->reqs)) != NULL) {
		LIST_REMOVE(r, all);
		req_free(r);
	}
	while ((r = STAILQ_FIRST(&t->free_reqs)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->free_reqs, post);
		req_free(r);
	}
	if (t->epfd >= 0)
		close(t->epfd);
	if (t->evfd >= 0)
		close(t->evfd);
	free(t->heap);
	free(t->touched);
	td_buf_done(&t->scratch);
	td_buf_done(&t->audit_scratch);
	pthread_mutex_destroy(&t->lock);
}

/* ---- the whole ---- */

static void
touched(void *ctx, const char *appid)
{
	struct api *api = ctx;

	for (unsigned i = 0; i < api->thread_count; i++)
		thread_touch(&api->threads[i], appid);
}

static void
set_limits(struct api_limits *l)
{
	if (l->max_connections == 0)
		l->max_connections = 4096;
	if (l->header_bytes == 0)
		l->header_bytes = 8192;
	if (l->header_ms == 0)
		l->header_ms = 10000;
	if (l->body_ms == 0)
		l->body_ms = 30000;
	if (l->idle_ms == 0)
		l->idle_ms = 75000;
}

static enum td_rc
fill(struct api *api, const struct api_options *opt, struct td_err *reterr)
{
	struct sites *sites = NULL;
	enum td_rc rc;

	api->store = opt->store;
	api->seal = opt->seal;
	api->spools = opt->spools;
	api->engine = opt->engine;
	api->wall = opt->wall;
	api->denymap = opt->denymap;
	api->env = opt->env;
	api->limits = opt->limits;
	set_limits(&api->limits);
	api->audit_reads = opt->audit_reads;
	api->ready = opt->ready;
	api->ready_ctx = opt->ready_ctx;
	api->started_ms = td_now_ms(opt->env);
	rc = copy_text(api->version, sizeof(api->version), opt->version, reterr);
	if (rc == TD_OK)
		rc = make_sites(opt->regions, opt->region_count, opt->refresh_seconds,
				&sites, reterr);
	if (rc == TD_OK)
		atomic_store(&api->sites, sites);
	return rc;
}

static enum td_rc
fill_threads(struct api *api, unsigned threads, struct td_err *reterr)
{
	enum td_rc rc = TD_OK;

	threads = api_threads(threads);
	api->threads = calloc(threads, sizeof(*api->threads));
	if (api->threads == NULL)
		return td_err_set(reterr, TD_NOMEM, "threads");
	api->thread_count = threads;
	for (unsigned i = 0; i < threads; i++)
		thread_clear(api, i);
	for (unsigned i = 0; i < threads && rc == TD_OK; i++)
		rc = thread_init(api, i, reterr);
	return rc;
}

enum td_rc
api_new(const struct api_options *opt, struct api **ret_api, struct td_err *reterr)
{
	struct api *api;
	enum td_rc rc;

	if (opt->listener_count == 0 || opt->listener_count > API_MAX_LISTENERS)
		return td_err_set(reterr, TD_INVALID, "1 to %d listeners",
				  API_MAX_LISTENERS);
	api = calloc(1, sizeof(*api));
	if (api == NULL)
		return td_err_set(reterr, TD_NOMEM, "api");
	pthread_mutex_init(&api->ip_lock, NULL);
	rc = fill(api, opt, reterr);
	for (size_t i = 0; i < opt->listener_count && rc == TD_OK; i++) {
		rc = listener_open(&opt->listeners[i], &api->listeners[i], reterr);
		api->listener_count = i + 1;
	}
	if (rc == TD_OK)
		rc = fill_threads(api, opt->threads, reterr);
	if (rc == TD_OK) {
		rc = store_watch(api->store, touched, api);
		if (rc != TD_OK)
			td_err_set(reterr, rc, "too many watchers of the store");
	}
	if (rc != TD_OK)
		api_free(api);
	else
		*ret_api = api;
	return rc;
}

enum td_rc
api_start(struct api *api, struct td_err *reterr)
{
	for (unsigned i = 0; i < api->thread_count; i++) {
		struct api_thread *t = &api->threads[i];
		int error = pthread_create(&t->tid, NULL, thread_main, t);
		char name[16];

		if (error != 0) {
			api_stop(api);
			return td_err_sys(reterr, TD_IO, error, "api thread");
		}
		t->started = true;
		snprintf(name, sizeof(name), "api-%u", i);
		(void)pthread_setname_np(t->tid, name);
	}
	return TD_OK;
}

void
api_stop(struct api *api)
{
	if (api == NULL || api->stopped)
		return;
	api->stopped = true;
	atomic_store(&api->stopping, true);
	for (unsigned i = 0; i < api->thread_count; i++)
		if (api->threads[i].started)
			thread_kick(&api->threads[i]);
	for (unsigned i = 0; i < api->thread_count; i++) {
		struct api_thread *t = &api->threads[i];

		if (t->started)
			pthread_join(t->tid, NULL);
		/* Of a thread that never ran. */
		for (size_t k = 0; k < api->listener_count; k++)
			if (t->daemons[k] != NULL)
				MHD_stop_daemon(t->daemons[k]);
		memset(t->daemons, 0, sizeof(t->daemons));
	}
	for (size_t i = 0; i < api->listener_count; i++)
		listener_close(&api->listeners[i]);
}

void
api_free(struct api *api)
{
	if (api == NULL)
		return;
	api_stop(api);
	for (unsigned i = 0; i < api->thread_count; i++)
		thread_done(&api->threads[i]);
	free(api->threads);
	for (unsigned i = 0; i < api->old_count; i++)
		free((void *)(uintptr_t)api->old_sites[i]);
	free((void *)(uintptr_t)api_sites(api));
	conn_ips_free(api);
	pthread_mutex_destroy(&api->ip_lock);
	free(api);
}

const char *
api_listener_bound(const struct api *api, size_t i)
{
	return i < api->listener_count ? api->listeners[i].bound : NULL;
}
