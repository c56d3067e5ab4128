/*
 * A verb is a converging pass (verbs.h) run until it succeeds, fails for good, or the
 * deadline is near. Nothing is repeated blindly: every pass begins by reading what is
 * there, which is also how an outcome that got lost with a connection is found out.
 *
 * Patience differs. A set that is visible and has no primary will have one soon: that is
 * waited for. A server that does not answer at all is given up after a few tries, so that
 * a dead backend costs a worker little; the engine comes back.
 */
#include "mongo/driver.h"

#include "mongo/database.h"
#include "mongo/verbs.h"
#include "policies/policy.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define TRIES_UNSEEN 4	  /* nobody answers */
#define TRIES_CONFLICT 12 /* somebody else works on the same, or a lock is held */
#define BACKOFF_MS 40
#define BACKOFF_MAX_MS 640
#define LEAST_LEFT_MS 250 /* a pass that begins later cannot do anything */

struct mongo_driver {
	struct driver base;
	struct mongo_site *site;
	struct mongo_creds *creds;
	struct mongo_clients *clients;
	const struct td_env *env;
	const struct policy_set *policies;
	char instance_id[40];
};

static struct mongo_driver *
self(struct driver *d)
{
	return (struct mongo_driver *)d;
}

static enum td_rc
check_appid(const char *appid, struct td_err *reterr)
{
	static const char *const reserved[] = { "admin", "local", "config" };
	size_t len = appid ? strnlen(appid, DRV_APPID_SIZE) : 0;

	if (len < 3 || len >= DRV_APPID_SIZE ||
	    strspn(appid, "abcdefghijklmnopqrstuvwxyz0123456789") != len)
		return td_err_set(reterr, TD_INVALID, "MongoDB: not an appid");
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(appid, reserved[i]) == 0)
			return td_err_set(reterr, TD_APPID_RESERVED,
					  "MongoDB: %s is a database of the server",
					  appid);
	return TD_OK;
}

static enum td_rc
check_slots(const struct drv_call *call, struct td_err *reterr)
{
	if (call->slot_count > DRV_SLOT_COUNT)
		return td_err_set(reterr, TD_INVALID, "MongoDB: too many slots");
	for (size_t i = 0; i < call->slot_count; i++) {
		const struct drv_slot *slot = &call->slots[i];

		if (!slot->key_id[0])
			return td_err_set(reterr, TD_INVALID,
					  "MongoDB: a slot has no name");
		for (size_t j = 0; j < i; j++)
			if (strcmp(call->slots[j].key_id, slot->key_id) == 0)
				return td_err_set(reterr, TD_INVALID,
						  "MongoDB: two slots with one name");
	}
	return TD_OK;
}

static enum td_rc
find_rights(const struct mongo_driver *d, const struct drv_call *call,
	    struct mongo_rights *ret_rights, struct td_err *reterr)
{
	const char *name = call->template_name ? call->template_name : "";
	const struct policy_template *p;

	if (call->access == DRV_ACCESS_NONE) {
		*ret_rights = (struct mongo_rights){ 0 };
		return TD_OK;
	}
	p = policy_find(d->policies, POLICY_MONGODB, name);
	if (p && call->access == DRV_ACCESS_FENCED)
		p = p->fenced;
	if (!p)
		return td_err_set(
			reterr, TD_INVALID, "MongoDB: no %srole template of name %s",
			call->access == DRV_ACCESS_FENCED ? "fenced " : "", name);
	*ret_rights = (struct mongo_rights){ .actions = p->actions,
					     .action_count = p->action_count,
					     .roles = p->roles,
					     .role_count = p->role_count };
	return TD_OK;
}

static enum td_rc
prepare(struct mongo_driver *d, const struct drv_call *call, struct drv_result *res,
	struct mongo_tenant *ret_tenant, struct td_err *reterr)
{
	enum td_rc rc;

	*res = (struct drv_result){ .presence = DRV_UNKNOWN };
	rc = check_appid(call->appid, reterr);
	if (rc == TD_OK)
		rc = check_slots(call, reterr);
	if (rc != TD_OK)
		return rc;
	*ret_tenant = (struct mongo_tenant){
		.op = { .clients = d->clients,
			.appid = call->appid,
			.instance_id =
				call->instance_id ? call->instance_id : d->instance_id,
			.deadline = call->deadline_mono_ms },
		.call = call,
		.res = res,
	};
	return TD_OK;
}

