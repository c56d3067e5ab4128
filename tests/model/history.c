/*
 * One history: a world from a seed, a time of requests, faults and crashes, then a calm in
 * which everything must come to rest and be as it was asked for.
 */
#include "model.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define START_MS INT64_C(1700000000000)
#define CALM_EVENTS 60000

/* ---- chance and telling ---- */

static uint64_t
rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* xoroshiro128+ */
uint64_t
m_rand(struct world *w)
{
	uint64_t a = w->rng[0], b = w->rng[1], sum = a + b;

	b ^= a;
	w->rng[0] = rotl(a, 24) ^ b ^ (b << 16);
	w->rng[1] = rotl(b, 37);
	return sum;
}

unsigned
m_below(struct world *w, unsigned n)
{
	return (unsigned)((m_rand(w) >> 33) % n);
}

bool
m_chance(struct world *w, unsigned n)
{
	return m_below(w, 1000) < n;
}

static void
seed_rng(struct world *w, uint64_t seed)
{
	for (int i = 0; i < 2; i++) { /* splitmix64 */
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		w->rng[i] = z ^ (z >> 31);
	}
}

static int64_t
env_now(void *ctx)
{
	return ((const struct world *)ctx)->now_ms;
}

static void
env_random(void *ctx, void *buf, size_t len)
{
	unsigned char *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(m_rand(ctx) >> 40);
}

static void
env_sleep(void *ctx, int64_t ms)
{
	(void)ctx;
	(void)ms;
}

static void
mix(struct world *w, const char *text)
{
	for (; *text != '\0'; text++)
		w->hash = (w->hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
}

void
m_tell(struct world *w, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mix(w, text);
	if (w->trace != NULL)
		(void)fprintf(w->trace, "%9lld %s\n", (long long)(w->now_ms - START_MS),
			      text);
}

void
m_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failed)
		return;
	w->failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	m_tell(w, "FAILED: %s", w->why);
}

/* ---- the wire ---- */

void
m_late_add(struct world *w, const struct m_request *q)
{
	for (unsigned i = 0; i < M_LATE; i++) {
		struct m_late *l = &w->late[i];

		if (l->used)
			continue;
		l->used = true;
		l->q = *q;
		l->at_ms = w->now_ms + 1 + m_below(w, M_LATE_MS - 100);
		w->lates++;
		m_thaw(w, q->tenant);
		m_tell(w, "  %s %s will take effect later", w->t[q->tenant].appid,
		       m_verb_text(q->verb));
		return;
	}
}

static bool
late_step(struct world *w)
{
	for (unsigned i = 0; i < M_LATE; i++) {
		struct m_late *l = &w->late[i];
		struct m_reply r;

		if (!l->used || l->at_ms > w->now_ms)
			continue;
		l->used = false;
		m_tell(w, "  late: %s %s b%u v%d", w->t[l->q.tenant].appid,
		       m_verb_text(l->q.verb), l->q.bucket, l->q.value);
		m_execute(w, &l->q, &r);
		return true;
	}
	return false;
}

static int64_t
late_wake(const struct world *w)
{
	int64_t at = INT64_MAX;

	for (unsigned i = 0; i < M_LATE; i++)
		if (w->late[i].used && w->late[i].at_ms < at)
			at = w->late[i].at_ms;
	return at;
}

static bool
late_for(const struct world *w, unsigned tenant)
{
	for (unsigned i = 0; i < M_LATE; i++)
		if (w->late[i].used && w->late[i].q.tenant == tenant)
			return true;
	return false;
}

/* ---- what else happens in the world ---- */

static bool
changing_call(const struct world *w, unsigned tenant)
{
	for (unsigned i = 0; i < M_CALLS; i++)
		if (w->calls[i].used && w->calls[i].tenant == tenant &&
		    w->calls[i].action->verb != TENANT_OBSERVE)
			return true;
	return false;
}

static bool
part_claimed(const struct m_tenant *t, unsigned r)
{
	const struct m_record *m = &t->rec[M_REC_PART + (int)r];
	struct rec_resource part;

	return m->version != 0 &&
	       rec_resource_decode(m->data, m->len, &part, NULL) == TD_OK && part.claimed;
}

static bool
bucket_claimed(const struct m_tenant *t, unsigned b)
{
	const struct m_record *m = &t->rec[M_REC_BUCKET + (int)b];
	struct rec_bucket rec;

	return m->version != 0 &&
	       rec_bucket_decode(m->data, m->len, &rec, NULL) == TD_OK &&
	       (rec.state == REC_BUCKET_OURS || rec.state == REC_BUCKET_REMOVING);
}

