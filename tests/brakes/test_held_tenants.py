"""Tenants under a mode: their deletion waits and can be taken back, also over a kill -9; their
suspend does not wait; the plan tells what waits."""
import pytest
from botocore.exceptions import ClientError
from pymongo.errors import OperationFailure

from tests.brakes import backends
from tests.brakes.backends import holdings
from tests.brakes.conftest import conditions, path
from tests.fault import check
from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"verify_interval": "1s", "backoff_min": "50ms",
                             "backoff_max": "1s", "call_timeout": "20s"}}


def test_a_hold_survives_restart_and_kill(testbed, tenantd, api, set_mode, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    set_mode(f"tenant/{appid}", "hold", "evidence")
    before = holdings(testbed, appid)
    expect(api.delete(path(appid, "?force=true")), 202)
    for end in (tenantd.stop, tenantd.kill):
        end()
        tenantd.start()
        expect(api.put(path(appid, "/buckets/x99"), json={}), 409)
        api.create_tenant(new_appid())
        assert holdings(testbed, appid) == before
        document = api.tenant(appid)
        assert document["phase"] == "Deleting" and document["mode"] == "hold"
    listed = api.get("/v1/modes").json()["modes"]
    assert [(m["scope"], m["mode"], m["reason"]) for m in listed] == \
        [(f"tenant/{appid}", "hold", "evidence")]
    set_mode(f"tenant/{appid}", "manage")
    check.gone(testbed, api, appid)
    assert api.get("/v1/modes").json()["modes"] == []


def test_a_deletion_under_hold_can_be_taken_back(testbed, api, set_mode, canary, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    credentials = check.works(testbed, api, appid)
    set_mode(f"tenant/{appid}", "hold")
    before = holdings(testbed, appid)
    expect(api.delete(path(appid, "?force=true")), 202)
    canary()
    assert holdings(testbed, appid) == before
    # Not even the gateway keeps it out: a deletion that is held closes nothing.
    clients.boto(credentials).put_object(Bucket=f"{appid}-data", Key="k", Body=b"x")
    expect(api.post(path(appid, "/undelete")), 200)
    set_mode(f"tenant/{appid}", "manage")
    check.works(testbed, api, appid, credentials)


@pytest.mark.parametrize("mode", ["observe", "hold"])
def test_a_suspend_passes_and_a_resume_waits(testbed, api, set_mode, canary, new_appid, mode):
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", ("open", "readwrite")))
    credentials = check.works(testbed, api, appid)
    token = api.mint_token("runtime", appid)
    set_mode("daemon" if mode == "hold" else f"tenant/{appid}", mode, "called at night")
    answer = expect(api.post(path(appid, "/suspend?wait=30")), 200).json()
    assert answer["phase"] == "Suspended" and answer["settled"]
    check_closed(testbed, credentials)
    expect(api.delete(f"/v1/tokens/{token['id']}"), 204)
    expect(api.get("/v1/credentials", token=token["token"]), 401)
    closed = holdings(testbed, appid)
    # What the suspend left is held like everything else.
    expect(api.put(path(appid, "/buckets/data"), json={"quota_bytes": 4096}), 200)
    expect(api.post(path(appid, "/resume")), 200)
    answer = expect(api.get(path(appid, "?wait=1")), 200).json()
    assert not answer["settled"] and conditions(answer, "Held")
    if mode == "observe":
        canary()
    assert holdings(testbed, appid) == closed
    expect(api.post(path(appid, "/suspend?wait=30")), 200)
    set_mode("daemon" if mode == "hold" else f"tenant/{appid}", "manage")
    expect(api.post(path(appid, "/resume")), 200)
    check.works(testbed, api, appid, credentials)


def check_closed(testbed, credentials):
    appid = credentials["appid"]
    with pytest.raises(ClientError):
        testbed.minio.client(credentials["object"]["access_key"],
                             credentials["object"]["secret_key"]).list_buckets()
    with clients.mongo(credentials) as client, pytest.raises(OperationFailure):
        client[appid].c.find_one()
    assert not backends.is_public(testbed, f"{appid}-open")


def test_the_plan_tells_the_truth(testbed, api, set_mode, new_appid):
    made, new, gone, quiet = (new_appid() for _ in range(4))
    for appid in (made, gone, quiet):
        api.create_tenant(appid, plan="small")
    set_mode("region/default", "hold")
    before = {a: holdings(testbed, a) for a in (made, gone, new)}
    expect(api.put(path(new), json={"plan": "object-only"}), 201)
    expect(api.put(path(made), json={"plan": "standard"}), 200)
    expect(api.delete(path(gone, "?force=true")), 202)

    def plan(query=""):
        page = expect(api.get("/v1/plan?limit=1000" + query), 200).json()
        return {t["appid"]: [(a["resource"], a["action"], a["destroys"], a["held"])
                             for a in t["actions"]] for t in page["tenants"]}

    version = api.get(path(gone)).headers["ETag"]
    wanted = {
        new: [("object", "look", False, "mode")],
        made: [("object", "change", False, "mode"), ("database", "change", False, "mode")],
        gone: [("object", "close", True, "mode"), ("database", "close", True, "mode")],
    }
    planned = plan()
    assert {a: planned.get(a) for a in wanted} == wanted and quiet not in planned
    assert plan(f"&appid={quiet}") == {quiet: []}
    assert api.get("/v1/plan?appid=nobody99").status_code == 404
    assert plan(f"&appid={gone}") == {gone: wanted[gone]}
    # A plan is not an order.
    assert api.get(path(gone)).headers["ETag"] == version
    assert {a: holdings(testbed, a) for a in before} == before
    set_mode("region/default", "manage")
    check.gone(testbed, api, gone)
    api.wait_phase(made, "Created")
    api.wait_phase(new, "Created")
    # A tenant that is just being verified is in the plan, too.
    wait_until(lambda: not [a for t in (made, new) for a in plan().get(t, [])
                            if a[1] != "running"], 60, "nothing is planned any more")
