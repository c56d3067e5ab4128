/*
 * Building commits. Operations are encoded one after the other in a growing buffer, so
 * that a commit is one piece of memory and running out of it is one sticky error. The links
 * that the queue needs are in the commit itself: once it is built nothing can fail for
 * memory between store_submit and its report.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

struct store_commit *store_commit_new(enum store_class class)
{
	struct store_commit *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->class = class;
	td_buf_init(&c->ops, STORE_COMMIT_BYTES);
	return c;
}

void
store_commit_free(struct store_commit *c)
{
	if (c == NULL)
		return;
	td_buf_done(&c->ops);
	free(c);
}

static void
refuse(struct store_commit *c, enum td_rc rc, const char *why)
{
	if (c->err.rc == TD_OK)
		td_err_set(&c->err, rc, "commit: %s", why);
}

/* The store's own meta records and the audit sequence are not for callers. */
static bool
is_own(const struct store_op *op)
{
	static const char own[] = STORE_OWN_META;
	size_t n = sizeof(own) - 1;

	if (op->kind == STORE_OP_EXPECT)
		return false;
	if (op->table == STORE_AUDIT)
		return true;
	if (op->table != STORE_META)
		return false;
	/* A prefix that is shorter than ours would take ours along. */
	if (op->kind == STORE_OP_DEL_PREFIX && op->key_len < n)
		n = op->key_len;
	return op->key_len >= n && memcmp(op->key, own, n) == 0;
}

static void
encode(struct store_commit *c, const struct store_op *op)
{
	td_buf_u8(&c->ops, (uint8_t)op->kind);
	td_buf_u8(&c->ops, (uint8_t)op->table);
	td_buf_u8(&c->ops, (uint8_t)op->key_len);
	td_buf_u16(&c->ops, (uint16_t)op->value_len);
	td_buf_u64(&c->ops, op->version);
	td_buf_add(&c->ops, op->key, op->key_len);
	td_buf_add(&c->ops, op->value, op->value_len);
	c->op_count++;
	if (td_buf_rc(&c->ops) != TD_OK)
		refuse(c, td_buf_rc(&c->ops), "too large or out of memory");
}

static void
add(struct store_commit *c, const struct store_op *op)
{
	if (c->err.rc != TD_OK)
		return;
	if ((unsigned)op->table >= STORE_TABLE_COUNT)
		refuse(c, TD_INVALID, "no such table");
	else if (op->key_len < 1 || op->key_len > STORE_KEY_MAX)
		refuse(c, TD_INVALID, "a key has 1 to 128 bytes");
	else if (op->value_len > STORE_VALUE_MAX)
		refuse(c, TD_TOO_LARGE, "a value has at most 2,000 bytes");
	else if (is_own(op))
		refuse(c, TD_INVALID, "this record is the store's own");
	else
		encode(c, op);
}

bool
store_commit_next(const struct store_commit *c, size_t *pos, struct store_op *ret_op)
{
	struct td_cur cur;

	if (*pos >= c->ops.len)
		return false;
	cur = td_cur_make(c->ops.data + *pos, c->ops.len - *pos);
	ret_op->kind = (enum store_op_kind)td_cur_u8(&cur);
	ret_op->table = (enum store_table)td_cur_u8(&cur);
	ret_op->key_len = td_cur_u8(&cur);
	ret_op->value_len = td_cur_u16(&cur);
	ret_op->version = td_cur_u64(&cur);
	ret_op->key = td_cur_bytes(&cur, ret_op->key_len);
	ret_op->value = td_cur_bytes(&cur, ret_op->value_len);
	*pos = c->ops.len - cur.left;
	return true;
}

void
store_commit_expect(struct store_commit *c, enum store_table t, const void *key,
		    size_t key_len, uint64_t version)
{
	add(c, &(struct store_op){ .kind = STORE_OP_EXPECT,
				   .table = t,
				   .version = version,
				   .key = key,
				   .key_len = key_len });
}

void
store_commit_put(struct store_commit *c, enum store_table t, const void *key,
		 size_t key_len, const void *value, size_t value_len)
{
	add(c, &(struct store_op){ .kind = STORE_OP_PUT,
				   .table = t,
				   .key = key,
				   .key_len = key_len,
				   .value = value,
				   .value_len = value_len });
	c->put_bytes += ENV_VERSION_LEN + key_len + value_len;
}

void
store_commit_del(struct store_commit *c, enum store_table t, const void *key,
		 size_t key_len)
{
	add(c,
	    &(struct store_op){
		    .kind = STORE_OP_DEL, .table = t, .key = key, .key_len = key_len });
}

void
store_commit_del_prefix(struct store_commit *c, enum store_table t, const void *prefix,
			size_t prefix_len)
{
	if (prefix_len < 4) {
		refuse(c, TD_INVALID, "a prefix has at least 4 bytes");
		return;
	}
	add(c, &(struct store_op){ .kind = STORE_OP_DEL_PREFIX,
				   .table = t,
				   .key = prefix,
				   .key_len = prefix_len });
	c->range_count++;
}

void
store_commit_audit(struct store_commit *c, const void *value, size_t value_len)
{
	if (c->err.rc != TD_OK)
		return;
	if (value_len < 1 || value_len > STORE_VALUE_MAX) {
		refuse(c, TD_TOO_LARGE, "an audit entry has 1 to 2,000 bytes");
		return;
	}
	encode(c, &(struct store_op){ .kind = STORE_OP_AUDIT,
				      .table = STORE_AUDIT,
				      .value = value,
				      .value_len = value_len });
	c->put_bytes += ENV_VERSION_LEN + 8 + value_len;
}

void
store_commit_touch(struct store_commit *c, const char *appid)
{
	/* The NUL is kept: a watcher is given the bytes as they lie in the commit. */
	add(c, &(struct store_op){ .kind = STORE_OP_TOUCH,
				   .table = STORE_TENANT,
				   .key = appid,
				   .key_len = strlen(appid) + 1 });
	c->touches = true;
}

void
store_commit_prune(struct store_commit *c, uint64_t last)
{
	encode(c, &(struct store_op){ .kind = STORE_OP_PRUNE,
				      .table = STORE_AUDIT,
				      .version = last });
	c->range_count++;
}
