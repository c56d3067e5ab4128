"""What deploy/ gives tenantd on the backends is enough, and nothing in it is idle: with any
one right taken away, one of tenantd's calls is refused."""
import copy
import json

import botocore.exceptions
import pymongo
import pymongo.errors
import pytest

from tests.testbed import parts
from tests.testbed.process import new_secret

MINIO_POLICY = json.loads((parts.ROOT / "deploy/minio-admin-policy.json").read_text())
MONGODB_ROLE = json.loads((parts.ROOT / "deploy/mongodb-tenantd-role.json").read_text())
# Rights whose lack stock MinIO does not show here, and why they stay: it asks for EnableUser in
# both directions of set-user-status and for DeleteObject also for a version, where its
# maintained fork asks for these; and it refuses the list of buckets without
# ListAllMyBuckets only while there is no bucket at all.
NOT_SHOWN = {"admin:DisableUser", "s3:DeleteObjectVersion", "s3:ListAllMyBuckets"}
NEEDED = [(i, a) for i, statement in enumerate(MINIO_POLICY["Statement"])
          for a in statement["Action"] if a not in NOT_SHOWN]
NO_RIGHTS = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::nothing"]}]}


def minio_calls(minio, keys):
    """Every admin call tenantd makes, in an order that can be run again; yields
    (name, response)."""
    def call(method, path, query=None, body=b"", sealed=False):
        return path, minio.admin_call(method, path, query, body, sealed, keys)

    user, policy, bucket = "identityuser", "identitypolicy", "identity-bucket"
    service = "IDENTITYACCESSKEY1"
    yield call("GET", "info")
    yield call("GET", "datausageinfo")
    yield call("PUT", "add-canned-policy", {"name": policy}, NO_RIGHTS)
    yield call("GET", "info-canned-policy", {"name": policy, "v": "2"})
    yield call("GET", "list-canned-policies")
    yield call("PUT", "add-user", {"accessKey": user},
               {"secretKey": new_secret(), "status": "enabled"}, sealed=True)
    yield call("GET", "user-info", {"accessKey": user})
    yield call("GET", "list-users")
    yield call("POST", "idp/builtin/policy/attach", None,
               {"policies": [policy], "user": user}, sealed=True)
    yield call("GET", "idp/builtin/policy-entities", {"user": user})
    yield call("POST", "idp/builtin/policy/detach", None,
               {"policies": [policy], "user": user}, sealed=True)
    yield call("PUT", "set-user-or-group-policy",
               {"policyName": policy, "userOrGroup": user, "isGroup": "false"})
    yield call("PUT", "add-service-account", None, {
        "policy": NO_RIGHTS, "targetUser": user, "accessKey": service,
        "secretKey": new_secret(), "name": "identity", "description": "test"}, sealed=True)
    yield call("GET", "info-service-account", {"accessKey": service})
    yield call("GET", "list-service-accounts", {"user": user})
    yield call("POST", "update-service-account", {"accessKey": service},
               {"newPolicy": NO_RIGHTS, "newDescription": "changed"}, sealed=True)
    yield call("PUT", "set-bucket-quota", {"bucket": bucket},
               {"quota": 1048576, "size": 1048576, "rate": 0, "requests": 0,
                "quotatype": "hard"})
    yield call("GET", "get-bucket-quota", {"bucket": bucket})
    yield call("POST", "revoke-tokens/builtin", {"user": user, "fullRevoke": "true"})
    yield call("DELETE", "delete-service-account", {"accessKey": service})
    yield call("PUT", "set-user-status", {"accessKey": user, "status": "disabled"})
    yield call("PUT", "set-user-status", {"accessKey": user, "status": "enabled"})
    yield call("DELETE", "remove-user", {"accessKey": user})
    yield call("DELETE", "remove-canned-policy", {"name": policy})


