"""The MinIO driver alone, against a real MinIO, as tenantd's own restricted user, with
tenants at work with real clients. The driver runs in build/.../minio_driver_shell."""
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore.exceptions
import pytest
import requests
from botocore.config import Config

from tests.testbed import parts
from tests.testbed.bed import new_appid
from tests.testbed.fault_proxy import FaultProxy
from tests.testbed.minio_server import Minio
from tests.testbed.process import (new_secret, note_secret, reserve_port, wait_until,
                                   write_secret)

INSTANCE = "0123456789abcdef0123456789abcdef"
OTHER_INSTANCE = "fedcba9876543210fedcba9876543210"
WRITES = {"add-user", "remove-user", "set-user-status", "set-user-or-group-policy",
          "add-service-account", "update-service-account", "delete-service-account",
          "revoke-tokens", "set-bucket-quota", "create-bucket", "delete-bucket",
          "put-bucket-policy", "delete-bucket-policy", "put-bucket-tagging",
          "delete-objects", "abort-upload"}
SECRETS = set()


def secret():
    value = new_secret()
    SECRETS.add(value)
    note_secret("minio driver", value)
    return value


class Shell:
    """One process with one driver."""

    def __init__(self, minio, endpoints=None, instance=INSTANCE, die_after=0, files=None,
                 next_files=None, policies=None):
        files = files or (minio.admin_user_file, minio.admin_secret_file)
        argv = [parts.build_dir() / "minio_driver_shell", "--access-key-file", files[0],
                "--secret-key-file", files[1], "--instance", instance,
                "--policies", policies or parts.ROOT / "policies"]
        for endpoint in endpoints or [minio.endpoint]:
            argv += ["--endpoint", endpoint]
        if die_after:
            argv += ["--die-after", die_after]
        if next_files:
            argv += ["--next-access-key-file", next_files[0],
                     "--next-secret-key-file", next_files[1]]
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)

    def send(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def receive(self):
        """The reply, or None when the process died."""
        line = self.process.stdout.readline()
        assert not any(s in line for s in SECRETS), "a secret in a reply"
        return json.loads(line) if line else None

    def call(self, **request):
        self.send(request)
        return self.receive()

    def parallel(self, wanted):
        return self.call(parallel=wanted)

    def close(self):
        """Ends it; what it printed besides replies, which must be nothing."""
        self.process.stdin.close()
        rest, errors = self.process.stdout.read(), self.process.stderr.read()
        self.status = self.process.wait(30)
        return rest + errors

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        noise = self.close()
        if exc[0] is None:
            assert noise == ""
            assert self.status == 0


class Tenant:
    """What the engine would know about one tenant, and requests made of it."""

    def __init__(self, template="tenantd_owner", buckets=("data",)):
        self.appid = new_appid()
        self.template = template
        self.keys = {"parent": self.appid, "a": self.random_key(), "b": self.random_key()}
        self.secrets = {slot: secret() for slot in self.keys}
        self.claimed, self.absent_before = False, True
        self.fresh = {"a": True, "b": True, "parent": False}
        self.buckets = {name: {"name": name, "mode": "private", "quota": 0,
                               "absent_before": True} for name in buckets}

    @staticmethod
    def random_key():
        return new_secret(10).upper()

    def request(self, verb, access="full", keep="a", retire="", buckets=None, **more):
        slots = [{"id": s, "want": want, "key": self.keys[s], "secret": self.secrets[s],
                  "fresh": self.fresh[s]}
                 for want, names in (("keep", ["parent", *keep]), ("retire", retire))
                 for s in names]
        chosen = self.buckets if buckets is None else buckets
        return {"verb": verb, "appid": self.appid, "access": access,
                "claimed": self.claimed, "absent_before": self.absent_before,
                "template": self.template, "slots": slots,
                "buckets": [self.buckets[b] for b in chosen], **more}

    def recorded(self, slots="a"):
        self.claimed, self.absent_before = True, False
        for slot in slots:
            self.fresh[slot] = False
        for bucket in self.buckets.values():
            bucket.update(claimed=True, absent_before=False)

    def bucket(self, name="data"):
        return f"{self.appid}-{name}"

    def client(self, minio, slot="a"):
        return minio.client(self.keys[slot], self.secrets[slot])

    def works(self, minio, slot="a", name="data"):
        """"" or the error code of a put and a get."""
        s3 = self.client(minio, slot)
        return code_of(lambda: (s3.put_object(Bucket=self.bucket(name), Key="k", Body=b"x"),
                                s3.get_object(Bucket=self.bucket(name), Key="k")))


def code_of(call):
    try:
        call()
        return ""
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def ok(reply):
    assert reply is not None, "the driver's process died"
    assert reply["rc"] == "OK", reply
    assert all(b["rc"] == "OK" for b in reply.get("buckets", [])), reply
    return reply


def names(reply):
    return [name for name, _ in reply["calls"]]


@pytest.fixture(scope="module")
def minio(run_dir):
    with Minio(run_dir / "minio_driver") as server:
        yield server


@pytest.fixture(scope="module")
def root(minio):
    return minio.client()


@pytest.fixture
def shell(minio):
    with Shell(minio) as it:
        yield it


@pytest.fixture
def tenant():
    return Tenant()


def make(shell, tenant):
    ok(shell.call(**tenant.request("ensure")))
    tenant.recorded()
    return tenant


@pytest.fixture
def live(shell, tenant):
    """A tenant that is made and recorded."""
    return make(shell, tenant)


def accounts(minio, user):
    reply = minio.admin_call("GET", "list-service-accounts", {"user": user})
    if reply.status_code == 404:
        return {}
    return {a["accessKey"]: a for a in minio.open_sealed(reply)["accounts"] or []}


def account_info(minio, key):
    reply = minio.admin_call("GET", "info-service-account", {"accessKey": key})
    return minio.open_sealed(reply) if reply.ok else None


def policy_of(root, bucket):
    try:
        return json.loads(root.get_bucket_policy(Bucket=bucket)["Policy"])
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def everything(minio, root, appid):
    """All that the server knows of a name, to compare before and after."""
    buckets = {}
    for name in sorted(b for b in minio.buckets() if b.startswith(appid + "-")):
        try:
            tags = root.get_bucket_tagging(Bucket=name)["TagSet"]
        except botocore.exceptions.ClientError:
            tags = []
        versions = root.list_object_versions(Bucket=name)
        quota = minio.admin_call("GET", "get-bucket-quota", {"bucket": name}).json()
        buckets[name] = (policy_of(root, name), tags, quota,
                         [(v["Key"], v["VersionId"]) for v in versions.get("Versions", [])])
    return minio.user_info(appid), accounts(minio, appid), buckets


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


def settled(shell, tenant, access="full", **more):
    seen = ok(shell.call(**tenant.request("observe", access=access, **more)))
    assert (seen["presence"], seen["drifted"]) == ("ours", False), seen
    assert WRITES.isdisjoint(names(seen))
    return seen


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
        seen = ok(shell.call(**live.request("observe")))
        assert seen["drifted"]
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
    seen = ok(shell.call(**live.request("observe")))
    assert (seen["drifted"], seen["reason"]) == (True, "BucketMarkMissing")
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


# Crashes: whatever the last request that was carried out, the same call again converges.


def crash_everywhere(minio, prepare, request, check, template="tenantd_owner"):
    """Run request() in a process that dies after its N-th backend request, for every N, and
    then again in one that does not."""
    tenant = Tenant(template)
    with Shell(minio) as shell:
        prepare(shell, tenant)
    with Shell(minio) as shell:
        total = len(ok(shell.call(**request(tenant)))["calls"])
    assert total > 3
    deaths = 0
    for n in range(1, total + 1):
        tenant = Tenant(template)
        with Shell(minio) as shell:
            prepare(shell, tenant)
            dying = Shell(minio, die_after=n)
            deaths += dying.call(**request(tenant)) is None
            dying.close()
            assert dying.status == -9
            check(shell, tenant, ok(shell.call(**request(tenant))))
    assert deaths == total


def test_crash_while_making(minio, root):
    def check(shell, tenant, reply):
        assert (reply["presence"], reply["drifted"]) == ("ours", False)
        assert set(accounts(minio, tenant.appid)) == {tenant.keys["a"]}
        assert tenant.works(minio) == ""
        tenant.recorded()
        settled(shell, tenant)
    crash_everywhere(minio, lambda shell, tenant: None,
                     lambda tenant: tenant.request("ensure"), check)


def test_crash_while_fencing(minio):
    def check(shell, tenant, reply):
        assert tenant.works(minio) == "AccessDenied"
        settled(shell, tenant, access="fenced")
    crash_everywhere(minio, make, lambda tenant: tenant.request("ensure", access="fenced"),
                     check)


def test_crash_while_suspending(minio):
    def check(shell, tenant, reply):
        assert minio.user_info(tenant.appid)["status"] == "disabled"
        assert tenant.works(minio) == "AccessDenied"
        settled(shell, tenant, access="none")
        ok(shell.call(**tenant.request("ensure", unlock=True)))
        assert tenant.works(minio) == ""
    crash_everywhere(minio, make, lambda tenant: tenant.request("ensure", access="none"),
                     check)


def suspend(shell, tenant):
    make(shell, tenant)
    ok(shell.call(**tenant.request("ensure", access="none")))


def test_crash_while_resuming(minio):
    def check(shell, tenant, reply):
        assert tenant.works(minio) == ""
        settled(shell, tenant)
    crash_everywhere(minio, suspend, lambda tenant: tenant.request("ensure", unlock=True),
                     check)


def test_crash_while_removing(minio):
    def prepare(shell, tenant):
        make(shell, tenant)
        assert tenant.works(minio) == ""

    def check(shell, tenant, reply):
        assert (reply["presence"], reply["more"]) == ("absent", False)
        assert minio.user_info(tenant.appid) is None
        assert tenant.bucket() not in minio.buckets()
        assert tenant.works(minio) == "InvalidAccessKeyId"
    crash_everywhere(minio, prepare, lambda tenant: tenant.request("remove", access="none"),
                     check)


def test_crash_while_changing_the_template(minio):
    def other(tenant):
        tenant.template = "laf_owner_by_prefix"
        return tenant.request("ensure")

    def check(shell, tenant, reply):
        policy = minio.user_info(tenant.appid)["policyName"]
        assert policy.startswith("laf_owner_by_prefix-")
        assert "s3:GetBucketPolicy" in account_info(minio, tenant.keys["a"])["policy"]
        assert not reply["drifted"]
        settled(shell, tenant)
    crash_everywhere(minio, make, other, check)


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


def sts_client(minio, shell, tenant):
    keys = ok(shell.call(verb="assume", key=tenant.appid, secret=tenant.secrets["parent"]))
    return boto3.client("s3", endpoint_url=minio.endpoint, region_name=minio.region,
                        aws_access_key_id=keys["key"], aws_secret_access_key=keys["secret"],
                        aws_session_token=keys["token"],
                        config=Config(s3={"addressing_style": "path"},
                                      retries={"total_max_attempts": 1}))


@pytest.fixture
def plain(minio):
    """A shell that may answer with the temporary keys asked for."""
    with Shell(minio) as it:
        yield it


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


# Removing


def test_remove_with_everything_in_it(shell, plain, minio, root, live):
    s3, bucket = live.client(minio), live.bucket()
    root.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for i in range(20):
        s3.put_object(Bucket=bucket, Key=f"k{i % 5}", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k1")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="dir/ü &+%")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="dir/ü &+%", UploadId=upload, PartNumber=1, Body=b"x")
    by_hand = new_secret(10)
    assert minio.admin_call("PUT", "add-service-account", None, {
        "policy": None, "targetUser": live.appid, "accessKey": by_hand,
        "secretKey": live.secrets["a"], "name": "x", "description": "x"}, sealed=True).ok
    temporary = sts_client(minio, plain, live)
    temporary.list_objects_v2(Bucket=bucket)

    gone = ok(shell.call(**live.request("remove", access="none")))
    assert (gone["presence"], gone["more"]) == ("absent", False)
    assert "abort-upload" in names(gone)
    assert everything(minio, root, live.appid) == (None, {}, {})
    assert live.works(minio) == "InvalidAccessKeyId"
    assert code_of(minio.client(by_hand, live.secrets["a"]).list_buckets) == \
        "InvalidAccessKeyId"
    assert code_of(temporary.list_buckets) != ""
    again = ok(shell.call(**live.request("remove", access="none")))
    assert (again["presence"], again["more"]) == ("absent", False)
    # Whoever gets the name next does not wake up old temporary keys.
    minio.admin().user_add(live.appid, secret())
    assert minio.admin_call("PUT", "set-user-or-group-policy", {
        "policyName": "readwrite", "userOrGroup": live.appid, "isGroup": "false"}).ok
    assert code_of(temporary.list_buckets) != ""
    minio.admin().user_remove(live.appid)


def locked_bucket(minio, root, tenant, name, keep):
    """As somebody with other rights might have made it."""
    bucket = tenant.bucket(name)
    root.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    root.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [
        {"Key": "tenantd-instance", "Value": INSTANCE},
        {"Key": "tenantd-appid", "Value": tenant.appid}]})
    tenant.buckets[name] = {"name": name, "mode": "private", "quota": 0, "claimed": True}
    for i in range(1100):
        root.put_object(Bucket=bucket, Key=f"dir {i % 7}/ü&<{i}>", Body=b"")
    root.delete_object(Bucket=bucket, Key="dir 0/ü&<0>")
    if keep:
        root.put_object(Bucket=bucket, Key="kept", Body=b"x", ObjectLockMode="GOVERNANCE",
                        ObjectLockRetainUntilDate=time.time() + 3600)


