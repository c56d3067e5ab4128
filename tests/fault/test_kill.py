"""kill -9 of tenantd: at every step that leaves a trace outside of the process, and at
random times under load. It must converge, without a second user, a lost password or an
orphan."""
import random
import threading
import time

import pytest
import requests

from tests.testbed import clients
from tests.fault import check
from tests.fault.crash import CrashAt, library

QUICK = {"engine": {"delete_grace": 0, "backoff_min": "50ms", "backoff_max": "500ms",
                    "call_timeout": "1s"}}


@pytest.fixture(scope="module")
def victim(testbed, run_dir):
    daemon = testbed.start_tenantd("kill", patch=QUICK)
    yield daemon, clients.Api(daemon), CrashAt(daemon, library(run_dir))
    if daemon.running():
        daemon.stop()


def ask(call):
    """A request to a daemon that may die under it."""
    try:
        call()
    except requests.RequestException:
        pass


def wait_dead(daemon, done, timeout=60):
    """True when it was killed, False when done() came first."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if not daemon.running():
            return True
        try:
            if done():
                return False
        except (requests.RequestException, clients.ApiError):
            pass
        time.sleep(0.02)
    raise TimeoutError("neither killed nor done")


def life(api, appid, state):
    """One step further in the tenant's life; what tells that it is reached."""
    if state == "create":
        body = {"plan": "standard", "buckets": [{"name": "data"},
                                                {"name": "open", "mode": "readwrite"}]}
        return (lambda: api.put(f"/v1/tenants/{appid}", json=body, timeout=20),
                lambda: api.tenant(appid)["phase"] == "Created")
    if state == "suspend":
        return (lambda: api.post(f"/v1/tenants/{appid}/suspend", timeout=20),
                lambda: api.tenant(appid)["phase"] == "Suspended")
    if state == "resume":
        return (lambda: api.post(f"/v1/tenants/{appid}/resume", timeout=20),
                lambda: api.tenant(appid)["phase"] == "Created")
    assert state == "delete"
    return (lambda: api.delete(f"/v1/tenants/{appid}", timeout=20),
            lambda: api.get(f"/v1/tenants/{appid}").status_code == 410)


def test_killed_at_every_step(testbed, victim, new_appid):
    daemon, api, crash = victim
    visited, step = {}, {s: 1 for s in ("create", "suspend", "resume", "delete")}
    pending = set(step)
    rounds = 0
    while pending:
        appid, credentials = new_appid(), None
        rounds += 1
        for state in ("create", "suspend", "resume", "delete"):
            request, reached = life(api, appid, state)
            if state in pending:
                daemon.stop()
                crash.prepare(step[state])
                daemon.start()
                crash.arm()
                ask(request)
                if wait_dead(daemon, reached):
                    crash.disarm()
                    daemon.start()
                    step[state] += 1
                    ask(request)  # the client repeats what got no answer
                else:
                    visited[state] = step[state] - 1
                    pending.discard(state)
            else:
                request()
            if state == "delete":
                check.gone(testbed, api, appid, credentials)
            elif state == "suspend":
                api.wait_phase(appid, "Suspended", 60)
                check.dead(credentials)
            else:
                credentials = check.works(testbed, api, appid, credentials)
        if rounds > 200:
            raise AssertionError(f"no end of steps: {step}")
    print(f"\nkilled at every step: {visited} in {rounds} rounds")
    assert all(visited[s] >= 4 for s in visited), visited


def test_killed_at_random_under_load(testbed, victim, new_appid):
    """Thirty tenants are made and half of them removed while tenantd is killed again and
    again."""
    daemon, api, crash = victim
    crash.disarm()
    if daemon.running():
        daemon.stop()
    daemon.start()
    chance = random.Random(20261122)
    appids = [new_appid() for _ in range(30)]
    body = {"plan": "standard", "buckets": [{"name": "data"}]}

    def client(part):
        for appid in part:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    own = clients.Api(daemon)
                    if own.put(f"/v1/tenants/{appid}", json=body,
                               timeout=5).status_code in (200, 201):
                        break
                except (requests.RequestException, OSError, KeyError):
                    time.sleep(0.05)

    threads = [threading.Thread(target=client, args=(appids[i::5],)) for i in range(5)]
    for t in threads:
        t.start()
    for _ in range(8):
        time.sleep(chance.uniform(0.05, 0.6))
        daemon.kill()
        daemon.start()
    for t in threads:
        t.join()
    documents = {a: check.works(testbed, api, a) for a in appids}
    removed, kept = appids[::2], appids[1::2]
    for appid in removed:
        clients.expect(api.delete(f"/v1/tenants/{appid}"), 202)
    for _ in range(5):
        time.sleep(chance.uniform(0.05, 0.4))
        daemon.kill()
        daemon.start()
    for appid in removed:
        check.gone(testbed, api, appid, documents[appid])
    for appid in kept:
        check.works(testbed, api, appid, documents[appid])