/* Somebody makes something under a tenant's name: never while a change is on its way there,
 * because no driver can close that gap; and not between two calls of one removal, where the
 * buckets that are left could no longer be told from those of the newcomer. */
static void
foreign_appears(struct world *w, unsigned i)
{
	struct m_tenant *t = &w->t[i];
	struct m_site *s = &t->site;
	unsigned b = m_below(w, M_BUCKETS);

	if (changing_call(w, i) || late_for(w, i) || t->wish.deleting)
		return;
	m_thaw(w, i);
	switch (m_below(w, 4)) {
	case 0:
		if (s->user.exists || part_claimed(t, DRV_OBJECT))
			return;
		s->user = (struct m_user){ .exists = true,
					   .foreign = true,
					   .enabled = true,
					   .policy = M_POL_FULL,
					   .secret = "theirs" };
		break;
	case 1:
		if (s->db.role || s->db.user || s->db.data > 0 ||
		    part_claimed(t, DRV_DATABASE))
			return;
		s->db = (struct m_db){ .role = true,
				       .foreign = true,
				       .user = true,
				       .data = 7,
				       .access = M_POL_FULL,
				       .mark = M_THEIRS,
				       .password = "theirs" };
		break;
	case 2:
		if (s->volume.exists || part_claimed(t, DRV_VOLUME))
			return;
		s->volume =
			(struct m_volume){ .exists = true, .foreign = true, .bytes = 5 };
		break;
	default:
		if (s->bucket[b].exists || bucket_claimed(t, b))
			return;
		s->bucket[b] = (struct m_bucket){ .exists = true,
						  .foreign = true,
						  .mark = M_THEIRS,
						  .objects = 3,
						  .mode = DRV_BUCKET_READONLY };
		break;
	}
	m_tell(w, "%s: something foreign appears", t->appid);
}

static void
foreign_goes(struct m_site *s)
{
	if (s->user.foreign)
		memset(&s->user, 0, sizeof(s->user));
	if (s->db.foreign)
		memset(&s->db, 0, sizeof(s->db));
	if (s->volume.foreign)
		memset(&s->volume, 0, sizeof(s->volume));
	for (unsigned b = 0; b < M_BUCKETS; b++)
		if (s->bucket[b].foreign)
			memset(&s->bucket[b], 0, sizeof(s->bucket[b]));
}

static bool
settled_created(struct world *w, unsigned i)
{
	struct tenant_view *v = malloc(sizeof(*v));
	bool is;

	if (v == NULL)
		return false;
	m_view_load(w, i, M_LOAD_NAMED, 0, v);
	is = v->exists && tenant_settled(v) && v->rec.phase == REC_CREATED;
	tenant_view_done(v);
	free(v);
	return is;
}

/* An operator with the backend's own tools, on a tenant at rest. */
static void
hostile(struct world *w, unsigned i)
{
	struct m_tenant *t = &w->t[i];
	struct m_site *s = &t->site;
	struct m_bucket *b = &s->bucket[m_below(w, M_BUCKETS)];

	if (!settled_created(w, i) || changing_call(w, i) || late_for(w, i))
		return;
	t->disturbed = true;
	m_thaw(w, i);
	switch (m_below(w, 5)) {
	case 0:
		if (!s->user.foreign)
			memset(s->sa, 0, sizeof(s->sa));
		break;
	case 1:
		if (!s->user.exists || s->user.foreign || !s->user.enabled)
			return;
		s->user.enabled = false;
		s->user.op_disabled = true;
		t->reopened_at_disable = t->wish.reopened;
		break;
	case 2:
		if (!b->foreign && b->exists)
			b->mode = DRV_BUCKET_READWRITE;
		break;
	case 3:
		if (!b->foreign && b->objects == 0)
			memset(b, 0, sizeof(*b));
		break;
	default:
		if (!s->db.foreign)
			s->db.user = false;
		break;
	}
	m_tell(w, "%s: an operator lays hands on it", t->appid);
}

/* Not into a bucket that was cut off between its making and its mark: that it is ours could
 * not be told any more, by no driver. */
