/*
 * A ring of jobs under one lock. The ring starts small and doubles up to queue_max, so
 * that a generous limit costs nothing until it is needed. Threads are started with all
 * signals blocked: signals belong to main.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_RING 64

struct job {
	td_job_fn fn;
	void *ctx;
};

struct td_pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *ring;
	size_t ring_size;
	size_t head; /* next to run */
	size_t queued;
	size_t queue_max;
	bool stopping;
	unsigned threads; /* that run */
	pthread_t thread[];
};

static void *
run(void *arg)
{
	struct td_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct job job;

		while (p->queued == 0 && !p->stopping)
			pthread_cond_wait(&p->wake, &p->lock);
		if (p->queued == 0)
			break;
		job = p->ring[p->head];
		p->head = (p->head + 1) % p->ring_size;
		p->queued--;
		pthread_mutex_unlock(&p->lock);
		job.fn(job.ctx);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int
start_threads(struct td_pool *p, const struct td_pool_options *opt)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (rc == 0 && p->threads < opt->threads) {
		char name[16];

		rc = pthread_create(&p->thread[p->threads], NULL, run, p);
		if (rc != 0)
			break;
		snprintf(name, sizeof(name), "%.10s-%u", opt->name, p->threads % 1000);
		pthread_setname_np(p->thread[p->threads], name);
		p->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

enum td_rc
td_pool_new(const struct td_pool_options *opt, struct td_pool **ret_pool,
	    struct td_err *reterr)
{
	struct td_pool *p;
	int rc;

	if (opt->threads < 1 || opt->threads > 256 || opt->queue_max < 1 ||
	    opt->queue_max > 1000000 || strlen(opt->name) > 10)
		return td_err_set(reterr, TD_INVALID, "worker pool: option out of range");
	p = calloc(1, sizeof(*p) + opt->threads * sizeof(p->thread[0]));
	if (p == NULL)
		return td_err_set(reterr, TD_NOMEM, "worker pool: no memory");
	p->queue_max = opt->queue_max;
	p->ring_size = p->queue_max < FIRST_RING ? p->queue_max : FIRST_RING;
	p->ring = calloc(p->ring_size, sizeof(p->ring[0]));
	if (p->ring == NULL) {
		free(p);
		return td_err_set(reterr, TD_NOMEM, "worker pool: no memory");
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	rc = start_threads(p, opt);
	if (rc != 0) {
		td_pool_free(p);
		return td_err_sys(reterr, TD_NOMEM, rc,
				  "worker pool: cannot start a thread");
	}
	*ret_pool = p;
	return TD_OK;
}

/* Under the lock. The ring is full and may still grow. */
static enum td_rc
grow(struct td_pool *p)
{
	size_t size = p->ring_size * 2 > p->queue_max ? p->queue_max : p->ring_size * 2;
	struct job *ring = calloc(size, sizeof(ring[0]));

	if (ring == NULL)
		return TD_NOMEM;
	for (size_t i = 0; i < p->queued; i++)
		ring[i] = p->ring[(p->head + i) % p->ring_size];
	free(p->ring);
	p->ring = ring;
	p->ring_size = size;
	p->head = 0;
	return TD_OK;
}

enum td_rc
td_pool_submit(struct td_pool *pool, td_job_fn fn, void *ctx)
{
	enum td_rc rc = TD_OK;

	pthread_mutex_lock(&pool->lock);
	if (pool->stopping || pool->queued == pool->queue_max)
		rc = TD_UNAVAILABLE;
	else if (pool->queued == pool->ring_size)
		rc = grow(pool);
	if (rc == TD_OK) {
		size_t tail = (pool->head + pool->queued) % pool->ring_size;

		pool->ring[tail] = (struct job){ fn, ctx };
		pool->queued++;
		pthread_cond_signal(&pool->wake);
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

void
td_pool_free(struct td_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->threads; i++)
		pthread_join(pool->thread[i], NULL);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool->ring);
	free(pool);
}
