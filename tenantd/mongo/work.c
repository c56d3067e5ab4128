/*
 * Sessions first: that kills most operations, and all transactions and cursors. Then those
 * operations that are still there, by number, and a look until they are gone. Operations
 * that start later are not waited for: a fenced tenant goes on reading.
 */
#include "mongo/work.h"

#include <string.h>

#define MAX_OPS 256    /* per look; more are found by the next one */
#define MAX_ROUNDS 200 /* of 10 ms */
#define ROUND_MS 10

static enum td_rc
kill_sessions(const struct mongo_op *op, const char *user, struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = "admin",
				 .what = "killAllSessions",
				 .kind = MONGO_PLAIN };
	enum td_rc rc;
	bson_t *body;

	body = BCON_NEW("killAllSessions", "[", "{", "user", BCON_UTF8(user), "db",
			BCON_UTF8(op->appid), "}", "]");
	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, NULL, reterr);
	bson_destroy(body);
	return rc == TD_NOT_FOUND ? TD_OK : rc;
}

/* Numbers of running operations. */
struct ops {
	int64_t id[MAX_OPS];
	size_t count;
};

/* {$match: {effectiveUsers: {$elemMatch: {db, user: {$in: [...]}}}}} and a limit. */
static bson_t *
current_op(const struct mongo_op *op, const char *const *users, size_t count)
{
	bson_t *body, in = BSON_INITIALIZER;
	char index[16];
	const char *k;

	for (size_t i = 0; i < count; i++) {
		bson_uint32_to_string((uint32_t)i, &k, index, sizeof(index));
		BSON_APPEND_UTF8(&in, k, users[i]);
	}
	body = BCON_NEW("aggregate", BCON_INT32(1), "pipeline", "[", "{", "$currentOp",
			"{", "allUsers", BCON_BOOL(true), "idleConnections",
			BCON_BOOL(false), "idleSessions", BCON_BOOL(false), "}", "}", "{",
			"$match", "{", "effectiveUsers", "{", "$elemMatch", "{", "db",
			BCON_UTF8(op->appid), "user", "{", "$in", BCON_ARRAY(&in), "}",
			"}", "}", "}", "}", "{", "$limit", BCON_INT32(MAX_OPS), "}", "{",
			"$project", "{", "opid", BCON_INT32(1), "}", "}", "]", "cursor",
			"{", "batchSize", BCON_INT32(MAX_OPS), "}");
	bson_destroy(&in);
	return body;
}

static enum td_rc
list_ops(const struct mongo_op *op, const char *const *users, size_t count,
	 struct ops *ret_ops, struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = "admin", .what = "currentOp", .kind = MONGO_READ };
	bson_t *body = current_op(op, users, count), reply;
	bson_iter_t it, batch, docs, field;
	enum td_rc rc;

	ret_ops->count = 0;
	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, &reply, reterr);
	bson_destroy(body);
	if (rc != TD_OK)
		return rc;
	if (bson_iter_init(&it, &reply) &&
	    bson_iter_find_descendant(&it, "cursor.firstBatch", &batch) &&
	    bson_iter_recurse(&batch, &docs)) {
		while (ret_ops->count < MAX_OPS && bson_iter_next(&docs))
			if (bson_iter_recurse(&docs, &field) &&
			    bson_iter_find(&field, "opid") && BSON_ITER_HOLDS_INT(&field))
				ret_ops->id[ret_ops->count++] =
					bson_iter_as_int64(&field);
	}
	bson_destroy(&reply);
	return TD_OK;
}

static enum td_rc
kill_op(const struct mongo_op *op, int64_t id, struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = "admin", .what = "killOp", .kind = MONGO_PLAIN };
	bson_t *body = BCON_NEW("killOp", BCON_INT32(1), "op", BCON_INT64(id));
	enum td_rc rc;

	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, NULL, reterr);
	bson_destroy(body);
	return rc;
}

/* Keeps in `first` what is in `now` too. */
static void
still_there(struct ops *first, const struct ops *now)
{
	size_t kept = 0;

	for (size_t i = 0; i < first->count; i++)
		for (size_t j = 0; j < now->count; j++)
			if (first->id[i] == now->id[j]) {
				first->id[kept++] = first->id[i];
				break;
			}
	first->count = kept;
}

static enum td_rc
end_ops(const struct mongo_op *op, const char *const *users, size_t count,
	struct td_err *reterr)
{
	struct ops first, now;
	enum td_rc rc;

	rc = list_ops(op, users, count, &first, reterr);
	for (size_t i = 0; rc == TD_OK && i < first.count; i++)
		rc = kill_op(op, first.id[i], reterr);
	if (rc != TD_OK)
		return rc;
	for (int round = 0; first.count > 0; round++) {
		if (round == MAX_ROUNDS)
			return td_err_set(reterr, TD_TIMEOUT,
					  "MongoDB: %zu operations of %s do not end",
					  first.count, op->appid);
		rc = list_ops(op, users, count, &now, reterr);
		if (rc != TD_OK)
			return rc;
		still_there(&first, &now);
		if (first.count > 0)
			td_sleep_ms(mongo_clients_env(op->clients), ROUND_MS);
	}
	return TD_OK;
}

enum td_rc
mongo_work_end(const struct mongo_op *op, const char *const *users, size_t count,
	       struct td_err *reterr)
{
	if (count == 0)
		return td_err_set(reterr, TD_INVALID,
				  "MongoDB: refused to end the sessions of nobody in "
				  "particular");
	for (size_t i = 0; i < count; i++) {
		enum td_rc rc;

		if (!users[i] || !*users[i])
			return td_err_set(reterr, TD_INVALID,
					  "MongoDB: a user without name");
		rc = kill_sessions(op, users[i], reterr);
		if (rc != TD_OK)
			return rc;
	}
	return end_ops(op, users, count, reterr);
}
