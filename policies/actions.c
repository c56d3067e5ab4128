/*
 * Three tables. An action that no table holds is refused as unknown, so a new server
 * version cannot widen a template by itself; an action that is known and bad is refused
 * with its reason, so that whoever wrote the template learns something. The S3 names are
 * those that MinIO's policy engine takes (an unknown one makes it refuse the policy).
 */
#include "actions.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define WHY_PUBLISH "it could publish a bucket or change who may use it"
#define WHY_OPERATOR "the setting belongs to the operator"
#define WHY_COPY_OUT "it sends data out of the tenant's reach"
#define WHY_LISTEN "it can watch other tenants' events"
#define WHY_REPLICA "it is for replication between clusters"
#define WHY_UNDELETABLE "it makes objects that nobody can delete"

static const struct action s3_actions[] = {
	{ "s3:AbortMultipartUpload", ACTION_DELETE, NULL },
	{ "s3:BypassGovernanceRetention", ACTION_REFUSED, "it breaks object locks" },
	{ "s3:CreateBucket", ACTION_REFUSED,
	  "only tenantd makes buckets, with their limit and mode" },
	{ "s3:DeleteBucket", ACTION_REFUSED, "only tenantd removes buckets" },
	{ "s3:DeleteBucketCors", ACTION_REFUSED, WHY_OPERATOR },
	{ "s3:DeleteBucketPolicy", ACTION_REFUSED, WHY_PUBLISH },
	{ "s3:DeleteObject", ACTION_DELETE, NULL },
	{ "s3:DeleteObjectTagging", ACTION_DELETE, NULL },
	{ "s3:DeleteObjectVersion", ACTION_DELETE, NULL },
	{ "s3:DeleteObjectVersionTagging", ACTION_DELETE, NULL },
	{ "s3:ForceDeleteBucket", ACTION_REFUSED, "it removes a bucket with all in it" },
	{ "s3:GetBucketCors", ACTION_READ, NULL },
	{ "s3:GetBucketLocation", ACTION_READ, NULL },
	{ "s3:GetBucketNotification", ACTION_REFUSED, WHY_OPERATOR },
	{ "s3:GetBucketObjectLockConfiguration", ACTION_READ, NULL },
	{ "s3:GetBucketPolicy", ACTION_READ, NULL },
	{ "s3:GetBucketPolicyStatus", ACTION_READ, NULL },
	{ "s3:GetBucketTagging", ACTION_READ, NULL },
	{ "s3:GetBucketVersioning", ACTION_READ, NULL },
	{ "s3:GetEncryptionConfiguration", ACTION_READ, NULL },
	{ "s3:GetLifecycleConfiguration", ACTION_READ, NULL },
	{ "s3:GetObject", ACTION_READ, NULL },
	{ "s3:GetObjectAttributes", ACTION_READ, NULL },
	{ "s3:GetObjectLegalHold", ACTION_READ, NULL },
	{ "s3:GetObjectRetention", ACTION_READ, NULL },
	{ "s3:GetObjectTagging", ACTION_READ, NULL },
	{ "s3:GetObjectVersion", ACTION_READ, NULL },
	{ "s3:GetObjectVersionAttributes", ACTION_READ, NULL },
	{ "s3:GetObjectVersionForReplication", ACTION_REFUSED, WHY_REPLICA },
	{ "s3:GetObjectVersionTagging", ACTION_READ, NULL },
	{ "s3:GetReplicationConfiguration", ACTION_REFUSED, WHY_OPERATOR },
	{ "s3:HeadBucket", ACTION_READ, NULL },
	{ "s3:ListAllMyBuckets", ACTION_REFUSED,
	  "it shows the names of all tenants' buckets" },
	{ "s3:ListBucket", ACTION_READ, NULL },
	{ "s3:ListBucketMultipartUploads", ACTION_READ, NULL },
	{ "s3:ListBucketVersions", ACTION_READ, NULL },
	{ "s3:ListMultipartUploadParts", ACTION_READ, NULL },
	{ "s3:ListenBucketNotification", ACTION_REFUSED, WHY_LISTEN },
	{ "s3:ListenNotification", ACTION_REFUSED, WHY_LISTEN },
	{ "s3:PutBucketCors", ACTION_REFUSED, WHY_OPERATOR },
	{ "s3:PutBucketNotification", ACTION_REFUSED, WHY_COPY_OUT },
	{ "s3:PutBucketObjectLockConfiguration", ACTION_REFUSED, WHY_UNDELETABLE },
	{ "s3:PutBucketPolicy", ACTION_REFUSED, WHY_PUBLISH },
	{ "s3:PutBucketTagging", ACTION_REFUSED, "the tags hold tenantd's mark" },
	{ "s3:PutBucketVersioning", ACTION_REFUSED,
	  "it makes deleted objects keep their space" },
	{ "s3:PutEncryptionConfiguration", ACTION_REFUSED, WHY_OPERATOR },
	{ "s3:PutLifecycleConfiguration", ACTION_REFUSED, WHY_OPERATOR },
	{ "s3:PutObject", ACTION_GROW, NULL },
	{ "s3:PutObjectFanOut", ACTION_REFUSED,
	  "one request of it writes any number of objects" },
	{ "s3:PutObjectLegalHold", ACTION_REFUSED, WHY_UNDELETABLE },
	{ "s3:PutObjectRetention", ACTION_REFUSED, WHY_UNDELETABLE },
	{ "s3:PutObjectTagging", ACTION_GROW, NULL },
	{ "s3:PutObjectVersionTagging", ACTION_GROW, NULL },
	{ "s3:PutReplicationConfiguration", ACTION_REFUSED, WHY_COPY_OUT },
	{ "s3:ReplicateDelete", ACTION_REFUSED, WHY_REPLICA },
	{ "s3:ReplicateObject", ACTION_REFUSED, WHY_REPLICA },
	{ "s3:ReplicateTags", ACTION_REFUSED, WHY_REPLICA },
	{ "s3:ResetBucketReplicationState", ACTION_REFUSED, WHY_REPLICA },
	{ "s3:RestoreObject", ACTION_REFUSED, WHY_OPERATOR },
};