def s3_calls(minio, keys):
    """The same for the S3 calls of tenantd; yields (name, function). Someone else has left a
    version, a delete marker and an unfinished upload."""
    root, s3, bucket = minio.client(), minio.client(*keys), "identity-made"
    allow = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/*"]}]})
    yield "ListBuckets", lambda: s3.list_buckets()
    yield "CreateBucket", lambda: s3.create_bucket(Bucket=bucket)
    yield "HeadBucket", lambda: s3.head_bucket(Bucket=bucket)
    yield "GetBucketLocation", lambda: s3.get_bucket_location(Bucket=bucket)
    yield "PutBucketTagging", lambda: s3.put_bucket_tagging(
        Bucket=bucket, Tagging={"TagSet": [{"Key": "tenantd", "Value": "x"}]})
    yield "GetBucketTagging", lambda: s3.get_bucket_tagging(Bucket=bucket)
    yield "PutBucketPolicy", lambda: s3.put_bucket_policy(Bucket=bucket, Policy=allow)
    yield "GetBucketPolicy", lambda: s3.get_bucket_policy(Bucket=bucket)
    yield "DeleteBucketPolicy", lambda: s3.delete_bucket_policy(Bucket=bucket)
    yield "GetBucketVersioning", lambda: s3.get_bucket_versioning(Bucket=bucket)

    def leftovers(name):
        if name not in minio.buckets():
            root.create_bucket(Bucket=name)
        root.put_bucket_versioning(Bucket=name,
                                   VersioningConfiguration={"Status": "Enabled"})
        version = root.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
        root.delete_object(Bucket=name, Key="k")
        return version, root.create_multipart_upload(Bucket=name, Key="u")["UploadId"]

    version, upload = leftovers(bucket)
    yield "ListObjectsV2", lambda: s3.list_objects_v2(Bucket=bucket)
    yield "ListObjectVersions", lambda: s3.list_object_versions(Bucket=bucket)
    yield "ListMultipartUploads", lambda: s3.list_multipart_uploads(Bucket=bucket,
                                                                    Prefix="u")
    yield "AbortMultipartUpload", lambda: s3.abort_multipart_upload(
        Bucket=bucket, Key="u", UploadId=upload)
    yield "DeleteObject", lambda: s3.delete_object(Bucket=bucket, Key="other")
    yield "DeleteObject version", lambda: s3.delete_object(Bucket=bucket, Key="k",
                                                           VersionId=version)
    for left in root.list_object_versions(Bucket=bucket).get("DeleteMarkers", []):
        root.delete_object(Bucket=bucket, Key=left["Key"], VersionId=left["VersionId"])
    for left in root.list_object_versions(Bucket=bucket).get("Versions", []):
        root.delete_object(Bucket=bucket, Key=left["Key"], VersionId=left["VersionId"])
    yield "DeleteBucket", lambda: s3.delete_bucket(Bucket=bucket)
    leftovers(bucket)
    yield "DeleteBucket by force", lambda: force_delete(s3, bucket)
    if bucket in minio.buckets():
        force_delete(root, bucket)


def force_delete(client, bucket):
    """DELETE of a bucket with all that is in it: MinIO's own header."""
    def add(request, **_):
        request.headers["x-minio-force-delete"] = "true"
    client.meta.events.register_first("before-sign.s3.DeleteBucket", add)
    try:
        client.delete_bucket(Bucket=bucket)
    finally:
        client.meta.events.unregister("before-sign.s3.DeleteBucket", add)


def run_minio(minio, keys):
    """{call: (status, text)} of those that were refused."""
    refused = {name: (reply.status_code, reply.text[:200])
               for name, reply in minio_calls(minio, keys) if not reply.ok}
    for name, call in s3_calls(minio, keys):
        try:
            call()
        except botocore.exceptions.ClientError as error:
            refused[name] = (error.response["ResponseMetadata"]["HTTPStatusCode"],
                             error.response["Error"]["Code"])
    return refused


@pytest.fixture(scope="module")
def minio_identity(testbed):
    """A second user like tenantd's own, whose policy may be taken apart."""
    minio = testbed.minio
    secret = new_secret()
    minio.client().create_bucket(Bucket="identity-bucket")
    minio.admin().policy_add("identity-admin", policy=MINIO_POLICY)
    minio.admin().user_add("identity-admin", secret)
    minio.admin().attach_policy(["identity-admin"], user="identity-admin")
    yield "identity-admin", secret
    minio.admin().user_remove("identity-admin")
    minio.admin().policy_remove("identity-admin")
    minio.client().delete_bucket(Bucket="identity-bucket")


def test_minio_policy_is_enough(testbed, minio_identity):
    assert run_minio(testbed.minio, minio_identity) == {}


def test_minio_tenant_data_is_not_readable(testbed, minio_identity):
    """With this identity; it could still give itself the right, so guard it."""
    testbed.minio.client().put_object(Bucket="identity-bucket", Key="k", Body=b"x")
    s3 = testbed.minio.client(*minio_identity)
    for attempt in (lambda: s3.get_object(Bucket="identity-bucket", Key="k"),
                    lambda: s3.put_object(Bucket="identity-bucket", Key="k", Body=b"y")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            attempt()
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    testbed.minio.client().delete_object(Bucket="identity-bucket", Key="k")


@pytest.mark.parametrize("index,action", NEEDED)
def test_minio_action_is_needed(testbed, minio_identity, index, action):
    minio = testbed.minio
    policy = copy.deepcopy(MINIO_POLICY)
    policy["Statement"][index]["Action"].remove(action)
    minio.admin().policy_add("identity-admin", policy=policy)
    try:
        refused = run_minio(minio, minio_identity)
    finally:
        minio.admin().policy_add("identity-admin", policy=MINIO_POLICY)
        # What a call that was refused left behind.
        for method, path, name in (("DELETE", "remove-user", "accessKey=identityuser"),
                                   ("DELETE", "remove-canned-policy", "name=identitypolicy")):
            minio.admin_call(method, path, dict([name.split("=")]))
    assert any(status == 403 for status, _ in refused.values()), \
        f"nothing was refused without {action}"


# --- MongoDB ------------------------------------------------------------------------------

TENANT_RIGHTS = [{"resource": {"db": "identitydb", "collection": ""},
                  "actions": ["find", "insert"]}]


def mongodb_calls(client):
    """Every command tenantd uses, in an order that can be run again; yields
    (name, function)."""
    db, admin = client["identitydb"], client["admin"]
    sha256 = ["SCRAM-SHA-256"]
    yield "hello", lambda: admin.command("hello")
    yield "createRole", lambda: db.command("createRole", "app", privileges=TENANT_RIGHTS,
                                           roles=[])
    yield "createUser", lambda: db.command(
        "createUser", "identitydb", pwd=new_secret(), roles=["app"], mechanisms=sha256,
        customData={"instance": "x"})
    yield "updateRole", lambda: db.command("updateRole", "app", privileges=[])
    yield "updateUser pwd", lambda: db.command("updateUser", "identitydb", pwd=new_secret(),
                                               mechanisms=sha256)
    yield "updateUser customData", lambda: db.command("updateUser", "identitydb",
                                                      customData={"instance": "y"})
    yield "updateUser roles", lambda: db.command("updateUser", "identitydb", roles=[])
    yield "updateUser restrictions", lambda: db.command(
        "updateUser", "identitydb", authenticationRestrictions=[
            {"clientSource": ["127.0.0.1"]}])
    yield "usersInfo", lambda: db.command("usersInfo", "identitydb")
    yield "rolesInfo", lambda: db.command("rolesInfo", "app", showPrivileges=True)
    yield "system.users", lambda: admin["system.users"].find_one({}, {"credentials": 0})
    yield "system.roles", lambda: admin["system.roles"].find_one({})
    yield "dbStats", lambda: db.command("dbStats")
    yield "collStats", lambda: db.command("collStats", "things")
    yield "listCollections", lambda: db.list_collection_names()
    # False: all of them or an error, never silently fewer.
    yield "listDatabases", lambda: admin.command("listDatabases", nameOnly=True,
                                                 authorizedDatabases=False)
    yield "top", lambda: admin.command("top")
    yield "serverStatus", lambda: admin.command("serverStatus")
    yield "currentOp", lambda: list(admin.aggregate([{"$currentOp": {"allUsers": True}}]))
    yield "killOp", lambda: admin.command("killOp", op=2147483000)
    yield "killAllSessions", lambda: admin.command(
        "killAllSessions", [{"user": "identitydb", "db": "identitydb"}])
    yield "invalidateUserCache", lambda: admin.command("invalidateUserCache")
    yield "dropUser", lambda: db.command("dropUser", "identitydb")
    yield "dropAllUsers", lambda: db.command("dropAllUsersFromDatabase")
    yield "dropRole", lambda: db.command("dropRole", "app")
    yield "dropAllRoles", lambda: db.command("dropAllRolesFromDatabase")
    yield "dropDatabase", lambda: db.command("dropDatabase")


def run_mongodb(client):
    """{command: error code} of those that were refused."""
    refused = {}
    for name, call in mongodb_calls(client):
        try:
            call()
        except pymongo.errors.OperationFailure as error:
            refused[name] = error.code
    return refused


@pytest.fixture(scope="module")
def mongodb_identity(testbed):
    """A second user like tenantd's own, whose role may be taken apart: (set privileges,
    client)."""
    password = new_secret()
    with testbed.mongod.root() as root:
        root.admin.command("createRole", "identity", roles=[],
                           privileges=MONGODB_ROLE["privileges"])
        root.admin.command("createUser", "identity", pwd=password, roles=["identity"],
                           mechanisms=["SCRAM-SHA-256"])

        def give(privileges):
            root.admin.command("updateRole", "identity", privileges=privileges)

        def clean():
            root["identitydb"].command("dropAllUsersFromDatabase")
            root["identitydb"].command("dropAllRolesFromDatabase")
            root["identitydb"]["things"].insert_one({})

        with pymongo.MongoClient(testbed.mongod.uri, username="identity",
                                 password=password, authSource="admin") as client:
            yield give, clean, client
        root.admin.command("dropUser", "identity")
        root.admin.command("dropRole", "identity")
        root.drop_database("identitydb")


def test_mongodb_role_is_enough(mongodb_identity):
    give, clean, client = mongodb_identity
    clean()
    give(MONGODB_ROLE["privileges"])
    assert run_mongodb(client) == {}


@pytest.mark.parametrize("index,action", [
    (i, action) for i, p in enumerate(MONGODB_ROLE["privileges"]) for action in p["actions"]])
def test_mongodb_action_is_needed(mongodb_identity, index, action):
    give, clean, client = mongodb_identity
    privileges = copy.deepcopy(MONGODB_ROLE["privileges"])
    privileges[index]["actions"].remove(action)
    clean()
    give([p for p in privileges if p["actions"]])
    refused = run_mongodb(client)
    assert 13 in refused.values(), f"nothing was refused without {action}: {refused}"


def test_mongodb_tenant_data_is_not_readable(mongodb_identity):
    give, clean, client = mongodb_identity
    clean()
    give(MONGODB_ROLE["privileges"])
    for attempt in (lambda: client["identitydb"]["things"].find_one(),
                    lambda: client["identitydb"]["things"].insert_one({})):
        with pytest.raises(pymongo.errors.OperationFailure) as caught:
            attempt()
        assert caught.value.code == 13
