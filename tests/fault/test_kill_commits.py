"""kill -9 of tenantd before and after every durable write: every recorded step."""
# (many restarts; the default limit is for single requests)
import pytest

from tests.fault import lives


@pytest.mark.timeout(1500)
def test_killed_at_every_recorded_step(testbed, victim, new_appid):
    ended = lives.killed_at_every_step(testbed, victim, new_appid, "commit")
    print(f"\nkilled before and after every commit: {ended}")
    assert all(ended[s] >= 6 for s in lives.STATES), ended


@pytest.mark.timeout(1500)
def test_killed_at_every_recorded_step_of_a_purge(testbed, patient, new_appid):
    ended = lives.killed_at_every_step(testbed, patient, new_appid, "commit",
                                       states=lives.CLOSING)
    print(f"\nkilled before and after every commit: {ended}")
    assert all(ended[s] >= 6 for s in lives.CLOSING), ended
