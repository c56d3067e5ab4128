"""A wall clock that leaps ahead takes nothing with it: what goes by time waits until the
clock has kept its course (clock.settle). libfaketime stands for whoever sets the clock."""
import glob
import re

import pytest
import requests

from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

GRACE = "10m"  # and a leap of more, which is little enough for MinIO's signatures: 15 min
LEAP = 14 * 60
CONFIG = {"engine": {"delete_grace": GRACE, "backoff_max": "1s"}}


class Clock:
    """The wall clock of one tenantd, seconds ahead of the machine's."""

    def __init__(self, daemon):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        assert found, "libfaketime is missing"
        self.path = daemon.run_dir / "clock"
        self.set(0)
        daemon.extra_environment |= {
            "LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, ahead):
        self.path.write_text(f"+{ahead}s\n")


def ahead(daemon):
    text = requests.get(daemon.url() + "/metrics", timeout=10,
                        headers={"Authorization": f"Bearer {daemon.admin_token}"}).text
    return int(re.search(r"^tenantd_clock_ahead_seconds (\d+)", text, re.M).group(1))


@pytest.fixture
def daemon(testbed):
    daemon = testbed.new_tenantd("clock", patch=CONFIG)
    yield daemon
    daemon.stop()
    daemon.gateway.stop()


def test_a_leap_takes_nothing_with_it(testbed, daemon, new_appid):
    clock = Clock(daemon)
    testbed.start_existing(daemon)
    api = clients.Api(daemon)
    leaving, purging = new_appid(), new_appid()
    for appid in (leaving, purging):
        api.create_tenant(appid)
    credentials = api.credentials(leaving)
    s3 = clients.boto(credentials)
    s3.put_object(Bucket=f"{leaving}-data", Key="k", Body=b"v")
    with clients.mongo(credentials) as client:
        client[leaving].c.insert_one({"_id": 1})
    expect(api.delete(f"/v1/tenants/{leaving}"), 202)
    expect(api.delete(f"/v1/tenants/{purging}/buckets/data?purge=true"), 202)
    assert ahead(daemon) == 0

    # While it runs, and over a kill and a start, which looks at all that is unsettled.
    clock.set(LEAP)
    wait_until(lambda: ahead(daemon) > LEAP - 60, 30, "the leap is seen")
    daemon.kill()
    daemon.start()
    assert ahead(daemon) > LEAP - 60
    assert "the wall clock is" in daemon.logs()
    other = new_appid()
    api.create_tenant(other)  # the engine has been through its work
    for appid in (leaving, purging):
        assert f"{appid}-data" in testbed.minio.buckets()
    with testbed.mongod.root() as root:
        assert leaving in root.list_database_names()

    # Orders that do not go by time are carried out, and both can be taken back.
    expect(api.delete(f"/v1/tenants/{other}?force=true"), 202)
    api.wait_phase(other, "Deleted")
    expect(api.post(f"/v1/tenants/{leaving}/undelete"), 200, 202)
    api.wait_phase(leaving, "Created")
    expect(api.put(f"/v1/tenants/{purging}/buckets/data", json={}), 200, 202)
    api.wait_phase(purging, "Created")
    credentials = api.credentials(leaving)
    s3 = clients.boto(credentials)
    assert s3.get_object(Bucket=f"{leaving}-data", Key="k")["Body"].read() == b"v"

    # Believed, it takes them: the leap was more than the grace time.
    clock.set(0)
    wait_until(lambda: ahead(daemon) == 0, 30, "the clock is right again")
    expect(api.delete(f"/v1/tenants/{leaving}"), 202)
    expect(api.delete(f"/v1/tenants/{purging}/buckets/data?purge=true"), 202)
    daemon.stop()
    clock.set(LEAP)
    daemon.patch = {**CONFIG, "clock": {"settle": 0}}
    daemon.start()
    api.wait_phase(leaving, "Deleted", 60)
    wait_until(lambda: f"{purging}-data" not in testbed.minio.buckets(), 60,
               "the purged bucket goes")
    assert ahead(daemon) == 0
