"""Fixtures of the stage `brakes`."""
import re

import pytest
import requests

from tests.brakes import backends
from tests.testbed.clients import expect


def conditions(document, kind):
    """{resource: condition} of that type, where it holds."""
    return {r: c for r, part in document["resources"].items() if part
            for c in part["conditions"] if c["type"] == kind and c["status"]}


def path(appid, rest=""):
    return f"/v1/tenants/{appid}{rest}"


def budget(api):
    return expect(api.get("/v1/budgets"), 200).json()["budgets"][0]


def stopped(api):
    return budget(api)["stopped"]


def at_rest(api):
    """Nothing is left that would be done now."""
    page = expect(api.get("/v1/plan?limit=1000"), 200).json()
    return not any(a["held"] is None for t in page["tenants"] for a in t["actions"])


@pytest.fixture
def set_mode(api):
    """set_mode("region/default", "hold", ...) sets it, and nothing is left of it at the end."""
    scopes = []

    def put(scope, mode, reason="a test", **body):
        scopes.append(scope)
        if mode != "manage":
            body["reason"] = reason
        return expect(api.put(f"/v1/modes/{scope}", json={"mode": mode, **body}), 200).json()

    yield put
    for scope in scopes:
        reply = api.put(f"/v1/modes/{scope}", json={"mode": "manage"})
        assert reply.status_code in (200, 404, 410), reply.text


@pytest.fixture
def canary(testbed, api, new_appid):
    """canary() makes a tenant of its own, breaks it by hand and waits until it is repaired: so
    tenantd had the time to do the same to others."""
    appid = new_appid()

    def sing():
        expect(api.put(f"/v1/tenants/{appid}", json={
            "plan": "small", "buckets": [{"name": "data"}]}), 200, 201)
        api.wait_phase(appid, "Created")
        backends.make_drift(testbed, appid)
        backends.wait_repaired(testbed, appid)

    return sing


@pytest.fixture
def metric():
    """metric(daemon, 'name{label="x"}') of /metrics."""
    def read(daemon, name):
        text = requests.get(daemon.url() + "/metrics", timeout=10).text
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))
    return read
