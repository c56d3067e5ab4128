/*
 * The invariants. What is checked after every event must hold in every state, also while
 * faults go on; the rest when the calm has settled everything.
 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

static bool
tenant_record(struct world *w, unsigned i, struct rec_tenant *ret)
{
	const struct m_record *m = &w->t[i].rec[M_REC_TENANT];

	return m->version != 0 && rec_tenant_decode(m->data, m->len, ret, NULL) == TD_OK;
}

static bool
part_record(struct world *w, unsigned i, unsigned r, struct rec_resource *ret)
{
	const struct m_record *m = &w->t[i].rec[M_REC_PART + (int)r];

	return m->version != 0 &&
	       rec_resource_decode(m->data, m->len, ret, NULL) == TD_OK;
}

static bool
bucket_record(struct world *w, unsigned i, unsigned b, struct rec_bucket *ret)
{
	const struct m_record *m = &w->t[i].rec[M_REC_BUCKET + (int)b];

	return m->version != 0 && rec_bucket_decode(m->data, m->len, ret, NULL) == TD_OK;
}

/* Does the first document's service account work? */
bool
m_object_works(const struct world *w, unsigned tenant)
{
	const struct m_tenant *t = &w->t[tenant];
	const struct m_user *u = &t->site.user;

	if (!t->first.has[DRV_OBJECT] || !u->exists || !u->enabled ||
	    (u->policy != M_POL_FULL && u->policy != M_POL_FENCED))
		return false;
	for (unsigned i = 0; i < M_SAS; i++) {
		const struct m_sa *sa = &t->site.sa[i];

		if (sa->exists && strcmp(sa->key, t->first.key) == 0 &&
		    strcmp(sa->secret, t->first.secret) == 0)
			return true;
	}
	return false;
}

bool
m_database_works(const struct world *w, unsigned tenant)
{
	const struct m_tenant *t = &w->t[tenant];
	const struct m_db *d = &t->site.db;

	return t->first.has[DRV_DATABASE] && d->user && d->role &&
	       (d->access == M_POL_FULL || d->access == M_POL_FENCED) &&
	       strcmp(d->password, t->first.password) == 0;
}

/* ---- requests ---- */

static bool
touches_foreign(const struct m_site *s, const struct m_request *q)
{
	switch (m_verb_resource(q->verb)) {
	case DRV_OBJECT:
		if (q->verb >= M_BUCKET_INFO)
			return s->bucket[q->bucket].foreign;
		return s->user.foreign;
	case DRV_DATABASE:
		return s->db.foreign;
	case DRV_VOLUME:
	case DRV_RESOURCE_COUNT:
		break;
	}
	return s->volume.foreign;
}

static void
check_secrets(struct world *w, const struct m_tenant *t, const struct m_request *q)
{
	const struct m_site *s = &t->site;

	if (q->verb == M_USER_ADD && s->user.exists &&
	    strcmp(s->user.secret, q->secret) != 0)
		m_fail(w, "%s: the parent's secret is reset", t->appid);
	if (q->verb == M_DB_USER_ADD && t->first.has[DRV_DATABASE] &&
	    strcmp(t->first.password, q->secret) != 0)
		m_fail(w, "%s: another password than the one handed out", t->appid);
	for (unsigned i = 0; q->verb == M_SA_ADD && i < M_SAS; i++)
		if (s->sa[i].exists && strcmp(s->sa[i].key, q->key) != 0)
			m_fail(w, "%s: a second service account", t->appid);
}

