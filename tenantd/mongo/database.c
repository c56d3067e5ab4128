/*
 * A drop waits for an exclusive lock; a transaction that anybody has open in the database
 * holds it up for as long as a minute. The figures of dbStats come as double, int32 or
 * int64, as the server likes.
 */
#include "mongo/database.h"

enum td_rc
mongo_database_drop(const struct mongo_op *op, struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = op->appid,
				 .what = "dropDatabase",
				 .kind = MONGO_LONG };
	bson_t *body = BCON_NEW("dropDatabase", BCON_INT32(1));
	enum td_rc rc;

	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, NULL, reterr);
	bson_destroy(body);
	return rc;
}

static uint64_t
figure(const bson_t *doc, const char *key)
{
	bson_iter_t it;
	double d;

	if (!bson_iter_init_find(&it, doc, key) || !BSON_ITER_HOLDS_NUMBER(&it))
		return 0;
	if (BSON_ITER_HOLDS_INT(&it)) {
		int64_t i = bson_iter_as_int64(&it);

		return i > 0 ? (uint64_t)i : 0;
	}
	d = bson_iter_as_double(&it);
	return d > 0 && d < 9e18 ? (uint64_t)d : 0;
}

enum td_rc
mongo_database_stats(const struct mongo_op *op, struct mongo_usage *ret_usage,
		     struct td_err *reterr)
{
	struct mongo_cmd cmd = { .db = op->appid, .what = "dbStats", .kind = MONGO_READ };
	bson_t *body = BCON_NEW("dbStats", BCON_INT32(1), "scale", BCON_INT32(1)), reply;
	enum td_rc rc;

	cmd.body = body;
	rc = mongo_command(op->clients, &cmd, op->deadline, &reply, reterr);
	bson_destroy(body);
	if (rc != TD_OK)
		return rc;
	*ret_usage = (struct mongo_usage){
		.data_bytes = figure(&reply, "dataSize"),
		.index_bytes = figure(&reply, "indexSize"),
		.storage_bytes = figure(&reply, "storageSize"),
		.collections = figure(&reply, "collections"),
		.indexes = figure(&reply, "indexes"),
		.objects = figure(&reply, "objects"),
	};
	bson_destroy(&reply);
	return TD_OK;
}