def test_remove_where_force_is_refused(shell, minio, root, live):
    locked_bucket(minio, root, live, "locked", keep=False)
    gone = ok(shell.call(**live.request("remove", access="none")))
    assert (gone["presence"], gone["more"], gone["progress"]) == ("absent", False, 1101)
    assert names(gone).count("delete-objects") == 2
    assert live.bucket("locked") not in minio.buckets()


def test_remove_in_slices(shell, minio, root, live):
    """Little time: it says so and goes on in the next call."""
    locked_bucket(minio, root, live, "locked", keep=False)
    first = shell.call(**live.request("remove", access="none", deadline_ms=2050))
    assert (first["rc"], first["more"], first["presence"]) == ("OK", True, "ours")
    assert minio.user_info(live.appid)["status"] == "disabled"
    gone = ok(shell.call(**live.request("remove", access="none")))
    assert (gone["presence"], gone["more"]) == ("absent", False)


def test_remove_with_object_lock(shell, minio, root, live):
    locked_bucket(minio, root, live, "locked", keep=True)
    reply = shell.call(**live.request("remove", access="none"))
    assert (reply["rc"], reply["reason"]) == ("BACKEND_REFUSED", "ObjectLock")
    assert live.bucket() not in minio.buckets()
    versions = root.list_object_versions(Bucket=live.bucket("locked"))["Versions"]
    assert [v["Key"] for v in versions] == ["kept"]
    assert live.works(minio) == "AccessDenied"
    root.delete_object(Bucket=live.bucket("locked"), Key="kept",
                       VersionId=versions[0]["VersionId"], BypassGovernanceRetention=True)
    gone = ok(shell.call(**live.request("remove", access="none")))
    assert (gone["presence"], gone["more"]) == ("absent", False)


