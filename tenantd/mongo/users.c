/*
 * Reading is three indexed look-ups. Writing is one document each: MongoDB does every user
 * or role command as one atomic write, so there is nothing half done to be found, only
 * something not done yet.
 */
#include "mongo/users.h"

#include <inttypes.h>
#include <string.h>

#define MAX_GRANTS 128 /* actions or roles that a comparison can mark */

/* One page of system.users or system.roles of the tenant's database. */
static enum td_rc
find(const struct mongo_op *op, const char *collection, int32_t limit, bson_t *reply,
     struct td_err *reterr)
{
	char low[DRV_APPID_SIZE + 1], high[DRV_APPID_SIZE + 1];
	struct mongo_cmd cmd = { .db = "admin", .what = "find", .kind = MONGO_READ };
	enum td_rc rc;
	bson_t *body;

	/* '/' comes after '.'. */
	snprintf(low, sizeof(low), "%s.", op->appid);
	snprintf(high, sizeof(high), "%s/", op->appid);
	body = BCON_NEW("find", BCON_UTF8(collection), "filter", "{", "_id", "{", "$gte",
			BCON_UTF8(low), "$lt", BCON_UTF8(high), "}", "}", "projection",
			"{", "credentials", BCON_INT32(0), "}", "limit",
			BCON_INT32(limit), "batchSize", BCON_INT32(limit), "singleBatch",
			BCON_BOOL(true));
	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, reply, reterr);
	bson_destroy(body);
	return rc;
}

static bool
find_batch(const bson_t *reply, bson_iter_t *ret_docs)
{
	bson_iter_t it, batch;

	return bson_iter_init(&it, reply) &&
	       bson_iter_find_descendant(&it, "cursor.firstBatch", &batch) &&
	       BSON_ITER_HOLDS_ARRAY(&batch) && bson_iter_recurse(&batch, ret_docs);
}

/* The document under the iterator, borrowed. */
static bool
iter_doc(const bson_iter_t *it, bson_t *ret_doc)
{
	const uint8_t *data;
	uint32_t len;

	if (!BSON_ITER_HOLDS_DOCUMENT(it))
		return false;
	bson_iter_document(it, &len, &data);
	return bson_init_static(ret_doc, data, len);
}

static const char *
doc_text(const bson_t *doc, const char *key)
{
	bson_iter_t it;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_UTF8(&it))
		return "";
	return bson_iter_utf8(&it, NULL);
}

static bool
doc_array(const bson_t *doc, const char *key, bson_iter_t *ret_elements)
{
	bson_iter_t it;

	return bson_iter_init_find(&it, doc, key) && BSON_ITER_HOLDS_ARRAY(&it) &&
	       bson_iter_recurse(&it, ret_elements);
}

static void
parse_user_id(const bson_t *doc, char out[MONGO_USER_ID_SIZE])
{
	const uint8_t *b;
	bson_subtype_t type;
	uint32_t len = 0;
	bson_iter_t it;

	out[0] = 0;
	if (!bson_iter_init_find(&it, doc, "userId") || !BSON_ITER_HOLDS_BINARY(&it))
		return;
	bson_iter_binary(&it, &type, &len, &b);
	if (len != 16)
		return;
	snprintf(out, MONGO_USER_ID_SIZE,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11],
		 b[12], b[13], b[14], b[15]);
}

bool
mongo_user_parse(const bson_t *doc, const char *appid, const char *instance_id,
		 struct mongo_user *ret_user)
{
	struct mongo_user user = { .name = doc_text(doc, "user") };
	bson_iter_t it;
	bson_t sub;

	if (!*user.name || strcmp(doc_text(doc, "db"), appid) != 0)
		return false;
	if (bson_iter_init_find(&it, doc, "customData") && iter_doc(&it, &sub))
		user.marked = strcmp(doc_text(&sub, "tenantd"), instance_id) == 0 &&
			      strcmp(doc_text(&sub, "appid"), appid) == 0;
	if (doc_array(doc, "roles", &it)) {
		while (bson_iter_next(&it)) {
			if (iter_doc(&it, &sub) &&
			    strcmp(doc_text(&sub, "role"), MONGO_ROLE) == 0 &&
			    strcmp(doc_text(&sub, "db"), appid) == 0)
				user.has_role = true;
			else
				user.has_others = true;
		}
	}
	parse_user_id(doc, user.id);
	*ret_user = user;
	return true;
}

