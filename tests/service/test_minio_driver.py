"""The MinIO driver alone, as tenantd's own restricted user: making tenants, telling ours from
foreign, drift, rotation, fence and suspension."""
import json
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
import requests
from botocore.config import Config

from tests.service.minio_driver_support import (  # noqa: F401 (fixtures)
    account_info, accounts, code_of, everything, INSTANCE, live, make, minio, names,
    ok, OTHER_INSTANCE, plain, root, secret, settled, Shell, shell, sts_client,
    Tenant, tenant, WRITES)
from tests.testbed.bed import new_appid
from tests.testbed.process import new_secret, wait_until, write_secret


# Making


def test_create(shell, minio, root, tenant):
    tenant.buckets["data"]["quota"] = 1 << 20
    seen = ok(shell.call(**tenant.request("observe", keep="")))
    assert (seen["presence"], seen["drifted"]) == ("absent", False)
    assert [b["presence"] for b in seen["buckets"]] == ["absent"]
    made = ok(shell.call(**tenant.request("ensure")))
    assert (made["presence"], made["drifted"], made["reason"]) == ("ours", False, "")
    assert [b["presence"] for b in made["buckets"]] == ["ours"]
    assert made["identity"] == minio.admin_call("GET", "info").json()["deploymentID"]

    user = minio.user_info(tenant.appid)
    assert user["status"] == "enabled" and user["policyName"].startswith("tenantd_owner-")
    account = account_info(minio, tenant.keys["a"])
    assert account["parentUser"] == tenant.appid
    assert account["description"] == f"tenantd {INSTANCE} {tenant.appid}"
    assert account["impliedPolicy"] is False
    assert "${" not in account["policy"] and f"{tenant.appid}-*" in account["policy"]
    tags = root.get_bucket_tagging(Bucket=tenant.bucket())["TagSet"]
    assert {t["Key"]: t["Value"] for t in tags} == {
        "tenantd-instance": INSTANCE, "tenantd-appid": tenant.appid}
    quota = minio.admin_call("GET", "get-bucket-quota", {"bucket": tenant.bucket()}).json()
    assert (quota["size"], quota["quotatype"]) == ((1 << 20) * 5 // 4, "hard")
    assert tenant.works(minio) == ""
    s3 = tenant.client(minio)
    upload = s3.create_multipart_upload(Bucket=tenant.bucket(), Key="u")["UploadId"]
    s3.abort_multipart_upload(Bucket=tenant.bucket(), Key="u", UploadId=upload)
    root.create_bucket(Bucket="driver-foreign")
    root.put_object(Bucket="driver-foreign", Key="k", Body=b"x")
    assert code_of(lambda: s3.get_object(Bucket="driver-foreign", Key="k")) == "AccessDenied"
    assert code_of(lambda: s3.create_bucket(Bucket=tenant.bucket("own"))) == "AccessDenied"


def test_create_again_changes_nothing(shell, minio, root, live):
    before = everything(minio, root, live.appid)
    again = ok(shell.call(**live.request("ensure")))
    assert everything(minio, root, live.appid) == before
    assert not again["drifted"]
    assert WRITES.isdisjoint(names(again)), names(again)
    settled(shell, live)


def test_many_at_once(shell, minio):
    tenants = [Tenant() for _ in range(16)]
    for reply in shell.parallel([t.request("ensure") for t in tenants]):
        assert ok(reply)["presence"] == "ours"
    assert [t.works(minio) for t in tenants] == [""] * 16


@pytest.mark.parametrize("mode,anonymous", [
    ("private", (403, 403, 403)), ("readonly", (200, 403, 403)),
    ("readwrite", (200, 200, 200))])
def test_modes(shell, minio, mode, anonymous):
    tenant = Tenant()
    tenant.buckets["data"]["mode"] = mode
    make(shell, tenant)
    assert tenant.works(minio) == ""
    url = f"{minio.endpoint}/{tenant.bucket()}"
    assert (requests.get(url + "/k", timeout=5).status_code,
            requests.put(url + "/n", data=b"x", timeout=5).status_code,
            requests.get(url, timeout=5).status_code) == anonymous
    settled(shell, tenant)


def test_mode_and_quota_change(shell, minio, root, live):
    bucket = live.buckets["data"]
    for mode, quota in (("readwrite", 1000), ("readonly", 0), ("private", 8)):
        bucket.update(mode=mode, quota=quota)
        seen = shell.call(**live.request("observe"))
        assert (seen["rc"], seen["drifted"]) == ("OK", True)
        assert seen["buckets"][0]["rc"] == "CONFLICT"
        ok(shell.call(**live.request("ensure")))
        settled(shell, live)
        stored = minio.admin_call("GET", "get-bucket-quota", {"bucket": live.bucket()})
        assert stored.json()["size"] == quota * 5 // 4


@pytest.mark.parametrize("count", [30, 120, 3000])
def test_many_buckets(shell, minio, count):
    """The policy is of the prefix: its size does not grow with the number of buckets."""
    tenant = Tenant(buckets=[f"b{i}" for i in range(count)])
    every = list(tenant.buckets)
    ok(shell.call(**tenant.request("ensure", buckets=every[:1])))
    tenant.claimed, tenant.fresh["a"] = True, False
    slices = [every[i:i + 60] for i in range(1, count, 60)]
    for i in range(0, len(slices), 8):
        for reply in shell.parallel([tenant.request("ensure", buckets=s, deadline_ms=60000)
                                     for s in slices[i:i + 8]]):
            ok(reply)
    for name in (every[0], every[count // 2], every[-1]):
        assert tenant.works(minio, name=name) == ""
    tenant.recorded()
    slices = [every[i:i + 60] for i in range(0, count, 60)]
    for s in slices:
        gone = ok(shell.call(**tenant.request("remove", buckets=s, deadline_ms=60000)))
        assert not gone["more"]
    assert not any(b.startswith(tenant.appid) for b in minio.buckets())


@pytest.mark.parametrize("appid", ["a.b", "", "ABC123", "a" * 33, "a*c", "ab", "a-b", "***"])
@pytest.mark.parametrize("verb", ["observe", "ensure", "remove"])
def test_names_that_are_never_tenants(shell, tenant, appid, verb):
    tenant.appid = tenant.keys["parent"] = appid
    reply = shell.call(**tenant.request(verb, keep=""))
    assert (reply["rc"], reply["calls"]) == ("INVALID", [])


def test_bucket_names_that_are_none(shell, minio, tenant):
    for name in ("", "A", "a.b", "-a", "a-", "a" * 32, "a/b", "../a"):
        tenant.buckets[name] = {"name": name, "mode": "private", "absent_before": True}
    # Appid and name together are too long for S3.
    tenant.appid = tenant.keys["parent"] = new_appid() + "x" * 21
    reply = shell.call(**tenant.request("ensure"))
    assert reply["rc"] == "OK"
    assert [b["rc"] for b in reply["buckets"]] == ["OK"] + ["INVALID"] * 8
    assert [b for b in minio.buckets() if b.startswith(tenant.appid)] == [tenant.bucket()]


def test_unknown_template(shell, tenant):
    tenant.template = "nosuchthing"
    reply = shell.call(**tenant.request("ensure"))
    assert (reply["rc"], reply["calls"]) == ("INVALID", [])


# Ours or foreign


def foreign_tenant(minio, root, tenant):
    """Somebody else's user and bucket of the tenant's name, in use."""
    minio.admin().policy_add("foreignpolicy", policy={
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:*"],
            "Resource": ["arn:aws:s3:::${aws:username}-*"]}]})
    theirs = secret()
    minio.admin().user_add(tenant.appid, theirs)
    minio.admin().attach_policy(["foreignpolicy"], user=tenant.appid)
    root.create_bucket(Bucket=tenant.bucket())
    s3 = minio.client(tenant.appid, theirs)
    s3.put_object(Bucket=tenant.bucket(), Key="theirs", Body=b"x")
    return s3


@pytest.mark.parametrize("absent_before", [False, True])
def test_foreign_user_is_not_touched(shell, minio, root, tenant, absent_before):
    s3 = foreign_tenant(minio, root, tenant)
    tenant.absent_before = absent_before
    tenant.buckets["data"]["absent_before"] = absent_before
    before = everything(minio, root, tenant.appid)
    with ThreadPoolExecutor(1) as pool:
        stop = []
        at_work = pool.submit(lambda: [s3.get_object(Bucket=tenant.bucket(), Key="theirs")
                                       for _ in iter(lambda: not stop, False)])
        seen = shell.call(**tenant.request("observe"))
        assert (seen["rc"], seen["presence"], seen["reason"]) == ("OK", "foreign", "Foreign")
        assert seen["buckets"][0]["presence"] == "foreign"
        for verb, access, unlock in (("ensure", "full", False), ("ensure", "none", False),
                                     ("ensure", "fenced", True), ("remove", "none", False)):
            reply = shell.call(**tenant.request(verb, access=access, unlock=unlock))
            assert (reply["rc"], reply["presence"]) == ("FOREIGN", "foreign")
            assert WRITES.isdisjoint(names(reply)), names(reply)
        stop.append(True)
        at_work.result()
    assert everything(minio, root, tenant.appid) == before


def test_foreign_disabled_user_is_not_touched(shell, minio, root, tenant):
    foreign_tenant(minio, root, tenant)
    minio.admin().user_disable(tenant.appid)
    before = everything(minio, root, tenant.appid)
    reply = shell.call(**tenant.request("ensure", unlock=True))
    assert (reply["rc"], reply["presence"]) == ("FOREIGN", "foreign")
    assert everything(minio, root, tenant.appid) == before


def test_names_of_root_service_accounts_and_ourselves(shell, minio, tmp_path):
    own = "t" + new_secret(4)
    files = tmp_path / "own.user", tmp_path / "own.secret"
    write_secret(files[0], own)
    write_secret(files[1], secret())
    minio.admin().user_add(own, files[1].read_text())
    minio.admin().attach_policy(["tenantd-admin"], user=own)
    account = "s" + new_secret(6)
    assert minio.admin_call("PUT", "add-service-account", None, {
        "policy": None, "targetUser": own, "accessKey": account, "secretKey": secret(),
        "name": "x", "description": "x"}, sealed=True).ok
    with Shell(minio, files=files) as us:
        for name in (minio.root_user, account, own):
            tenant = Tenant()
            tenant.appid = tenant.keys["parent"] = name
            seen = us.call(**tenant.request("observe", keep="", buckets=[]))
            assert (seen["rc"], seen["presence"]) == ("OK", "foreign"), name
            for verb in ("ensure", "remove"):
                reply = us.call(**tenant.request(verb))
                if name == minio.root_user and verb == "remove":
                    # It looks absent, and is not asked to be removed.
                    assert reply["rc"] == "OK"
                else:
                    assert (reply["rc"], reply["presence"]) == ("FOREIGN", "foreign"), name
                assert WRITES.isdisjoint(names(reply)), names(reply)
        assert us.call(verb="probe")["rc"] == "OK"
    assert minio.user_info(own)["policyName"] == "tenantd-admin"
    assert code_of(lambda: minio.client().list_buckets()) == ""


@pytest.mark.parametrize("state", ["in use", "empty", "of another instance", "of another app"])
def test_foreign_bucket_among_ours(shell, minio, root, state):
    tenant = Tenant(buckets=("data", "taken"))
    name = tenant.bucket("taken")
    root.create_bucket(Bucket=name)
    tags = {"of another instance": {"tenantd-instance": OTHER_INSTANCE,
                                    "tenantd-appid": tenant.appid},
            "of another app": {"tenantd-instance": INSTANCE, "tenantd-appid": "abcdef"}}
    if state in tags:
        root.put_bucket_tagging(Bucket=name, Tagging={
            "TagSet": [{"Key": k, "Value": v} for k, v in tags[state].items()]})
    if state == "in use":
        root.put_object(Bucket=name, Key="theirs", Body=b"x")
    # Only the crash between creating and tagging explains an empty one.
    tenant.buckets["taken"].update(absent_before=state != "empty", mode="readwrite",
                                   quota=100)
    before = everything(minio, root, tenant.appid)[2][name]
    reply = shell.call(**tenant.request("ensure"))
    assert reply["rc"] == "OK"
    assert [(b["rc"], b["presence"]) for b in reply["buckets"]] == [
        ("OK", "ours"), ("FOREIGN", "foreign")]
    assert everything(minio, root, tenant.appid)[2][name] == before
    tenant.recorded()
    tenant.buckets["taken"].update(claimed=False)
    gone = shell.call(**tenant.request("remove", access="none"))
    assert (gone["rc"], gone["presence"], gone["more"]) == ("OK", "absent", False)
    assert everything(minio, root, tenant.appid) == (None, {}, {name: before})


def test_bucket_that_a_crash_left_untagged_is_ours(shell, minio, root, tenant):
    root.create_bucket(Bucket=tenant.bucket())
    made = ok(shell.call(**tenant.request("ensure")))
    assert made["buckets"][0]["presence"] == "ours"
    assert tenant.works(minio) == ""


def test_tags_of_others_stay(shell, root, live):
    root.put_bucket_tagging(Bucket=live.bucket(), Tagging={
        "TagSet": [{"Key": "cost centre", "Value": "a+b=c/@"}]})
    seen = shell.call(**live.request("observe"))
    assert (seen["rc"], seen["drifted"], seen["reason"]) == ("OK", True, "BucketMarkMissing")
    assert seen["buckets"][0]["rc"] == "CONFLICT"
    fixed = ok(shell.call(**live.request("ensure")))
    assert (fixed["drifted"], fixed["reason"]) == (True, "BucketMarkMissing")
    tags = root.get_bucket_tagging(Bucket=live.bucket())["TagSet"]
    assert {t["Key"]: t["Value"] for t in tags} == {
        "cost centre": "a+b=c/@", "tenantd-instance": INSTANCE, "tenantd-appid": live.appid}
    settled(shell, live)


def test_not_known_to_be_absent(shell, minio, tenant):
    tenant.absent_before = False
    reply = shell.call(**tenant.request("ensure"))
    assert reply["rc"] == "INVALID"
    assert minio.user_info(tenant.appid) is None


def test_access_key_that_is_taken(shell, minio, live, tenant):
    other = Tenant()
    other.keys["a"] = live.keys["a"]
    reply = shell.call(**other.request("ensure"))
    assert reply["rc"] == "FOREIGN"
    assert live.works(minio) == ""
    assert account_info(minio, live.keys["a"])["parentUser"] == live.appid


# Drift


def delete_account(minio, live):
    assert minio.admin_call("DELETE", "delete-service-account",
                            {"accessKey": live.keys["a"]}).ok


def other_account_secret(minio, live):
    policy = json.loads(account_info(minio, live.keys["a"])["policy"])
    assert minio.admin_call("POST", "update-service-account", {"accessKey": live.keys["a"]},
                            {"newPolicy": policy, "newSecretKey": secret()}, sealed=True).ok


def unrestricted_account(minio, live):
    """What a mere rename with some tools does."""
    assert minio.admin_call("POST", "update-service-account", {"accessKey": live.keys["a"]},
                            {"newName": "renamed"}, sealed=True).ok
    assert account_info(minio, live.keys["a"])["impliedPolicy"] is True


def other_parent_secret(minio, live):
    minio.admin().user_add(live.appid, secret())


def other_policy(minio, live):
    minio.admin().policy_add("wide", policy={"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]}]})
    assert minio.admin_call("PUT", "set-user-or-group-policy", {
        "policyName": "wide", "userOrGroup": live.appid, "isGroup": "false"}).ok


def no_policy(minio, live):
    assert minio.admin_call("PUT", "set-user-or-group-policy", {
        "policyName": "", "userOrGroup": live.appid, "isGroup": "false"}).ok


def user_removed(minio, live):
    minio.admin().user_remove(live.appid)


def bucket_removed(minio, live):
    minio.client().delete_bucket(Bucket=live.bucket())


def bucket_published(minio, live):
    minio.client().put_bucket_policy(Bucket=live.bucket(), Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject"],
            "Resource": [f"arn:aws:s3:::{live.bucket()}/*"]}]}))


