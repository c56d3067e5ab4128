"""The MinIO driver and closed buckets: nothing handed out before reaches one any more, its data
stays, the tenant's other buckets notice nothing, and it can be opened again."""
import json
import threading

import pytest
import requests

from tests.service.minio_driver_support import (  # noqa: F401 (fixtures)
    account_info, code_of, live, make, minio, names, ok, plain, root, settled, Shell, shell,
    sts_client, Tenant, tenant)
from tests.service.test_minio_driver_faults import crash_everywhere
from tests.testbed.process import new_secret, reserve_port

DEAD = {"AccessDenied", "InvalidAccessKeyId", "InvalidTokenId"}


def closing(tenant, *closed, seen=(), access="full", keep="a", **more):
    """An ensure() in which these buckets are closed: private, and in no slot's reach."""
    for bucket in tenant.buckets.values():
        bucket["mode"] = "private" if bucket["name"] in closed else bucket.get("was", "private")
    return tenant.request("ensure", access=access, keep=keep, reclose=True,
                          closed=[{"name": name, "seen": name in seen}
                                  for name in sorted(closed)], **more)


def with_public(shell, mode="readwrite", keep="a"):
    """Two buckets, public and used, and a tenant that is recorded."""
    tenant = Tenant(buckets=("data", "other"))
    for bucket in tenant.buckets.values():
        bucket.update(mode=mode, was=mode)
    make(shell, tenant)
    if keep != "a":
        ok(shell.call(**tenant.request("ensure", keep=keep)))
        tenant.recorded(keep)
    return tenant


def policy_text(minio, tenant, slot="a"):
    return account_info(minio, tenant.keys[slot])["policy"]


def statements(minio, tenant, slot="a"):
    """What a slot's policy says, whatever the order in which MinIO tells it."""
    return [(s["Effect"], sorted(s["Action"]), sorted(s.get("Resource", [])))
            for s in json.loads(policy_text(minio, tenant, slot))["Statement"]]


class Traffic:
    """Somebody who reads and writes a bucket all the time."""

    def __init__(self, minio, tenant, name="other"):
        self.s3, self.bucket = tenant.client(minio), tenant.bucket(name)
        self.count, self.failed, self.stopping = 0, [], False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopping:
            code = code_of(lambda: (self.s3.put_object(Bucket=self.bucket, Key="t", Body=b"x"),
                                    self.s3.get_object(Bucket=self.bucket, Key="t"),
                                    self.s3.list_objects_v2(Bucket=self.bucket)))
            self.count += 1
            if code:
                self.failed.append(code)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stopping = True
        self.thread.join(30)


def test_closed_for_everything_that_was_handed_out(shell, plain, minio):
    tenant = with_public(shell, keep="ab")
    bucket = tenant.bucket()
    assert [tenant.works(minio, s, n) for s in "ab" for n in ("data", "other")] == [""] * 4
    before = [statements(minio, tenant, slot) for slot in "ab"]
    s3 = tenant.client(minio)
    session = sts_client(minio, plain, tenant)
    get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "p"})
    form = s3.generate_presigned_post(bucket, "f")
    copy = {"Bucket": bucket, "Key": "k"}

    def reach():
        return (requests.get(get, timeout=5).status_code,
                requests.put(put, data=b"x", timeout=5).status_code,
                requests.post(form["url"], data=form["fields"], files={"file": b"x"},
                              timeout=5).status_code,
                requests.get(f"{minio.endpoint}/{bucket}/k", timeout=5).status_code,
                requests.put(f"{minio.endpoint}/{bucket}/n", data=b"x",
                             timeout=5).status_code,
                requests.get(f"{minio.endpoint}/{bucket}", timeout=5).status_code,
                tenant.works(minio, "a"), tenant.works(minio, "b"),
                code_of(lambda: s3.list_objects_v2(Bucket=bucket)),
                code_of(lambda: s3.delete_object(Bucket=bucket, Key="none")),
                code_of(lambda: s3.create_multipart_upload(Bucket=bucket, Key="m")),
                code_of(lambda: s3.copy_object(Bucket=tenant.bucket("other"), Key="c",
                                               CopySource=copy)))
    assert reach() == (200, 200, 204, 200, 200, 200) + ("",) * 6
    session.get_object(Bucket=bucket, Key="k")

    with Traffic(minio, tenant) as traffic:
        closed = ok(shell.call(**closing(tenant, "data", keep="ab")))
        assert closed["closed"] and not closed["drifted"] and closed["unclosed"] == ""
        assert reach() == (403,) * 6 + ("AccessDenied",) * 6
        assert code_of(lambda: session.get_object(Bucket=bucket, Key="k")) in DEAD
        arns = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        for slot in "ab":
            assert statements(minio, tenant, slot)[-1] == ("Deny", ["s3:*"], arns)
        settled(shell, tenant, keep="ab", closed=[{"name": "data", "seen": True}])
        opened = ok(shell.call(**closing(tenant, keep="ab")))
        assert opened["closed"] and not opened["drifted"]
    assert traffic.count > 0 and not traffic.failed
    assert reach() == (200, 200, 204, 200, 200, 200) + ("",) * 6
    assert [statements(minio, tenant, slot) for slot in "ab"] == before
    settled(shell, tenant, keep="ab")


