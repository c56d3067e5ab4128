/*
 * Classes of patience. A client of class c is made for commands that have at least
 * MIN_BUDGET << c milliseconds left: a quarter of that for finding the primary and
 * connecting, half for each wait on the socket, and inside that half the server's own
 * limits (maxTimeMS, wtimeout), so that it is the server that gives up first and says so.
 *
 * A client that saw a broken connection, a change of primary or a refused login is
 * destroyed: a fresh one has no stale view of the set, and libmongoc keeps a member that
 * failed out of its sight for five seconds.
 */
#include "mongo/clients.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MIN_BUDGET 250
#define CLASSES 9	/* 0.25 s to 64 s */
#define CLASS_SHORT 6	/* most patience of an ordinary command: 16 s */
#define MAX_CLIENTS 128 /* far over the number of worker threads */
#define MAX_IDLE 24
#define MAX_CONNECT 3000

struct client {
	mongoc_client_t *c;
	unsigned class;
	unsigned generation; /* of the credential it logged in with */
	struct client *next;
};

struct mongo_clients {
	struct mongo_clients_options opt;
	pthread_mutex_t lock;
	struct client *idle; /* the last used first */
	unsigned idle_count;
	unsigned count; /* idle and in use */
};

enum td_rc
mongo_clients_new(const struct mongo_clients_options *opt,
		  struct mongo_clients **ret_clients, struct td_err *reterr)
{
	struct mongo_clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	clients->opt = *opt;
	pthread_mutex_init(&clients->lock, NULL);
	*ret_clients = clients;
	return TD_OK;
}

/* A list of clients that is not in the bag any more. */
static void
destroy_list(struct client *list)
{
	while (list) {
		struct client *next = list->next;

		mongoc_client_destroy(list->c);
		free(list);
		list = next;
	}
}

void
mongo_clients_forget(struct mongo_clients *clients)
{
	struct client *list;

	pthread_mutex_lock(&clients->lock);
	list = clients->idle;
	clients->idle = NULL;
	clients->count -= clients->idle_count;
	clients->idle_count = 0;
	pthread_mutex_unlock(&clients->lock);
	destroy_list(list);
}

void
mongo_clients_free(struct mongo_clients *clients)
{
	if (!clients)
		return;
	mongo_clients_forget(clients);
	pthread_mutex_destroy(&clients->lock);
	free(clients);
}

const struct td_env *
mongo_clients_env(const struct mongo_clients *clients)
{
	return clients->opt.env;
}

int64_t
mongo_clients_left_ms(const struct mongo_clients *clients, int64_t deadline_mono_ms)
{
	return deadline_mono_ms - td_mono_ms(clients->opt.env);
}

/* The class that fits, or TD_TIMEOUT. */
static enum td_rc
pick_class(const struct mongo_clients *clients, int64_t deadline, unsigned most,
	   unsigned *ret_class, struct td_err *reterr)
{
	int64_t left = mongo_clients_left_ms(clients, deadline);
	unsigned class = 0;

	if (left < MIN_BUDGET)
		return td_err_set(reterr, TD_TIMEOUT, "MongoDB: no time left");
	while (class < most && ((int64_t)MIN_BUDGET << (class + 1)) <= left)
		class ++;
	*ret_class = class;
	return TD_OK;
}

static struct mongo_times
class_times(unsigned class)
{
	int32_t budget = MIN_BUDGET << class;
	int32_t quarter = budget / 4;

	return (struct mongo_times){
		.select_ms = quarter < MAX_CONNECT ? quarter : MAX_CONNECT,
		.connect_ms = quarter < MAX_CONNECT ? quarter : MAX_CONNECT,
		.socket_ms = budget / 2,
	};
}

/* A libmongoc client; nothing is connected yet. */
static enum td_rc
new_handle(struct mongo_clients *clients, const struct mongo_address *at,
	   const struct mongo_identity *who, unsigned class, mongoc_client_t **ret_handle,
	   struct td_err *reterr)
{
	struct mongo_times times = class_times(class);
	mongoc_uri_t *uri = mongo_site_uri(clients->opt.site, at, who, &times);
	mongoc_client_t *c;
	bson_error_t e;

	if (!uri)
		return td_err_set(reterr, TD_INTERNAL, "MongoDB: cannot make a uri");
	c = mongoc_client_new_from_uri_with_error(uri, &e);
	mongoc_uri_destroy(uri);
	if (!c)
		return mongo_err(&e, "connect", MONGO_ERR_TEXT, reterr);
	mongoc_client_set_error_api(c, MONGOC_ERROR_API_VERSION_2);
	*ret_handle = c;
	return TD_OK;
}

