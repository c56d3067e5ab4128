"""Modes on real backends: what is held is not touched, by nothing but a suspend; and goes on
where it was when the mode ends, whoever or whatever ends it."""
from tests.brakes import backends
from tests.brakes.backends import holdings
from tests.brakes.conftest import conditions, path
from tests.fault import check
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"verify_interval": "1s", "backoff_min": "50ms",
                             "backoff_max": "1s", "call_timeout": "20s"}}


def test_observe_tells_drift_and_changes_nothing(testbed, api, set_mode, canary, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    set_mode(f"tenant/{appid}", "observe", "who does this?")
    backends.make_drift(testbed, appid)
    before = holdings(testbed, appid)
    document = api.wait_tenant(appid, lambda d: set(conditions(d, "Drifted")) ==
                               {"object", "database"}, 60, "told to have drifted")
    assert document["mode"] == "observe"
    held = conditions(document, "Held")
    assert {c["reason"] for c in held.values()} == {"Observe"} and len(held) == 2
    assert "who does this?" in held["object"]["message"]
    expect(api.put(path(appid, "/buckets/later"), json={}), 201)
    canary()
    assert holdings(testbed, appid) == before
    set_mode(f"tenant/{appid}", "manage")
    backends.wait_repaired(testbed, appid)
    wait_until(lambda: f"{appid}-later" in testbed.minio.buckets(), 30, "the bucket is made")
    document = api.wait_tenant(appid, lambda d: d["settled"], 60, "settled")
    assert document["mode"] == "manage" and not conditions(document, "Held")
    assert not conditions(document, "Drifted")


def test_a_hold_keeps_repair_off(testbed, api, set_mode, canary, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    set_mode(f"tenant/{appid}", "hold", "restore drill")
    backends.make_drift(testbed, appid)
    before = holdings(testbed, appid)
    canary()
    assert holdings(testbed, appid) == before
    document = api.tenant(appid)
    assert document["mode"] == "hold" and not conditions(document, "Drifted"), "nobody looks"
    assert conditions(document, "Held")["database"]["reason"] == "Hold"
    set_mode(f"tenant/{appid}", "manage")
    backends.wait_repaired(testbed, appid)


def test_under_a_held_region_orders_are_taken_and_wait(testbed, api, set_mode, new_appid):
    made, new = new_appid(), new_appid()
    api.create_tenant(made, plan="small")
    before = holdings(testbed, made)
    set_mode("region/default", "hold", "new disks", expires_in_seconds=7200)
    answer = expect(api.put(path(new, "?wait=1"), json={
        "plan": "standard", "buckets": [{"name": "data"}]}), 201).json()
    assert answer["phase"] == "Creating" and not answer["settled"]
    held = conditions(answer, "Held")["object"]
    assert held["reason"] == "Hold" and "region/default" in held["message"]
    assert "new disks" in held["message"] and "until 20" in held["message"]
    expect(api.put(path(made, "/buckets/more"), json={"mode": "readonly"}), 201)
    expect(api.put(path(made), json={"plan": "standard"}), 200)
    answer = expect(api.get(path(made, "?wait=1")), 200).json()
    assert not answer["settled"] and answer["mode"] == "hold"
    assert holdings(testbed, made) == before
    assert holdings(testbed, new)["user"] is None
    set_mode("region/default", "manage")
    check.works(testbed, api, new)
    api.wait_tenant(made, lambda d: d["settled"], 60, "settled")
    assert f"{made}-more" in testbed.minio.buckets()


def test_it_ends_by_itself(testbed, tenantd, api, set_mode, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    set_mode(f"tenant/{appid}", "hold", expires_in_seconds=4)
    answer = expect(api.put(path(appid, "/buckets/late?wait=1"), json={}), 201).json()
    assert not answer["ready"] and f"{appid}-late" not in testbed.minio.buckets()
    assert conditions(api.tenant(appid), "Held")
    document = api.wait_tenant(appid, lambda d: d["settled"], 60, "settled by itself")
    assert document["mode"] == "manage" and not conditions(document, "Held")
    assert f"{appid}-late" in testbed.minio.buckets()
    assert api.get(f"/v1/modes/tenant/{appid}").json()["mode"] == "manage"

    def told():
        entries = api.get(f"/v1/audit?appid={appid}&limit=1000").json()["entries"]
        return [e["action"] for e in entries if e["action"].startswith("mode.")] == \
            ["mode.set", "mode.expire"]
    wait_until(told, 60, "the audit tells")


def test_the_strictest_counts(testbed, api, set_mode, new_appid):
    appid = new_appid()
    api.create_tenant(appid)

    def mode(): return api.tenant(appid)["mode"]

    set_mode("daemon", "observe")
    assert mode() == "observe"
    set_mode("region/default", "hold", "the region")
    assert mode() == "hold"
    set_mode(f"tenant/{appid}", "observe")
    document = api.tenant(appid)
    assert document["mode"] == "hold"
    assert "the region" in conditions(document, "Held")["object"]["message"]
    rows = api.get("/v1/tenants?limit=1000").json()["tenants"]
    assert {r["mode"] for r in rows} == {"hold"}
    set_mode("region/default", "manage")
    assert mode() == "observe"
    set_mode("daemon", "manage")
    assert mode() == "observe"
    set_mode(f"tenant/{appid}", "manage")
    assert mode() == "manage"
    # Of a resource: the other one goes on.
    set_mode(f"tenant/{appid}/database", "hold")
    document = api.tenant(appid)
    assert document["mode"] == "manage" and set(conditions(document, "Held")) == {"database"}
    backends.make_drift(testbed, appid)
    wait_until(lambda: not backends.is_public(testbed, f"{appid}-data"), 60, "one is repaired")
    assert backends.is_wide(testbed, appid)


def test_the_api_says_what_it_takes(api, set_mode, new_appid):
    appid = new_appid()
    api.create_tenant(appid, plan="object-only")
    where = f"/v1/modes/tenant/{appid}"
    hold = {"mode": "hold", "reason": "x"}
    for body in ({}, {"mode": "hold"}, {"mode": "stop", "reason": "x"}, {"reason": "x"},
                 {**hold, "expires_at": "tomorrow"}, {**hold, "expires_in_seconds": 0},
                 {**hold, "expires_at": "2001-01-01T00:00:00Z"}, {**hold, "until": 1},
                 {**hold, "expires_at": "2100-01-01T00:00:00Z", "expires_in_seconds": 5},
                 {"mode": "hold", "reason": "x" * 80}, {"mode": "hold", "reason": "a\nb"},
                 {"mode": "manage", "expires_in_seconds": 5}):
        reply = api.put(where, json=body)
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request"), body
    for scope in ("region/elsewhere", "tenant/nobody99", f"tenant/{appid}/disk"):
        assert api.put(f"/v1/modes/{scope}", json=hold).status_code == 404, scope
        assert api.get(f"/v1/modes/{scope}").status_code == 404, scope
    auditor = api.with_token(api.mint_token("auditor")["token"])
    assert auditor.put(where, json=hold).status_code == 403
    set_mode(f"tenant/{appid}", "hold", "Zoë's", expires_at="2100-01-01T00:00:00Z")
    shown = auditor.get(where).json()
    assert (shown["mode"], shown["reason"]) == ("hold", "Zoë's")
    assert shown["expires_at"].startswith("2100-01-01T00:00:00") and shown["since"]
    expect(api.put(where, json=shown), 200)  # GET, edit, PUT
    entries = api.get(f"/v1/audit?appid={appid}&limit=1000").json()["entries"]
    entry = [e for e in entries if e["action"] == "mode.set"][0]
    assert entry["object"] == f"tenant/{appid}" and entry["role"] == "admin"
    assert entry["detail"].startswith("hold until 2100-01-01") and "Zoë's" in entry["detail"]
    expect(api.delete(path(appid, "?force=true")), 202)
    set_mode(f"tenant/{appid}", "manage")
    api.wait_phase(appid, "Deleted")
    assert api.put(where, json=hold).status_code == 410


def test_tenantctl(tenantctl, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, plan="object-only")

    def run(*args, status=0):
        done = tenantctl(*args)
        assert done.returncode == status, done.stderr
        return done.stdout

    assert "--reason" in tenantctl("hold", "daemon").stderr
    run("hold", "somewhere/else", "--reason", "x", status=2)
    assert run("hold", f"tenant/{appid}", "--reason", "look into it", "--for", "2h").startswith(
        f"tenant/{appid}: hold until 20")
    run("observe", "region/default", "--reason", "quiet")
    listed = run("modes")
    assert f"tenant/{appid}" in listed and "look into it" in listed and "region/default" in listed
    expect(api.put(path(appid, "/buckets/wanted"), json={}), 201)
    planned = run("plan", appid)
    assert "change" in planned or "look" in planned
    assert "hold" in planned
    waits = tenantctl("bucket", "create", appid, "wanted", "--wait=1s")
    assert waits.returncode == 6, waits.stderr
    waits = tenantctl("tenant", "set", appid, "--label", "a=b", "--wait=1s")
    assert waits.returncode == 6 and "look into it" in waits.stderr
    run("release-hold", "region/default")
    assert run("release-hold", f"tenant/{appid}") == f"tenant/{appid}: manage\n"
    assert run("modes") == ""
    api.wait_tenant(appid, lambda d: d["settled"], 30, "settled")
