"""What must hold after any fault: nothing doubled, nothing lost, nothing left over."""
import pymongo
import pytest
import requests
from botocore.exceptions import ClientError
from pymongo.errors import OperationFailure

from tests.testbed import clients
from tests.testbed.process import wait_until


def works(testbed, api, appid, before=None):
    """The tenant is Created, both credentials work, and there is exactly one of everything.
    before: a credentials document that must still be the one handed out."""
    api.wait_phase(appid, "Created", 60)
    credentials = api.credentials(appid)
    if before is not None:
        assert credentials["object"]["secret_key"] == before["object"]["secret_key"]
        assert credentials["object"]["access_key"] == before["object"]["access_key"]
        assert credentials["database"] == before["database"]
    s3 = clients.boto(credentials)
    for bucket in credentials["object"]["buckets"]:
        clients.let_in(lambda: s3.put_object(Bucket=bucket["bucket"], Key="probe", Body=b"x"))
        found = clients.let_in(lambda: s3.get_object(Bucket=bucket["bucket"], Key="probe"))
        assert found["Body"].read() == b"x"
    with clients.mongo(credentials) as client:
        client[appid].probe.insert_one({})
        assert client[appid].probe.count_documents({}) >= 1
    only_one_of_everything(testbed, appid, credentials)
    return credentials


def only_one_of_everything(testbed, appid, credentials):
    assert testbed.mongod.users(appid) == {appid}
    assert testbed.minio.user_info(appid)["status"] == "enabled"
    keys = service_accounts(testbed, appid)
    assert keys == [credentials["object"]["access_key"]], "a service account too many"


def service_accounts(testbed, appid):
    reply = testbed.minio.admin_call("GET", "list-service-accounts", {"user": appid})
    document = testbed.minio.open_sealed(reply)
    return [a["accessKey"] for a in document.get("accounts") or []]


def gone(testbed, api, appid, credentials=None):
    """Deleted: a tombstone here, nothing at all there, old logins dead."""
    api.wait_phase(appid, "Deleted", 60)
    assert api.get(f"/v1/tenants/{appid}").status_code == 410
    assert testbed.minio.user_info(appid) is None
    assert not [b for b in testbed.minio.buckets() if b.startswith(appid + "-")]
    with testbed.mongod.root() as root:
        assert testbed.mongod.users(appid) == set()
        assert root[appid].command("rolesInfo", 1)["roles"] == []
        assert appid not in root.list_database_names()
    if credentials is not None:
        dead(credentials)


def dead(credentials):
    with pytest.raises(ClientError) as refused:
        clients.boto(credentials).list_buckets()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pymongo.MongoClient(credentials["database"]["uri"],
                             serverSelectionTimeoutMS=5000) as client:
        with pytest.raises(OperationFailure) as why:
            client[credentials["appid"]].probe.find_one()
    assert why.value.code == 18


def is_settled(api, appid):
    document = api.tenant(appid)
    return document["phase"] == "Created" and \
        document["observed_generation"] == document["generation"]


def policies(testbed, appid):
    """The policies of all service accounts, as text."""
    reply = [testbed.minio.admin_call("GET", "info-service-account", {"accessKey": key})
             for key in service_accounts(testbed, appid)]
    return [testbed.minio.open_sealed(r)["policy"] for r in reply]


def closed(testbed, api, appid, name, credentials):
    """The bucket is there, with what it holds, and nobody reaches it; the others are as ever."""
    wait_until(lambda: api.get(f"/v1/tenants/{appid}/buckets/{name}").json()["access"] == "closed",
               60, "closed")
    s3, bucket = clients.boto(credentials), f"{appid}-{name}"
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="probe")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    url = f"{credentials['object']['internal_endpoint']}/{bucket}/probe"
    assert requests.get(url, timeout=10).status_code == 403
    testbed.minio.client().head_object(Bucket=bucket, Key="probe")
    assert policies(testbed, appid) and all(bucket in p for p in policies(testbed, appid))
    works(testbed, api, appid)


def not_closed(testbed, api, appid, name, gone):
    """Gone for good, or there again as before, and no policy speaks of it."""
    wait_until(lambda: is_settled(api, appid), 60, "settled")
    if gone:
        wait_until(lambda: api.get(f"/v1/tenants/{appid}/buckets/{name}").status_code == 404, 60,
                   "forgotten")
        assert f"{appid}-{name}" not in testbed.minio.buckets()
    else:
        wait_until(lambda: api.get(f"/v1/tenants/{appid}/buckets/{name}").json()["ready"], 60,
                   "there again")
        testbed.minio.client().head_object(Bucket=f"{appid}-{name}", Key="probe")
    wait_until(lambda: not any(f"{appid}-{name}" in p for p in policies(testbed, appid)), 60,
               "the statement goes")
