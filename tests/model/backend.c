/*
 * The state of the model backends and what one request does to it. As on the real ones:
 * adding a user is an upsert that also enables it, deleting a user takes its service
 * accounts along, a bucket that holds objects cannot be removed, a login needs a user that
 * is enabled.
 */
#include "model.h"

#include <string.h>

static const struct {
	const char *text;
	enum drv_resource resource;
	bool changes;
} verbs[M_VERB_COUNT] = {
	[M_USER_INFO] = { "user-info", DRV_OBJECT, false },
	[M_USER_ADD] = { "user-add", DRV_OBJECT, true },
	[M_USER_STATUS] = { "user-status", DRV_OBJECT, true },
	[M_USER_POLICY] = { "user-policy", DRV_OBJECT, true },
	[M_USER_LOGIN] = { "user-login", DRV_OBJECT, false },
	[M_USER_DEL] = { "user-del", DRV_OBJECT, true },
	[M_SA_INFO] = { "sa-info", DRV_OBJECT, false },
	[M_SA_ADD] = { "sa-add", DRV_OBJECT, true },
	[M_SA_POLICY] = { "sa-policy", DRV_OBJECT, true },
	[M_SA_LOGIN] = { "sa-login", DRV_OBJECT, false },
	[M_SA_DEL] = { "sa-del", DRV_OBJECT, true },
	[M_BUCKET_INFO] = { "bucket-info", DRV_OBJECT, false },
	[M_BUCKET_MAKE] = { "bucket-make", DRV_OBJECT, true },
	[M_BUCKET_MARK] = { "bucket-mark", DRV_OBJECT, true },
	[M_BUCKET_MODE] = { "bucket-mode", DRV_OBJECT, true },
	[M_BUCKET_QUOTA] = { "bucket-quota", DRV_OBJECT, true },
	[M_BUCKET_EMPTY] = { "bucket-empty", DRV_OBJECT, true },
	[M_BUCKET_DEL] = { "bucket-del", DRV_OBJECT, true },
	[M_DB_INFO] = { "db-info", DRV_DATABASE, false },
	[M_DB_ROLE] = { "db-role", DRV_DATABASE, true },
	[M_DB_USER_ADD] = { "db-user-add", DRV_DATABASE, true },
	[M_DB_USER_DEL] = { "db-user-del", DRV_DATABASE, true },
	[M_DB_LOGIN] = { "db-login", DRV_DATABASE, false },
	[M_DB_DROP] = { "db-drop", DRV_DATABASE, true },
	[M_VOL_INFO] = { "volume-info", DRV_VOLUME, false },
	[M_VOL_MAKE] = { "volume-make", DRV_VOLUME, true },
	[M_VOL_DEL] = { "volume-del", DRV_VOLUME, true },
};

enum drv_resource
m_verb_resource(enum m_verb verb)
{
	return verbs[verb].resource;
}

const char *
m_verb_text(enum m_verb verb)
{
	return verbs[verb].text;
}

bool
m_verb_changes(enum m_verb verb)
{
	return verbs[verb].changes;
}

static struct m_sa *
sa_find(struct m_site *s, const char *key)
{
	for (unsigned i = 0; i < M_SAS; i++)
		if (s->sa[i].exists && strcmp(s->sa[i].key, key) == 0)
			return &s->sa[i];
	return NULL;
}

static bool
works(const struct m_user *u)
{
	return u->exists && u->enabled &&
	       (u->policy == M_POL_FULL || u->policy == M_POL_FENCED);
}

static void
user_add(struct m_user *u, const struct m_request *q)
{
	if (!u->exists) {
		memset(u, 0, sizeof(*u));
		u->exists = true;
	}
	u->enabled = true;
	u->op_disabled = false;
	memcpy(u->secret, q->secret, sizeof(u->secret));
}

static void
user_del(struct m_site *s)
{
	memset(&s->user, 0, sizeof(s->user));
	memset(s->sa, 0, sizeof(s->sa));
}

static void
sa_add(struct world *w, struct m_site *s, const struct m_request *q, struct m_reply *r)
{
	if (!s->user.exists) {
		r->rc = TD_NOT_FOUND;
		return;
	}
	if (sa_find(s, q->key) != NULL) {
		r->rc = TD_EXISTS;
		return;
	}
	for (unsigned i = 0; i < M_SAS; i++) {
		struct m_sa *sa = &s->sa[i];

		if (sa->exists)
			continue;
		sa->exists = true;
		memcpy(sa->key, q->key, sizeof(sa->key));
		memcpy(sa->secret, q->secret, sizeof(sa->secret));
		sa->denied = (unsigned)q->number;
		return;
	}
	m_fail(w, "more than %d service accounts of tenant %u", M_SAS, q->tenant);
}

static void
execute_user(struct world *w, struct m_site *s, const struct m_request *q,
	     struct m_reply *r)
{
	struct m_user *u = &s->user;
	struct m_sa *sa = sa_find(s, q->key);

