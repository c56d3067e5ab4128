"""GET /v1/credentials: the four formats in the hands of the clients they are made for, polls
that wait, and what a pod gets when things are not well."""
import json
import os
import re
import subprocess
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import requests

from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

PATH = "/v1/credentials"


@pytest.fixture(scope="module")
def pod(api):
    """A Created tenant and its runtime token."""
    from tests.testbed.bed import new_appid
    appid = new_appid()
    api.create_tenant(appid, buckets=["data", ("public", "readonly")])
    token = api.mint_token("runtime", appid)["token"]
    clients.note_credentials(expect(api.get(PATH, token=token), 200).json())
    return appid, token


def problem(reply, status, code):
    assert (reply.status_code, reply.headers["Content-Type"]) == \
        (status, "application/problem+json"), reply.text
    document = reply.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == reply.headers["X-Request-Id"]


def test_json_is_the_contract(api, pod):
    appid, token = pod
    reply = expect(api.get(PATH, token=token), 200)
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    document = reply.json()
    assert document["appid"] == appid and document["serial"] >= 1
    part = document["object"]
    assert re.fullmatch("[A-Za-z0-9]{20}", part["access_key"])
    assert part["session_token"] is None and part["expires_at"] is None
    assert part["buckets"] == [
        {"name": "data", "bucket": f"{appid}-data", "mode": "private"},
        {"name": "public", "bucket": f"{appid}-public", "mode": "readonly"}]
    assert document["database"]["database"] == appid
    assert document["database"]["uri"].endswith(f"/{appid}?authSource={appid}&replicaSet=rs0") or \
        f"?authSource={appid}" in document["database"]["uri"]
    assert document["volume"] is None or document["volume"]["bytes"] > 0


def test_env_is_read_back_by_a_shell(api, pod):
    appid, token = pod
    reply = expect(api.get(PATH + "?format=env", token=token), 200)
    assert reply.headers["Content-Type"].startswith("text/plain")
    document = api.credentials(token=token)
    seen = subprocess.run(["sh", "-c", "set -a; eval \"$1\"; env", "sh", reply.text],
                          env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
                          check=True).stdout
    lines = dict(line.split("=", 1) for line in seen.splitlines())
    assert lines["APPID"] == appid
    assert lines["DB_URI"] == document["database"]["uri"]
    assert lines["OSS_ACCESS_KEY"] == document["object"]["access_key"]
    assert lines["OSS_ACCESS_SECRET"] == document["object"]["secret_key"]
    assert lines["OSS_INTERNAL_ENDPOINT"] == document["object"]["internal_endpoint"]
    assert lines["OSS_EXTERNAL_ENDPOINT"] == document["object"]["external_endpoint"]
    assert lines["OSS_REGION"] == document["object"]["region"]


def test_aws_document(api, pod):
    _, token = pod
    document = expect(api.get(PATH + "?format=aws", token=token), 200).json()
    assert set(document) == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert document["Token"] == ""
    expires = datetime.strptime(document["Expiration"], "%Y-%m-%dT%H:%M:%SZ")
    left = expires.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)
    assert timedelta(minutes=59) < left <= timedelta(minutes=60)


def test_credential_process_document(api, pod):
    _, token = pod
    document = expect(api.get(PATH + "?format=credential-process", token=token), 200).json()
    assert document["Version"] == 1
    assert set(document) == {"Version", "AccessKeyId", "SecretAccessKey", "Expiration"}


def container_environment(api, tmp_path, token):
    path = tmp_path / "token"
    path.write_text(token)
    path.chmod(0o600)
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI":
            f"{api.daemon.url()}{PATH}?format=aws",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(path)}


def test_botocore_fetches_and_refreshes_them(api, pod, tmp_path, monkeypatch):
    """botocore's own container provider, as in a pod: nothing is configured but where."""
    import boto3
    import botocore.session
    appid, token = pod
    for key, value in container_environment(api, tmp_path, token).items():
        monkeypatch.setenv(key, value)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    found = botocore.session.get_session().get_credentials()
    assert found.method == "container-role"
    document = api.credentials(token=token)
    first = found.get_frozen_credentials()
    assert (first.access_key, first.secret_key) == \
        (document["object"]["access_key"], document["object"]["secret_key"])
    client = boto3.Session().client(
        "s3", endpoint_url=document["object"]["internal_endpoint"],
        region_name=document["object"]["region"],
        config=boto3.session.Config(s3={"addressing_style": "path"}))
    client.put_object(Bucket=f"{appid}-data", Key="from-container", Body=b"x")
    assert client.get_object(Bucket=f"{appid}-data", Key="from-container")["Body"].read() == b"x"
    # Near its end, botocore asks again by itself.
    before = reads(api, appid)
    found._expiry_time = datetime.now(timezone.utc) + timedelta(seconds=30)
    found.get_frozen_credentials()
    assert reads(api, appid) > before
    assert not found.refresh_needed()


