"""The deny map: tenantd writes it and tells the gateway, which then keeps a suspended tenant out
by itself, without asking MinIO."""
import subprocess
import time
import uuid

import pytest
import requests
from botocore.exceptions import ClientError

from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import StartError, wait_until

OBJECT = b"all may read this"


def line_of(gateway, headers):
    """The access log's line of an answer."""
    number = {k.lower(): v for k, v in headers.items()}["x-gateway-request-id"]

    def find():
        return next((line for line in gateway.requests() if line["request_id"] == number), None)
    return wait_until(find, 10, f"the log line of {number}")


class Tenant:
    """A tenant with a private bucket and one that everybody may read and write."""

    def __init__(self, daemon, appid):
        self.daemon, self.appid, self.gateway = daemon, appid, daemon.gateway
        self.api = clients.Api(daemon)
        self.api.create_tenant(appid, buckets=("data", ("open", "readwrite")))
        self.credentials = self.api.credentials(appid)
        self.public = f"{self.gateway.internal_endpoint}/{appid}-open/k"
        self.works()

    def anonymous(self, method="GET", **kwargs):
        return requests.request(method, self.public, timeout=10, **kwargs)

    def keyed(self):
        return clients.boto(self.credentials).put_object(
            Bucket=f"{self.appid}-data", Key="k", Body=b"v")

    def works(self):
        # Created is told a moment before nginx has taken over the deny map.
        wait_until(lambda: self.anonymous("PUT", data=OBJECT).status_code == 200, 30,
                   "the gateway lets the tenant in")
        reply = self.anonymous()
        assert reply.content == OBJECT and line_of(self.gateway, reply.headers)["upstream"]
        headers = self.keyed()["ResponseMetadata"]["HTTPHeaders"]
        assert line_of(self.gateway, headers)["upstream"]

    def refused_by_the_gateway(self):
        """Both kinds of request end at the gateway: MinIO is not asked."""
        for reply in (self.anonymous(), self.anonymous("PUT", data=b"x")):
            assert reply.status_code == 403
            line = line_of(self.gateway, reply.headers)
            assert (line["refused"], line["upstream"]) == ("denied", ""), line
        with pytest.raises(ClientError) as why:
            self.keyed()
        assert why.value.response["Error"]["Code"] == "AllAccessDisabled"
        line = line_of(self.gateway, why.value.response["ResponseMetadata"]["HTTPHeaders"])
        assert (line["refused"], line["upstream"]) == ("denied", ""), line
        assert line["access_key"] == self.credentials["object"]["access_key"]

    def suspend(self):
        expect(self.api.post(f"/v1/tenants/{self.appid}/suspend?wait=30"), 200, 202)

    def resume(self):
        expect(self.api.post(f"/v1/tenants/{self.appid}/resume?wait=30"), 200, 202)
        self.api.wait_phase(self.appid, "Created")


@pytest.fixture
def one(tenantd, new_appid):
    return Tenant(tenantd, new_appid())


def test_suspend_denies_at_the_gateway_and_resume_ends_it(one, new_appid):
    neighbour = Tenant(one.daemon, new_appid())
    for _ in range(2):
        one.suspend()
        one.gateway.wait_denied(one.appid, "deny")
        one.refused_by_the_gateway()
        neighbour.works()
        one.resume()
        assert one.appid not in one.gateway.denied()
        one.works()
    neighbour.works()


def test_a_tenant_that_leaves_is_denied_and_then_forgotten(one):
    expect(one.api.delete(f"/v1/tenants/{one.appid}"), 202)
    one.gateway.wait_denied(one.appid, "deny")
    one.refused_by_the_gateway()
    expect(one.api.post(f"/v1/tenants/{one.appid}/undelete"), 200, 202)
    one.api.wait_phase(one.appid, "Created")
    one.works()
    expect(one.api.delete(f"/v1/tenants/{one.appid}?force=true"), 202, 204)
    one.api.wait_phase(one.appid, "Deleted")
    one.gateway.wait_denied(one.appid, None)


def test_a_restart_keeps_the_map(one):
    one.suspend()
    one.gateway.wait_denied(one.appid, "deny")
    inode = one.gateway.deny_map.stat().st_ino
    one.daemon.restart()
    # Something after the start that shows the first scan to be through.
    other = Tenant(one.daemon, "z" + one.appid[1:])
    other.suspend()
    one.gateway.wait_denied(other.appid, "deny")
    assert one.gateway.denied()[one.appid] == "deny"
    assert one.gateway.deny_map.stat().st_ino != inode
    one.refused_by_the_gateway()
    one.resume()
    one.works()


