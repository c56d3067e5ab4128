"""A settled tenant costs its backends nothing, and a restart takes up only what is open."""
import json
import time

from tests.testbed import clients
from tests.testbed.clients import expect

TENANTD_CONFIG = {"engine": {"verify_interval": 0}}


def calls(daemon):
    path = daemon.run_dir / "trace.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_settled_pass_costs_nothing(testbed, new_appid):
    daemon = testbed.new_tenantd("settled", patch=TENANTD_CONFIG)
    daemon.patch = {**TENANTD_CONFIG, "trace_file": str(daemon.run_dir / "trace.ndjson")}
    testbed.start_existing(daemon)
    api = clients.Api(daemon)
    appids = [new_appid() for _ in range(10)]
    for appid in appids:
        expect(api.put(f"/v1/tenants/{appid}", json={"plan": "standard",
                                                     "buckets": [{"name": "data"}]}), 201)
    for appid in appids:
        api.wait_phase(appid, "Created")
    time.sleep(0.5)
    before = len(calls(daemon))
    assert before >= 10 * 8
    time.sleep(3)
    assert len(calls(daemon)) == before
    daemon.restart()
    for appid in appids:
        assert api.tenant(appid)["phase"] == "Created"
    time.sleep(2)
    assert [c["what"] for c in calls(daemon)[before:]] == []
    daemon.stop()
