"""kill -9 of tenantd at random times while tenants are made and removed."""
# (many restarts; the default limit is for single requests)
import random
import threading
import time

import requests

import pytest

from tests.fault import check
from tests.testbed import clients


@pytest.mark.timeout(1500)
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
