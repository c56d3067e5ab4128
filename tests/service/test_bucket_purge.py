"""A purge closes a bucket at once to everybody, whatever was handed out before, and touches no
other bucket; until its time has come it can be taken back with all that it holds."""
import json
import threading
import time

import pytest
import requests
from botocore.exceptions import ClientError

from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"delete_grace": "1h", "verify_interval": "2s",
                             "backoff_min": "100ms", "backoff_max": "1s"}}
PROMPTLY = 30  # seconds; a fraction of one on a quiet machine
REFUSED = (403,)


def code_of(call):
    try:
        call()
        return ""
    except ClientError as error:
        return error.response["Error"]["Code"]


class Holder:
    """Somebody with all that was handed out for one bucket before it was purged."""

    def __init__(self, credentials, name="web"):
        self.s3 = clients.boto(credentials, signature_version="s3v4")
        self.bucket = clients.bucket_name(credentials, name)
        self.url = credentials["object"]["internal_endpoint"] + "/" + self.bucket
        self.get = self.s3.generate_presigned_url(
            "get_object", {"Bucket": self.bucket, "Key": "k"}, ExpiresIn=3600)
        self.put = self.s3.generate_presigned_url(
            "put_object", {"Bucket": self.bucket, "Key": "p"}, ExpiresIn=3600)
        self.form = self.s3.generate_presigned_post(self.bucket, "f", ExpiresIn=3600)
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"kept")

    def by_key(self):
        """Error codes, "" where it worked."""
        s3, bucket = self.s3, self.bucket
        return {"get": code_of(lambda: s3.get_object(Bucket=bucket, Key="k")),
                "put": code_of(lambda: s3.put_object(Bucket=bucket, Key="n", Body=b"x")),
                "list": code_of(lambda: s3.list_objects_v2(Bucket=bucket)),
                "delete": code_of(lambda: s3.delete_object(Bucket=bucket, Key="n")),
                "upload": code_of(lambda: s3.create_multipart_upload(Bucket=bucket, Key="m"))}

    def by_url(self):
        """HTTP statuses of what needs no key: URLs and a form signed before, and nothing."""
        return {"get": requests.get(self.get, timeout=10).status_code,
                "put": requests.put(self.put, data=b"x", timeout=10).status_code,
                "form": requests.post(self.form["url"], data=self.form["fields"],
                                      files={"file": b"x"}, timeout=10).status_code,
                "anonymous": requests.get(self.url + "/k", timeout=10).status_code}

    def reaches(self):
        return {way for way, code in self.by_key().items() if code == ""} | \
            {"url " + way for way, status in self.by_url().items() if status < 300}

    def reaches_all(self):
        return len(self.reaches()) == 9


