"""A tenant's life in steps, asked of a daemon that is killed on the way."""
import time

import requests

from tests.fault import check
from tests.testbed import clients


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


def killed_at_every_step(testbed, victim, new_appid, kind, stride=1):
    """Kill it at step 1, 1 + stride, ... of every part of a life until no such step is left;
    after each it must converge. Gives the steps at which there was none any more."""
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
    return ended
