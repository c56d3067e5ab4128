"""After the full run: no secret that passed through it is in a log, a report, the store, a
core file, a process's arguments or environment, an error or the metrics."""
import os
import re
from pathlib import Path

import pytest

from tests.testbed import clients, leaks
from tests.testbed.clients import expect


@pytest.fixture(scope="module")
def busy(tenantd, api, new_appid):
    """A daemon that has just handled every kind of secret; those become known, too."""
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", ("open", "readwrite")))
    token = api.mint_token("runtime", appid)["token"]
    credentials = api.credentials(token=token)
    for form in ("json", "env", "aws", "credential-process"):
        expect(api.get(f"/v1/credentials?format={form}", token=token), 200)
    expect(api.post(f"/v1/tenants/{appid}/suspend?wait=30"), 200, 202)
    expect(api.post(f"/v1/tenants/{appid}/resume?wait=30"), 200, 202)
    return tenantd, api, appid, token, credentials


def secrets():
    found = leaks.known(os.environ["TENANTD_TEST_RUN"])
    assert len(found) >= 5, "nothing to look for"
    return found


def test_the_search_finds_a_planted_secret(busy, tmp_path):
    value = next(iter(secrets()))
    (tmp_path / "a.log").write_text(f"level=error token={value} oops\n")
    assert leaks.in_files(secrets(), [tmp_path / "a.log"])


def test_no_secret_in_any_file_of_the_run(busy):
    run = Path(os.environ["TENANTD_TEST_RUN"])
    files = leaks.searched_files(run)
    assert any("tenantd" in f.name and f.suffix == ".log" for f in files), "no log searched"
    assert leaks.in_files(secrets(), files) == []
    print(f"\n{len(files)} files searched for {len(secrets())} secrets")


def test_no_secret_in_arguments_or_environment(busy):
    tenantd = busy[0]
    assert leaks.in_process(secrets(), tenantd.pid) == []


def test_no_core_files(busy):
    limits = Path(f"/proc/{busy[0].pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0", limits), limits
    run = Path(os.environ["TENANTD_TEST_RUN"])
    assert [p for p in run.rglob("core*") if p.is_file() and re.fullmatch(r"core(\.\d+)?",
                                                                          p.name)] == []


def test_no_secret_in_errors_metrics_and_other_replies(busy):
    tenantd, api, appid, token, credentials = busy
    replies = [
        api.get("/v1/credentials", token=token + "x"), api.get("/v1/credentials", token="tnd_no"),
        api.get(f"/v1/tenants/{appid}", token=token), api.get("/v1/tokens"),
        api.put(f"/v1/tenants/{appid}", data=b'{"plan": 1}'), api.get(f"/v1/tenants/{appid}"),
        api.get(f"/v1/tenants/{appid}/buckets"), api.get("/v1/audit?limit=1000"),
        api.get("/metrics"), api.get("/readyz"), api.get("/v1/nowhere"),
        api.post(f"/v1/tenants/{appid}/resume", data=b"{"),
    ]
    for reply in replies:
        text = reply.text + "".join(f"{k}: {v}" for k, v in reply.headers.items())
        assert leaks.in_text(secrets(), text) == [], reply.request.url


def test_secrets_are_sealed_in_the_store(busy):
    """The files of the store are searched like any other: this only makes sure of it."""
    tenantd, _, _, _, credentials = busy
    files = [p for p in tenantd.state_dir.rglob("*") if p.is_file() and p.stat().st_size and
             p.name not in leaks.SECRET_FILES]
    assert any(f.suffix == ".mdb" for f in files)
    wanted = {credentials["object"]["secret_key"]: "secret key",
              credentials["database"]["password"]: "password"}
    assert leaks.in_files(wanted, files) == []
    assert clients.expect(busy[1].get("/healthz"), 200)
