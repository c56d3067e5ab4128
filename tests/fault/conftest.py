"""Fixtures of the stage `fault`."""
import pytest

from tests.fault.crash import CrashAt, library

QUICK = {"engine": {"delete_grace": 0, "backoff_min": "50ms", "backoff_max": "500ms",
                    "call_timeout": "1s"},
         # Counted, and enough for a life per step.
         "gate": {"close_per_hour": 100000, "remove_per_hour": 100000}}


@pytest.fixture(scope="module")
def patient(testbed, run_dir):
    """The same with a grace time."""
    daemon = testbed.start_tenantd("patient", patch={"engine": {**QUICK["engine"],
                                                                "delete_grace": "1h"}})
    yield daemon, CrashAt(daemon, library(run_dir))
    if daemon.running():
        daemon.stop()


@pytest.fixture(scope="module")
def victim(testbed, run_dir):
    daemon = testbed.start_tenantd("kill", patch=QUICK)
    yield daemon, CrashAt(daemon, library(run_dir))
    if daemon.running():
        daemon.stop()