#define WHY_USERS "users and roles are made by tenantd alone"
#define WHY_PROCESS "it reaches every tenant of the server"

static const struct action mongodb_actions[] = {
	{ "anyAction", ACTION_REFUSED, "it is everything" },
	{ "bypassDocumentValidation", ACTION_REFUSED, "it is not needed by a tenant" },
	{ "changeCustomData", ACTION_REFUSED, WHY_USERS },
	{ "changeOwnCustomData", ACTION_REFUSED, WHY_USERS },
	{ "changeOwnPassword", ACTION_REFUSED, WHY_USERS },
	{ "changePassword", ACTION_REFUSED, WHY_USERS },
	{ "changeStream", ACTION_READ, NULL },
	{ "collMod", ACTION_GROW, NULL },
	{ "collStats", ACTION_READ, NULL },
	{ "compact", ACTION_REFUSED, "it blocks the database" },
	{ "convertToCapped", ACTION_GROW, NULL },
	{ "createCollection", ACTION_GROW, NULL },
	{ "createIndex", ACTION_GROW, NULL },
	{ "createRole", ACTION_REFUSED, WHY_USERS },
	{ "createUser", ACTION_REFUSED, WHY_USERS },
	{ "dbStats", ACTION_READ, NULL },
	{ "dropCollection", ACTION_DELETE, NULL },
	{ "dropDatabase", ACTION_DELETE, NULL },
	{ "dropIndex", ACTION_DELETE, NULL },
	{ "dropRole", ACTION_REFUSED, WHY_USERS },
	{ "dropUser", ACTION_REFUSED, WHY_USERS },
	{ "enableProfiler", ACTION_REFUSED,
	  "its threshold is one for all tenants, and its log too" },
	{ "find", ACTION_READ, NULL },
	{ "grantRole", ACTION_REFUSED, WHY_USERS },
	{ "indexStats", ACTION_READ, NULL },
	{ "insert", ACTION_GROW, NULL },
	{ "internal", ACTION_REFUSED, WHY_PROCESS },
	{ "killAnyCursor", ACTION_REFUSED, WHY_PROCESS },
	{ "killAnySession", ACTION_REFUSED, WHY_PROCESS },
	{ "killop", ACTION_REFUSED, WHY_PROCESS },
	{ "listCollections", ACTION_READ, NULL },
	{ "listDatabases", ACTION_REFUSED, "it shows the names of all tenants" },
	{ "listIndexes", ACTION_READ, NULL },
	{ "planCacheIndexFilter", ACTION_REFUSED, "it is not needed by a tenant" },
	{ "planCacheRead", ACTION_READ, NULL },
	{ "planCacheWrite", ACTION_REFUSED, "it is not needed by a tenant" },
	{ "reIndex", ACTION_REFUSED, "it blocks the database" },
	{ "remove", ACTION_DELETE, NULL },
	{ "renameCollectionSameDB", ACTION_GROW, NULL },
	{ "revokeRole", ACTION_REFUSED, WHY_USERS },
	{ "setAuthenticationRestriction", ACTION_REFUSED, WHY_USERS },
	{ "storageDetails", ACTION_REFUSED, "it is not needed by a tenant" },
	{ "update", ACTION_GROW, NULL },
	{ "validate", ACTION_REFUSED, "it blocks the database" },
	{ "viewRole", ACTION_REFUSED, WHY_USERS },
	{ "viewUser", ACTION_REFUSED, WHY_USERS },
};

static const struct action mongodb_roles[] = {
	{ "dbAdmin", ACTION_GROW, NULL },
	{ "dbOwner", ACTION_REFUSED, "it makes users that outlive a rotation" },
	{ "read", ACTION_READ, NULL },
	{ "readWrite", ACTION_GROW, NULL },
	{ "userAdmin", ACTION_REFUSED, WHY_USERS },
};

static const struct action *
find(const struct action *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

const struct action *
action_s3(const char *name)
{
	return find(s3_actions, COUNT(s3_actions), name);
}

const struct action *
action_mongodb(const char *name)
{
	return find(mongodb_actions, COUNT(mongodb_actions), name);
}

const struct action *
action_mongodb_role(const char *name)
{
	return find(mongodb_roles, COUNT(mongodb_roles), name);
}