class Traffic(threading.Thread):
    """Reads, writes and lists another bucket of the tenant without a pause."""

    def __init__(self, credentials, name="data"):
        super().__init__()
        self.s3, self.bucket = clients.boto(credentials), clients.bucket_name(credentials, name)
        self.rounds, self.failures, self.stopping = 0, [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.s3.put_object(Bucket=self.bucket, Key="t", Body=b"x")
                self.s3.get_object(Bucket=self.bucket, Key="t")
                self.s3.list_objects_v2(Bucket=self.bucket)
                self.rounds += 1
            except Exception as error:  # whatever it is, the test shows it
                self.failures.append(repr(error))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        self.join(60)


@pytest.fixture
def tenant(api, new_appid):
    """A tenant with a private bucket and a public one: its path, credentials and holder."""
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", ("web", "readonly")))
    credentials = api.credentials(appid)
    holder = Holder(credentials)
    assert holder.reaches_all(), (holder.by_key(), holder.by_url())
    return f"/v1/tenants/{appid}", credentials, holder


def bucket(api, path, name="web"):
    return expect(api.get(f"{path}/buckets/{name}"), 200).json()


def purge(api, path, name="web"):
    """Ask, wait until it says closed, and take it by its word."""
    answer = expect(api.delete(f"{path}/buckets/{name}?purge=true"), 202).json()
    assert (answer["state"], answer["remove_due_at"] is not None) == ("removing", True)
    return wait_until(lambda: is_closed(api, path, name), PROMPTLY, "it is closed")


def is_closed(api, path, name="web"):
    document = bucket(api, path, name)
    return document if document["access"] == "closed" else None


def statements(testbed, credentials):
    key = credentials["object"]["access_key"]
    reply = testbed.minio.admin_call("GET", "info-service-account", {"accessKey": key})
    return testbed.minio.open_sealed(reply)["policy"]


def test_everything_handed_out_before_is_refused_and_comes_back(testbed, api, tenant):
    path, credentials, holder = tenant
    appid = credentials["appid"]
    with Traffic(credentials) as traffic:
        purge(api, path)
        assert holder.reaches() == set()
        assert set(holder.by_key().values()) == {"AccessDenied"}
        assert set(holder.by_url().values()) <= set(REFUSED)
        assert [b["name"] for b in api.credentials(appid)["object"]["buckets"]] == ["data"]
        root = testbed.minio.client()
        assert root.get_object(Bucket=holder.bucket, Key="k")["Body"].read() == b"kept"
        assert f"arn:aws:s3:::{holder.bucket}/*" in statements(testbed, credentials)
        # Asking again changes nothing.
        before = bucket(api, path)
        expect(api.delete(f"{path}/buckets/web?purge=true"), 202)
        assert bucket(api, path) == before
        expect(api.put(f"{path}/buckets/web?wait=60", json={}), 200)
        wait_until(holder.reaches_all, PROMPTLY, "everything works again")
    assert traffic.rounds > 0 and traffic.failures == []
    document = bucket(api, path)
    assert (document["state"], document["mode"], document["ready"]) == ("ours", "readonly", True)
    assert "access" not in document and "remove_due_at" not in document
    assert holder.s3.get_object(Bucket=holder.bucket, Key="k")["Body"].read() == b"kept"
    assert holder.bucket not in statements(testbed, credentials)
    assert api.credentials(appid)["object"]["access_key"] == credentials["object"]["access_key"]


def test_waiting_for_a_purge_waits_until_it_is_closed(api, tenant):
    path, _, holder = tenant
    began = time.monotonic()
    answer = expect(api.delete(f"{path}/buckets/web?purge=true&wait=60"), 202).json()
    assert answer["access"] == "closed"
    assert holder.reaches() == set()
    assert time.monotonic() - began < 60


def test_a_put_of_the_tenant_leaves_it_closed(api, tenant):
    """It comes back by its own name only."""
    path, _, holder = tenant
    purge(api, path)
    document = expect(api.get(path), 200).json()
    expect(api.put(path, json=document), 200)
    reply = api.put(path, json={"buckets": [{"name": "web", "mode": "readwrite"}]})
    assert (reply.status_code, reply.json()["code"]) == (409, "bucket_removing")
    expect(api.put(path + "?wait=30", json={"labels": {"a": "b"}}), 200)
    assert is_closed(api, path)
    assert holder.reaches() == set()


def test_suspend_and_resume_leave_it_closed(testbed, tenantd, api, tenant):
    path, credentials, holder = tenant
    appid = credentials["appid"]
    purge(api, path)
    expect(api.post(f"{path}/suspend"), 200, 202)
    api.wait_phase(appid, "Suspended")
    expect(api.post(f"{path}/resume"), 200, 202)
    api.wait_phase(appid, "Created")
    wait_until(lambda: code_of(lambda: holder.s3.list_objects_v2(
        Bucket=f"{appid}-data")) == "", PROMPTLY, "the tenant is let in again")
    assert holder.reaches() == set()
    assert is_closed(api, path)
    expect(api.put(f"{path}/buckets/web?wait=60", json={}), 200)
    wait_until(holder.reaches_all, PROMPTLY, "everything works again")
    # And purged while it is suspended: the resume does not open it for a moment.
    expect(api.post(f"{path}/suspend"), 200, 202)
    api.wait_phase(appid, "Suspended")
    purge(api, path)
    expect(api.post(f"{path}/resume"), 200, 202)
    seen = set()
    wait_until(lambda: (seen.update(holder.reaches()), api.tenant(appid)["phase"] == "Created")[1],
               60, "resumed")
    assert seen | holder.reaches() == set()


def test_a_key_made_meanwhile_and_a_deny_that_was_removed(testbed, api, tenant):
    """Somebody deletes the service account; its successor denies the bucket, too."""
    path, credentials, holder = tenant
    purge(api, path)
    key = credentials["object"]["access_key"]
    testbed.minio.admin_call("DELETE", "delete-service-account",
                             {"accessKey": key}).raise_for_status()
    seen = set()

    def works_again():
        seen.update(holder.reaches())
        return code_of(lambda: holder.s3.list_objects_v2(
            Bucket=f"{credentials['appid']}-data")) == ""
    wait_until(works_again, 60, "the account is made again")
    assert seen | holder.reaches() == set()
    assert f"arn:aws:s3:::{holder.bucket}/*" in statements(testbed, credentials)


def test_made_public_by_hand_while_it_is_closed(testbed, api, tenant):
    path, _, holder = tenant
    purge(api, path)
    root = testbed.minio.client()
    root.put_bucket_policy(Bucket=holder.bucket, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"],
             "Resource": [f"arn:aws:s3:::{holder.bucket}/*"]}]}))
    assert holder.reaches() <= {"url anonymous"}
    wait_until(lambda: holder.reaches() == set(), 60, "it is private again")
    wait_until(lambda: is_closed(api, path), PROMPTLY, "and told so")


def test_the_limit(api, new_appid):
    """As many as a policy can name; one more is refused as a whole, and room comes back."""
    appid = new_appid()
    names = [f"{i:02}" + "n" * 30 for i in range(40)]
    api.create_tenant(appid, buckets=names)
    path = f"/v1/tenants/{appid}"
    taken = 0
    while taken < len(names):
        reply = api.delete(f"{path}/buckets/{names[taken]}?purge=true")
        if reply.status_code != 202:
            break
        taken += 1
    assert 15 <= taken < 40
    assert (reply.status_code, reply.json()["code"]) == (409, "purge_limit"), reply.text
    assert "wait" in reply.json()["detail"] or "wait" in reply.json()["title"], reply.text
    refused = bucket(api, path, names[taken])
    assert (refused["state"], refused["ready"]) == ("ours", True)
    for name in names[:taken]:
        wait_until(lambda: is_closed(api, path, name), PROMPTLY, f"{name} is closed")
    s3 = clients.boto(api.credentials(appid))
    assert {code_of(lambda: s3.list_objects_v2(Bucket=f"{appid}-{name}"))
            for name in names[:taken]} == {"AccessDenied"}
    s3.put_object(Bucket=f"{appid}-{names[taken]}", Key="k", Body=b"x")
    expect(api.put(f"{path}/buckets/{names[0]}?wait=60", json={}), 200)
    expect(api.delete(f"{path}/buckets/{names[taken]}?purge=true"), 202)
    wait_until(lambda: is_closed(api, path, names[taken]), PROMPTLY, "it is closed")
    s3.put_object(Bucket=f"{appid}-{names[0]}", Key="k", Body=b"x")