def quota_lifted(minio, live):
    assert minio.admin_call("PUT", "set-bucket-quota", {"bucket": live.bucket()},
                            {"quota": 7, "size": 7, "quotatype": "hard"}).ok


@pytest.mark.parametrize("reason,break_it", [
    ("ServiceAccountMissing", delete_account),
    ("ServiceAccountChanged", other_account_secret),
    ("ServiceAccountChanged", unrestricted_account),
    ("ParentSecretChanged", other_parent_secret),
    ("PolicyChanged", other_policy), ("PolicyChanged", no_policy),
    ("UserMissing", user_removed), ("BucketMissing", bucket_removed),
    ("BucketPolicyChanged", bucket_published), ("BucketQuotaChanged", quota_lifted)])
def test_drift_is_told_and_mended(shell, minio, live, reason, break_it):
    break_it(minio, live)
    seen = shell.call(**live.request("observe"))
    assert (seen["rc"], seen["drifted"], seen["reason"]) == ("OK", True, reason), seen
    mended = ok(shell.call(**live.request("ensure")))
    assert mended["presence"] == "ours"
    if reason not in ("BucketPolicyChanged", "BucketQuotaChanged"):
        assert (mended["drifted"], mended["reason"]) == (True, reason)
    assert live.works(minio) == ""
    assert minio.client(live.appid, live.secrets["parent"]).list_buckets()
    settled(shell, live)


