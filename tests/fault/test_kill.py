"""kill -9 of tenantd: at every step that leaves a trace outside of the process, and at
random times under load. It must converge, without a second user, a lost password or an
orphan."""
import os
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
    yield daemon, CrashAt(daemon, library(run_dir))
    if daemon.running():
        daemon.stop()


def ask(call):
    """A request to a daemon that may die under it; repeated once it is back, as a client
    does that got no answer."""
    try:
        call()
    except requests.RequestException:
        return


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


STATES = ("create", "suspend", "resume", "delete")


def life(daemon, appid, state):
    """One step further in the tenant's life, and what tells that it is reached. A client of its
    own, because a kept connection may be to the daemon before."""
    path = f"/v1/tenants/{appid}"
    body = {"plan": "standard", "buckets": [{"name": "data"},
                                            {"name": "open", "mode": "readwrite"}]}
    requests_ = {"create": lambda a: a.put(path, json=body, timeout=20),
                 "suspend": lambda a: a.post(path + "/suspend", timeout=20),
                 "resume": lambda a: a.post(path + "/resume", timeout=20),
                 "delete": lambda a: a.delete(path, timeout=20)}
    ends = {"create": "Created", "suspend": "Suspended", "resume": "Created"}

    def reached():
        api = clients.Api(daemon)
        if state == "delete":
            return api.get(path).status_code == 410
        return api.tenant(appid)["phase"] == ends[state]

    return lambda: requests_[state](clients.Api(daemon)), reached


# Every recorded step is visited. Of the writes to backends, which are many, one in EVERY; all
# with TENANTD_FAULT_EVERY=1.
EVERY = int(os.environ.get("TENANTD_FAULT_EVERY", "6"))


@pytest.mark.parametrize("kind,stride,least", [("commit", 1, 6), ("send", EVERY, 12)])
def test_killed_at_every_step(testbed, victim, new_appid, kind, stride, least):
    daemon, crash = victim
    step = {s: 1 for s in STATES}
    ended = {}
    while len(ended) < len(STATES):
        appid, credentials = new_appid(), None
        for state in STATES:
            request, reached = life(daemon, appid, state)
            if state not in ended:
                daemon.stop()
                crash.prepare(kind, step[state])
                daemon.start()
                crash.arm()
                ask(request)
                if wait_dead(daemon, reached):
                    step[state] += stride
                else:
                    ended[state] = step[state]
                    daemon.stop()
                crash.disarm()
                daemon.start()
            if state != "delete" or not reached():
                ask(request)
            api = clients.Api(daemon)
            if state == "delete":
                check.gone(testbed, api, appid, credentials)
            elif state == "suspend":
                api.wait_phase(appid, "Suspended", 60)
                check.dead(credentials)
            else:
                credentials = check.works(testbed, api, appid, credentials)
        assert max(step.values()) < 400, f"no end of steps: {step}"
    print(f"\nkilled at {kind} steps up to {ended}, one in {stride}")
    assert all(ended[s] >= least for s in STATES), ended


def test_killed_at_random_under_load(testbed, victim, new_appid):
    """Thirty tenants are made and half of them removed while tenantd is killed again and
    again."""
    daemon, crash = victim
    crash.disarm()
    daemon.restart()
    api = clients.Api(daemon)
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
    api = clients.Api(daemon)
    documents = {a: check.works(testbed, api, a) for a in appids}
    removed, kept = appids[::2], appids[1::2]
    for appid in removed:
        clients.expect(api.delete(f"/v1/tenants/{appid}"), 202)
    for _ in range(5):
        time.sleep(chance.uniform(0.05, 0.4))
        daemon.kill()
        daemon.start()
    api = clients.Api(daemon)
    for appid in removed:
        check.gone(testbed, api, appid, documents[appid])
    for appid in kept:
        check.works(testbed, api, appid, documents[appid])
