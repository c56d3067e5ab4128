"""What was purged is there until its time has come, and gone after it, with the statement that
denied it."""
import datetime
import time

from tests.service.test_bucket_purge import (bucket, code_of, Holder, purge, statements,
                                             Traffic)
from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"delete_grace": "8s", "backoff_min": "100ms", "backoff_max": "1s"}}


def when(document):
    return datetime.datetime.fromisoformat(document["remove_due_at"]).timestamp()


def test_gone_after_the_grace_time_and_not_before(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", ("web", "readonly")))
    credentials = api.credentials(appid)
    holder = Holder(credentials)
    path = f"/v1/tenants/{appid}"
    root = testbed.minio.client()
    with Traffic(credentials) as traffic:
        due = when(purge(api, path))
        reached = set()

        def is_gone():
            reached.update(holder.reaches())
            began = time.time()
            if code_of(lambda: root.head_object(Bucket=holder.bucket, Key="k")) == "":
                return None
            return began
        gone_at = wait_until(is_gone, 120, "it goes")
        assert gone_at > due - 1, "its data went before its time"
        assert reached == set()
        wait_until(lambda: api.get(f"{path}/buckets/web").status_code == 404, 60, "forgotten")
        wait_until(lambda: holder.bucket not in statements(testbed, credentials), 60,
                   "the statement goes, too")
    assert traffic.rounds > 0 and traffic.failures == []
    assert holder.bucket not in testbed.minio.buckets()
    # The name is free again, and a new bucket of that name is no heir.
    expect(api.put(f"{path}/buckets/web?wait=60", json={"mode": "private"}), 200, 201)
    wait_until(lambda: bucket(api, path)["ready"], 60, "it is made")
    s3 = clients.boto(credentials)
    assert s3.list_objects_v2(Bucket=holder.bucket).get("Contents", []) == []
    s3.put_object(Bucket=holder.bucket, Key="new", Body=b"x")


def test_too_late_to_take_it_back(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", "web"))
    path = f"/v1/tenants/{appid}"
    purge(api, path)
    wait_until(lambda: f"{appid}-web" not in testbed.minio.buckets(), 120, "it goes")
    reply = api.put(f"{path}/buckets/web", json={})
    # Either it is on its way out still, or forgotten, and then this is a new one.
    assert reply.status_code == 201 or reply.json()["code"] == "bucket_removing", reply.text