static enum td_rc
new_client(struct mongo_clients *clients, unsigned class, struct client **ret_client,
	   struct td_err *reterr)
{
	struct mongo_identity who;
	struct mongo_cred cred;
	struct client *client;
	enum td_rc rc;

	rc = mongo_creds_get(clients->opt.creds, &cred, reterr);
	if (rc != TD_OK)
		return rc;
	client = calloc(1, sizeof(*client));
	if (!client) {
		mongo_cred_done(&cred);
		return td_err_set(reterr, TD_NOMEM, "MongoDB: no memory");
	}
	who = (struct mongo_identity){
		.username = cred.username,
		.password = cred.password,
		.auth_source = mongo_site_auth_source(clients->opt.site),
	};
	rc = new_handle(clients, NULL, &who, class, &client->c, reterr);
	client->class = class;
	client->generation = cred.generation;
	mongo_cred_done(&cred);
	if (rc != TD_OK) {
		free(client);
		return rc;
	}
	*ret_client = client;
	return TD_OK;
}

static void
drop(struct mongo_clients *clients, struct client *client)
{
	pthread_mutex_lock(&clients->lock);
	clients->count--;
	pthread_mutex_unlock(&clients->lock);
	client->next = NULL;
	destroy_list(client);
}

/* An idle client of that class and generation, or one more. */
static enum td_rc
take(struct mongo_clients *clients, unsigned class, struct client **ret_client,
     struct td_err *reterr)
{
	unsigned generation = mongo_creds_generation(clients->opt.creds);
	struct client **p, *found = NULL;
	bool full;
	enum td_rc rc;

	pthread_mutex_lock(&clients->lock);
	for (p = &clients->idle; *p; p = &(*p)->next)
		if ((*p)->class == class && (*p)->generation == generation)
			break;
	if (*p) {
		found = *p;
		*p = found->next;
		found->next = NULL;
		clients->idle_count--;
	}
	full = !found && clients->count >= MAX_CLIENTS;
	if (!found && !full)
		clients->count++;
	pthread_mutex_unlock(&clients->lock);
	if (full)
		return td_err_set(reterr, TD_UNAVAILABLE,
				  "MongoDB: too many commands at once");
	if (found) {
		*ret_client = found;
		return TD_OK;
	}
	rc = new_client(clients, class, ret_client, reterr);
	if (rc != TD_OK) {
		pthread_mutex_lock(&clients->lock);
		clients->count--;
		pthread_mutex_unlock(&clients->lock);
	}
	return rc;
}

/* Keeps it for others; the one idle longest goes when there are too many. */
static void
give(struct mongo_clients *clients, struct client *client)
{
	struct client *victim = NULL, **p;

	pthread_mutex_lock(&clients->lock);
	client->next = clients->idle;
	clients->idle = client;
	if (++clients->idle_count > MAX_IDLE) {
		for (p = &clients->idle; (*p)->next; p = &(*p)->next)
			;
		victim = *p;
		*p = NULL;
		clients->idle_count--;
		clients->count--;
	}
	pthread_mutex_unlock(&clients->lock);
	destroy_list(victim);
}

static void
trace(const struct mongo_clients *clients, const char *what, int64_t began, enum td_rc rc,
      const struct td_err *err)
{
	const struct drv_trace *t = clients->opt.trace;
	int status = 0;

	if (!t || !t->call)
		return;
	if (rc != TD_OK)
		status = err->upstream_status ? err->upstream_status : -1;
	t->call(t->ctx, "mongodb", what, (td_mono_ms(clients->opt.env) - began) * 1000,
		status);
}

/* With nobody to be seen the server is gone; with a member in sight the set has no primary
 * for a moment, which is worth waiting for. */
static bool
sees_members(const mongoc_client_t *c)
{
	mongoc_server_description_t **sds;
	bool seen = false;
	size_t n;

	sds = mongoc_client_get_server_descriptions(c, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(mongoc_server_description_type(sds[i]), "Unknown") != 0)
			seen = true;
	mongoc_server_descriptions_destroy_all(sds, n);
	return seen;
}

