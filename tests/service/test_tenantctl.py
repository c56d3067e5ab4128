"""tenantctl against the real daemon: every command, its exit statuses and what it prints."""
import atexit
import hashlib
import json
import os
import pty
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.testbed import clients, parts
from tests.testbed.process import note_secret, reserve_port, wait_until

OK, ERROR, USAGE, NOT_FOUND, CONFLICT, UNREACHABLE, TIMEOUT, DENIED = range(8)

# The path of a unix socket must be short, which a run folder is not.
SOCKETS = Path(tempfile.mkdtemp(prefix="td-ctl."))
atexit.register(shutil.rmtree, SOCKETS, ignore_errors=True)
ROUTES = ("runtime", "control", "ingest", "ops")
TENANTD_CONFIG = {"listeners": [
    {"name": "pods", "address": "127.0.0.1:0", "routes": ["runtime"]},
    {"name": "control", "address": "127.0.0.1:0", "routes": list(ROUTES)},
    {"name": "local", "address": f"unix:{SOCKETS}/control.sock", "routes": list(ROUTES)},
]}


# Tries again soon after a fault.
QUICK = {"engine": {"backoff_min": "100ms", "backoff_max": "1s", "call_timeout": "10s"}}


@pytest.fixture
def ctl(tenantctl):
    """ctl(...) runs tenantctl and insists on an exit status, 0 unless `status` says another;
    the finished process."""
    def run(*args, status=OK, **kwargs):
        done = tenantctl(*args, **kwargs)
        assert done.returncode == status, (args, done.returncode, done.stdout, done.stderr)
        if status == OK and "token" not in args:
            assert done.stderr == "", (args, done.stderr)
        return done
    return run


@pytest.fixture
def appid(ctl, new_appid):
    """A Created tenant with the bucket `data`, made by tenantctl."""
    name = new_appid()
    ctl("tenant", "create", name, "--plan", "standard", "--bucket", "data", "--wait")
    return name


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows(done):
    """A table as dictionaries; columns are where the titles stand."""
    title, *rest = done.stdout.splitlines()
    names = title.split("  ")
    names = [n.strip() for n in names if n.strip()]
    starts = [title.index(n) for n in names]
    return [{n: line[a:b].strip() for n, a, b in zip(names, starts, [*starts[1:], None])}
            for line in rest]


def token_file(folder, token, name="token"):
    path = folder / name
    path.write_text(token + "\n")
    path.chmod(0o400)
    return path


# ---- the command line itself ----

def test_help_and_version_need_no_daemon(ctl):
    alone = {"env": {"TENANTD_URL": "", "TENANTD_TOKEN_FILE": ""}}
    everything = ctl("--help", **alone).stdout
    for words in (["tenant", "create"], ["bucket", "delete"], ["token", "list"], ["exec"],
                  ["policy", "check"], ["audit", "list"], ["status"], ["credentials"]):
        assert "  " + " ".join(words) in everything
        one = ctl(*words, "--help", **alone).stdout
        assert "usage: tenantctl " + " ".join(words) in one
        assert "Examples:" in one
    assert "tenant suspend" in ctl("tenant", "-h", **alone).stdout
    assert ctl("version", **alone).stdout.startswith("tenantctl ")
    assert lines(ctl("version", "-o", "json", **alone))[0]["version"]


@pytest.mark.parametrize("line", [
    "", "tenant", "tenants list", "tenant create", "tenant create a b", "tenant list --colour",
    "tenant list --output xml", "tenant create abc123 --bucket a:b:c:d",
    "tenant create abc123 --label x", "tenant create abc123 --limit object_bytes=much",
    "tenant create abc123 --wait=soon", "tenant list --limit 0", "token create --role runtime "
    "--ttl never", "exec", "exec env", "tenant list --url ftp://x", "tenant list --timeout 0",
    "tenant set abc123", "bucket set abc123 data"])
def test_a_wrong_command_line_changes_nothing_and_is_status_2(ctl, api, line):
    done = ctl(*line.split(), status=USAGE)
    assert done.stdout == ""
    assert done.stderr.startswith("tenantctl: ")
    assert api.get("/v1/tenants/abc123").status_code == 404


# ---- tenants ----

