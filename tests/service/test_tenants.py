"""The life of tenants on real backends: made, used, suspended, resumed, removed; what is
foreign stays untouched; what somebody breaks is repaired or told."""
import threading
import time

import boto3
import pymongo
import pytest
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from pymongo.errors import OperationFailure

from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"verify_interval": "2s", "backoff_min": "100ms",
                             "backoff_max": "2s", "call_timeout": "20s"},
                  "reserved": ["forbidden1"]}


def condition(document, resource, kind):
    found = [c for c in document["resources"][resource]["conditions"] if c["type"] == kind]
    return found[0] if found else None


def is_true(document, resource, kind):
    found = condition(document, resource, kind)
    return found is not None and found["status"] in (True, "True")


def used_by_both_clients(credentials):
    appid = credentials["appid"]
    bucket = clients.bucket_name(credentials)
    s3 = clients.boto(credentials)
    s3.put_object(Bucket=bucket, Key="k", Body=appid.encode())
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == appid.encode()
    with clients.mongo(credentials) as client:
        client[appid].c.insert_one({"_id": appid})
        assert client[appid].c.find_one()["_id"] == appid


# ---- foreign ----

class Handmade:
    """What a person made on the backends under a tenant's future name, and uses."""

    def __init__(self, testbed, appid):
        self.testbed, self.appid = testbed, appid
        self.bucket = f"{appid}-data"
        self.password = "by-hand-" + "x" * 20
        testbed.minio.admin().user_add(appid, self.password)
        testbed.minio.admin().policy_set("readwrite", user=appid)
        self.s3 = testbed.minio.client(appid, self.password)
        testbed.minio.client().create_bucket(Bucket=self.bucket)
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"mine")
        with testbed.mongod.root() as root:
            root[appid].command("createUser", appid, pwd=self.password,
                                roles=["readWrite"], mechanisms=["SCRAM-SHA-256"])
        self.uri = (f"mongodb://{appid}:{self.password}@{testbed.mongod.address}/{appid}"
                    f"?authSource={appid}&directConnection=true")
        self.client = pymongo.MongoClient(self.uri)
        self.client[appid].c.insert_one({"_id": 1})
        self.failures, self.rounds = [], 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.stop.is_set():
            try:
                self.s3.put_object(Bucket=self.bucket, Key="w", Body=b"1")
                self.client[self.appid].c.update_one({"_id": 1}, {"$inc": {"n": 1}})
                with pymongo.MongoClient(self.uri) as fresh:
                    fresh[self.appid].c.find_one()
                self.rounds += 1
            except Exception as error:  # whatever it is, the test shows it
                self.failures.append(error)
                return

    def state(self):
        """All that could have been changed."""
        minio = self.testbed.minio
        with self.testbed.mongod.root() as root:
            users = root.admin["system.users"].find({"db": self.appid}).to_list()
            roles = root.admin["system.roles"].find({"db": self.appid}).to_list()
        root_s3 = minio.client()
        try:
            policy = root_s3.get_bucket_policy(Bucket=self.bucket)["Policy"]
        except ClientError as error:
            policy = error.response["Error"]["Code"]
        try:
            tags = root_s3.get_bucket_tagging(Bucket=self.bucket)["TagSet"]
        except ClientError as error:
            tags = error.response["Error"]["Code"]
        return minio.user_info(self.appid), users, roles, policy, tags, minio.admin_call(
            "GET", "get-bucket-quota", {"bucket": self.bucket}).text

    def end(self):
        self.stop.set()
        self.thread.join()
        self.client.close()


def test_a_put_on_somebody_elses_objects_changes_nothing_at_all(testbed, api, new_appid):
    appid = new_appid()
    made = Handmade(testbed, appid)
    try:
        before = made.state()
        expect(api.put(f"/v1/tenants/{appid}", json={"plan": "standard",
                                                     "buckets": [{"name": "data"}]}), 201)
        document = api.wait_tenant(appid, lambda d: is_true(d, "object", "Foreign") and
                                   is_true(d, "database", "Foreign"), 30, "Foreign")
        assert document["phase"] == "Creating"
        assert condition(document, "object", "Foreign")["message"]
        time.sleep(1)
        assert made.state() == before
        expect(api.post(f"/v1/tenants/{appid}/suspend"), 200, 202)
        time.sleep(1)
        assert made.state() == before
        expect(api.delete(f"/v1/tenants/{appid}?force=true"), 202, 204)
        api.wait_phase(appid, "Deleted", 30)
        assert made.state() == before
    finally:
        made.end()
    assert not made.failures
    assert made.rounds > 5