def test_remove_one_bucket(shell, minio, root):
    tenant = make(shell, Tenant(buckets=("data", "full", "empty")))
    assert tenant.works(minio) == tenant.works(minio, name="full") == ""
    for name in ("full", "empty"):
        tenant.buckets[name].update(remove=True, only_if_empty=True)
    reply = shell.call(**tenant.request("ensure"))
    assert reply["rc"] == "OK"
    assert [(b["name"], b["rc"], b["presence"] == "absent") for b in reply["buckets"]] == [
        ("data", "OK", False), ("full", "BUCKET_NOT_EMPTY", False), ("empty", "OK", True)]
    assert root.list_objects_v2(Bucket=tenant.bucket("full"))["KeyCount"] == 1
    tenant.buckets["full"].update(only_if_empty=False)
    ok(shell.call(**tenant.request("ensure", buckets=["full"])))
    assert {b for b in minio.buckets() if b.startswith(tenant.appid)} == {tenant.bucket()}
    assert tenant.works(minio) == ""
    again = ok(shell.call(**tenant.request("ensure", buckets=["full", "empty"])))
    assert WRITES.isdisjoint(names(again))


def test_remove_what_was_never_made(shell, minio, tenant):
    gone = ok(shell.call(**tenant.request("remove", access="none")))
    assert (gone["presence"], gone["more"]) == ("absent", False)
    assert WRITES.isdisjoint(names(gone))


