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


STATES = ("create", "purge", "suspend", "resume", "delete")
# With a grace time to come, so that what is purged is closed and comes back.
CLOSING = ("close", "take back")
ENDS = {"create": "Created", "suspend": "Suspended", "resume": "Created"}
PUBLIC = "open"  # the bucket that is purged


def make(api, appid):
    return api.put(f"/v1/tenants/{appid}", timeout=20, json={
        "plan": "standard",
        "buckets": [{"name": "data"}, {"name": PUBLIC, "mode": "readwrite"}]})


def life(daemon, appid, state):
    """One step further in the tenant's life, and what tells that it is reached. A client of its
    own, because a kept connection may be to the daemon before."""
    path = f"/v1/tenants/{appid}"
    public = f"{path}/buckets/{PUBLIC}"
    requests_ = {"create": lambda a: make(a, appid),
                 "purge": lambda a: a.delete(public + "?purge=true", timeout=20),
                 "close": lambda a: a.delete(public + "?purge=true", timeout=20),
                 "take back": lambda a: a.put(public, json={}, timeout=20),
                 "suspend": lambda a: a.post(path + "/suspend", timeout=20),
                 "resume": lambda a: a.post(path + "/resume", timeout=20),
                 "delete": lambda a: a.delete(path, timeout=20)}

    def reached():
        api = clients.Api(daemon)
        if state == "delete":
            return api.get(path).status_code == 410
        if state == "purge":
            return api.get(public).status_code == 404 and check.is_settled(api, appid)
        if state == "close":
            return api.get(public).json().get("access") == "closed"
        if state == "take back":
            return api.get(public).json()["ready"] and check.is_settled(api, appid)
        return api.tenant(appid)["phase"] == ENDS[state]

    return lambda: requests_[state](clients.Api(daemon)), reached


def verify(testbed, api, appid, state, credentials):
    """After the state was reached; the credentials to be used from then on."""
    if state == "delete":
        check.gone(testbed, api, appid, credentials)
    elif state == "suspend":
        api.wait_phase(appid, "Suspended", 60)
        check.dead(credentials)
    elif state == "close":
        check.closed(testbed, api, appid, PUBLIC, credentials)
    else:
        if state in ("purge", "take back"):
            check.not_closed(testbed, api, appid, PUBLIC, state == "purge")
        credentials = check.works(testbed, api, appid, credentials)
    return credentials


def killed_at_every_step(testbed, victim, new_appid, kind, stride=1, states=STATES):
    """Kill it at step 1, 1 + stride, ... of every part of a life until no such step is left;
    after each it must converge. Gives the steps at which there was none any more."""
    daemon, crash = victim
    step = {s: 1 for s in states}
    ended = {}
    while len(ended) < len(states):
        appid, credentials = new_appid(), None
        if states[0] != "create":
            api = clients.Api(daemon)
            make(api, appid)
            credentials = check.works(testbed, api, appid)
        for state in states:
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
            if state not in ("purge", "delete") or not reached():
                ask(request)
            credentials = verify(testbed, clients.Api(daemon), appid, state, credentials)
        assert max(step.values()) < 400, f"no end of steps: {step}"
    return ended