def test_a_foreign_bucket_among_ours_is_left_alone(testbed, api, new_appid):
    appid = new_appid()
    root = testbed.minio.client()
    root.create_bucket(Bucket=f"{appid}-old")
    root.put_object(Bucket=f"{appid}-old", Key="k", Body=b"somebody's")
    api.create_tenant(appid)
    expect(api.put(f"/v1/tenants/{appid}/buckets/old", json={"mode": "readwrite"}), 200, 201)
    api.wait_tenant(appid, lambda d: is_true(d, "object", "Foreign"), 30, "Foreign bucket")
    with pytest.raises(ClientError):
        root.get_bucket_policy(Bucket=f"{appid}-old")
    used_by_both_clients(api.credentials(appid))
    expect(api.delete(f"/v1/tenants/{appid}?force=true"), 202, 204)
    api.wait_phase(appid, "Deleted", 30)
    assert root.get_object(Bucket=f"{appid}-old", Key="k")["Body"].read() == b"somebody's"


@pytest.mark.parametrize("appid", ["admin", "config", "local", "tenantd", "forbidden1"])
def test_reserved_appids_are_refused_and_touch_no_backend(testbed, api, appid):
    before = testbed.minio.users(), testbed.mongod.users(appid)
    reply = api.put(f"/v1/tenants/{appid}", json={"plan": "standard"})
    assert reply.status_code in (400, 409), reply.text
    assert reply.json()["code"] in ("appid_reserved", "invalid_request")
    assert (testbed.minio.users(), testbed.mongod.users(appid)) == before


def test_the_names_of_the_backends_own_admins_are_reserved(testbed, api):
    for name in (testbed.minio.admin_user_file.read_text().strip(),
                 testbed.mongod.admin_user_file.read_text().strip()):
        if not name.isalnum():
            continue
        reply = api.put(f"/v1/tenants/{name}", json={"plan": "standard"})
        assert reply.status_code in (400, 409), reply.text


def test_the_root_user_of_minio_is_foreign_and_keeps_its_key(testbed, api):
    """MinIO's root is not in its list of users: add-user is what would refuse it."""
    root = testbed.minio.root_user
    reply = api.put(f"/v1/tenants/{root}", json={"plan": "object-only"})
    if reply.status_code == 201:
        document = api.wait_tenant(root, lambda d: not is_true(d, "object", "Ready") and
                                   condition(d, "object", "Ready")["reason"] != "Pending", 30,
                                   "refused")
        assert document["phase"] == "Creating"
        expect(api.delete(f"/v1/tenants/{root}?force=true"), 202, 204)
    else:
        assert reply.status_code in (400, 409)
    assert testbed.minio.client().list_buckets()["Buckets"] is not None


# ---- suspend and resume ----

def anonymous(credentials):
    return boto3.client("s3", endpoint_url=credentials["object"]["internal_endpoint"],
                        region_name="us-east-1",
                        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1},
                                      s3={"addressing_style": "path"}))


def refused(call, *statuses):
    with pytest.raises(ClientError) as why:
        call()
    assert why.value.response["ResponseMetadata"]["HTTPStatusCode"] in (statuses or (403,))