static void
append_limits(bson_t *opts, enum mongo_cmd_kind kind, unsigned class)
{
	int32_t socket_ms = class_times(class).socket_ms;
	bson_t concern;

	bson_append_int32(opts, "maxTimeMS", -1, socket_ms / 2);
	if (kind != MONGO_WRITE && kind != MONGO_LONG)
		return;
	bson_append_document_begin(opts, "writeConcern", -1, &concern);
	bson_append_utf8(&concern, "w", -1, "majority", -1);
	bson_append_int32(&concern, "wtimeout", -1, socket_ms * 3 / 8);
	bson_append_document_end(opts, &concern);
}

static enum td_rc
run_on(const struct client *client, const struct mongo_cmd *cmd, bson_t *reply,
       struct td_err *err)
{
	bson_t opts = BSON_INITIALIZER;
	bson_error_t e;
	enum td_rc rc = TD_OK;
	bool ok;

	append_limits(&opts, cmd->kind, client->class);
	if (cmd->kind == MONGO_WRITE || cmd->kind == MONGO_LONG)
		ok = mongoc_client_write_command_with_opts(client->c, cmd->db, cmd->body,
							   &opts, reply, &e);
	else
		ok = mongoc_client_command_with_opts(client->c, cmd->db, cmd->body, NULL,
						     &opts, reply, &e);
	bson_destroy(&opts);
	if (!ok) {
		rc = mongo_err(&e, cmd->what, cmd->text, err);
		if (e.domain == MONGOC_ERROR_SERVER_SELECTION && sees_members(client->c))
			err->upstream_status = MONGO_CODE_NOT_PRIMARY;
	}
	return rc;
}

/* One attempt on one client. Makes *reply in any case; *ret_generation is of the credential
 * that was used. */
static enum td_rc
attempt(struct mongo_clients *clients, const struct mongo_cmd *cmd, int64_t deadline,
	bson_t *reply, unsigned *ret_generation, struct td_err *err)
{
	unsigned most = cmd->kind == MONGO_LONG ? CLASSES - 1 : CLASS_SHORT;
	struct client *client;
	int64_t began;
	unsigned class = CLASS_SHORT;
	enum td_rc rc;

	rc = pick_class(clients, deadline, most, &class, err);
	if (rc == TD_OK)
		rc = take(clients, class, &client, err);
	if (rc != TD_OK) {
		bson_init(reply);
		return rc;
	}
	*ret_generation = client->generation;
	began = td_mono_ms(clients->opt.env);
	rc = run_on(client, cmd, reply, err);
	trace(clients, cmd->what, began, rc, err);
	if (rc == TD_UNREACHABLE || rc == TD_BACKEND_AUTH || rc == TD_INTERNAL)
		drop(clients, client);
	else
		give(clients, client);
	return rc;
}

/* After a refusal: is there another login to try? *forgotten: connections were dropped
 * already, so that it is not a user made anew that shows. */
static bool
another_login(struct mongo_clients *clients, unsigned generation, bool *forgotten,
	      struct td_err *err)
{
	if (err->upstream_status == MONGO_CODE_UNAUTHORIZED) {
		if (*forgotten)
			return false;
		*forgotten = true;
		mongo_clients_forget(clients);
		return true;
	}
	return mongo_creds_refused(clients->opt.creds, generation, err) == TD_OK;
}

enum td_rc
mongo_command(struct mongo_clients *clients, const struct mongo_cmd *cmd,
	      int64_t deadline, bson_t *reply, struct td_err *reterr)
{
	struct td_err err = { 0 };
	unsigned generation = 0;
	bool forgotten = false;
	bson_t own;
	enum td_rc rc;

	rc = attempt(clients, cmd, deadline, &own, &generation, &err);
	/* Twice more: a connection whose user was made anew, then the other credential. */
	for (int tries = 0; tries < 2 && rc == TD_BACKEND_AUTH; tries++) {
		if (!another_login(clients, generation, &forgotten, &err))
			break;
		bson_destroy(&own);
		err = (struct td_err){ 0 };
		rc = attempt(clients, cmd, deadline, &own, &generation, &err);
	}
	if (rc == TD_OK && reply)
		bson_steal(reply, &own);
	else
		bson_destroy(&own);
	if (rc != TD_OK && reterr)
		*reterr = err;
	return rc;
}

enum td_rc
mongo_primary(struct mongo_clients *clients, int64_t deadline,
	      struct mongo_address *ret_address, struct td_err *reterr)
{
	mongoc_server_description_t *sd;
	const mongoc_host_list_t *host;
	struct client *client;
	unsigned class = CLASS_SHORT;
	bson_error_t e;
	enum td_rc rc;

