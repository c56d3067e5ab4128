"""A file system that is really full: what must work goes on, nothing is lost, and all is well
again once there is room."""
# (many restarts; the default limit is for single requests)
import os
import subprocess

import pytest

from tests.fault import check
from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

CONFIG = {"store": {"map_bytes": "1Gi", "max_bytes": "256Mi", "reserve_bytes": "1Mi",
                    "ballast_bytes": "2Mi"},
          "audit": {"spool_bytes": "1Mi"},
          "engine": {"backoff_min": "50ms", "backoff_max": "500ms", "delete_grace": 0,
                     "call_timeout": "5s"}}


@pytest.fixture
def small_disk(testbed):
    """A tenantd whose state folder is a file system of 16 MiB."""
    daemon = testbed.new_tenantd("full", patch=CONFIG)
    daemon.state_dir.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs",
                    daemon.state_dir], check=True)
    try:
        testbed.start_existing(daemon)
        yield daemon
    finally:
        if daemon.running():
            daemon.stop()
        subprocess.run(["umount", "-l", daemon.state_dir], check=True)


def fill(path):
    """Take all room that is left."""
    with open(path, "wb", buffering=0) as out:
        for size in (1 << 16, 1 << 12):
            try:
                while True:
                    out.write(b"x" * size)
            except OSError:
                pass


@pytest.mark.timeout(1500)
def test_a_full_file_system(testbed, small_disk, new_appid):
    daemon = small_disk
    api = clients.Api(daemon)
    appids = [new_appid() for _ in range(3)]
    for appid in appids:
        api.create_tenant(appid)
    tokens = {a: api.mint_token("runtime", a)["token"] for a in appids}
    before = {a: api.credentials(token=tokens[a]) for a in appids}
    filler = daemon.state_dir / "filler"
    fill(filler)
    refused = None
    for _ in range(2000):
        reply = api.put(f"/v1/tenants/{new_appid()}", json={
            "plan": "standard", "labels": {"fill": "x" * 800}})
        if reply.status_code != 201:
            refused = reply
            break
    assert refused is not None, "the store never noticed that the disk is full"
    assert refused.status_code == 507, refused.text
    assert refused.json()["code"] == "store_full"
    assert "Retry-After" in refused.headers
    # Pods get their credentials, and a tenant can still be cut off.
    for appid in appids:
        assert api.credentials(token=tokens[appid]) == before[appid]
    expect(api.post(f"/v1/tenants/{appids[0]}/suspend"), 200, 202)
    api.wait_phase(appids[0], "Suspended", 300)
    check.dead(before[appids[0]])
    daemon.kill()
    daemon.start()
    api = clients.Api(daemon)
    assert api.tenant(appids[0])["phase"] == "Suspended"
    os.unlink(filler)
    wait_until(lambda: api.put(f"/v1/tenants/{appids[1]}", json={
        "labels": {"room": "again"}}).status_code == 200, 30, "the store takes writes again")
    for appid in appids[1:]:
        check.works(testbed, api, appid, before[appid])
    expect(api.post(f"/v1/tenants/{appids[0]}/resume"), 200, 202)
    # It stands behind the tenants that filled the store and are being made now.
    api.wait_phase(appids[0], "Created", 600)
    check.works(testbed, api, appids[0], before[appids[0]])