void
m_check_request(struct world *w, const struct m_request *q)
{
	struct m_tenant *t = &w->t[q->tenant];

	if (!m_verb_changes(q->verb))
		return;
	if (touches_foreign(&t->site, q))
		m_fail(w, "%s: %s on what is not ours", t->appid, m_verb_text(q->verb));
	check_secrets(w, t, q);
	if (q->verb == M_USER_STATUS && q->value != 0 && t->site.user.op_disabled &&
	    t->wish.reopened == t->reopened_at_disable)
		m_fail(w, "%s: enabled what the operator had disabled", t->appid);
	if ((q->verb == M_USER_DEL || q->verb == M_DB_DROP || q->verb == M_VOL_DEL) &&
	    !t->wish.deleting && !t->wish.retired)
		m_fail(w, "%s: %s though nobody deletes it", t->appid,
		       m_verb_text(q->verb));
	if ((q->verb == M_BUCKET_DEL || q->verb == M_BUCKET_EMPTY) && !t->wish.deleting &&
	    !t->wish.retired && t->wish.bucket[q->bucket])
		m_fail(w, "%s: bucket %u goes though it is wanted", t->appid, q->bucket);
	if ((q->verb == M_BUCKET_DEL || q->verb == M_BUCKET_EMPTY) && !t->wish.deleting &&
	    !t->wish.retired && w->now_ms < t->wish.purge_due_ms[q->bucket])
		m_fail(w, "%s: bucket %u loses data before its time", t->appid,
		       q->bucket);
}

void
m_check_action(struct world *w, unsigned tenant, const struct tenant_action *a)
{
	struct m_tenant *t = &w->t[tenant];
	const struct m_record *m = &t->rec[M_REC_INTENT + (int)a->resource];
	struct rec_intent in;

	m_check_brake_action(w, tenant, a);
	if (a->verb == TENANT_OBSERVE)
		return;
	if (a->verb == TENANT_REMOVE)
		t->remove_started = true;
	if (m->version == 0 || rec_intent_decode(m->data, m->len, &in, NULL) != TD_OK ||
	    in.id != a->intent_id || in.started_ms == 0) {
		m_fail(w, "%s: an attempt that is not recorded", t->appid);
		return;
	}
	if (!a->claimed && !in.absent_before)
		m_fail(w, "%s: change of what is neither ours nor was absent", t->appid);
	if (a->slot_count != (a->resource == DRV_OBJECT	    ? 2U
			      : a->resource == DRV_DATABASE ? 1U
							    : 0U))
		m_fail(w, "%s: %zu slots", t->appid, a->slot_count);
}

/* ---- commits ---- */

static void
check_doc(struct world *w, struct m_tenant *t)
{
	const struct m_doc *d = &t->doc;
	struct m_doc *first = &t->first;

	if (t->rec[M_REC_CRED].version == 0)
		return;
	if (d->ready && (t->wish.suspend || t->wish.deleting))
		m_fail(w, "%s: handed out as ready while closed", t->appid);
	if (d->has[DRV_OBJECT] && !first->has[DRV_OBJECT]) {
		first->has[DRV_OBJECT] = true;
		memcpy(first->key, d->key, sizeof(first->key));
		memcpy(first->secret, d->secret, sizeof(first->secret));
	}
	if (d->has[DRV_DATABASE] && !first->has[DRV_DATABASE]) {
		first->has[DRV_DATABASE] = true;
		memcpy(first->password, d->password, sizeof(first->password));
	}
	if ((d->has[DRV_OBJECT] && (strcmp(d->key, first->key) != 0 ||
				    strcmp(d->secret, first->secret) != 0)) ||
	    (d->has[DRV_DATABASE] && strcmp(d->password, first->password) != 0))
		m_fail(w, "%s: what is handed out has changed", t->appid);
}

void
m_check_commit(struct world *w, unsigned tenant)
{
	struct m_tenant *t = &w->t[tenant];
	struct rec_tenant rec;
	bool there = tenant_record(w, tenant, &rec);
	bool created = there && rec.phase == REC_CREATED;

	if (t->rec[M_REC_TOMB].version != 0) {
		if (there)
			m_fail(w, "%s: a tenant and its tombstone", t->appid);
		if (!t->wish.deleting && !t->wish.retired)
			m_fail(w, "%s: gone without being asked", t->appid);
		t->wish = (struct m_wish){ .retired = true };
	} else if (t->wish.retired) {
		m_fail(w, "%s: the tombstone went", t->appid);
	}
	if (!there && t->wish.exists)
		m_fail(w, "%s: the record went", t->appid);
	check_doc(w, t);
	if (created && !t->was_created && !t->disturbed) {
		if (t->rec[M_REC_CRED].version == 0 || !t->doc.ready)
			m_fail(w, "%s: Created without credentials", t->appid);
		if (t->doc.has[DRV_OBJECT] && !m_object_works(w, tenant))
			m_fail(w, "%s: Created, and S3 does not work", t->appid);
		if (t->doc.has[DRV_DATABASE] && !m_database_works(w, tenant))
			m_fail(w, "%s: Created, and the database does not work",
			       t->appid);
	}
	t->was_created = created;
}