static void
writes(struct world *w, unsigned i)
{
	struct m_bucket *b = &w->t[i].site.bucket[m_below(w, M_BUCKETS)];

	m_thaw(w, i);
	if (m_object_works(w, i) && strcmp(b->mark, M_OURS) == 0)
		b->objects += 1 + m_below(w, 9);
	if (m_database_works(w, i))
		w->t[i].site.db.data++;
}

static void
disturb(struct world *w)
{
	unsigned r = m_below(w, DRV_RESOURCE_COUNT), i = m_below(w, M_TENANTS);

	switch (w->nervous ? m_below(w, 3) : m_below(w, 8)) {
	case 0:
	case 1:
		if (w->up)
			m_daemon_crash(w);
		break;
	case 2:
		w->outage_until[r] = w->now_ms + m_below(w, 30000);
		m_tell(w, "resource %u is down", r);
		break;
	case 3:
		w->slow_until[r] = w->now_ms + m_below(w, 20000);
		break;
	case 4:
		foreign_appears(w, i);
		break;
	case 5:
		hostile(w, i);
		break;
	case 6:
		if (w->up)
			w->t[i].entry.verify = w->t[i].entry.look = true;
		break;
	default:
		writes(w, i);
		break;
	}
}

/* ---- running ---- */

static void
advance(struct world *w, unsigned most)
{
	int64_t at = m_daemon_wake(w), late = late_wake(w);

	if (late < at)
		at = late;
	if (at <= w->now_ms)
		at = w->now_ms + 1;
	if (at - w->now_ms > (int64_t)most)
		at = w->now_ms + 1 + m_below(w, most);
	w->now_ms = at;
}

static void
storm(struct world *w, unsigned steps)
{
	for (unsigned n = 0; n < steps && !w->failed; n++) {
		unsigned dice = m_below(w, 1000), client = m_below(w, M_CLIENTS);
		unsigned trouble = w->nervous ? 60 : 55;

		w->events++;
		if (!w->up && dice < 300)
			m_daemon_start(w);
		else if (w->up && dice < 40 && !w->op_busy[client])
			m_client_begin(w, client);
		else if (dice < trouble)
			disturb(w);
		else if (w->braked && dice < trouble + 8)
			m_brake_event(w);
		else if (dice < 120 || !(late_step(w) || (w->up && m_daemon_step(w))))
			advance(w, 4000);
		m_check_always(w);
	}
}

static bool
at_rest(const struct world *w, unsigned i)
{
	const struct m_tenant *t = &w->t[i];

	if (t->cursed)
		return true;
	if (t->entry.look || t->entry.looking || t->entry.verify)
		return false;
	for (unsigned k = 0; k < M_JOBS; k++)
		if (w->jobs[k].used && w->jobs[k].tenant == i)
			return false;
	for (unsigned k = 0; k < M_CALLS; k++)
		if (w->calls[k].used && w->calls[k].tenant == i)
			return false;
	return t->entry.wake_ms == INT64_MAX;
}

static bool
foreign_left(const struct m_site *s)
{
	bool any = s->user.foreign || s->db.foreign || s->volume.foreign;

	for (unsigned b = 0; b < M_BUCKETS; b++)
		any = any || s->bucket[b].foreign;
	return any;
}

/* Until all are at rest. Those with something foreign are looked at again for ever, so
 * they are given a time that is enough. */
static void
settle(struct world *w)
{
	int64_t start = w->now_ms;
	unsigned events = 0;

	for (;;) {
		bool rest = late_wake(w) == INT64_MAX;

		for (unsigned i = 0; i < M_TENANTS; i++)
			rest = rest &&
			       (at_rest(w, i) || (foreign_left(&w->t[i].site) &&
						  w->now_ms - start > M_CALM_MS / 2));
		if (rest || w->failed)
			return;
		if (w->now_ms - start > M_CALM_MS || ++events > CALM_EVENTS) {
			m_fail(w, "not at rest after %lld ms and %u events",
			       (long long)(w->now_ms - start), events);
			return;
		}
		if (!late_step(w) && !m_daemon_step(w))
			advance(w, M_CALM_MS);
		m_check_always(w);
	}
}

/* Without faults, for longer than any pause. */
static void
held_calm(struct world *w)
{
	int64_t until = w->now_ms + 4 * M_BACKOFF_MAX_MS;

	m_brakes_hold(w);
	for (unsigned n = 0; w->now_ms < until && n < CALM_EVENTS && !w->failed; n++) {
		if (!late_step(w) && !m_daemon_step(w))
			advance(w, M_BACKOFF_MAX_MS);
		m_check_always(w);
	}
	m_check_held(w);
}