static enum td_rc
damaged(struct td_err *reterr)
{
	return td_err_set(reterr, TD_BACKEND_REFUSED,
			  "MongoDB: a reply has not its form");
}

enum td_rc
mongo_state_read_users(const struct mongo_op *op, struct mongo_state *ret_state,
		       struct td_err *reterr)
{
	struct mongo_state *s = ret_state;
	bson_iter_t docs;
	enum td_rc rc;
	bson_t doc;

	memset(s, 0, sizeof(*s));
	rc = find(op, "system.users", MONGO_USERS_SEEN + 1, &s->users_reply, reterr);
	if (rc != TD_OK)
		return rc;
	bson_init(&s->roles_reply);
	if (!find_batch(&s->users_reply, &docs)) {
		mongo_state_done(s);
		return damaged(reterr);
	}
	while (bson_iter_next(&docs)) {
		if (s->user_count == MONGO_USERS_SEEN) {
			s->user_more = true;
			break;
		}
		if (!iter_doc(&docs, &doc) ||
		    !mongo_user_parse(&doc, op->appid, op->instance_id,
				      &s->users[s->user_count])) {
			mongo_state_done(s);
			return damaged(reterr);
		}
		s->user_count++;
	}
	return TD_OK;
}

static enum td_rc
read_roles(const struct mongo_op *op, struct mongo_state *s, struct td_err *reterr)
{
	bson_iter_t docs;
	enum td_rc rc;
	bson_t doc;

	rc = find(op, "system.roles", MONGO_ROLES_SEEN + 1, &s->roles_reply, reterr);
	if (rc != TD_OK) {
		bson_init(&s->roles_reply);
		return rc;
	}
	if (!find_batch(&s->roles_reply, &docs))
		return damaged(reterr);
	while (bson_iter_next(&docs)) {
		if (s->role_count == MONGO_ROLES_SEEN) {
			s->role_more = true;
			break;
		}
		if (!iter_doc(&docs, &doc) || !*doc_text(&doc, "role"))
			return damaged(reterr);
		s->roles[s->role_count] = doc_text(&doc, "role");
		if (strcmp(s->roles[s->role_count], MONGO_ROLE) == 0) {
			s->has_role = true;
			if (!iter_doc(&docs, &s->role))
				return damaged(reterr);
		}
		s->role_count++;
	}
	return TD_OK;
}

/* The appid is [a-z0-9]+, so it stands for itself in a pattern. */
static enum td_rc
read_database(const struct mongo_op *op, struct mongo_state *s, struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = "admin",
				 .what = "listDatabases",
				 .kind = MONGO_READ };
	char pattern[DRV_APPID_SIZE + 2];
	bson_iter_t it;
	enum td_rc rc;
	bson_t *body, doc, reply;

	snprintf(pattern, sizeof(pattern), "^%s$", op->appid);
	body = BCON_NEW("listDatabases", BCON_INT32(1), "nameOnly", BCON_BOOL(true),
			"authorizedDatabases", BCON_BOOL(false), "filter", "{", "name",
			"{", "$regex", BCON_UTF8(pattern), "$options", BCON_UTF8("i"),
			"}", "}");
	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, &reply, reterr);
	bson_destroy(body);
	if (rc != TD_OK)
		return rc;
	if (!doc_array(&reply, "databases", &it)) {
		bson_destroy(&reply);
		return damaged(reterr);
	}
	while (bson_iter_next(&it)) {
		if (iter_doc(&it, &doc) && strcmp(doc_text(&doc, "name"), op->appid) == 0)
			s->db_exists = true;
		else
			s->db_variant = true;
	}
	bson_destroy(&reply);
	return TD_OK;
}

enum td_rc
mongo_state_read(const struct mongo_op *op, struct mongo_state *ret_state,
		 struct td_err *reterr)
{
	enum td_rc rc;

	rc = mongo_state_read_users(op, ret_state, reterr);
	if (rc != TD_OK)
		return rc;
	rc = read_roles(op, ret_state, reterr);
	if (rc == TD_OK)
		rc = read_database(op, ret_state, reterr);
	if (rc != TD_OK)
		mongo_state_done(ret_state);
	return rc;
}

void
mongo_state_done(struct mongo_state *state)
{
	bson_destroy(&state->users_reply);
	bson_destroy(&state->roles_reply);
}