/* ---- every state ---- */

static void
check_clean(struct world *w, const struct m_tenant *t)
{
	const struct m_site *s = &t->site;

	if (s->user.exists && !s->user.foreign)
		m_fail(w, "%s: an orphan user", t->appid);
	for (unsigned i = 0; i < M_BUCKETS; i++)
		if (s->bucket[i].exists && !s->bucket[i].foreign)
			m_fail(w, "%s: an orphan bucket %u", t->appid, i);
	if ((s->db.role || s->db.user || s->db.data > 0) && !s->db.foreign)
		m_fail(w, "%s: an orphan database", t->appid);
	if (s->volume.exists && !s->volume.foreign)
		m_fail(w, "%s: an orphan volume", t->appid);
}

static void
check_closed(struct world *w, unsigned i)
{
	const struct m_tenant *t = &w->t[i];

	if (m_object_works(w, i) || m_database_works(w, i))
		m_fail(w, "%s: Suspended, and its credentials work", t->appid);
	for (unsigned b = 0; b < M_BUCKETS && !t->disturbed; b++)
		if (t->site.bucket[b].exists && !t->site.bucket[b].foreign &&
		    t->site.bucket[b].mode != DRV_BUCKET_PRIVATE)
			m_fail(w, "%s: Suspended, and bucket %u is public", t->appid, b);
}

/* A bucket that waits for its removal: closed is what is told to be closed, and what the
 * tenant has settled with. */
static void
check_bucket_closed(struct world *w, unsigned i, unsigned b, bool settled)
{
	const struct m_tenant *t = &w->t[i];
	const struct m_bucket *have = &t->site.bucket[b];
	struct rec_bucket rec;

	if (!bucket_record(w, i, b, &rec) || !tenant_bucket_shut(&rec))
		return;
	for (unsigned k = 0; k < M_SAS && (rec.closed || settled); k++)
		if (t->site.sa[k].exists && !(t->site.sa[k].denied & 1U << b))
			m_fail(w, "%s: bucket %u is closed, and a slot reaches it",
			       t->appid, b);
	if ((tenant_bucket_closed(&rec) || settled) && have->exists && !have->foreign &&
	    have->mode != DRV_BUCKET_PRIVATE && !t->disturbed)
		m_fail(w, "%s: bucket %u is closed, and public", t->appid, b);
}

/* Once the record says that the slots are right, they deny what is closed and no more. */
static void
check_slots_closed(struct world *w, unsigned i)
{
	const struct m_tenant *t = &w->t[i];
	struct rec_resource part;
	struct rec_tenant rec;
	struct rec_bucket b;
	unsigned denied = 0;
	bool settled;

	if (!tenant_record(w, i, &rec) || rec.phase == REC_DELETING ||
	    !part_record(w, i, DRV_OBJECT, &part) || !part.claimed)
		return;
	settled = rec.phase != REC_CREATING && rec.observed_generation == rec.generation;
	for (unsigned k = 0; k < M_BUCKETS; k++) {
		check_bucket_closed(w, i, k, settled);
		if (bucket_record(w, i, k, &b) && tenant_bucket_shut(&b))
			denied |= 1U << k;
	}
	for (unsigned k = 0; k < M_SAS && part.closed == REC_CLOSED_KNOWN; k++)
		if (t->site.sa[k].exists && t->site.sa[k].denied != denied)
			m_fail(w, "%s: a slot denies %x, not %x", t->appid,
			       t->site.sa[k].denied, denied);
}