	rc = pick_class(clients, deadline, CLASS_SHORT, &class, reterr);
	if (rc == TD_OK)
		rc = take(clients, class, &client, reterr);
	if (rc != TD_OK)
		return rc;
	sd = mongoc_client_select_server(client->c, true, NULL, &e);
	if (!sd) {
		rc = mongo_err(&e, "hello", MONGO_ERR_TEXT, reterr);
		drop(clients, client);
		return rc;
	}
	host = mongoc_server_description_host(sd);
	if (host->family == AF_UNIX || strlen(host->host) >= sizeof(ret_address->host)) {
		rc = td_err_set(reterr, TD_INVALID,
				"MongoDB: a member's name is too long");
	} else {
		memcpy(ret_address->host, host->host, strlen(host->host) + 1);
		ret_address->port = host->port;
	}
	mongoc_server_description_destroy(sd);
	give(clients, client);
	return rc;
}

/* Makes *status in any case. */
static enum td_rc
login(struct mongo_clients *clients, const struct mongo_login *who, int64_t deadline,
      enum mongo_login_verdict *ret_verdict, bson_t *status, struct td_err *err)
{
	struct mongo_identity id = { .username = who->user,
				     .password = who->password,
				     .auth_source = who->db };
	mongoc_client_t *c = NULL;
	bson_error_t e;
	unsigned class = CLASS_SHORT;
	enum td_rc rc;
	int64_t began = td_mono_ms(clients->opt.env);
	bson_t *cmd, opts;

	rc = pick_class(clients, deadline, CLASS_SHORT, &class, err);
	if (rc == TD_OK)
		rc = new_handle(clients, who->at, &id, class, &c, err);
	if (rc != TD_OK) {
		bson_init(status);
		return rc;
	}
	cmd = BCON_NEW("connectionStatus", BCON_INT32(1));
	bson_init(&opts);
	append_limits(&opts, MONGO_PLAIN, class);
	if (mongoc_client_command_with_opts(c, who->db, cmd, NULL, &opts, status, &e)) {
		*ret_verdict = MONGO_LOGIN_WORKS;
	} else if (mongo_err_login_refused(&e)) {
		*ret_verdict = MONGO_LOGIN_REFUSED;
	} else {
		rc = mongo_err(&e, "login", MONGO_ERR_TEXT, err);
	}
	bson_destroy(&opts);
	bson_destroy(cmd);
	mongoc_client_destroy(c);
	trace(clients, "login", began, rc, err);
	return rc;
}

enum td_rc
mongo_login_try(struct mongo_clients *clients, const struct mongo_login *who,
		int64_t deadline, enum mongo_login_verdict *ret_verdict,
		bson_t *ret_status, struct td_err *reterr)
{
	bson_t status;
	struct td_err err = { 0 };
	enum td_rc rc;

	rc = login(clients, who, deadline, ret_verdict, &status, &err);
	if (rc == TD_OK && ret_status)
		bson_steal(ret_status, &status);
	else
		bson_destroy(&status);
	if (rc != TD_OK && reterr)
		*reterr = err;
	return rc;
}

enum td_rc
mongo_login_own(struct mongo_clients *clients, const struct mongo_address *at,
		int64_t deadline, struct td_err *reterr)
{
	for (int tries = 0; tries < 2; tries++) {
		enum mongo_login_verdict verdict = MONGO_LOGIN_REFUSED;
		struct mongo_cred cred;
		struct mongo_login who;
		unsigned generation;
		enum td_rc rc;

		rc = mongo_creds_get(clients->opt.creds, &cred, reterr);
		if (rc != TD_OK)
			return rc;
		who = (struct mongo_login){
			.at = at,
			.db = mongo_site_auth_source(clients->opt.site),
			.user = cred.username,
			.password = cred.password,
		};
		rc = mongo_login_try(clients, &who, deadline, &verdict, NULL, reterr);
		generation = cred.generation;
		mongo_cred_done(&cred);
		if (rc != TD_OK)
			return rc;
		if (verdict == MONGO_LOGIN_WORKS)
			return TD_OK;
		rc = mongo_creds_refused(clients->opt.creds, generation, reterr);
		if (rc != TD_OK)
			return rc;
	}
	return td_err_set(reterr, TD_BACKEND_AUTH, "MongoDB refuses tenantd's own user");
}