const struct mongo_user *
mongo_state_user(const struct mongo_state *state, const char *name)
{
	for (size_t i = 0; i < state->user_count; i++)
		if (strcmp(state->users[i].name, name) == 0)
			return &state->users[i];
	return NULL;
}

/* A set of wanted names, and which of them were met. */
struct names {
	const char *const *want;
	size_t count;
	bool met[MAX_GRANTS];
	bool others; /* met one that is not wanted */
};

static void
meet(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->want[i], name) == 0) {
			names->met[i] = true;
			return;
		}
	}
	names->others = true;
}

static bool
all_met(const struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (!names->met[i])
			return false;
	return true;
}

/* The actions of one privilege; one on anything but the database's collections is none of
 * ours. */
static void
meet_privilege(struct names *actions, const bson_t *privilege, const char *appid)
{
	bson_t resource = BSON_INITIALIZER;
	bson_iter_t it, collection;
	bool on_db = false;

	if (bson_iter_init_find(&it, privilege, "resource") && iter_doc(&it, &resource))
		on_db = strcmp(doc_text(&resource, "db"), appid) == 0 &&
			bson_iter_init_find(&collection, &resource, "collection") &&
			BSON_ITER_HOLDS_UTF8(&collection) &&
			*bson_iter_utf8(&collection, NULL) == 0;
	if (!doc_array(privilege, "actions", &it))
		return;
	while (bson_iter_next(&it))
		meet(actions,
		     on_db && BSON_ITER_HOLDS_UTF8(&it) ? bson_iter_utf8(&it, NULL) : "");
}

struct mongo_rights_diff
mongo_role_compare(const bson_t *doc, const char *appid,
		   const struct mongo_rights *rights)
{
	struct names actions = { .want = rights->actions, .count = rights->action_count };
	struct names roles = { .want = rights->roles, .count = rights->role_count };
	struct mongo_rights_diff diff = { .empty = true };
	bson_iter_t it;
	bson_t sub;

	if (rights->action_count > MAX_GRANTS || rights->role_count > MAX_GRANTS)
		return (struct mongo_rights_diff){ .takes_away = true };
	if (doc_array(doc, "privileges", &it)) {
		while (bson_iter_next(&it)) {
			diff.empty = false;
			if (iter_doc(&it, &sub))
				meet_privilege(&actions, &sub, appid);
		}
	}
	if (doc_array(doc, "roles", &it)) {
		while (bson_iter_next(&it)) {
			diff.empty = false;
			if (iter_doc(&it, &sub) &&
			    strcmp(doc_text(&sub, "db"), appid) == 0)
				meet(&roles, doc_text(&sub, "role"));
			else
				roles.others = true;
		}
	}
	diff.takes_away = actions.others || roles.others;
	diff.same = !diff.takes_away && all_met(&actions) && all_met(&roles);
	return diff;
}

static void
append_strings(bson_t *doc, const char *key, const char *const *values, size_t count)
{
	bson_t array;
	char index[16];
	const char *k;

	BSON_APPEND_ARRAY_BEGIN(doc, key, &array);
	for (size_t i = 0; i < count; i++) {
		bson_uint32_to_string((uint32_t)i, &k, index, sizeof(index));
		BSON_APPEND_UTF8(&array, k, values[i]);
	}
	bson_append_array_end(doc, &array);
}

/* privileges and roles; both always, because what is left out of an update stays. */
static void
append_rights(bson_t *doc, const char *appid, const struct mongo_rights *rights)
{
	bson_t array, privilege, resource, role;
	char index[16];
	const char *k;

	BSON_APPEND_ARRAY_BEGIN(doc, "privileges", &array);
	if (rights->action_count > 0) {
		BSON_APPEND_DOCUMENT_BEGIN(&array, "0", &privilege);
		BSON_APPEND_DOCUMENT_BEGIN(&privilege, "resource", &resource);
		BSON_APPEND_UTF8(&resource, "db", appid);
		BSON_APPEND_UTF8(&resource, "collection", "");
		bson_append_document_end(&privilege, &resource);
		append_strings(&privilege, "actions", rights->actions,
			       rights->action_count);
		bson_append_document_end(&array, &privilege);
	}
	bson_append_array_end(doc, &array);
	BSON_APPEND_ARRAY_BEGIN(doc, "roles", &array);
	for (size_t i = 0; i < rights->role_count; i++) {
		bson_uint32_to_string((uint32_t)i, &k, index, sizeof(index));
		BSON_APPEND_DOCUMENT_BEGIN(&array, k, &role);
		BSON_APPEND_UTF8(&role, "role", rights->roles[i]);
		BSON_APPEND_UTF8(&role, "db", appid);
		bson_append_document_end(&array, &role);
	}
	bson_append_array_end(doc, &array);
}

