"""Buckets have a budget of their own; what waits for it can be taken back."""
from tests.brakes.conftest import at_rest, budget, conditions, path, stopped
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"backoff_min": "50ms", "backoff_max": "1s"},
                  "gate": {"bucket_per_hour": 5}}


def test_buckets_have_a_budget_of_their_own(testbed, api, tenantctl, new_appid):
    appid = new_appid()
    names = [f"old-{i}" for i in range(8)]
    api.create_tenant(appid, plan="object-only", buckets=names)
    expect(api.post("/v1/approvals", json={"region": "nowhere", "reason": "x"}), 404)
    for body in ({}, {"region": "default"}, {"region": "default", "reason": ""},
                 {"region": "default", "reason": "x", "count": 0}):
        expect(api.post("/v1/approvals", json=body), 400)
    for name in names:
        expect(api.delete(path(appid, f"/buckets/{name}")), 202, 204, 409)
    wait_until(lambda: stopped(api) and at_rest(api), 60, "the region stops")
    left = {b for b in testbed.minio.buckets() if b.startswith(appid)}
    assert len(left) == 3 and budget(api)["stopped_by"] == "remove-bucket"
    document = api.tenant(appid)
    assert conditions(document, "Held")["object"]["reason"] == "BudgetSpent"
    assert document["phase"] == "Created"
    # One is taken back; the rest of the tenant is served.
    kept = left.pop()
    expect(api.put(path(appid, f"/buckets/{kept.removeprefix(appid + '-')}?wait=30"),
                   json={}), 200)
    expect(api.put(path(appid, "/buckets/new?wait=30"), json={}), 201)
    assert f"{appid}-new" in testbed.minio.buckets()
    assert tenantctl("approve", "default", "--reason", "they were asked for").returncode == 0
    wait_until(lambda: {b for b in testbed.minio.buckets() if b.startswith(appid)} ==
               {kept, f"{appid}-new"}, 60, "the others go")
    document = api.wait_tenant(appid, lambda d: d["settled"], 30, "settled")
    assert not conditions(document, "Held")