def test_remove_half_made(shell, minio, root, tenant):
    """The intent was recorded, the crash came after the backend had done it."""
    ok(shell.call(**tenant.request("ensure")))
    gone = ok(shell.call(**tenant.request("remove", access="none")))
    assert gone["presence"] == "absent"
    assert everything(minio, root, tenant.appid) == (None, {}, {})


# Members, faults, own keys


@pytest.fixture
def proxy(run_dir, minio):
    server = FaultProxy(run_dir / f"toxiproxy-minio-driver-{new_secret(3)}")
    server.start()
    yield server.proxy("minio", minio.address)
    server.stop()


def test_every_member_is_told(minio, proxy, tenant):
    with Shell(minio, endpoints=[minio.endpoint, f"http://{proxy.address}"]) as shell:
        make(shell, tenant)
        done = ok(shell.call(**tenant.request("ensure", access="none")))
        assert names(done).count("revoke-tokens") == 2
        assert names(done).count("set-user-status") == 2
        proxy.cut()
        # What was cut off stays cut off, but not all could be told.
        reply = shell.call(**tenant.request("ensure", access="none"))
        assert reply["rc"] == "UNREACHABLE"
        proxy.heal()
        ok(shell.call(**tenant.request("ensure", access="none")))


def test_dead_member(minio, tenant):
    dead = f"http://127.0.0.1:{reserve_port()}"
    with Shell(minio, endpoints=[dead, minio.endpoint]) as shell:
        began = time.monotonic()
        make(shell, tenant)
        assert time.monotonic() - began < 5
        assert tenant.works(minio) == ""
        # The member that answers is asked first from now on.
        seen = settled(shell, tenant)
        assert 0 not in [status for _, status in seen["calls"]]
        cut = shell.call(**tenant.request("ensure", access="none"))
        assert cut["rc"] == "UNREACHABLE"
        assert tenant.works(minio) == "AccessDenied"
    with Shell(minio, endpoints=[dead]) as shell:
        began = time.monotonic()
        reply = shell.call(**tenant.request("observe"))
        assert (reply["rc"], reply["presence"]) == ("UNREACHABLE", "unknown")
        assert time.monotonic() - began < 5


