/*
 * The callers' side of the queue: an intrusive list under a mutex, and the waiting form.
 */
#include "internal.h"

#include <stdlib.h>

/* The end of a commit that never reaches the writer. */
static void
drop(struct store *s, struct store_commit *c, store_done_fn done, void *ctx,
     const struct td_err *err)
{
	if (s != NULL)
		atomic_fetch_add(&s->failures, 1);
	if (done != NULL)
		done(ctx, err->rc, 0, err);
	store_commit_free(c);
}

void
store_submit(struct store *s, struct store_commit *c, store_done_fn done, void *ctx)
{
	struct td_err err = { .rc = TD_OK };

	if (c == NULL) {
		td_err_set(&err, TD_NOMEM, "no memory for a commit");
		drop(s, c, done, ctx, &err);
		return;
	}
	if (c->err.rc != TD_OK) {
		err = c->err;
		drop(s, c, done, ctx, &err);
		return;
	}
	c->done = done;
	c->ctx = ctx;
	c->next = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->stopping) {
		pthread_mutex_unlock(&s->lock);
		td_err_set(&err, TD_UNAVAILABLE, "the store is closing");
		drop(s, c, done, ctx, &err);
		return;
	}
	atomic_fetch_add(&s->queued, 1);
	if (s->head == NULL)
		pthread_cond_signal(&s->wake);
	*s->tail = c;
	s->tail = &c->next;
	pthread_mutex_unlock(&s->lock);
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	enum td_rc rc;
	uint64_t version;
	struct td_err *err; /* may be NULL */
};

static void
wake_waiter(void *ctx, enum td_rc rc, uint64_t version, const struct td_err *err)
{
	struct waiter *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->rc = rc;
	w->version = version;
	if (err != NULL && w->err != NULL)
		*w->err = *err;
	w->done = true;
	/* Under the lock: the waiter's stack frame is gone right after it. */
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

enum td_rc
store_commit(struct store *s, struct store_commit *c, uint64_t *ret_version,
	     struct td_err *reterr)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER,
			    .cond = PTHREAD_COND_INITIALIZER,
			    .err = reterr };

	if (pthread_equal(pthread_self(), s->writer)) {
		store_commit_free(c);
		return td_err_set(reterr, TD_INTERNAL,
				  "store_commit on the writer thread would wait forever");
	}
	store_submit(s, c, wake_waiter, &w);
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.cond);
	pthread_mutex_destroy(&w.lock);
	if (w.rc == TD_OK && ret_version != NULL)
		*ret_version = w.version;
	return w.rc;
}