/* Counts of what went wrong in earlier passes. */
struct patience {
	int passes;
	int unseen;
	int conflicts;
};

/* Sleeps and says true when another pass makes sense. */
static bool
again(const struct mongo_tenant *t, const struct td_err *err, struct patience *p)
{
	const struct td_env *env = mongo_clients_env(t->op.clients);
	int64_t pause = BACKOFF_MS << (p->passes < 4 ? p->passes : 4);

	if (!mongo_rc_passing(err->rc))
		return false;
	if (err->rc == TD_UNREACHABLE && err->upstream_status == 0 &&
	    ++p->unseen >= TRIES_UNSEEN)
		return false;
	if (err->rc == TD_CONFLICT && ++p->conflicts >= TRIES_CONFLICT)
		return false;
	p->passes++;
	if (pause > BACKOFF_MAX_MS)
		pause = BACKOFF_MAX_MS;
	pause = pause / 2 + (int64_t)td_random_below(env, (uint64_t)pause);
	if (mongo_clients_left_ms(t->op.clients, t->op.deadline) < pause + LEAST_LEFT_MS)
		return false;
	td_sleep_ms(env, pause);
	return true;
}

typedef enum td_rc (*pass_fn)(struct mongo_tenant *t, struct td_err *reterr);

/* What is told when no pass succeeded: the last failure, unless that is just that the time
 * was over, which says less than what took the time. */
struct failure {
	struct td_err err;
	char reason[DRV_REASON_SIZE];
};

static void
note_failure(const struct mongo_tenant *t, const struct td_err *err, struct failure *said)
{
	bool time_over = err->rc == TD_TIMEOUT && err->upstream_status == 0;

	if (time_over && !t->fail_reason[0] && said->err.rc != TD_OK)
		return;
	said->err = *err;
	memcpy(said->reason, t->fail_reason, sizeof(said->reason));
}

static enum td_rc
repeat(struct mongo_tenant *t, pass_fn pass, struct td_err *reterr)
{
	struct patience patience = { 0 };
	struct failure said = { 0 };
	struct td_err err;

	do {
		err = (struct td_err){ 0 };
		t->fail_reason[0] = 0;
		if (pass(t, &err) == TD_OK)
			return TD_OK;
		note_failure(t, &err, &said);
	} while (again(t, &err, &patience));
	if (said.reason[0] && said.err.rc != TD_FOREIGN) {
		memcpy(t->res->reason, said.reason, sizeof(t->res->reason));
		snprintf(t->res->message, sizeof(t->res->message), "%.*s",
			 (int)sizeof(t->res->message) - 1, said.err.detail);
	}
	if (reterr)
		*reterr = said.err;
	return said.err.rc;
}

static enum td_rc
op_observe(struct driver *driver, const struct drv_call *call, struct drv_result *res,
	   struct td_err *reterr)
{
	struct mongo_driver *d = self(driver);
	struct mongo_tenant t;
	enum td_rc rc;

	rc = prepare(d, call, res, &t, reterr);
	/* A name that is free is looked at before anybody knows a template. */
	if (rc == TD_OK && call->claimed)
		rc = find_rights(d, call, &t.rights, reterr);
	if (rc == TD_OK)
		rc = repeat(&t, mongo_pass_observe, reterr);
	return rc;
}

static enum td_rc
op_ensure(struct driver *driver, const struct drv_call *call, struct drv_result *res,
	  struct td_err *reterr)
{
	struct mongo_driver *d = self(driver);
	struct mongo_tenant t;
	enum td_rc rc;

	rc = prepare(d, call, res, &t, reterr);
	if (rc == TD_OK)
		rc = find_rights(d, call, &t.rights, reterr);
	for (size_t i = 0; rc == TD_OK && i < call->slot_count; i++)
		if (call->slots[i].want == DRV_SLOT_KEEP &&
		    call->access != DRV_ACCESS_NONE && !call->slots[i].secret)
			rc = td_err_set(reterr, TD_INVALID,
					"MongoDB: a slot has no secret");
	if (rc == TD_OK)
		rc = repeat(&t, mongo_pass_ensure, reterr);
	return rc;
}

static enum td_rc
op_remove(struct driver *driver, const struct drv_call *call, struct drv_result *res,
	  struct td_err *reterr)
{
	struct mongo_driver *d = self(driver);
	struct mongo_tenant t;
	enum td_rc rc;

