"""What docs/operations.md promises an operator: identities that change under a running tenantd,
reload, and starts that are refused with a word that helps."""
import secrets
import subprocess
import sys

import pytest
import yaml

from tests.testbed import clients, parts
from tests.testbed.process import StartError, secret_file, wait_until

QUICK = {"engine": {"backoff_min": "100ms", "backoff_max": "1s", "call_timeout": "10s"}}


def identity(testbed, folder, backend, user):
    """Make or change tenantd's identity `user`, as an operator does; its two files."""
    name, secret = folder / f"{user}.{backend}.name", folder / f"{user}.{backend}.secret"
    if backend == "minio":
        where = ["--endpoint", testbed.minio.endpoint,
                 "--root-user-file", testbed.minio.root_user_file,
                 "--root-password-file", testbed.minio.run_dir / "root.password",
                 "--access-key-out", name, "--secret-key-out", secret]
    else:
        where = ["--uri", f"mongodb://{testbed.mongod.address}/?directConnection=true",
                 "--root-user", "root",
                 "--root-password-file", testbed.mongod.run_dir / "root.password",
                 "--username-out", name, "--password-out", secret]
    subprocess.run([sys.executable, parts.ROOT / "deploy" / f"{backend}-identity.py", *where,
                    "--user", user], check=True, stdout=subprocess.DEVNULL, timeout=60)
    secret_file(secret)
    return str(name), str(secret)


@pytest.fixture
def own(testbed, tmp_path):
    """A tenantd with identities of its own, `first`, and `second` as the next ones."""
    daemon = testbed.new_tenantd("operations", patch=QUICK)
    region = daemon.regions[0]
    for backend, names in (("minio", ("access_key_file", "secret_key_file")),
                           ("mongodb", ("username_file", "password_file"))):
        for user, prefix in (("first", ""), ("second", "next_")):
            files = identity(testbed, tmp_path, backend, f"tenantd-{user}")
            region[backend].update(zip((prefix + n for n in names), files))
    testbed.start_existing(daemon)
    yield daemon
    if daemon.running():
        daemon.stop()


def works(daemon, appid):
    """A new tenant is made and used."""
    api = clients.Api(daemon)
    api.create_tenant(appid, plan="small")
    credentials = api.credentials(appid)
    clients.boto(credentials).put_object(Bucket=f"{appid}-data", Key="k", Body=b"v")
    with clients.mongo(credentials) as client:
        client[appid].c.insert_one({"_id": 1})


def test_an_identity_that_gets_a_new_secret(own, testbed, new_appid, tmp_path):
    works(own, new_appid())
    identity(testbed, tmp_path, "minio", "tenantd-first")
    identity(testbed, tmp_path, "mongodb", "tenantd-first")
    works(own, new_appid())
    # Also by connections that were not there before.
    own.restart()
    works(own, new_appid())


def test_an_identity_that_is_taken_away_when_there_is_a_next_one(own, testbed, new_appid):
    works(own, new_appid())
    testbed.minio.admin().user_remove("tenantd-first")
    with testbed.mongod.root() as client:
        client.admin.command("dropUser", "tenantd-first")
    works(own, new_appid())


# ---- reload ----

def reload(daemon, change):
    config = yaml.safe_load(daemon.config_path.read_text())
    change(config)
    daemon.config_path.write_text(yaml.safe_dump(config, sort_keys=False))
    before = daemon.logs().count("reload")
    daemon.hangup()
    wait_until(lambda: daemon.logs().count("reload") > before, 15, "the reload")
    return daemon.logs()


def test_a_reload_takes_over_what_it_can_and_tells_the_rest(testbed, new_appid, tmp_path):
    plans = tmp_path / "plans"
    plans.mkdir()
    for path in (parts.ROOT / "quota").glob("*.yaml"):
        (plans / path.name).write_text(path.read_text())
    daemon = testbed.start_tenantd("reload", patch={**QUICK, "plans_dir": str(plans)})
    api, appid = clients.Api(daemon), new_appid()
    api.create_tenant(appid, plan="small")
    token = api.mint_token("runtime", appid)["token"]
    before = api.get("/v1/credentials", token=token)

    def endpoints(config):
        config["regions"][0]["minio"]["gateway_external"] = "https://s3.example.org"
        config["engine"]["budget"] = 3
    log = reload(daemon, endpoints)
    assert "engine.budget changed; that needs a restart" in log
    assert "gateway_external changed and is taken over" in log
    after = api.get("/v1/credentials", token=token,
                    headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert after.json()["object"]["external_endpoint"] == "https://s3.example.org"

    log = reload(daemon, lambda config: config.update(colour="red"))
    assert "unknown key" in log and "nothing changed" in log
    assert api.get("/v1/credentials", token=token).json() == after.json()

    (plans / "small.yaml").write_text((plans / "small.yaml").read_text().replace("1Gi", "3Gi"))
    reload(daemon, lambda config: config.pop("colour"))
    assert api.tenant(appid)["effective_limits"]["object_bytes"] == 3 << 30
    (plans / "small.yaml").write_text("name: small\n")
    assert "plans stay as they are" in reload(daemon, lambda config: None)
    assert api.tenant(appid)["effective_limits"]["object_bytes"] == 3 << 30
    daemon.stop()


# ---- starts that are refused ----

def refused(daemon):
    with pytest.raises(StartError) as error:
        daemon.start()
    return str(error.value)


def test_a_master_key_that_will_not_do(testbed):
    daemon = testbed.start_tenantd("master-key")
    daemon.stop()
    path = daemon.run_dir / "master.key"
    right = path.read_text()

    path.unlink()
    daemon.write_config = lambda: None  # it would make a new key
    assert str(path) in refused(daemon)
    path.write_text(right)
    path.chmod(0o444)
    assert str(path) in refused(daemon)
    path.chmod(0o600)
    path.write_text("short\n")
    assert "64 hex digits" in refused(daemon)
    path.write_text(secrets.token_hex(32))
    assert "master key" in refused(daemon)
    path.write_text(right)
    daemon.start()
    daemon.stop()


def test_a_second_tenantd_on_the_same_state(testbed):
    daemon = testbed.start_tenantd("alone")
    done = subprocess.run([parts.tenantd(), "--config", daemon.config_path], timeout=30,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "another" in done.stderr, done.stderr
    assert clients.Api(daemon).get("/healthz", token="").status_code == 200
    daemon.stop()


def test_the_configuration_in_the_manual_is_good(tmp_path):
    text = (parts.ROOT / "docs" / "operations.md").read_text()
    start = text.index("    master_key_file:")
    lines = text[start:text.index("\nAn unknown key", start)].splitlines()
    for name in ("minio.access-key", "minio.secret-key", "mongodb.username", "mongodb.password"):
        secret_file(tmp_path / name)
    secret_file(tmp_path / "master.key", lambda: secrets.token_hex(32))
    config = "\n".join(line[4:] for line in lines).replace("/etc/tenantd", str(tmp_path))
    path = tmp_path / "tenantd.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\nplans_dir: {parts.ROOT}/quota\n"
                    f"policies_dir: {parts.ROOT}/policies\n{config}\n")
    done = subprocess.run([parts.tenantd(), "--config", path, "--check-config"], timeout=30,
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