void
m_check_always(struct world *w)
{
	struct rec_tenant rec;

	m_check_frozen(w);
	for (unsigned i = 0; i < M_TENANTS; i++) {
		struct m_tenant *t = &w->t[i];

		if (t->rec[M_REC_TOMB].version != 0)
			check_clean(w, t);
		else if (t->suspended_shown && tenant_record(w, i, &rec) &&
			 rec.phase == REC_SUSPENDED)
			check_closed(w, i);
		if (t->checked_version != t->rec[M_REC_TENANT].version) {
			t->checked_version = t->rec[M_REC_TENANT].version;
			t->suspended_shown =
				tenant_record(w, i, &rec) && rec.phase == REC_SUSPENDED;
			if (t->suspended_shown)
				check_closed(w, i);
		}
		check_slots_closed(w, i);
	}
}

/* ---- the end ---- */

static int
wanted_mode(const struct m_wish *wish, unsigned b)
{
	if (wish->suspend)
		return DRV_BUCKET_PRIVATE;
	if (wish->fenced && wish->mode[b] == DRV_BUCKET_READWRITE)
		return M_MODE_RW_FENCED;
	return wish->mode[b];
}

static void
end_bucket(struct world *w, unsigned i, unsigned b)
{
	struct m_tenant *t = &w->t[i];
	const struct m_bucket *have = &t->site.bucket[b];
	struct rec_bucket rec;
	bool recorded = bucket_record(w, i, b, &rec);

	if (have->foreign) {
		if (recorded && rec.state != REC_BUCKET_FOREIGN &&
		    rec.state != REC_BUCKET_NEW)
			m_fail(w, "%s: a foreign bucket %u is recorded as state %d",
			       t->appid, b, rec.state);
		return;
	}
	if (!t->wish.bucket[b]) {
		if (t->wish.maybe_kept[b] && recorded)
			return; /* it was not empty */
		if (recorded || have->exists)
			m_fail(w, "%s: bucket %u is not wanted and there", t->appid, b);
		return;
	}
	if (!recorded)
		m_fail(w, "%s: bucket %u is wanted and not recorded", t->appid, b);
	else if (rec.state != REC_BUCKET_OURS && t->wish.suspend && !have->exists)
		return; /* nothing is made before the resume */
	else if (!have->exists || strcmp(have->mark, M_OURS) != 0)
		m_fail(w, "%s: bucket %u is wanted and not there", t->appid, b);
	else if (have->mode != wanted_mode(&t->wish, b))
		m_fail(w, "%s: bucket %u has mode %d, not %d", t->appid, b, have->mode,
		       wanted_mode(&t->wish, b));
	else if (rec.observed_quota != have->quota)
		m_fail(w, "%s: bucket %u has another quota than recorded", t->appid, b);
}

static uint64_t
volume_bytes(struct world *w, unsigned i)
{
	struct tenant_view *v = malloc(sizeof(*v));
	struct plan_limits limits;

	if (v == NULL)
		return 0;
	m_view_load(w, i, M_LOAD_NAMED, 0, v);
	limits = tenant_limits(v);
	tenant_view_done(v);
	free(v);
	return plan_limits_get(&limits, PLAN_VOLUME_BYTES);
}

/* Of a tenant that is not closed: is each part that its record has as it should be? */
static void
end_parts(struct world *w, unsigned i)
{
	struct m_tenant *t = &w->t[i];
	enum m_policy want = t->wish.fenced ? M_POL_FENCED : M_POL_FULL;
	struct rec_resource part;

	if (part_record(w, i, DRV_OBJECT, &part)) {
		if (!t->doc.has[DRV_OBJECT] || !m_object_works(w, i))
			m_fail(w, "%s: S3 does not work at the end", t->appid);
		for (unsigned k = 0; k < M_SAS; k++)
			if (t->site.sa[k].exists && t->site.sa[k].denied != 0)
				m_fail(w, "%s: a slot denies %x at the end", t->appid,
				       t->site.sa[k].denied);
		if (t->site.user.policy != want)
			m_fail(w, "%s: policy %d, not %d", t->appid,
			       (int)t->site.user.policy, (int)want);
	}
	if (part_record(w, i, DRV_DATABASE, &part) &&
	    (!t->doc.has[DRV_DATABASE] || !m_database_works(w, i) ||
	     t->site.db.access != M_POL_FULL))
		m_fail(w, "%s: the database does not work at the end", t->appid);
	if (part_record(w, i, DRV_VOLUME, &part) &&
	    (!t->site.volume.exists || t->site.volume.bytes != volume_bytes(w, i)))
		m_fail(w, "%s: a volume of %llu bytes at the end, not %llu", t->appid,
		       (unsigned long long)t->site.volume.bytes,
		       (unsigned long long)volume_bytes(w, i));
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		if (part_record(w, i, r, &part) && !part.cond[REC_COND_READY].status)
			m_fail(w, "%s: part %u is not Ready at the end: %s", t->appid, r,
			       part.cond[REC_COND_READY].reason);
}