	rc = prepare(d, call, res, &t, reterr);
	if (rc != TD_OK)
		return rc;
	rc = repeat(&t, mongo_pass_remove, reterr);
	/* It is ours, the server is there, and the time was not enough. */
	if (rc == TD_TIMEOUT && res->presence == DRV_OURS) {
		res->more = true;
		return TD_OK;
	}
	return rc;
}

static enum td_rc
op_probe(struct driver *driver, int64_t deadline, struct td_err *reterr)
{
	struct mongo_driver *d = self(driver);
	struct mongo_address at;
	enum td_rc rc;

	rc = mongo_creds_reload(d->creds, reterr);
	if (rc == TD_OK)
		rc = mongo_primary(d->clients, deadline, &at, reterr);
	if (rc == TD_OK)
		rc = mongo_login_own(d->clients, &at, deadline, reterr);
	return rc;
}

static void
op_free(struct driver *driver)
{
	struct mongo_driver *d;

	if (!driver)
		return;
	d = self(driver);
	mongo_clients_free(d->clients);
	mongo_creds_free(d->creds);
	mongo_site_free(d->site);
	free(d);
}

static const struct driver_ops ops = {
	.observe = op_observe,
	.ensure = op_ensure,
	.remove = op_remove,
	.probe = op_probe,
	.free = op_free,
};

enum td_rc
mongo_driver_new(const struct mongo_driver_options *opt, struct driver **ret,
		 struct td_err *reterr)
{
	size_t id_len = opt->instance_id ? strlen(opt->instance_id) : 0;
	struct mongo_clients_options clients;
	struct mongo_driver *d;
	enum td_rc rc;

	if (id_len == 0 || id_len >= sizeof(d->instance_id) || !opt->policies)
		return td_err_set(reterr, TD_INVALID,
				  "MongoDB: an instance id and policies are needed");
	d = calloc(1, sizeof(*d));
	if (!d)
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	d->base = (struct driver){ .ops = &ops,
				   .resource = DRV_DATABASE,
				   .name = "mongodb" };
	d->env = opt->env ? opt->env : td_env_system();
	d->policies = opt->policies;
	memcpy(d->instance_id, opt->instance_id, id_len + 1);
	rc = mongo_site_new(opt->uri, opt->ca_file, &d->site, reterr);
	if (rc == TD_OK)
		rc = mongo_creds_new(&opt->current, &opt->next, &d->creds, reterr);
	clients = (struct mongo_clients_options){
		.site = d->site, .creds = d->creds, .env = d->env, .trace = opt->trace
	};
	if (rc == TD_OK)
		rc = mongo_clients_new(&clients, &d->clients, reterr);
	if (rc != TD_OK) {
		op_free(&d->base);
		return rc;
	}
	*ret = &d->base;
	return TD_OK;
}

enum td_rc
mongo_driver_measure(struct driver *driver, const char *appid, int64_t deadline_mono_ms,
		     struct mongo_usage *ret_usage, struct td_err *reterr)
{
	struct mongo_driver *d = self(driver);
	struct mongo_op op = { .clients = d->clients,
			       .appid = appid,
			       .instance_id = d->instance_id,
			       .deadline = deadline_mono_ms };
	enum td_rc rc = check_appid(appid, reterr);

	return rc == TD_OK ? mongo_database_stats(&op, ret_usage, reterr) : rc;
}

/* An allocator that leaves nothing behind: commands, URIs and replies of libmongoc hold
 * passwords and are freed as they are. */
static void
wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void *
wiping_realloc(void *p, size_t size)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *fresh = malloc(size);

	if (!fresh)
		return NULL;
	if (p)
		memcpy(fresh, p, had < size ? had : size);
	wiping_free(p);
	return fresh;
}

static void
log_nothing(mongoc_log_level_t level, const char *domain, const char *message, void *ctx)
{
	(void)level;
	(void)domain;
	(void)message;
	(void)ctx;
}

void
mongo_global_init(void)
{
	static const bson_mem_vtable_t wiping = {
		.malloc = malloc,
		.calloc = calloc,
		.realloc = wiping_realloc,
		.free = wiping_free,
		.aligned_alloc = aligned_alloc,
	};

	bson_mem_set_vtable(&wiping);
	mongoc_log_set_handler(log_nothing, NULL);
	mongoc_init();
}

void
mongo_global_done(void)
{
	mongoc_cleanup();
	bson_mem_restore_vtable();
}