static void
calm(struct world *w)
{
	w->calm = true;
	m_tell(w, "calm");
	for (unsigned r = 0; r < DRV_RESOURCE_COUNT; r++)
		w->outage_until[r] = w->slow_until[r] = 0;
	if (!w->up)
		m_daemon_start(w);
	if (w->braked && m_below(w, 2) == 0)
		held_calm(w);
	m_brakes_calm(w);
	for (unsigned i = 0; i < M_TENANTS; i++) {
		m_thaw(w, i);
		if (w->t[i].site.user.op_disabled) {
			w->t[i].site.user.enabled = true;
			w->t[i].site.user.op_disabled = false;
		}
		if (w->foreign_go)
			foreign_goes(&w->t[i].site);
	}
	/* Three passes of verifying: one finds what hands and lies did, one what the repair
	 * of the first uncovered, one nothing any more. */
	for (unsigned pass = 0; pass < 4 && !w->failed; pass++) {
		settle(w);
		if (pass == 0 && !w->failed) {
			m_check_calm(w);
			m_check_end(w, M_END_UNVERIFIED);
		}
		for (unsigned i = 0; i < M_TENANTS && pass < 3; i++)
			w->t[i].entry.verify = w->t[i].entry.look = true;
	}
	if (!w->failed)
		m_check_end(w, M_END);
}

static void
set_up(struct world *w, uint64_t seed, const struct m_options *opt)
{
	static const char *const names[M_PLANS] = { "both", "object", "all" };

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->trace = opt->trace;
	w->now_ms = w->start_ms = START_MS;
	w->hash = UINT64_C(0xcbf29ce484222325);
	seed_rng(w, seed);
	w->env = (struct td_env){ .ctx = w,
				  .now_ms = env_now,
				  .mono_ms = env_now,
				  .random = env_random,
				  .sleep_ms = env_sleep };
	for (unsigned i = 0; i < M_PLANS; i++) {
		struct plan *p = &w->plans[i];

		p->name = names[i];
		p->file = p->description = "";
		p->version = 1;
		p->has[PLAN_OBJECT] = true;
		p->has[PLAN_DATABASE] = i != 1;
		p->has[PLAN_VOLUME] = i == 2;
		p->object_template = "object";
		p->database_template = i != 1 ? "database" : NULL;
		plan_limits_set(&p->limits, PLAN_OBJECT_BYTES, 9000);
		plan_limits_set(&p->limits, PLAN_BUCKETS, M_BUCKETS);
		if (p->has[PLAN_DATABASE])
			plan_limits_set(&p->limits, PLAN_DATABASE_BYTES, 9000);
		if (p->has[PLAN_VOLUME])
			plan_limits_set(&p->limits, PLAN_VOLUME_BYTES, 2000000);
	}
	for (unsigned i = 0; i < M_TENANTS; i++) {
		memcpy(w->t[i].appid, "tenant0", 8);
		w->t[i].appid[6] = (char)('0' + i);
		w->t[i].cursed = m_chance(w, 40);
	}
	/* How wild it is differs from history to history. */
	w->window = m_below(w, 2) == 0 ? 2 : TENANT_WORK_BUCKETS;
	w->fault = m_below(w, 4) * 40;
	w->foreign_go = m_below(w, 2) == 0;
	w->nervous = m_below(w, 4) == 0;
	/* Not a draw, so that the other histories stay as they were. */
	w->purging = !w->nervous && seed % 3 == 0;
	w->braked = m_below(w, 2) == 0;
	if (w->braked && m_below(w, 2) == 0)
		for (unsigned d = 0; d < REC_DESTROY_COUNT; d++)
			w->limits.per_hour[d] = 1 + m_below(w, 2);
	for (unsigned n = m_below(w, 3); n > 0; n--)
		foreign_appears(w, m_below(w, M_TENANTS));
}

bool
m_history(struct world *w, uint64_t seed, const struct m_options *opt)
{
	set_up(w, seed, opt);
	m_daemon_start(w);
	storm(w, opt->steps);
	if (!w->failed)
		calm(w);
	for (unsigned i = 0; i < M_CALLS; i++)
		if (w->calls[i].used)
			m_call_end(&w->calls[i]);
	for (unsigned i = 0; i < M_JOBS; i++) {
		m_commit_free(w->jobs[i].commit);
		tenant_step_done(&w->jobs[i].step);
	}
	m_records_free(w);
	return !w->failed;
}