def test_create_get_and_list(ctl, api, new_appid):
    name = new_appid()
    done = ctl("tenant", "create", name, "--plan", "small", "--bucket", "data", "--bucket",
               "web:readonly:10Mi", "--label", "team=x", "--limit", "object_bytes=500M", "--wait")
    assert done.stdout == f"{name}: Created\n"
    document = api.tenant(name)
    assert document["plan"] == "small" and document["labels"] == {"team": "x"}
    assert document["limits"] == {"object_bytes": 500_000_000}
    assert [(b["name"], b["mode"], b["quota_bytes"], b["ready"]) for b in document["buckets"]] \
        == [("data", "private", 0, True), ("web", "readonly", 10 << 20, True)]
    # Again: nothing happens.
    ctl("tenant", "create", name, "--plan", "small", "--wait")
    assert api.tenant(name)["generation"] == document["generation"]

    shown = ctl("tenant", "get", name).stdout
    for word in (name, "Created", "small", "team=x", "object_bytes=476.8 MiB", f"{name}-web",
                 "readonly", "10 MiB"):
        assert word in shown, shown
    assert lines(ctl("tenant", "get", name, "--output", "json")) == [api.tenant(name)]

    listed = {row["APPID"]: row for row in rows(ctl("tenant", "list"))}
    assert listed[name]["PHASE"] == "Created" and listed[name]["BUCKETS"] == "2"
    assert name in [t["appid"] for t in lines(ctl("tenant", "list", "-o", "json"))]
    assert name not in ctl("tenant", "list", "--phase", "Suspended").stdout
    assert len(lines(ctl("tenant", "list", "-o", "json", "--limit", "1"))) == 1


def test_if_absent_refuses_a_tenant_that_is_there(ctl, api, appid, new_appid):
    done = ctl("tenant", "create", appid, "--if-absent", "--label", "a=b", status=CONFLICT)
    assert "precondition_failed" in done.stderr and "request id " in done.stderr
    assert api.tenant(appid)["labels"] == {}
    other = new_appid()
    ctl("tenant", "create", other, "--plan", "small", "--if-absent", "--wait")


def test_what_tenantd_refuses_is_told_in_its_words(ctl, new_appid):
    done = ctl("tenant", "create", "admin", "--plan", "small", status=CONFLICT)
    assert "(409 appid_reserved)" in done.stderr and "This appid is reserved." in done.stderr
    done = ctl("tenant", "create", new_appid(), "--plan", "nosuch", status=ERROR)
    assert "(422 unknown_plan)" in done.stderr
    done = ctl("tenant", "get", new_appid(), status=NOT_FOUND)
    assert "(404 not_found)" in done.stderr
    # An appid is data, never a part of the path.
    ctl("tenant", "get", "../tokens", status=NOT_FOUND)
    ctl("tenant", "get", "x?wait=1", status=NOT_FOUND)


def test_set_changes_what_it_names_and_nothing_else(ctl, api, appid):
    ctl("tenant", "set", appid, "--label", "a=1", "--label", "b=2", "--limit",
        "object_bytes=2Gi", "--limit", "database_bytes=1Gi")
    ctl("tenant", "set", appid, "--label", "b=3", "--unset-label", "a", "--unset-limit",
        "object_bytes", "--deletion-protection", "on", "--wait")
    document = api.tenant(appid)
    assert document["labels"] == {"b": "3"}
    assert document["limits"] == {"database_bytes": 1 << 30}
    assert document["plan"] == "standard" and document["deletion_protection"] is True
    done = ctl("tenant", "delete", appid, "--force", status=CONFLICT)
    assert "deletion_protected" in done.stderr
    ctl("tenant", "set", appid, "--deletion-protection", "off")
    ctl("tenant", "set", "nosuch1", "--label", "a=1", status=NOT_FOUND)
    assert api.get("/v1/tenants/nosuch1").status_code == 404


def test_two_who_set_at_once_do_not_undo_each_other(ctl, api, appid):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: ctl("tenant", "set", appid, "--label", f"k{i}=v{i}"), range(4)))
    assert api.tenant(appid)["labels"] == {f"k{i}": f"v{i}" for i in range(4)}


def test_suspend_and_resume(ctl, api, appid):
    assert ctl("tenant", "suspend", appid, "--wait").stdout == f"{appid}: Suspended\n"
    done = ctl("credentials", appid, status=DENIED)
    assert "(403 tenant_suspended)" in done.stderr and done.stdout == ""
    assert ctl("tenant", "resume", appid, "--wait").stdout == f"{appid}: Created\n"
    assert ctl("credentials", appid).stdout