def test_policy_removed_behind_our_back(minio, live, shell):
    """The process believes that the policy is there."""
    other = Tenant()
    name = minio.user_info(live.appid)["policyName"]
    for user in minio.users():
        info = minio.user_info(user)
        if info and info.get("policyName") == name:
            minio.admin().user_remove(user)
    minio.admin().policy_remove(name)
    make(shell, other)
    assert other.works(minio) == ""


def test_disabled_user_is_not_enabled(shell, minio, root, live):
    minio.admin().user_disable(live.appid)
    before = everything(minio, root, live.appid)
    for verb, access in (("observe", "full"), ("ensure", "full"), ("ensure", "fenced")):
        reply = ok(shell.call(**live.request(verb, access=access)))
        assert (reply["presence"], reply["drifted"], reply["reason"]) == \
            ("ours", True, "UserDisabled")
        assert WRITES.isdisjoint(names(reply))
    assert everything(minio, root, live.appid) == before
    ok(shell.call(**live.request("ensure", unlock=True)))
    assert live.works(minio) == ""


def test_account_switched_off_is_not_switched_on(shell, minio, live):
    policy = json.loads(account_info(minio, live.keys["a"])["policy"])
    assert minio.admin_call("POST", "update-service-account", {"accessKey": live.keys["a"]},
                            {"newPolicy": policy, "newStatus": "off"}, sealed=True).ok
    reply = ok(shell.call(**live.request("ensure")))
    assert (reply["drifted"], reply["reason"]) == (True, "ServiceAccountChanged")
    assert live.works(minio) != ""


