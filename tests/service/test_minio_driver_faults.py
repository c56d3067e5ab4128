"""The MinIO driver when something goes wrong: a crash at every step, removal of what resists,
members that are dead, silent or cut off, own keys that change."""
import io
import tarfile
import time

import pytest

from tests.service.minio_driver_support import (  # noqa: F401 (fixtures)
    account_info, accounts, code_of, everything, INSTANCE, live, make, minio, names,
    ok, plain, root, secret, settled, Shell, shell, sts_client, Tenant, tenant, WRITES)
from tests.testbed.fault_proxy import FaultProxy
from tests.testbed.process import new_secret, reserve_port, write_secret


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
    # One upload that MinIO unpacks: a thousand puts would take much longer.
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for i in range(1099):
            tar.addfile(tarfile.TarInfo(f"dir {i % 7}/ü&<{i}>+%"))
    root.put_object(Bucket=bucket, Key="all.tar", Body=packed.getvalue(),
                    Metadata={"snowball-auto-extract": "true"})
    root.delete_object(Bucket=bucket, Key="dir 0/ü&<0>+%")
    if keep:
        root.put_object(Bucket=bucket, Key="kept", Body=b"x", ObjectLockMode="GOVERNANCE",
                        ObjectLockRetainUntilDate=time.time() + 3600)


def test_remove_where_force_is_refused(shell, minio, root, live):
    locked_bucket(minio, root, live, "locked", keep=False)
    gone = ok(shell.call(**live.request("remove", access="none")))
    assert (gone["presence"], gone["more"], gone["progress"]) == ("absent", False, 1100)
    assert names(gone).count("delete-objects") == 2
    assert live.bucket("locked") not in minio.buckets()


def test_remove_in_slices(shell, minio, root, live):
    """Little time: it says so and goes on in the next call."""
    locked_bucket(minio, root, live, "locked", keep=False)
    # 50 ms a call (the rest is the driver's reserve) never suffice for all. On a busy machine
    # the time may also be over before a slice began; asking again is what tenantd does then.
    replies = []
    while len(replies) < 50 and (not replies or replies[-1]["presence"] != "absent"):
        replies.append(shell.call(**live.request("remove", access="none", deadline_ms=2050)))
    cut = [r for r in replies if r["presence"] != "absent"]
    assert cut, "all of it went in one slice"
    for reply in cut:
        assert reply["rc"] == "TIMEOUT" or \
            (reply["rc"], reply["more"], reply["presence"]) == ("OK", True, "ours"), reply
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