def reads(api, appid):
    """Recorded credential reads of a tenant; entries are in the store within 100 ms."""
    time.sleep(0.3)
    entries, after = [], 0
    while True:
        page = expect(api.get(f"/v1/audit?appid={appid}&limit=1000&after={after}"), 200).json()
        entries += [e for e in page["entries"] if e["action"] == "credentials.read"]
        if page["next"] is None:
            return len(entries)
        after = page["next"]


def test_javascript_fetches_them(api, pod, tmp_path, node):
    appid, token = pod
    done = node("container_credentials.cjs", appid,
                env={**container_environment(api, tmp_path, token),
                     "ENDPOINT": api.credentials(token=token)["object"]["internal_endpoint"]})
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    document = api.credentials(token=token)["object"]
    for provider in ("fromHttp", "fromContainerMetadata"):
        assert seen[provider]["accessKeyId"] == document["access_key"], provider
        assert seen[provider]["expires"], provider
    assert seen["body"] == "written by fromHttp"


def test_token_with_and_without_bearer(api, pod):
    _, token = pod
    url = api.daemon.url() + PATH
    for header in (f"Bearer {token}", f"bearer {token}", token):
        assert requests.get(url, headers={"Authorization": header}, timeout=5).status_code == 200
    for header in (f"Basic {token}", token + "x", token[:-1], "Bearer", "", "tnd_" + "A" * 43):
        problem(requests.get(url, headers={"Authorization": header}, timeout=5),
                401, "unauthenticated")


def test_etags(api, pod):
    _, token = pod
    tags = {}
    for form in ("json", "env", "aws", "credential-process"):
        reply = expect(api.get(f"{PATH}?format={form}", token=token), 200)
        tags[form] = reply.headers["ETag"]
    assert len(set(tags.values())) == 4, "one per format"
    for form, tag in tags.items():
        for header in (tag, "W/" + tag, f'"other", {tag}', "*"):
            reply = api.get(f"{PATH}?format={form}", token=token,
                            headers={"If-None-Match": header})
            assert (reply.status_code, reply.text) == (304, ""), (form, header)
            assert reply.headers["ETag"] == tag
    reply = api.get(PATH, token=token, headers={"If-None-Match": tags["env"]})
    assert reply.status_code == 200


def test_long_poll(api, pod):
    appid, token = pod
    tag = expect(api.get(PATH, token=token), 200).headers["ETag"]
    began = time.monotonic()
    reply = api.get(PATH, token=token, headers={"If-None-Match": tag, "Prefer": "wait=1"})
    assert reply.status_code == 304
    assert 0.9 < time.monotonic() - began < 5
    # A new bucket is part of the document.
    answers = []

    def poll():
        answers.append((requests.get(api.daemon.url() + PATH, headers={
            "Authorization": token, "If-None-Match": tag, "Prefer": "wait=60"}, timeout=70),
            time.monotonic()))
    threads = [threading.Thread(target=poll) for _ in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: waiting(api) >= 20, 10, "20 polls wait")
    expect(api.put(f"/v1/tenants/{appid}/buckets/later?wait=30", json={}), 201)
    done = time.monotonic()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 20
    for answer, when in answers:
        assert answer.status_code == 200
        assert "later" in [b["name"] for b in answer.json()["object"]["buckets"]]
        assert when - done < 3, "at once, not at the end of the poll"


def waiting(api):
    text = expect(api.get("/metrics", token=""), 200).text
    return int(re.search(r"^tenantd_http_waiting (\d+)$", text, re.M)[1])


def test_who_may_ask(api, pod, new_appid):
    appid, token = pod
    problem(api.get(f"{PATH}?appid={appid}", token=token), 403, "forbidden")
    problem(api.get(PATH), 400, "invalid_request")
    problem(api.get(f"{PATH}?appid={new_appid()}"), 404, "not_found")
    problem(api.get(f"{PATH}?appid=../x"), 400, "invalid_request")
    problem(api.get(f"{PATH}?format=xml", token=token), 400, "invalid_request")
    problem(api.get(f"{PATH}?fromat=aws", token=token), 400, "invalid_request")
    for role in ("auditor", "billing", "producer"):
        problem(api.get(PATH, token=api.mint_token(role)["token"]), 403, "forbidden")
    problem(api.get(PATH, token=api.mint_token("tenant", appid)["token"]), 403, "forbidden")
    assert expect(api.get(f"{PATH}?appid={appid}"), 200).json()["appid"] == appid


