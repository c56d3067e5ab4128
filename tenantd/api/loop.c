/*
 * The loop of an API thread. The library's own epoll loop stalls when exactly 128, 256 ...
 * connections are ready at once (it waits again before it serves them), so its daemons run
 * without a thread and this loop waits on their epoll descriptors. It also is the one place
 * where connections are resumed: a resume from another thread does not wake the library.
 *
 * Stopping: new connections end, those that wait are answered with 503, mutations under
 * way are waited for. Only then are the daemons stopped: the library aborts the process
 * when one of its connections is still suspended.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STOP_WAIT_MS 10000
#define STOP_SEND_MS 1000
#define POLL_MAX_MS 60000

void
thread_kick(struct api_thread *t)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(t->evfd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

void
thread_post(struct req *r)
{
	struct api_thread *t = r->t;
	bool first;

	pthread_mutex_lock(&t->lock);
	first = STAILQ_EMPTY(&t->posts);
	STAILQ_INSERT_TAIL(&t->posts, r, post);
	pthread_mutex_unlock(&t->lock);
	if (first)
		thread_kick(t);
}

void
thread_touch(struct api_thread *t, const char *appid)
{
	bool first;

	if (atomic_load(&t->waiting) == 0)
		return;
	pthread_mutex_lock(&t->lock);
	first = t->touched_len == 0 && !t->touched_all;
	if (appid == NULL || t->touched_len == TOUCH_MAX) {
		t->touched_all = true;
	} else {
		size_t len = strnlen(appid, DRV_APPID_SIZE - 1);

		memcpy(t->touched[t->touched_len], appid, len);
		t->touched[t->touched_len++][len] = '\0';
	}
	pthread_mutex_unlock(&t->lock);
	if (first)
		thread_kick(t);
}

/* The connection may be gone: then the result interests nobody. */
static void
deliver(struct req *r)
{
	r->op_pending = false;
	r->t->ops--;
	if (r->mhd == NULL) {
		LIST_REMOVE(r, all);
		req_free(r);
		return;
	}
	r->on_done(r);
}

static void
read_mail(struct api_thread *t)
{
	static _Thread_local char touched[TOUCH_MAX][DRV_APPID_SIZE];
	struct req_queue posts = STAILQ_HEAD_INITIALIZER(posts);
	unsigned count;
	uint64_t drained;
	bool all;

	/* Drained before the lists are taken, so that nothing after that is missed. */
	if (read(t->evfd, &drained, sizeof(drained)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&t->lock);
	STAILQ_CONCAT(&posts, &t->posts);
	count = t->touched_len;
	all = t->touched_all;
	memcpy(touched, t->touched, count * sizeof(touched[0]));
	t->touched_len = 0;
	t->touched_all = false;
	pthread_mutex_unlock(&t->lock);
	while (!STAILQ_EMPTY(&posts)) {
		struct req *r = STAILQ_FIRST(&posts);

		STAILQ_REMOVE_HEAD(&posts, post);
		deliver(r);
	}
	if (all)
		wait_touch(t, NULL);
	for (unsigned i = 0; !all && i < count; i++)
		wait_touch(t, touched[i]);
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How long epoll may wait. */
static int
next_timeout(struct api_thread *t)
{
	int64_t until = least(conn_expire(t), wait_expire(t));
	int64_t ms = POLL_MAX_MS;

	until = least(until, agg_flush(t, t->now));
	if (t->stopping)
		until = least(until, t->stop_deadline);
	if (until != INT64_MAX)
		ms = least(ms, until <= t->now ? 0 : until - t->now);
	for (size_t i = 0; i < t->api->listener_count; i++) {
		MHD_UNSIGNED_LONG_LONG mhd_ms;

		if (t->daemons[i] == NULL)
			continue;
		/* Only 0 (it has work) can come: it knows no timeouts of ours. */
		if (MHD_get_timeout(t->daemons[i], &mhd_ms) == MHD_YES && mhd_ms == 0)
			t->daemon_due[i] = true;
		if (t->daemon_due[i])
			ms = 0;
	}
	return (int)ms;
}

static void
turn(struct api_thread *t)
{
	struct epoll_event events[API_MAX_LISTENERS + 1];
	int n = epoll_wait(t->epfd, events, API_MAX_LISTENERS + 1, next_timeout(t));

	t->now = td_mono_ms(t->api->env);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == API_MAX_LISTENERS)
			read_mail(t);
		else
			t->daemon_due[events[i].data.u32] = true;
	}
	for (size_t i = 0; i < t->api->listener_count; i++) {
		if (!t->daemon_due[i])
			continue;
		t->daemon_due[i] = false;
		if (t->daemons[i] != NULL)
			MHD_run(t->daemons[i]);
	}
}

int64_t
api_pulse(struct api *api, int64_t now_mono)
{
	int64_t longest = 0;

	for (unsigned i = 0; i < api->thread_count; i++) {
		int64_t ms = td_pulse_ask(&api->threads[i].pulse, now_mono);

		longest = ms > longest ? ms : longest;
		thread_kick(&api->threads[i]);
	}
	return longest;
}

static void
begin_stop(struct api_thread *t)
{
	t->stopping = true;
	t->stop_deadline = t->now + STOP_WAIT_MS;
	for (size_t i = 0; i < t->api->listener_count; i++) {
		int fd = MHD_quiesce_daemon(t->daemons[i]);

		if (fd >= 0)
			close(fd);
		t->daemon_due[i] = true;
	}
	conn_cut(t, CONN_IDLE);
	/* All that wait are woken by wait_expire(), now that `stopping` is set. */
	wait_expire(t);
}

/* The result will come too late: answer, so that no connection is left suspended. */
static void
give_up(struct api_thread *t)
{
	struct req *r, *next;

	for (r = LIST_FIRST(&t->reqs); r != NULL; r = next) {
		next = LIST_NEXT(r, all);
		if (r->mhd != NULL && r->suspended)
			req_problem(r, TD_UNAVAILABLE, NULL, NULL);
	}
}

static bool
any_live(const struct api_thread *t)
{
	const struct req *r;

	LIST_FOREACH(r, &t->reqs, all)
	if (r->mhd != NULL)
		return true;
	return false;
}

static void
stop(struct api_thread *t)
{
	begin_stop(t);
	while (t->ops > 0 && t->now < t->stop_deadline)
		turn(t);
	give_up(t);
	/* Let the answers out. */
	t->stop_deadline = t->now + STOP_SEND_MS;
	while (any_live(t) && t->now < t->stop_deadline)
		turn(t);
	give_up(t);
	for (size_t i = 0; i < t->api->listener_count; i++) {
		/* Resumes what give_up() answered last. */
		MHD_run(t->daemons[i]);
		MHD_stop_daemon(t->daemons[i]);
		t->daemons[i] = NULL;
	}
	/* What was counted and not written yet. */
	t->agg_due = t->now;
	agg_flush(t, t->now);
}

void *
thread_main(void *ctx)
{
	struct api_thread *t = ctx;

	t->now = td_mono_ms(t->api->env);
	while (!atomic_load(&t->api->stopping)) {
		turn(t);
		td_pulse_answer(&t->pulse);
	}
	stop(t);
	return NULL;
}