	switch ((int)q->verb) {
	case M_USER_INFO:
		r->present = u->exists;
		r->status = u->enabled;
		r->value = (int)u->policy;
		r->number = u->exists && strcmp(u->secret, q->secret) == 0;
		return;
	case M_USER_ADD:
		user_add(u, q);
		return;
	case M_USER_STATUS:
	case M_USER_POLICY:
		if (!u->exists) {
			r->rc = TD_NOT_FOUND;
			return;
		}
		if (q->verb == M_USER_POLICY) {
			u->policy = (enum m_policy)q->value;
			return;
		}
		u->enabled = q->value != 0;
		u->op_disabled = false;
		return;
	case M_USER_LOGIN:
		r->present = u->exists && u->enabled && strcmp(u->secret, q->secret) == 0;
		return;
	case M_USER_DEL:
		user_del(s);
		return;
	case M_SA_INFO:
		r->present = sa != NULL;
		r->status = sa != NULL && strcmp(sa->secret, q->secret) == 0;
		r->number = sa != NULL ? sa->denied : 0;
		return;
	case M_SA_ADD:
		sa_add(w, s, q, r);
		return;
	case M_SA_POLICY: /* works below a disabled user, too */
		if (sa != NULL)
			sa->denied = (unsigned)q->number;
		else
			r->rc = TD_NOT_FOUND;
		return;
	case M_SA_LOGIN:
		r->present = sa != NULL && works(u) && strcmp(sa->secret, q->secret) == 0;
		return;
	default: /* M_SA_DEL */
		if (sa != NULL)
			memset(sa, 0, sizeof(*sa));
		return;
	}
}

static void
execute_bucket(struct m_bucket *b, const struct m_request *q, struct m_reply *r)
{
	r->present = b->exists;
	if (!b->exists && q->verb != M_BUCKET_INFO && q->verb != M_BUCKET_MAKE) {
		r->rc = TD_NOT_FOUND;
		return;
	}
	switch ((int)q->verb) {
	case M_BUCKET_INFO:
		memcpy(r->mark, b->mark, sizeof(r->mark));
		r->value = b->mode;
		r->number = b->quota;
		r->count = b->objects;
		return;
	case M_BUCKET_MAKE:
		if (b->exists) {
			r->rc = TD_EXISTS;
			return;
		}
		memset(b, 0, sizeof(*b));
		b->exists = true;
		return;
	case M_BUCKET_MARK:
		memcpy(b->mark, M_OURS, sizeof(M_OURS));
		return;
	case M_BUCKET_MODE:
		b->mode = q->value;
		return;
	case M_BUCKET_QUOTA:
		b->quota = q->number;
		return;
	case M_BUCKET_EMPTY: /* a page of objects */
		b->objects -= b->objects < 2 ? b->objects : 2;
		r->count = b->objects;
		return;
	default: /* M_BUCKET_DEL */
		if (b->objects > 0)
			r->rc = TD_BUCKET_NOT_EMPTY;
		else
			memset(b, 0, sizeof(*b));
		return;
	}
}

static void
execute_db(struct m_db *d, const struct m_request *q, struct m_reply *r)
{
	switch ((int)q->verb) {
	case M_DB_INFO:
		r->present = d->role || d->user || d->data > 0;
		r->status = d->user;
		r->value = (int)d->access;
		r->count = d->role ? 1 : 0;
		memcpy(r->mark, d->mark, sizeof(r->mark));
		r->number = strcmp(d->password, q->secret) == 0;
		return;
	case M_DB_ROLE:
		d->role = true;
		d->access = (enum m_policy)q->value;
		memcpy(d->mark, M_OURS, sizeof(M_OURS));
		return;
	case M_DB_USER_ADD:
		if (d->user || !d->role) {
			r->rc = d->user ? TD_EXISTS : TD_NOT_FOUND;
			return;
		}
		d->user = true;
		memcpy(d->password, q->secret, sizeof(d->password));
		return;
	case M_DB_USER_DEL:
		d->user = false;
		memset(d->password, 0, sizeof(d->password));
		return;
	case M_DB_LOGIN:
		r->present = d->user && strcmp(d->password, q->secret) == 0;
		return;
	default: /* M_DB_DROP: the role and the data; users stay */
		d->role = false;
		d->access = M_POL_NONE;
		d->data = 0;
		memset(d->mark, 0, sizeof(d->mark));
		return;
	}
}

void
m_execute(struct world *w, const struct m_request *q, struct m_reply *r)
{
	struct m_site *s = &w->t[q->tenant].site;

	memset(r, 0, sizeof(*r));
	m_check_request(w, q);
	switch (m_verb_resource(q->verb)) {
	case DRV_OBJECT:
		if (q->verb >= M_BUCKET_INFO)
			execute_bucket(&s->bucket[q->bucket], q, r);
		else
			execute_user(w, s, q, r);
		return;
	case DRV_DATABASE:
		execute_db(&s->db, q, r);
		return;
	case DRV_VOLUME:
	case DRV_RESOURCE_COUNT:
		break;
	}
	r->present = s->volume.exists;
	r->status = s->volume.foreign;
	r->number = s->volume.bytes;
	if (q->verb == M_VOL_MAKE) {
		s->volume.exists = true;
		if (q->number > s->volume.bytes)
			s->volume.bytes = q->number;
	} else if (q->verb == M_VOL_DEL) {
		memset(&s->volume, 0, sizeof(s->volume));
	}
}