def test_group_membership_is_told(shell, minio, live):
    assert minio.admin_call("PUT", "update-group-members", None, {
        "group": "somegroup", "members": [live.appid], "groupStatus": "enabled",
        "isRemove": False}).ok
    seen = ok(shell.call(**live.request("observe")))
    assert (seen["drifted"], seen["reason"]) == (True, "GroupMember")


# Slots


def test_rotation(shell, minio, live):
    ok(shell.call(**live.request("ensure", keep="ab")))
    live.recorded("b")
    assert (live.works(minio, "a"), live.works(minio, "b")) == ("", "")
    ok(shell.call(**live.request("ensure", keep="b", retire="a")))
    assert live.works(minio, "a") == "InvalidAccessKeyId"
    assert live.works(minio, "b") == ""
    assert set(accounts(minio, live.appid)) == {live.keys["b"]}
    again = ok(shell.call(**live.request("ensure", keep="b", retire="a")))
    assert WRITES.isdisjoint(names(again))


def test_retiring_spares_a_key_of_somebody_else(shell, minio, live):
    other = make(shell, Tenant())
    live.keys["b"] = other.keys["a"]
    reply = ok(shell.call(**live.request("ensure", retire="b")))
    assert "delete-service-account" not in names(reply)
    assert other.works(minio) == ""


