"""kill -9 of tenantd before and after every durable write: every recorded step."""
from tests.fault import lives


def test_killed_at_every_recorded_step(testbed, victim, new_appid):
    ended = lives.killed_at_every_step(testbed, victim, new_appid, "commit")
    print(f"\nkilled before and after every commit: {ended}")
    assert all(ended[s] >= 6 for s in lives.STATES), ended
