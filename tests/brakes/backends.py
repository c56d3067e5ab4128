"""What backends hold of a tenant, to be compared before and after, and drift made by hand."""
from botocore.exceptions import ClientError

from tests.fault.check import service_accounts
from tests.testbed.process import wait_until

PUBLIC = ('{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":'
          '["s3:GetObject"],"Resource":["arn:aws:s3:::{0}/*"]}}]}}')


def _or_code(call, member):
    try:
        return call()[member]
    except ClientError as error:
        return error.response["Error"]["Code"]


def _bucket(testbed, name):
    s3 = testbed.minio.client()
    tags = _or_code(lambda: s3.get_bucket_tagging(Bucket=name), "TagSet")
    return {
        "policy": _or_code(lambda: s3.get_bucket_policy(Bucket=name), "Policy"),
        "tags": sorted(map(str, tags)),  # MinIO tells them in any order
        "objects": [o["Key"] for o in s3.list_objects_v2(Bucket=name).get("Contents", [])],
        "quota": testbed.minio.admin_call("GET", "get-bucket-quota", {"bucket": name}).text,
    }


def holdings(testbed, appid):
    """All that tenantd makes, changes or removes for this tenant."""
    with testbed.mongod.root() as root:
        users = root.admin["system.users"].find({"db": appid}).to_list()
        roles = root.admin["system.roles"].find({"db": appid}).to_list()
        data = appid in root.list_database_names() and \
            sorted(root[appid].list_collection_names())
    user = testbed.minio.user_info(appid)
    return {
        "user": user, "accounts": user and service_accounts(testbed, appid),
        "buckets": {b: _bucket(testbed, b) for b in testbed.minio.buckets()
                    if b.startswith(appid + "-")},
        "users": users, "roles": roles, "data": data,
    }


def open_(testbed, appid):
    """Is the tenant's access as it was made, on both backends?"""
    user = testbed.minio.user_info(appid)
    return user is not None and user["status"] == "enabled" and \
        testbed.mongod.users(appid) == {appid}


def is_public(testbed, bucket):
    try:
        testbed.minio.client().get_bucket_policy(Bucket=bucket)
        return True
    except ClientError:
        return False


def is_wide(testbed, appid):
    with testbed.mongod.root() as root:
        role = root[appid].command("rolesInfo", "tenantd_app", showPrivileges=True)["roles"][0]
    return any("enableProfiler" in p["actions"] for p in role["privileges"])


def make_drift(testbed, appid):
    """The bucket `data` is public, the role may do more."""
    testbed.minio.client().put_bucket_policy(Bucket=f"{appid}-data",
                                             Policy=PUBLIC.format(f"{appid}-data"))
    with testbed.mongod.root() as root:
        root[appid].command("grantPrivilegesToRole", "tenantd_app", privileges=[
            {"resource": {"db": appid, "collection": ""}, "actions": ["enableProfiler"]}])


def wait_repaired(testbed, appid):
    wait_until(lambda: not is_public(testbed, f"{appid}-data") and
               not is_wide(testbed, appid), 60, f"{appid} is repaired")