/* Runs and destroys body. */
static enum td_rc
run_write(const struct mongo_op *op, const char *what, bson_t *body,
	  enum mongo_err_text text, struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = op->appid,
				 .what = what,
				 .body = body,
				 .kind = MONGO_WRITE,
				 .text = text };
	enum td_rc rc;

	rc = mongo_command(op->clients, &cmd, op->deadline, NULL, reterr);
	bson_destroy(body);
	return rc;
}

enum td_rc
mongo_role_create(const struct mongo_op *op, const struct mongo_rights *rights,
		  struct td_err *reterr)
{
	bson_t *body = BCON_NEW("createRole", BCON_UTF8(MONGO_ROLE));

	append_rights(body, op->appid, rights);
	return run_write(op, "createRole", body, MONGO_ERR_TEXT, reterr);
}

enum td_rc
mongo_role_update(const struct mongo_op *op, const struct mongo_rights *rights,
		  struct td_err *reterr)
{
	bson_t *body = BCON_NEW("updateRole", BCON_UTF8(MONGO_ROLE));

	append_rights(body, op->appid, rights);
	return run_write(op, "updateRole", body, MONGO_ERR_TEXT, reterr);
}

static enum td_rc
gone_is_ok(enum td_rc rc)
{
	return rc == TD_NOT_FOUND ? TD_OK : rc;
}

enum td_rc
mongo_role_drop(const struct mongo_op *op, const char *role, struct td_err *reterr)
{
	bson_t *body = BCON_NEW("dropRole", BCON_UTF8(role));

	return gone_is_ok(run_write(op, "dropRole", body, MONGO_ERR_TEXT, reterr));
}

static void
append_mark(bson_t *body, const struct mongo_op *op)
{
	bson_t mark;

	BSON_APPEND_DOCUMENT_BEGIN(body, "customData", &mark);
	BSON_APPEND_UTF8(&mark, "tenantd", op->instance_id);
	BSON_APPEND_UTF8(&mark, "appid", op->appid);
	bson_append_document_end(body, &mark);
}

enum td_rc
mongo_user_create(const struct mongo_op *op, const char *user,
		  const struct td_secret *password, struct td_err *reterr)
{
	static const char *const roles[] = { MONGO_ROLE };
	static const char *const mechanisms[] = { "SCRAM-SHA-256" };
	/* On the heap, which libbson was told to wipe. */
	bson_t *body = bson_new();

	BSON_APPEND_UTF8(body, "createUser", user);
	bson_append_utf8(body, "pwd", 3, td_secret_bytes(password),
			 (int)td_secret_len(password));
	append_strings(body, "roles", roles, 1);
	append_strings(body, "mechanisms", mechanisms, 1);
	append_mark(body, op);
	return run_write(op, "createUser", body, MONGO_ERR_NO_TEXT, reterr);
}

enum td_rc
mongo_user_set_roles(const struct mongo_op *op, const char *user,
		     enum mongo_user_roles roles, struct td_err *reterr)
{
	static const char *const app[] = { MONGO_ROLE };
	bson_t *body = BCON_NEW("updateUser", BCON_UTF8(user));

	append_strings(body, "roles", app, roles == MONGO_ROLES_APP ? 1 : 0);
	return run_write(op, "updateUser", body, MONGO_ERR_TEXT, reterr);
}

enum td_rc
mongo_user_mark(const struct mongo_op *op, const char *user, struct td_err *reterr)
{
	bson_t *body = BCON_NEW("updateUser", BCON_UTF8(user));

	append_mark(body, op);
	return run_write(op, "updateUser", body, MONGO_ERR_TEXT, reterr);
}

enum td_rc
mongo_user_drop(const struct mongo_op *op, const char *user, struct td_err *reterr)
{
	bson_t *body = BCON_NEW("dropUser", BCON_UTF8(user));

	return gone_is_ok(run_write(op, "dropUser", body, MONGO_ERR_TEXT, reterr));
}