def test_without_a_closed_bucket_nothing_is_written_anew(shell, minio, live):
    before = statements(minio, live)
    ok(shell.call(**live.request("ensure", reclose=True, closed=[])))
    assert statements(minio, live) == before
    again = ok(shell.call(**live.request("ensure")))
    assert "update-service-account" not in names(again)
    assert "info-service-account" not in names(again)


def test_names_that_begin_like_a_closed_one(shell, minio):
    tenant = Tenant(buckets=("data", "data2", "data-old", "dat"))
    make(shell, tenant)
    ok(shell.call(**closing(tenant, "data")))
    assert tenant.works(minio) == "AccessDenied"
    for name in ("data2", "data-old", "dat"):
        assert tenant.works(minio, name=name) == ""


def test_a_slot_that_is_made_meanwhile(shell, minio):
    tenant = with_public(shell)
    ok(shell.call(**closing(tenant, "data")))
    # The rotation knows which buckets are closed, and changes nothing else about it.
    request = closing(tenant, "data", seen=("data",), keep="ab")
    ok(shell.call(**{**request, "reclose": False}))
    tenant.recorded("b")
    assert tenant.works(minio, "b") == "AccessDenied"
    assert tenant.works(minio, "b", "other") == ""
    request = closing(tenant, "data", seen=("data",), keep="b", retire="a")
    ok(shell.call(**{**request, "reclose": False}))
    assert tenant.works(minio, "a", "other") == "InvalidAccessKeyId"
    assert tenant.works(minio, "b") == "AccessDenied"
    settled(shell, tenant, keep="b", closed=[{"name": "data", "seen": True}])


def test_suspend_and_resume_do_not_open_it(shell, minio, root):
    tenant = with_public(shell)
    assert tenant.works(minio) == tenant.works(minio, name="other") == ""
    ok(shell.call(**closing(tenant, "data")))
    known = [{"name": "data", "seen": True}]
    ok(shell.call(**tenant.request("ensure", access="none", closed=known)))
    ok(shell.call(**tenant.request("ensure", unlock=True, closed=known)))
    url = f"{minio.endpoint}/{tenant.bucket()}/k"
    assert tenant.works(minio) == "AccessDenied"
    assert requests.get(url, timeout=5).status_code == 403
    assert tenant.works(minio, name="other") == ""
    root.head_object(Bucket=tenant.bucket(), Key="k")


def test_closed_while_suspended(shell, minio):
    tenant = with_public(shell)
    assert tenant.works(minio) == ""
    ok(shell.call(**tenant.request("ensure", access="none")))
    reply = ok(shell.call(**closing(tenant, "data", access="none")))
    assert reply["closed"], reply
    assert tenant.bucket() in policy_text(minio, tenant)
    request = closing(tenant, "data", seen=("data",), unlock=True)
    ok(shell.call(**{**request, "reclose": False}))
    assert tenant.works(minio) == "AccessDenied"
    assert tenant.works(minio, name="other") == ""


def test_closed_before_a_resume_gives_anything(shell, minio):
    """Closed and resumed in one call, cut off after every request: at no moment does the key
    reach the bucket."""
    for n in range(1, 40):
        tenant = with_public(shell)
        assert tenant.works(minio) == ""
        ok(shell.call(**tenant.request("ensure", access="none")))
        with Shell(minio) as other:
            dying = Shell(minio, die_after=n)
            done = dying.call(**closing(tenant, "data", unlock=True))
            dying.close()
            assert tenant.works(minio) in DEAD, n
            if done is not None:
                break
            ok(other.call(**closing(tenant, "data", unlock=True)))
            assert tenant.works(minio) == "AccessDenied"
    else:
        pytest.fail("it never came to its end")
    assert n > 5