def test_parent_cannot_be_retired(shell, minio, live):
    reply = shell.call(**live.request("ensure", keep="a", retire=["parent"]))
    assert reply["rc"] == "UNPROCESSABLE"
    assert live.works(minio) == ""


# Fence, suspend, resume


def anonymous(minio, tenant, name="data"):
    url = f"{minio.endpoint}/{tenant.bucket(name)}"
    return {"get": requests.get(url + "/k", timeout=5).status_code,
            "list": requests.get(url, timeout=5).status_code,
            "put": requests.put(url + "/anon", data=b"x", timeout=5).status_code,
            "delete": requests.delete(url + "/gone", timeout=5).status_code}


@pytest.mark.parametrize("template", ["tenantd_owner", "laf_owner_by_prefix"])
def test_fence(shell, minio, template):
    tenant = Tenant(template)
    tenant.buckets["data"]["mode"] = "readwrite"
    make(shell, tenant)
    assert tenant.works(minio) == ""
    ok(shell.call(**tenant.request("ensure", access="fenced")))
    s3, bucket = tenant.client(minio), tenant.bucket()
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="n", Body=b"x")) == "AccessDenied"
    assert code_of(lambda: s3.create_multipart_upload(Bucket=bucket, Key="n")) == \
        "AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert anonymous(minio, tenant) == {"get": 200, "list": 200, "put": 403, "delete": 204}
    s3.delete_object(Bucket=bucket, Key="k")
    settled(shell, tenant, access="fenced")
    ok(shell.call(**tenant.request("ensure")))
    assert tenant.works(minio) == ""
    assert anonymous(minio, tenant) == {"get": 200, "list": 200, "put": 200, "delete": 204}
    settled(shell, tenant)


