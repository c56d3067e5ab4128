"""A storm of deletions on real backends stops at the budget, and stays so: over a kill -9, and
until somebody approves. What it has not reached can be taken back."""
import pytest

from tests.brakes.conftest import at_rest, budget, conditions, path, stopped
from tests.fault import check
from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

BUDGET = 10
TENANTD_CONFIG = {
    "engine": {"verify_interval": 0, "backoff_min": "50ms", "backoff_max": "1s",
               "call_timeout": "20s"},
    "gate": {"close_per_hour": BUDGET, "remove_per_hour": BUDGET}}


def make(api, appids, plan="object-only"):
    for appid in appids:
        expect(api.put(path(appid), json={"plan": plan, "buckets": [{"name": "data"}]}), 201)
    for appid in appids:
        api.wait_phase(appid, "Created")


def touched(testbed, appids):
    """Those whose user is not as it was made any more."""
    return {a for a in appids
            if (testbed.minio.user_info(a) or {}).get("status") != "enabled"}


@pytest.mark.timeout(300)
def test_a_storm_stops_at_the_budget(testbed, tenantd, api, tenantctl, metric, new_appid):
    appids = [new_appid() for _ in range(40)]
    make(api, appids)
    assert metric(tenantd, 'tenantd_gate_stopped{region="default"}') == 0
    for appid in appids[:20]:
        expect(api.delete(path(appid, "?force=true")), 202)
        if appid == appids[4]:
            tenantd.kill()  # in the middle of it
            tenantd.start()
    wait_until(lambda: stopped(api), 60, "the region stops")
    tenantd.kill()
    tenantd.start()
    for appid in appids[20:]:
        expect(api.delete(path(appid, "?force=true")), 202)
    wait_until(lambda: at_rest(api), 60, "nothing goes on")

    reached = touched(testbed, appids)
    assert len(reached) == BUDGET, "the kills gave no fresh budget"
    spared = [a for a in appids if a not in reached]
    assert all(f"{a}-data" in testbed.minio.buckets() for a in spared)
    now = budget(api)
    assert now["stopped_by"] == "close" and now["stopped_since"]
    assert now["close"] == {"per_hour": BUDGET, "spent": BUDGET, "approved": 0}

    # It is told, loudly and everywhere.
    assert metric(tenantd, 'tenantd_gate_stopped{region="default"}') == 1
    assert metric(tenantd,
                  'tenantd_gate_budget_used{region="default",verb="close"}') == BUDGET
    assert api.get("/readyz", token="").json()["degraded"]
    assert api.get("/readyz?strict=true", token="").status_code == 503
    assert "GATE STOPPED" in tenantd.logs()
    document = api.tenant(spared[0])
    assert document["phase"] == "Deleting"
    assert conditions(document, "Held")["object"]["reason"] == "BudgetSpent"
    planned = tenantctl("plan", spared[0]).stdout
    assert "close" in planned and "budget" in planned

    # Other work goes on, also cutting somebody off.
    other = new_appid()
    api.create_tenant(other)
    credentials = check.works(testbed, api, other)
    answer = expect(api.post(path(other, "/suspend?wait=30")), 200).json()
    assert answer["phase"] == "Suspended"
    check.dead(credentials)

    # What the storm has not reached is taken back, whole.
    saved = spared.pop()
    expect(api.post(path(saved, "/undelete?wait=30")), 200)
    s3 = clients.boto(api.credentials(saved))
    clients.let_in(lambda: s3.list_objects_v2(Bucket=f"{saved}-data"))

    # So much more, and no more.
    assert "--reason" in tenantctl("approve", "default").stderr
    done = tenantctl("approve", "default", "--count", "5", "--reason", "five are mine")
    assert done.returncode == 0 and "default goes on" in done.stdout, done.stderr
    wait_until(lambda: stopped(api) and at_rest(api), 60, "it stops again")
    assert len(touched(testbed, spared)) == 5
    expect(api.post("/v1/approvals", json={"region": "default", "count": 1000,
                                           "reason": "all of them"}), 200)
    for appid in appids:
        if appid != saved:
            check_gone(testbed, api, appid)
    assert api.get("/readyz?strict=true", token="").status_code == 200
    entries = api.get("/v1/audit?limit=1000").json()["entries"]
    assert [(e["object"], e["detail"]) for e in entries if e["action"] == "gate.approve"] == [
        ("region/default", "count=5: five are mine"),
        ("region/default", "count=1000: all of them")]
    assert touched(testbed, [saved]) == set()


def check_gone(testbed, api, appid):
    api.wait_phase(appid, "Deleted")
    assert testbed.minio.user_info(appid) is None
