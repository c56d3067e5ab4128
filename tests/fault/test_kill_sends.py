"""kill -9 of tenantd right after it wrote to a backend, before the answer. These steps are
many: one in EVERY, all of them with TENANTD_FAULT_EVERY=1."""
# (many restarts; the default limit is for single requests)
import os

import pytest

from tests.fault import lives

EVERY = int(os.environ.get("TENANTD_FAULT_EVERY", "8"))


@pytest.mark.timeout(1500)
def test_killed_while_a_backend_is_asked(testbed, victim, new_appid):
    ended = lives.killed_at_every_step(testbed, victim, new_appid, "send", EVERY)
    print(f"\nkilled at one in {EVERY} writes to backends: {ended}")
    assert all(ended[s] >= 12 for s in lives.STATES), ended


@pytest.mark.timeout(1500)
def test_killed_while_a_bucket_is_closed(testbed, patient, new_appid):
    ended = lives.killed_at_every_step(testbed, patient, new_appid, "send", min(EVERY, 3),
                                       states=lives.CLOSING)
    print(f"\nkilled while a bucket is closed: {ended}")
    assert all(ended[s] >= 9 for s in lives.CLOSING), ended