static bool
part_foreign(struct world *w, unsigned i)
{
	const struct m_site *s = &w->t[i].site;
	struct rec_resource part;

	for (unsigned b = 0; b < M_BUCKETS; b++)
		if (s->bucket[b].foreign && part_record(w, i, DRV_OBJECT, &part) &&
		    !part.claimed && w->t[i].wish.bucket[b])
			return true; /* not claimed because of a bucket */
	return (s->user.foreign && part_record(w, i, DRV_OBJECT, &part)) ||
	       (s->db.foreign && part_record(w, i, DRV_DATABASE, &part)) ||
	       (s->volume.foreign && part_record(w, i, DRV_VOLUME, &part));
}

static void
end_foreign(struct world *w, unsigned i, const struct rec_tenant *rec)
{
	struct rec_resource part;
	bool told = false;

	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		told = told || (part_record(w, i, r, &part) &&
				part.cond[REC_COND_FOREIGN].status != 0);
	if (rec->phase == REC_CREATED && rec->observed_generation == rec->generation)
		m_fail(w, "%s: Created over a foreign object", w->t[i].appid);
	if (!told && !w->t[i].wish.suspend)
		m_fail(w, "%s: a foreign object and no condition", w->t[i].appid);
}

void
m_check_calm(struct world *w)
{
	struct rec_resource part;

	for (unsigned i = 0; i < M_TENANTS; i++)
		for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
			if (!w->t[i].cursed && part_record(w, i, r, &part) &&
			    part.claimed && part.cond[REC_COND_UNREACHABLE].status)
				m_fail(w,
				       "%s: part %u is told unreachable, and it is not",
				       w->t[i].appid, r);
}

/* Came to rest without anybody's hands or lies: nothing is left for verifying to find. A
 * foreign bucket that went is found by verifying only. */
static bool
undisturbed(struct world *w, unsigned i)
{
	struct rec_bucket rec;

	for (unsigned b = 0; b < M_BUCKETS; b++)
		if (bucket_record(w, i, b, &rec) && rec.state == REC_BUCKET_FOREIGN)
			return false;
	return !w->t[i].disturbed;
}

void
m_check_end(struct world *w, enum m_end when)
{
	for (unsigned i = 0; i < M_TENANTS && !w->failed; i++) {
		struct m_tenant *t = &w->t[i];
		struct rec_tenant rec;
		uint8_t want = t->wish.suspend ? REC_SUSPENDED : REC_CREATED;

		if (t->cursed || (when == M_END_UNVERIFIED && !undisturbed(w, i)))
			continue;
		if (!tenant_record(w, i, &rec)) {
			check_clean(w, t);
			continue;
		}
		if (t->wish.deleting) {
			m_fail(w, "%s: still there at the end", t->appid);
			continue;
		}
		if (part_foreign(w, i)) {
			end_foreign(w, i, &rec);
			continue;
		}
		if (rec.phase != want || rec.observed_generation != rec.generation)
			m_fail(w, "%s: phase %d generation %llu of %llu at the end",
			       t->appid, rec.phase,
			       (unsigned long long)rec.observed_generation,
			       (unsigned long long)rec.generation);
		if (t->rec[M_REC_PENDING].version != 0)
			m_fail(w, "%s: pending at the end", t->appid);
		if (!t->wish.suspend)
			end_parts(w, i);
		for (unsigned b = 0; b < M_BUCKETS; b++)
			end_bucket(w, i, b);
	}
}