def test_suspend_reaches_everything(shell, plain, minio):
    tenant = Tenant(buckets=("data", "public"))
    tenant.buckets["data"]["mode"] = "readonly"
    tenant.buckets["public"]["mode"] = "readwrite"
    make(shell, tenant)
    ok(shell.call(**tenant.request("ensure", keep="ab")))
    tenant.recorded("ab")
    assert tenant.works(minio) == tenant.works(minio, name="public") == ""
    s3, bucket = tenant.client(minio), tenant.bucket()
    temporary = sts_client(minio, plain, tenant)
    get = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "p"})
    form = s3.generate_presigned_post(bucket, "f")

    def post():
        return requests.post(form["url"], data=form["fields"], files={"file": b"x"},
                             timeout=5).status_code

    def everything_works():
        return (requests.get(get, timeout=5).status_code,
                requests.put(put, data=b"x", timeout=5).status_code, post(),
                tenant.works(minio, "a"), tenant.works(minio, "b"),
                anonymous(minio, tenant)["get"], anonymous(minio, tenant, "public")["put"])
    assert everything_works() == (200, 200, 204, "", "", 200, 200)
    temporary.get_object(Bucket=bucket, Key="k")

    ok(shell.call(**tenant.request("ensure", access="none", keep="ab")))
    assert everything_works() == (403, 403, 403, "AccessDenied", "AccessDenied", 403, 403)
    dead = code_of(lambda: temporary.get_object(Bucket=bucket, Key="k"))
    assert dead in ("AccessDenied", "InvalidAccessKeyId", "InvalidTokenId")
    parent = minio.client(tenant.appid, tenant.secrets["parent"])
    assert code_of(parent.list_buckets) == "InvalidAccessKeyId"
    settled(shell, tenant, access="none", keep="ab")
    again = ok(shell.call(**tenant.request("ensure", access="none", keep="ab")))
    assert not again["drifted"]

    ok(shell.call(**tenant.request("ensure", keep="ab", unlock=True)))
    assert everything_works() == (200, 200, 204, "", "", 200, 200)
    assert code_of(lambda: temporary.get_object(Bucket=bucket, Key="k")) != ""
    settled(shell, tenant, keep="ab")


