"""Backends that are down, slow, or cut in the middle of a reply."""
import time

import pytest

from tests.testbed import clients
from tests.fault import check

QUICK = {"engine": {"delete_grace": 0, "backoff_min": "50ms", "backoff_max": "1s",
                    "call_timeout": "3s"}}


@pytest.fixture(scope="module")
def bed(fault_testbed):
    return fault_testbed


@pytest.fixture(scope="module")
def daemon(bed):
    it = bed.start_tenantd("backends", patch=QUICK)
    yield it
    if it.running():
        it.stop()


@pytest.fixture(scope="module")
def api(daemon):
    return clients.Api(daemon)


@pytest.fixture(autouse=True)
def healed(bed):
    yield
    bed.minio_fault.heal()
    bed.mongod_fault.heal()


def condition(document, resource, kind):
    for c in document["resources"][resource]["conditions"]:
        if c["type"] == kind:
            return c
    return None


@pytest.mark.parametrize("dead,alive", [("minio", "mongod"), ("mongod", "minio")])
def test_a_dead_backend_holds_up_only_itself_and_pods_keep_their_credentials(
        bed, api, new_appid, dead, alive):
    resource = {"minio": "object", "mongod": "database"}
    appid, other = new_appid(), new_appid()
    api.create_tenant(appid)
    token = api.mint_token("runtime", appid)["token"]
    before = api.credentials(token=token)
    getattr(bed, f"{dead}_fault").cut()
    api.create_tenant(other, timeout=0)
    document = api.wait_tenant(
        other, lambda d: condition(d, resource[alive], "Ready")["status"], 30,
        "ready on the living backend")
    api.wait_tenant(other, lambda d: (condition(d, resource[dead], "Unreachable") or
                                      {}).get("status"), 30, "told as unreachable")
    assert document["phase"] == "Creating"
    assert api.credentials(token=token) == before
    getattr(bed, f"{dead}_fault").heal()
    check.works(bed, api, other)


def test_both_backends_down_and_pods_still_get_their_credentials(bed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    token = api.mint_token("runtime", appid)["token"]
    before = api.credentials(token=token)
    bed.minio_fault.cut()
    bed.mongod_fault.cut()
    for _ in range(20):
        assert api.credentials(token=token) == before


@pytest.mark.parametrize("fault", ["swallow", "slow", "cut"])
@pytest.mark.parametrize("which", ["minio", "mongod"])
def test_lost_slow_and_cut_replies(bed, api, new_appid, which, fault):
    proxy = getattr(bed, f"{which}_fault")
    appids = [new_appid() for _ in range(4)]
    if fault == "swallow":
        proxy.swallow_replies()
    elif fault == "slow":
        proxy.slow(1500)
    else:
        proxy.cut_reply_after(700)
    for appid in appids:
        api.create_tenant(appid, timeout=0)
    time.sleep(4)  # longer than a call may take: at least one has failed or gone through
    proxy.heal()
    for appid in appids:
        credentials = check.works(bed, api, appid)
        clients.expect(api.delete(f"/v1/tenants/{appid}"), 202)
        check.gone(bed, api, appid, credentials)


def test_a_suspend_while_a_backend_is_away_is_done_when_it_comes_back(bed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    credentials = api.credentials(appid)
    bed.mongod_fault.cut()
    clients.expect(api.post(f"/v1/tenants/{appid}/suspend"), 200, 202)
    time.sleep(1)
    assert api.tenant(appid)["phase"] != "Suspended"
    bed.mongod_fault.heal()
    api.wait_phase(appid, "Suspended", 30)
    check.dead(credentials)


def test_a_step_down_of_the_primary_is_ridden_out(bed, api, new_appid):
    appids = [new_appid() for _ in range(6)]
    for appid in appids[:3]:
        api.create_tenant(appid, timeout=0)
    bed.mongod.step_down(3)
    for appid in appids[3:]:
        api.create_tenant(appid, timeout=0)
    for appid in appids:
        check.works(bed, api, appid)


def test_the_daemon_stops_in_time_while_a_backend_hangs(bed, daemon, api, new_appid):
    bed.minio_fault.swallow_replies()
    api.create_tenant(new_appid(), timeout=0)
    time.sleep(0.3)
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 15
    bed.minio_fault.heal()
    daemon.start()