def test_delete_and_undelete(ctl, api, appid):
    done = ctl("tenant", "delete", appid)
    assert done.stdout.startswith(f"{appid}: Deleting, its data goes at 20")
    assert ctl("tenant", "undelete", appid, "--wait").stdout == f"{appid}: Created\n"
    assert ctl("tenant", "delete", appid, "--force", "--wait").stdout == f"{appid}: Deleted\n"
    assert "appid_retired" in ctl("tenant", "get", appid, status=NOT_FOUND).stderr
    assert "appid_retired" in ctl("tenant", "create", appid, status=NOT_FOUND).stderr
    # Deleting what is deleted is done.
    assert ctl("tenant", "delete", appid).stdout == f"{appid}: Deleted\n"


def test_quiet_says_nothing(ctl, new_appid):
    name = new_appid()
    assert ctl("tenant", "create", name, "--plan", "small", "--wait", "-q").stdout == ""
    assert ctl("tenant", "suspend", name, "-q").stdout == ""


def test_json_after_a_change_is_the_document(ctl, api, new_appid):
    name = new_appid()
    document, = lines(ctl("tenant", "create", name, "--plan", "small", "--wait",
                            "-o", "json"))
    assert document["appid"] == name and document["settled"] is True


def test_somebody_elses_bucket_ends_the_wait_with_4(ctl, testbed, new_appid):
    name = new_appid()
    testbed.minio.client().create_bucket(Bucket=f"{name}-data")
    done = ctl("tenant", "create", name, "--plan", "small", "--bucket", "data", "--wait=30s",
               status=CONFLICT)
    assert "Foreign" in done.stderr and f"{name}-data" in done.stderr


# ---- buckets ----

def test_buckets(ctl, api, appid, boto):
    assert ctl("bucket", "create", appid, "web", "--mode", "readonly", "--quota", "1Gi",
               "--wait").stdout == f"{appid}/web: ready\n"
    listed = {row["BUCKET"]: row for row in rows(ctl("bucket", "list", appid))}
    assert listed["web"]["MODE"] == "readonly" and listed["web"]["QUOTA"] == "1 GiB"
    assert listed["web"]["S3 NAME"] == f"{appid}-web" and listed["data"]["QUOTA"] == "-"
    ctl("bucket", "set", appid, "web", "--mode", "private", "--quota", "0", "--wait")
    by_name = {b["name"]: b for b in lines(ctl("bucket", "list", appid, "-o", "json"))}
    assert by_name["web"]["mode"] == "private" and by_name["web"]["quota_bytes"] == 0

    assert "no bucket nosuch" in \
        ctl("bucket", "set", appid, "nosuch", "--mode", "private", status=NOT_FOUND).stderr
    assert api.get(f"/v1/tenants/{appid}/buckets/nosuch").status_code == 404
    ctl("bucket", "create", appid, "UPPER", status=ERROR)

    boto(api.credentials(appid)).put_object(Bucket=f"{appid}-web", Key="x", Body=b"x")
    done = ctl("bucket", "delete", appid, "web", status=CONFLICT)
    assert "(409 bucket_not_empty)" in done.stderr
    assert ctl("bucket", "delete", appid, "data").stdout == f"{appid}/data: deleted\n"
    assert ctl("bucket", "delete", appid, "web", "--purge").stdout in (
        f"{appid}/web: being deleted\n", f"{appid}/web: deleted\n")
    ctl("bucket", "delete", appid, "data", status=NOT_FOUND)
    ctl("bucket", "list", "nosuch1", status=NOT_FOUND)


def test_a_long_list_comes_in_pages(ctl, new_appid):
    name = new_appid()
    wanted = [f"b{i:02}" for i in range(12)]
    ctl("tenant", "create", name, "--plan", "standard",
        *(w for b in wanted for w in ("--bucket", b)), "--wait")
    assert [b["name"] for b in lines(ctl("bucket", "list", name, "-o", "json"))] == wanted
    assert [r["BUCKET"] for r in rows(ctl("bucket", "list", name, "--limit", "5"))] == wanted[:5]


# ---- tokens ----