def test_suspend_before_it_was_made(shell, minio, tenant):
    made = ok(shell.call(**tenant.request("ensure", access="none")))
    assert made["presence"] == "ours"
    tenant.recorded()
    assert minio.user_info(tenant.appid)["status"] == "disabled"
    assert tenant.works(minio) == "AccessDenied"
    ok(shell.call(**tenant.request("ensure", unlock=True)))
    assert tenant.works(minio) == ""


def test_suspend_after_somebody_disabled_it(shell, minio, live):
    """Its policy cannot be changed then; enabling it again would give it all its rights."""
    minio.admin().user_disable(live.appid)
    ok(shell.call(**live.request("ensure", access="none")))
    settled(shell, live, access="none")
    resumed = ok(shell.call(**live.request("ensure", access="fenced", unlock=True)))
    assert "remove-user" in names(resumed)
    assert names(resumed).index("add-user") < \
        names(resumed).index("set-user-or-group-policy")
    assert "set-user-status" not in names(resumed)
    assert live.works(minio) == "AccessDenied"
    settled(shell, live, access="fenced")
    ok(shell.call(**live.request("ensure")))
    assert live.works(minio) == ""


def test_enabled_behind_our_back(shell, minio, live):
    ok(shell.call(**live.request("ensure", access="none")))
    minio.admin().user_enable(live.appid)
    assert live.works(minio) == "AccessDenied"  # the policy denies still
    seen = ok(shell.call(**live.request("observe", access="none")))
    assert (seen["drifted"], seen["reason"]) == (True, "UserEnabled")
    ok(shell.call(**live.request("ensure", access="none")))
    assert minio.user_info(live.appid)["status"] == "disabled"


# Temporary keys, usage


def test_session_policy(shell, minio, live):
    narrow = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": ["s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{live.bucket()}/only/*"]}]})
    live.client(minio).put_object(Bucket=live.bucket(), Key="only/a", Body=b"x")
    live.client(minio).put_object(Bucket=live.bucket(), Key="b", Body=b"x")
    keys = ok(shell.call(verb="assume", key=live.appid, secret=live.secrets["parent"],
                         policy=narrow))
    assert abs(keys["expires_ms"] / 1000 - time.time() - 900) < 60
    s3 = boto3.client("s3", endpoint_url=minio.endpoint, region_name=minio.region,
                      aws_access_key_id=keys["key"], aws_secret_access_key=keys["secret"],
                      aws_session_token=keys["token"],
                      config=Config(s3={"addressing_style": "path"}))
    assert s3.get_object(Bucket=live.bucket(), Key="only/a")["Body"].read() == b"x"
    assert code_of(lambda: s3.get_object(Bucket=live.bucket(), Key="b")) == "AccessDenied"
    too_long = shell.call(verb="assume", key=live.appid, secret=live.secrets["parent"],
                          policy=narrow + " " * 2048)
    assert (too_long["rc"], too_long["calls"]) == ("TOO_LARGE", [])
    account = shell.call(verb="assume", key=live.keys["a"], secret=live.secrets["a"])
    assert account["rc"] == "BACKEND_REFUSED"


def test_usage(shell, minio, live):
    live.client(minio).put_object(Bucket=live.bucket(), Key="k", Body=b"x" * 1000)

    def counted():
        usage = ok(shell.call(verb="usage"))
        return usage["usage"].get(live.bucket(), {}).get("bytes") == 1000 and usage
    usage = wait_until(counted, 60, "the scanner has counted")
    assert usage["usage"][live.bucket()]["objects"] == 1
    assert abs(usage["scanned_ms"] / 1000 - time.time()) < 120