def test_silence_is_bounded_by_the_deadline(minio, proxy, tenant):
    with Shell(minio, endpoints=[f"http://{proxy.address}"]) as shell:
        make(shell, tenant)
        proxy.swallow_replies()
        for verb in ("observe", "ensure", "remove", "probe"):
            began = time.monotonic()
            reply = shell.call(**tenant.request(verb, deadline_ms=1500))
            assert reply["rc"] == "TIMEOUT"
            assert 1.4 < time.monotonic() - began < 2.5, verb
        proxy.heal()
        settled(shell, tenant)


def test_lost_replies_converge(minio, proxy):
    """Requests are carried out, their replies are cut."""
    for after in (40, 100, 300):
        tenant = Tenant()
        with Shell(minio, endpoints=[f"http://{proxy.address}"]) as shell:
            proxy.cut_reply_after(after)
            for _ in range(6):
                reply = shell.call(**tenant.request("ensure"))
                assert reply["rc"] in ("OK", "UNREACHABLE", "TIMEOUT"), reply
            proxy.heal()
            made = ok(shell.call(**tenant.request("ensure")))
            assert (made["presence"], made["drifted"]) == ("ours", False)
            tenant.recorded()
            settled(shell, tenant)
            assert tenant.works(minio) == ""
            assert set(accounts(minio, tenant.appid)) == {tenant.keys["a"]}