def test_a_token_is_printed_once_and_alone(ctl, api, appid):
    done = ctl("token", "create", "--role", "runtime", "--appid", appid, "--label", "pod",
               "--ttl", "1h")
    token = done.stdout.rstrip("\n")
    note_secret("token runtime", token)
    assert token.startswith("tnd_") and len(token) == 47
    assert token not in done.stderr and "shown only this once" in done.stderr
    assert api.get("/v1/credentials", token=token).status_code == 200

    listed, = rows(ctl("token", "list", "--appid", appid))
    assert listed["ROLE"] == "runtime" and listed["LABEL"] == "pod"
    assert token not in ctl("token", "list", "-o", "json").stdout
    ctl("token", "delete", listed["ID"])
    assert api.get("/v1/credentials", token=token).status_code == 401
    ctl("token", "delete", listed["ID"], status=NOT_FOUND)
    assert ctl("token", "list", "--appid", appid).stdout == ""


def test_a_token_goes_into_a_new_file(ctl, api, appid, tmp_path):
    path = tmp_path / "pod.token"
    done = ctl("token", "create", "--role", "runtime", "--appid", appid, "--to-file", path)
    token = path.read_text().rstrip("\n")
    note_secret("token runtime", token)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert token.startswith("tnd_") and token not in done.stdout + done.stderr
    assert ctl("credentials", "--token-file", path).stdout == \
        api.get("/v1/credentials", token=token).text
    # Never over an old one; and then none is made.
    ctl("token", "create", "--role", "runtime", "--appid", appid, "--to-file", path, status=USAGE)
    assert path.read_text().rstrip("\n") == token
    assert len(rows(ctl("token", "list", "--appid", appid))) == 1
    # Refused by tenantd: no empty file stays.
    ctl("token", "create", "--role", "nosuch", "--to-file", tmp_path / "x", status=ERROR)
    assert not (tmp_path / "x").exists()


# ---- credentials, exec ----

def test_credentials_in_every_format(ctl, api, appid):
    document = api.credentials(appid)
    assert lines(ctl("credentials", appid)) == [document]
    assert lines(ctl("credentials", "--appid", appid, "--format", "json")) == [document]
    aws, = lines(ctl("credentials", appid, "--format", "aws"))
    assert aws["SecretAccessKey"] == document["object"]["secret_key"]
    process, = lines(ctl("credentials", appid, "--format", "credential-process"))
    assert process["Version"] == 1 and process["AccessKeyId"] == document["object"]["access_key"]
    ctl("credentials", appid, "--appid", appid, status=USAGE)
    ctl("credentials", status=ERROR)
    ctl("credentials", appid, "--format", "xml", status=ERROR)
    ctl("credentials", "nosuch1", status=NOT_FOUND)


def test_a_shell_reads_the_env_format(ctl, api, appid):
    document = api.credentials(appid)
    text = ctl("credentials", appid, "--format", "env").stdout
    said = subprocess.run(
        ["sh", "-c", 'eval "$1" && printf "%s\\n" "$APPID" "$DB_URI" "$OSS_ACCESS_SECRET"', "sh",
         text], capture_output=True, text=True, timeout=10, check=True).stdout
    assert said.splitlines() == [appid, document["database"]["uri"],
                                 document["object"]["secret_key"]]


def test_output_that_cannot_be_written_is_an_error(tenantd, appid):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [parts.tenantctl(), "credentials", appid], stdout=full, stderr=subprocess.PIPE,
            timeout=30, text=True, env={"TENANTD_URL": tenantd.url(),
                                        "TENANTD_TOKEN_FILE": str(tenantd.token_path)})
    assert done.returncode == ERROR and "No space left" in done.stderr


CHILD = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"


def test_exec_gives_a_program_the_platforms_environment(ctl, tenantd, api, appid):
    document = api.credentials(appid)
    done = ctl("exec", "--appid", appid, "--", sys.executable, "-c", CHILD, "--quiet", "a b",
               env={"KEPT": "yes", "DB_URI": "old"})
    environment, argv = json.loads(done.stdout)
    assert argv == ["--quiet", "a b"]
    part = document["object"]
    assert {k: v for k, v in environment.items() if k.startswith(("APPID", "DB_", "OSS_"))} == {
        "APPID": appid, "DB_URI": document["database"]["uri"],
        "OSS_ACCESS_KEY": part["access_key"], "OSS_ACCESS_SECRET": part["secret_key"],
        "OSS_INTERNAL_ENDPOINT": part["internal_endpoint"],
        "OSS_EXTERNAL_ENDPOINT": part["external_endpoint"], "OSS_REGION": part["region"]}
    assert environment["KEPT"] == "yes"
    assert "TENANTD_TOKEN_FILE" not in environment
    assert tenantd.admin_token not in done.stdout