def test_suspend_reaches_everything_and_resume_brings_it_all_back(api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", ("open", "readwrite"), ("pub", "readonly")))
    token = api.mint_token("runtime", appid)["token"]
    credentials = api.credentials(token=token)
    s3 = clients.boto(credentials, signature_version="s3v4")
    data, opened, pub = (f"{appid}-{n}" for n in ("data", "open", "pub"))
    s3.put_object(Bucket=data, Key="k", Body=b"v")
    s3.put_object(Bucket=pub, Key="k", Body=b"v")
    nobody = anonymous(credentials)
    nobody.put_object(Bucket=opened, Key="k", Body=b"v")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": data, "Key": "k"})
    form = s3.generate_presigned_post(data, "form")
    assert requests.get(url, timeout=10).status_code == 200
    client = clients.mongo(credentials)
    client[appid].c.insert_many([{"i": i} for i in range(2000)])
    cursor = client[appid].c.find(batch_size=10)
    next(cursor)

    def hidden():
        expect(api.post(f"/v1/tenants/{appid}/suspend?wait=30"), 200, 202)
        assert api.wait_phase(appid, "Suspended", 30)["phase"] == "Suspended"
        refused(lambda: s3.get_object(Bucket=data, Key="k"))
        assert requests.get(url, timeout=10).status_code == 403
        assert requests.post(form["url"], data=form["fields"], timeout=10,
                             files={"file": b"x"}).status_code == 403
        refused(lambda: nobody.get_object(Bucket=opened, Key="k"))
        refused(lambda: nobody.get_object(Bucket=pub, Key="k"))
        refused(lambda: nobody.put_object(Bucket=opened, Key="n", Body=b"x"))
        with pytest.raises(OperationFailure):
            client[appid].c.find_one()
        with clients.mongo(credentials) as fresh, pytest.raises(OperationFailure) as why:
            fresh[appid].c.find_one()
        assert why.value.code == 18
        reply = api.get("/v1/credentials", token=token)
        assert reply.status_code == 403 and reply.json()["code"] == "tenant_suspended"

    hidden()
    with pytest.raises(OperationFailure):
        list(cursor)
    expect(api.post(f"/v1/tenants/{appid}/resume?wait=30"), 200, 202)
    api.wait_phase(appid, "Created", 30)
    assert api.credentials(token=token)["database"] == credentials["database"]
    assert api.credentials(token=token)["object"] == credentials["object"]
    assert clients.let_in(lambda: s3.get_object(Bucket=data, Key="k"))["Body"].read() == b"v"
    assert requests.get(url, timeout=10).status_code == 200
    assert nobody.get_object(Bucket=opened, Key="k")["Body"].read() == b"v"
    assert nobody.get_object(Bucket=pub, Key="k")["Body"].read() == b"v"
    refused(lambda: nobody.list_objects_v2(Bucket=pub))
    client.close()
    with clients.mongo(credentials) as fresh:
        assert fresh[appid].c.count_documents({}) == 2000
    client = clients.mongo(credentials)
    hidden()
    client.close()


# ---- delete ----

def test_delete_grace_undelete_and_the_tombstone(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    credentials = api.credentials(appid)
    used_by_both_clients(credentials)
    expect(api.delete(f"/v1/tenants/{appid}"), 202)
    expect(api.delete(f"/v1/tenants/{appid}"), 202)
    s3 = clients.boto(credentials)

    def locked_out():
        try:
            s3.list_buckets()
            return False
        except ClientError:
            return True

    wait_until(locked_out, 20, "the credentials stop working")
    assert api.tenant(appid)["phase"] == "Deleting"
    expect(api.post(f"/v1/tenants/{appid}/undelete"), 200, 202)
    api.wait_phase(appid, "Created", 30)
    bucket = clients.bucket_name(credentials)
    found = clients.let_in(lambda: s3.get_object(Bucket=bucket, Key="k"))
    assert found["Body"].read() == appid.encode()
    expect(api.delete(f"/v1/tenants/{appid}?force=true"), 202, 204)
    api.wait_phase(appid, "Deleted", 60)
    assert testbed.minio.user_info(appid) is None
    assert bucket not in testbed.minio.buckets()
    assert testbed.mongod.users(appid) == set()
    with testbed.mongod.root() as root:
        assert appid not in root.list_database_names()
    for reply in (api.get(f"/v1/tenants/{appid}"),
                  api.put(f"/v1/tenants/{appid}", json={"plan": "standard"})):
        assert reply.status_code == 410 and reply.json()["code"] == "appid_retired"
    expect(api.delete(f"/v1/tenants/{appid}"), 200, 202, 204)


def test_deletion_protection_refuses_forced_or_not(api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, deletion_protection=True)
    for path in (f"/v1/tenants/{appid}", f"/v1/tenants/{appid}?force=true"):
        reply = api.delete(path)
        assert reply.status_code == 409 and reply.json()["code"] == "deletion_protected"
    expect(api.put(f"/v1/tenants/{appid}", json={"deletion_protection": False}), 200)
    expect(api.delete(f"/v1/tenants/{appid}?force=true"), 202, 204)


# ---- changes ----

def test_get_edit_put_works_and_put_never_removes_a_bucket(api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", "logs"), labels={"team": "x"})
    document = api.tenant(appid)
    document["labels"]["team"] = "y"
    document["buckets"] = [b for b in document["buckets"] if b["name"] == "data"]
    document["buckets"][0]["mode"] = "readonly"
    expect(api.put(f"/v1/tenants/{appid}?wait=30", json=document), 200)
    after = api.wait_phase(appid, "Created")
    assert after["labels"] == {"team": "y"}
    assert {(b["name"], b["mode"]) for b in after["buckets"]} == {("data", "readonly"),
                                                                 ("logs", "private")}
    again = expect(api.put(f"/v1/tenants/{appid}", json=after), 200).json()
    assert again["generation"] == after["generation"]


def test_a_plan_changes_live(api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, plan="small")
    before = api.credentials(appid)
    expect(api.put(f"/v1/tenants/{appid}?wait=30", json={"plan": "standard"}), 200)
    document = api.wait_phase(appid, "Created")
    assert document["plan"] == "standard"
    assert api.credentials(appid)["object"]["secret_key"] == before["object"]["secret_key"]
    reply = api.put(f"/v1/tenants/{appid}", json={"plan": "nonesuch"})
    assert reply.status_code == 422 and reply.json()["code"] == "unknown_plan"
    reply = api.put(f"/v1/tenants/{appid}", json={"region": "elsewhere"})
    assert reply.status_code == 409


@pytest.mark.timeout(900)  # 3,000 of them take MinIO a while
@pytest.mark.parametrize("count", [30, 120, 3000])
def test_tenants_with_many_buckets(testbed, api, new_appid, count):
    appid = new_appid()
    names = [f"b{i:04}" for i in range(count)]
    began = time.monotonic()
    expect(api.put(f"/v1/tenants/{appid}", json={
        "plan": "standard", "limits": {"buckets": count},
        "buckets": [{"name": n} for n in names]}), 201)
    api.wait_phase(appid, "Created", 400)
    print(f"\n{count} buckets in {time.monotonic() - began:.1f} s")
    credentials = api.credentials(appid)
    listed = credentials["object"]["buckets"]
    assert len(listed) == min(count, 100)
    assert ("more" in credentials["object"]) == (count > 100)
    s3 = clients.boto(credentials)
    for name in (names[0], names[-1]):
        s3.put_object(Bucket=f"{appid}-{name}", Key="k", Body=b"v")
    assert len([b for b in testbed.minio.buckets() if b.startswith(appid)]) == count
    expect(api.delete(f"/v1/tenants/{appid}?force=true"), 202, 204)
    api.wait_phase(appid, "Deleted", 400)
    assert not [b for b in testbed.minio.buckets() if b.startswith(appid)]


# ---- what others break ----

def test_a_service_account_that_a_sibling_deleted_comes_back(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    credentials = api.credentials(appid)
    part = credentials["object"]
    reply = testbed.minio.admin_call("DELETE", "delete-service-account",
                                     {"accessKey": part["access_key"]},
                                     keys=(part["access_key"], part["secret_key"]))
    assert reply.status_code in (200, 204), reply.text
    refused(lambda: clients.boto(credentials).list_buckets())

    def back():
        try:
            clients.boto(credentials).list_buckets()
            return True
        except ClientError:
            return False

    wait_until(back, 30, "the service account is made again")
    used_by_both_clients(credentials)


def test_a_user_disabled_by_hand_stays_disabled_and_is_told(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    testbed.minio.admin().user_disable(appid)
    document = api.wait_tenant(appid, lambda d: is_true(d, "object", "Drifted"), 30, "Drifted")
    assert condition(document, "object", "Drifted")["reason"] == "UserDisabled"
    expect(api.put(f"/v1/tenants/{appid}/buckets/more", json={}), 200, 201)
    time.sleep(3)
    assert testbed.minio.user_info(appid)["status"] == "disabled"
    testbed.minio.admin().user_enable(appid)
    api.wait_tenant(appid, lambda d: is_true(d, "object", "Ready"), 30, "Ready again")


def test_a_bucket_made_public_by_hand_is_private_again(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    root = testbed.minio.client()
    root.put_bucket_policy(Bucket=f"{appid}-data", Policy=(
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":'
        f'["s3:GetObject"],"Resource":["arn:aws:s3:::{appid}-data/*"]}}]}}'))

    def private():
        try:
            root.get_bucket_policy(Bucket=f"{appid}-data")
            return False
        except ClientError:
            return True

    wait_until(private, 30, "the bucket is private again")


def test_a_role_widened_by_hand_is_narrow_again(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    with testbed.mongod.root() as root:
        root[appid].command("grantPrivilegesToRole", "tenantd_app", privileges=[
            {"resource": {"db": appid, "collection": ""}, "actions": ["enableProfiler"]}])

        def narrow():
            role = root[appid].command("rolesInfo", "tenantd_app",
                                       showPrivileges=True)["roles"][0]
            return not any("enableProfiler" in p["actions"] for p in role["privileges"])

        wait_until(narrow, 30, "the role is as compiled")