def test_a_restart_alone_does_not_touch_the_file(one):
    one.suspend()
    one.gateway.wait_denied(one.appid, "deny")
    inode, workers = one.gateway.deny_map.stat().st_ino, set(one.gateway.workers())
    one.daemon.restart()
    # It is told once at start, in case the run before could not.
    wait_until(lambda: one.gateway.workers() and not workers & set(one.gateway.workers()), 15,
               "the gateway's reload")
    assert one.gateway.deny_map.stat().st_ino == inode
    one.refused_by_the_gateway()
    one.resume()


def test_kill_in_between_converges(one, new_appid):
    """Whatever a run that was killed left, the next one makes the map right."""
    other = Tenant(one.daemon, new_appid())
    for victim, change in ((one, "suspend"), (other, "suspend"), (one, "resume")):
        reply = victim.api.post(f"/v1/tenants/{victim.appid}/{change}")
        expect(reply, 200, 202)
        one.daemon.kill()
        one.daemon.start()
    one.api.wait_phase(one.appid, "Created")
    one.works()
    one.gateway.wait_denied(other.appid, "deny")
    other.refused_by_the_gateway()
    # A file that is wrong, and was left half written beside.
    one.daemon.kill()
    one.gateway.deny_map.write_text(f"{one.appid} deny;\n")
    one.gateway.deny_map.with_name("deny.map.new").write_text("half")
    one.gateway.reload()
    one.daemon.start()
    one.gateway.wait_denied(other.appid, "deny")
    one.api.wait_phase(one.appid, "Created")
    one.works()
    other.refused_by_the_gateway()
    other.resume()
    other.works()
    assert not one.gateway.deny_map.with_name("deny.map.new").exists()


def test_a_gateway_that_was_away(one):
    """The map is written while nobody reads it, and is in force as soon as somebody does."""
    one.gateway.stop()
    one.suspend()
    wait_until(lambda: one.gateway.denied().get(one.appid) == "deny", 15, "the map")
    wait_until(lambda: "the gateway of region default cannot be told" in one.daemon.logs(), 15,
               "a word about it")
    one.gateway.start()
    one.refused_by_the_gateway()
    # It is told again by itself, since it could have read the old map just before.
    wait_until(lambda: "the gateway of region default is told again" in one.daemon.logs(), 30,
               "the late signal")
    one.resume()
    one.works()


def test_a_pid_file_of_somebody_else_is_left_alone(one):
    """A stale pid file may name any process by now."""
    bystander = subprocess.Popen(["sleep", "60"])
    own = one.gateway.pid_path.read_text()
    try:
        one.gateway.pid_path.write_text(f"{bystander.pid}\n")
        before = one.daemon.logs().count("is not an nginx")
        one.suspend()
        wait_until(lambda: one.daemon.logs().count("is not an nginx") > before, 15, "the refusal")
        assert one.gateway.denied()[one.appid] == "deny"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        one.gateway.pid_path.write_text(own)
    # The right file again: it tells the gateway what is waiting.
    one.gateway.wait_denied(one.appid, "deny", timeout=30)
    one.refused_by_the_gateway()
    one.resume()
    one.works()


def test_a_map_that_cannot_be_written_holds_nobody_up(testbed, new_appid):
    """MinIO refuses a suspended tenant itself; the map follows when it can."""
    daemon = testbed.new_tenantd("denyless")
    missing = daemon.run_dir / "absent"
    daemon.regions[0]["gateway"]["deny_map_file"] = str(missing / "deny.map")
    testbed.start_existing(daemon)
    try:
        tenant = Tenant(daemon, new_appid())
        began = time.monotonic()
        tenant.suspend()
        tenant.api.wait_phase(tenant.appid, "Suspended")
        assert time.monotonic() - began < 30
        reply = tenant.anonymous()
        line = line_of(daemon.gateway, reply.headers)
        assert reply.status_code == 403 and line["refused"] == "" and line["upstream"]
        wait_until(lambda: "deny map of region default cannot be written" in daemon.logs(), 15,
                   "a word about it")
        assert daemon.logs().count("cannot be written") == 1, "once, not at every try"
        missing.mkdir()
        wait_until(lambda: (missing / "deny.map").exists() and
                   (missing / "deny.map").read_text() == f"{tenant.appid} deny;\n", 30, "the map")
    finally:
        daemon.stop()


@pytest.mark.parametrize("gateway, word", [
    ({"pid_file": "/run/x.pid"}, "deny_map_file"),
    ({"deny_map_file": "relative.map"}, "deny_map_file"),
    ({"deny_map": "/x"}, "unknown key")])
def test_a_configuration_that_cannot_be_meant(testbed, gateway, word):
    daemon = testbed.new_tenantd(f"wrong{uuid.uuid4().hex[:6]}")
    daemon.regions[0]["gateway"] = gateway
    with pytest.raises(StartError) as why:
        daemon.start()
    assert word in str(why.value)
    daemon.gateway.stop()