def test_exec_becomes_the_program(ctl, appid):
    ctl("exec", "--appid", appid, "--", "sh", "-c", "exit 42", status=42)
    ctl("exec", "--appid", appid, "--", "no-such-program", status=127)
    ctl("exec", "--appid", appid, "--", "/etc/passwd", status=126)
    ctl("exec", "--appid", "nosuch1", "--", "true", status=NOT_FOUND)
    # No connection and no file of ours is left open for it.
    done = ctl("exec", "--appid", appid, "--", sys.executable, "-c",
               "import os; print(sorted(os.listdir('/proc/self/fd'), key=int))")
    assert len(json.loads(done.stdout.replace("'", '"'))) <= 4, done.stdout


def test_no_secret_is_in_a_command_line(tenantd, api, appid):
    document = api.credentials(appid)
    secrets = [tenantd.admin_token, document["object"]["secret_key"],
               document["database"]["password"]]
    process = subprocess.Popen(
        [parts.tenantctl(), "exec", "--appid", appid, "--", "sleep", "60"],
        env={"PATH": os.environ["PATH"], "TENANTD_URL": tenantd.url(),
             "TENANTD_TOKEN_FILE": str(tenantd.token_path)})
    try:
        folder = Path(f"/proc/{process.pid}")
        wait_until(lambda: (folder / "comm").read_text() == "sleep\n", 30, "exec")
        assert (folder / "cmdline").read_bytes() == b"sleep\x0060\x00"
        environment = (folder / "environ").read_text()
        assert secrets[1] in environment and secrets[0] not in environment
    finally:
        process.kill()
        process.wait()