def test_closed_although_the_user_is_disabled(shell, minio):
    """Somebody may enable the user again by hand, and the bucket is public."""
    tenant = with_public(shell)
    assert tenant.works(minio) == ""
    minio.admin_call("PUT", "set-user-status",
                     {"accessKey": tenant.appid, "status": "disabled"}).raise_for_status()
    reply = ok(shell.call(**closing(tenant, "data")))
    assert (reply["drifted"], reply["reason"], reply["closed"]) == (True, "UserDisabled", False)
    url = f"{minio.endpoint}/{tenant.bucket()}/k"
    assert requests.get(url, timeout=5).status_code == 403
    minio.admin_call("PUT", "set-user-status",
                     {"accessKey": tenant.appid, "status": "enabled"}).raise_for_status()
    assert tenant.works(minio) == "AccessDenied"
    assert tenant.works(minio, name="other") == ""


def test_a_deny_that_somebody_removes_is_told_and_mended(shell, minio):
    tenant = with_public(shell)
    before = policy_text(minio, tenant)
    ok(shell.call(**closing(tenant, "data")))
    reply = minio.admin_call("POST", "update-service-account",
                             {"accessKey": tenant.keys["a"]},
                             json.dumps({"newPolicy": json.loads(before)}).encode(),
                             sealed=True)
    assert reply.ok, reply.text
    assert tenant.works(minio) == ""
    known = [{"name": "data", "seen": True}]
    seen = ok(shell.call(**tenant.request("observe", closed=known)))
    assert (seen["drifted"], seen["reason"]) == (True, "ServiceAccountChanged")
    ok(shell.call(**tenant.request("ensure", closed=known)))
    assert tenant.works(minio) == "AccessDenied"


def test_as_many_as_there_is_room_for(shell, minio):
    """The longest names, in the longest appid: MinIO takes the policy."""
    tenant = Tenant(buckets=())
    tenant.appid = ("z" + new_secret(40).lower())[:30]
    tenant.keys["parent"] = tenant.appid
    tenant.buckets = {f"{i:02}" + "x" * 30: {"name": f"{i:02}" + "x" * 30, "mode": "private",
                                            "quota": 0, "absent_before": True}
                      for i in range(16)}
    make(shell, tenant)
    every = list(tenant.buckets)
    reply = ok(shell.call(**closing(tenant, *every[:15])))
    assert reply["closed"], reply
    assert len(policy_text(minio, tenant)) <= 4096
    assert tenant.works(minio, name=every[14]) == "AccessDenied"
    assert tenant.works(minio, name=every[15]) == ""
    refused = shell.call(**closing(tenant, *every))
    assert refused["rc"] == "TOO_LARGE" or not refused["closed"], refused


def test_a_dead_member_is_not_taken_for_closed(minio, tenant):
    nobody = f"http://127.0.0.1:{reserve_port()}"
    tenant.buckets["data"]["was"] = "readonly"
    with Shell(minio, endpoints=[minio.endpoint, nobody]) as shell:
        make(shell, tenant)
        assert tenant.works(minio) == ""
        reply = ok(shell.call(**closing(tenant, "data")))
        assert not reply["closed"] and reply["unclosed"]
        assert tenant.works(minio) == "AccessDenied"
        # Opening needs no word of every member.
        assert ok(shell.call(**closing(tenant)))["closed"]
    with Shell(minio) as shell:
        assert ok(shell.call(**closing(tenant, "data")))["closed"]


def test_crash_while_closing(minio):
    def check(shell, tenant, reply):
        assert reply["closed"]
        assert tenant.works(minio) == "AccessDenied"
        settled(shell, tenant, closed=[{"name": "data", "seen": True}])
    crash_everywhere(minio, make, lambda tenant: closing(tenant, "data"), check)


def test_crash_while_opening(minio):
    def prepare(shell, tenant):
        make(shell, tenant)
        assert tenant.works(minio) == ""
        ok(shell.call(**closing(tenant, "data")))

    def check(shell, tenant, reply):
        assert reply["closed"]
        assert tenant.works(minio) == ""
        settled(shell, tenant)
    crash_everywhere(minio, prepare, closing, check)


def test_removed_when_its_time_has_come(shell, minio):
    tenant = with_public(shell)
    assert tenant.works(minio) == ""
    ok(shell.call(**closing(tenant, "data")))
    request = closing(tenant, "data", seen=("data",))
    tenant.buckets["data"].update(remove=True)
    gone = ok(shell.call(**{**request, "reclose": False}))
    assert [b["presence"] for b in gone["buckets"]] == ["absent", "ours"]
    del tenant.buckets["data"]
    assert ok(shell.call(**closing(tenant)))["closed"]
    assert tenant.bucket() not in policy_text(minio, tenant)
    settled(shell, tenant)