def test_every_read_is_recorded(api, pod):
    appid, token = pod
    wanted = {f"seen-{i}-{os.getpid()}" for i in range(20)}
    for request_id in wanted:
        expect(api.get(f"{PATH}?format=aws", token=token,
                       headers={"X-Request-Id": request_id}), 200)

    def recorded():
        found, after = {}, 0
        while True:
            page = api.get(f"/v1/audit?appid={appid}&limit=1000&after={after}").json()
            found.update({e["request_id"]: e for e in page["entries"]})
            if page["next"] is None:
                return found
            after = page["next"]
    wait_until(lambda: wanted <= set(recorded()), 5, "20 entries")
    entry = recorded()[wanted.pop()]
    assert entry["action"] == "credentials.read" and entry["outcome"] == "ok"
    assert entry["role"] == "runtime" and entry["address"] == "127.0.0.1"
    assert entry["object"] == "aws" and entry["count"] == 1


def test_recorded_reads_survive_kill_9(testbed, new_appid):
    daemon = testbed.start_tenantd("audit_kill")
    try:
        api = clients.Api(daemon)
        appid = new_appid()
        api.create_tenant(appid)
        token = api.mint_token("runtime", appid)["token"]
        wanted = {f"kill-{i}" for i in range(50)}
        for request_id in wanted:
            expect(api.get(PATH, token=token, headers={"X-Request-Id": request_id}), 200)
        daemon.kill()
        daemon.start()
        page = expect(api.get(f"/v1/audit?appid={appid}&limit=1000"), 200).json()
        got = [e["request_id"] for e in page["entries"] if e["action"] == "credentials.read"]
        assert wanted <= set(got) and len(got) == len(set(got)), "none lost, none twice"
    finally:
        daemon.stop()
        daemon.gateway.stop()


def test_expired_and_revoked_tokens(api, pod):
    appid, _ = pod
    short = api.mint_token("runtime", appid, ttl_seconds=1)["token"]
    wait_until(lambda: api.get(PATH, token=short).status_code == 401, 5, "it expires")
    minted = api.mint_token("runtime", appid)
    sessions = [requests.Session() for _ in range(16)]
    url = api.daemon.url() + PATH
    for session in sessions:
        session.headers["Authorization"] = minted["token"]
        assert session.get(url, timeout=5).status_code == 200
    expect(api.delete(f"/v1/tokens/{minted['id']}"), 204)
    # Each of these connections is with some thread: all of them know at once.
    assert {session.get(url, timeout=5).status_code for session in sessions} == {401}


def test_suspended_and_deleted(api, new_appid):
    appid = new_appid()
    api.create_tenant(appid)
    token = api.mint_token("runtime", appid)["token"]
    tag = expect(api.get(PATH, token=token), 200).headers["ETag"]
    expect(api.post(f"/v1/tenants/{appid}/suspend?wait=60"), 200)
    problem(api.get(PATH, token=token), 403, "tenant_suspended")
    problem(api.get(PATH, token=token, headers={"If-None-Match": tag}), 403, "tenant_suspended")
    expect(api.post(f"/v1/tenants/{appid}/resume?wait=60"), 200)
    expect(api.get(PATH, token=token), 200)
    expect(api.delete(f"/v1/tenants/{appid}?force=true&wait=60"), 202, 204)
    api.wait_phase(appid, "Deleted")
    # Its tokens went with it.
    assert api.get(PATH, token=token).status_code in (401, 410)


def test_pods_are_served_while_every_backend_is_down(fault_testbed, new_appid):
    daemon = fault_testbed.start_tenantd("backends_down")
    try:
        api = clients.Api(daemon)
        appid = new_appid()
        api.create_tenant(appid)
        token = api.mint_token("runtime", appid)["token"]
        before = expect(api.get(PATH, token=token), 200).json()
        clients.note_credentials(before)
        fault_testbed.minio_fault.cut()
        fault_testbed.mongod_fault.cut()
        assert expect(api.get(PATH, token=token), 200).json() == before
        daemon.ready_path = "/healthz"
        daemon.restart()
        assert expect(api.get(PATH, token=token), 200).json() == before
        assert api.get("/readyz", token="").json()["ready"] is True
    finally:
        fault_testbed.minio_fault.heal()
        fault_testbed.mongod_fault.heal()
        daemon.stop()
        daemon.gateway.stop()