def test_no_secret_is_in_the_command_line_of_tenantctl_itself(tenantd, tmp_path):
    """While it waits for an answer: a listener that takes the request and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = subprocess.Popen(
            [parts.tenantctl(), "tenant", "list", "--timeout", "20"],
            stderr=subprocess.DEVNULL,
            env={"TENANTD_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
                 "TENANTD_TOKEN_FILE": str(tenantd.token_path)})
        try:
            connection, _ = server.accept()
            with connection:
                request = connection.recv(4096).decode()
                assert f"Authorization: Bearer {tenantd.admin_token}\r\n" in request
                for name in ("cmdline", "environ"):
                    text = Path(f"/proc/{process.pid}/{name}").read_text()
                    assert tenantd.admin_token not in text
        finally:
            process.kill()
            process.wait()


# ---- status, audit, policy ----

def test_status(ctl, tenantd):
    done = ctl("status", env={"TENANTD_TOKEN_FILE": "/nonexistent"})
    assert done.stdout.startswith(f"tenantd at {tenantd.url()}: ready\n")
    for word in ("store", "audit spool", "minio", "mongodb"):
        assert word in done.stdout
    document, = lines(ctl("status", "-o", "json"))
    assert document["ready"] is True
    assert ctl("status", "--strict", "--quiet").stdout == ""
    # A listener without the route set.
    ctl("status", "--url", tenantd.url("pods"), status=NOT_FOUND)


def test_audit(ctl, appid):
    wait_until(lambda: "tenant.put" in ctl("audit", "list", "--appid", appid).stdout, 10,
               "the audit entry")
    entries = lines(ctl("audit", "list", "-o", "json"))
    mine = [e for e in entries if e["appid"] == appid]
    assert mine[0]["action"] == "tenant.put" and mine[0]["role"] == "admin"
    after = lines(ctl("audit", "list", "-o", "json", "--after", entries[0]["seq"]))
    assert after[0]["seq"] == entries[1]["seq"]
    shown = rows(ctl("audit", "list", "--limit", "1"))
    assert len(shown) == 1 and shown[0]["SEQ"] == str(entries[0]["seq"])


def test_policies_are_checked_without_a_daemon(ctl, tmp_path):
    alone = {"env": {"TENANTD_URL": "http://127.0.0.1:1", "TENANTD_TOKEN_FILE": "/nonexistent"}}
    folder = parts.ROOT / "policies"
    files = sorted(str(p) for p in folder.glob("*.yaml"))
    assert [r["FILE"] for r in rows(ctl("policy", "check", *files, **alone))] == files
    assert len(lines(ctl("policy", "check", folder, "-o", "json", **alone))) == len(files)

    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nstatements:\n  - effect: Allow\n    actions: ['s3:*']\n"
                   "    resources: ['arn:aws:s3:::*']\n")
    done = ctl("policy", "check", files[0], bad, status=ERROR, **alone)
    assert f"{bad}:" in done.stderr and files[0] in done.stdout
    ctl("policy", "check", tmp_path / "nosuch.yaml", status=ERROR, **alone)


def test_a_policy_is_compiled_without_a_daemon(ctl):
    path = parts.ROOT / "policies" / "laf_owner_by_prefix.yaml"
    policy = json.loads(ctl("policy", "compile", path).stdout)
    assert "${aws:username}" in json.dumps(policy)
    whole, = lines(ctl("policy", "compile", path, "-o", "json"))
    assert whole["policy"] == policy and whole["kind"] == "minio"
    canonical = json.dumps(policy, separators=(",", ":"))
    assert hashlib.sha256(canonical.encode()).hexdigest() == whole["hash"]
    one = ctl("policy", "compile", path, "--appid", "abc123").stdout
    assert "arn:aws:s3:::abc123-*" in one and "${aws:username}" not in one
    database = json.loads(ctl("policy", "compile",
                              parts.ROOT / "policies" / "mongodb_tenantd_owner.yaml").stdout)
    assert "find" in database["actions"]


# ---- finding tenantd, and not finding it ----

def test_a_unix_socket(ctl, api, appid):
    url = f"unix:{SOCKETS}/control.sock"
    assert lines(ctl("tenant", "get", appid, "--url", url, "-o", "json")) == [api.tenant(appid)]
    assert url in ctl("status", env={"TENANTD_URL": url}).stdout


def test_tls(ctl, testbed, tmp_path):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=tenantd",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out",
                    certificate], check=True, capture_output=True, timeout=30)
    key.chmod(0o400)
    daemon = testbed.start_tenantd("ctl-tls", patch={"listeners": [
        {"name": "control", "address": "127.0.0.1:0", "routes": list(ROUTES)},
        {"name": "tls", "address": "127.0.0.1:0", "routes": list(ROUTES),
         "tls": {"certificate_file": str(certificate), "key_file": str(key)}}]})
    env = {"TENANTD_URL": daemon.url("tls").replace("http:", "https:"),
           "TENANTD_TOKEN_FILE": str(daemon.token_path)}
    assert ctl("status", "--ca-file", certificate, env=env).stdout.startswith(
        f"tenantd at {env['TENANTD_URL']}: ready\n")
    ctl("token", "list", "--ca-file", certificate, env=env)
    # Whom it cannot check it does not talk to.
    done = ctl("token", "list", env=env, status=UNREACHABLE)
    assert "certificate" in done.stderr
    ctl("token", "list", "--ca-file", tmp_path / "nosuch.crt", env=env, status=USAGE)
    daemon.stop()


def test_the_state_folder_says_where_and_who(ctl, tenantd, appid):
    nothing = {"TENANTD_URL": "", "TENANTD_TOKEN_FILE": ""}
    env = {**nothing, "TENANTD_STATE": str(tenantd.state_dir)}
    assert appid in ctl("tenant", "list", env=env).stdout
    assert f"tenantd at {tenantd.url()}:" in ctl("status", env=env).stdout


def test_who_may_not(ctl, api, appid, tmp_path):
    wrong = token_file(tmp_path, "tnd_" + "A" * 43, "wrong")
    done = ctl("tenant", "list", "--token-file", wrong, status=DENIED)
    assert "(401 unauthenticated)" in done.stderr
    pod = token_file(tmp_path, api.mint_token("runtime", appid)["token"], "pod")
    done = ctl("tenant", "list", "--token-file", pod, status=DENIED)
    assert "(403 forbidden)" in done.stderr
    assert ctl("exec", "--token-file", pod, "--", "sh", "-c", "echo $APPID").stdout == f"{appid}\n"


def test_a_token_file_that_will_not_do(ctl, tenantd, tmp_path):
    ctl("tenant", "list", "--token-file", tmp_path / "nosuch", status=USAGE)
    path = token_file(tmp_path, tenantd.admin_token)
    path.chmod(0o440)
    done = ctl("tenant", "list", "--token-file", path, status=USAGE)
    assert str(path) in done.stderr and tenantd.admin_token not in done.stderr
    path.chmod(0o600)
    path.write_text("two\nlines\n")
    ctl("tenant", "list", "--token-file", path, status=USAGE)


def test_nobody_is_there(ctl):
    done = ctl("tenant", "list", "--url", f"http://127.0.0.1:{reserve_port()}",
               status=UNREACHABLE)
    assert "no answer from tenantd" in done.stderr
    ctl("tenant", "list", "--url", f"unix:{SOCKETS}/nosuch.sock", status=UNREACHABLE)


def test_an_answer_that_does_not_come(ctl):
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        ctl("tenant", "list", "--url", f"http://127.0.0.1:{server.getsockname()[1]}",
            "--timeout", "500ms", status=UNREACHABLE)
        assert time.monotonic() - began < 5


def run_on_terminal(argv, env, timeout=60):
    """Its exit status, and what it wrote to a terminal as stderr."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=theirs, env=env) as process:
        os.close(theirs)
        seen = b""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux says EIO when the other side is closed
                break
            if not part:
                break
            seen += part
        os.close(ours)
        return process.wait(timeout), seen.decode(errors="replace")