def own_identity(minio, folder, name):
    files = folder / f"{name}.user", folder / f"{name}.secret"
    write_secret(files[0], name)
    write_secret(files[1], secret())
    minio.admin().user_add(name, files[1].read_text())
    assert minio.admin_call("PUT", "set-user-or-group-policy", {
        "policyName": "tenantd-admin", "userOrGroup": name, "isGroup": "false"}).ok
    return files


def test_own_key_changes_without_a_restart(minio, tmp_path, tenant):
    files = own_identity(minio, tmp_path, "tenantd-one")
    with Shell(minio, files=files) as shell:
        make(shell, tenant)
        write_secret(files[1], secret())
        minio.admin().user_add("tenantd-one", files[1].read_text())
        refused = ok(shell.call(**tenant.request("observe")))
        assert [s for _, s in refused["calls"]].count(403) == 1
        settled(shell, tenant)
        # Many at once, while it changes again.
        write_secret(files[1], secret())
        minio.admin().user_add("tenantd-one", files[1].read_text())
        for reply in shell.parallel([tenant.request("observe")] * 16):
            ok(reply)


def test_the_next_key(minio, tmp_path, tenant):
    one = own_identity(minio, tmp_path, "tenantd-two")
    two = own_identity(minio, tmp_path, "tenantd-three")
    with Shell(minio, files=one, next_files=two) as shell:
        make(shell, tenant)
        minio.admin().user_disable("tenantd-two")
        settled(shell, tenant)
        minio.admin().user_disable("tenantd-three")
        began = time.monotonic()
        reply = shell.call(**tenant.request("observe"))
        assert reply["rc"] == "BACKEND_AUTH"
        assert shell.call(verb="probe")["rc"] == "BACKEND_AUTH"
        assert time.monotonic() - began < 5
        minio.admin().user_enable("tenantd-two")
        assert shell.call(verb="probe")["rc"] == "OK"
        settled(shell, tenant)


def test_own_key_files_that_are_unfit(minio, tmp_path):
    files = own_identity(minio, tmp_path, "tenantd-four")
    with Shell(minio, files=files) as shell:
        assert shell.call(verb="probe")["rc"] == "OK"
        files[1].chmod(0o644)
        probe = shell.call(verb="probe")
        assert probe["rc"] == "INVALID" and str(files[1]) in probe["detail"]
        files[1].chmod(0o400)
        assert shell.call(verb="probe")["rc"] == "OK"
    bad = Shell(minio, files=(tmp_path / "none", files[1]))
    assert str(tmp_path / "none") in bad.close()
    assert bad.status == 1


def test_probe(shell, minio):
    assert shell.call(verb="probe")["rc"] == "OK"