def test_a_wait_that_is_too_short_says_what_it_waits_for(fault_testbed, new_appid):
    daemon = fault_testbed.start_tenantd("ctl-wait", patch=QUICK)
    env = {"PATH": os.environ["PATH"], "TENANTD_URL": daemon.url(),
           "TENANTD_TOKEN_FILE": str(daemon.token_path)}
    name = new_appid()
    argv = [parts.tenantctl(), "tenant", "create", name, "--plan", "small", "--bucket", "data"]
    fault_testbed.mongod_fault.cut()
    try:
        done = subprocess.run([*argv, "--wait=4s"], env=env, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == TIMEOUT, done.stderr
        assert "not finished after 4 s: database: " in done.stderr
        assert "\r" not in done.stderr, "progress is for terminals"
        assert done.stdout == ""
        status, seen = run_on_terminal([*argv, "--wait=3s"], env)
        assert status == TIMEOUT and "\r\033[K... " in seen and "Creating database: " in seen
        status, seen = run_on_terminal([*argv, "--wait=2s", "--quiet"], env)
        assert status == TIMEOUT and "\r" not in seen.replace("\r\n", "\n")
    finally:
        fault_testbed.mongod_fault.heal()
    done = subprocess.run([*argv, "--wait=90s"], env=env, capture_output=True, text=True,
                          timeout=120)
    assert (done.returncode, done.stdout) == (OK, f"{name}: Created\n")
    daemon.stop()


def test_a_wait_outlives_a_restart_of_tenantd(testbed, new_appid):
    """Another tenantd, since all tests share this module's; it keeps its port."""
    daemon = testbed.start_tenantd("ctl-restart", port=reserve_port(), patch=QUICK)
    name = new_appid()
    env = {"PATH": os.environ["PATH"], "TENANTD_URL": daemon.url(),
           "TENANTD_TOKEN_FILE": str(daemon.token_path)}
    subprocess.run([parts.tenantctl(), "tenant", "create", name, "--plan", "small"], env=env,
                   check=True, timeout=30)
    daemon.kill()
    with subprocess.Popen([parts.tenantctl(), "tenant", "create", name, "--plan", "small"],
                          env=env, stderr=subprocess.PIPE, text=True) as process:
        # A first request that finds nobody is an error at once, not a wait.
        assert process.wait(30) == UNREACHABLE
    daemon.start()
    clients.Api(daemon).wait_phase(name, "Created")
    with subprocess.Popen([parts.tenantctl(), "tenant", "delete", name, "--wait=60s"], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: clients.Api(daemon).tenant(name)["phase"] == "Deleting", 30,
                   "the delete is taken")
        daemon.kill()
        daemon.start()
        api = clients.Api(daemon)
        assert api.tenant(name)["phase"] == "Deleting"
        api.delete(f"/v1/tenants/{name}?force=true")
        out, err = process.communicate(timeout=90)
        assert (process.returncode, out) == (OK, f"{name}: Deleted\n"), err
    daemon.stop()
