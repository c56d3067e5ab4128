"""The shipped unit, run by a real systemd with everything it forbids forbidden: tenantd starts as
it was installed, works on its backends, and is brought back when it dies or hangs."""
import os
import re
import resource
import secrets
import subprocess
import time

import pytest
import yaml

from tests.testbed import clients, config, install, parts, systemd
from tests.testbed.process import note_secret, reserve_port, wait_until

pytestmark = pytest.mark.skipif(not systemd.possible(),
                                reason="needs root to make namespaces, and systemd")
WATCHDOG_S = 4


class Installed:
    """What clients.Api wants to know of a daemon."""

    def __init__(self, machine, port):
        self.machine, self.port = machine, port

    def url(self, _listener="control"):
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_token(self):
        token = self.machine.path("/var/lib/tenantd/admin.token").read_text().strip()
        note_secret("admin.token", token)
        return token

    @property
    def pid(self):
        """Seen from inside."""
        return int(self.machine.show("tenantd", "MainPID")["MainPID"])

    def property(self, name):
        return self.machine.show("tenantd", name)[name]

    def log(self):
        return self.machine.path("/run/tenantd.log").read_text()


def put(machine, name, text, owner):
    path = f"{machine.prefix}/etc/tenantd/{name}"
    machine.run("sh", "-c", 'umask 077; cat >"$1"; chmod 0400 "$1"; chown "$2" "$1"', "-",
                path, owner, stdin=text)
    return path


def configure(machine, testbed, gateway, port):
    """What docs/operations.md tells an operator to do after the installation."""
    tree = f"{machine.prefix}/lib"
    machine.run("systemd-sysusers", f"{tree}/sysusers.d/tenantd.conf")
    machine.run("systemd-tmpfiles", "--create", f"{tree}/tmpfiles.d/tenantd.conf")
    master_key = secrets.token_hex(32)
    note_secret("master.key", master_key)
    put(machine, "master.key", master_key, "root")
    region = config.region(testbed, gateway)
    for backend in ("minio", "mongodb"):
        for key, path in region[backend].items():
            if key.endswith("_file"):
                with open(path, encoding="ascii") as secret:
                    region[backend][key] = put(machine, f"{backend}.{key}", secret.read(),
                                               "tenantd:tenantd")
    region["gateway"] = {"deny_map_file": "/var/lib/tenantd-gateway/deny.map"}
    text = yaml.safe_dump({
        "master_key_file": "/run/credentials/tenantd.service/master.key",
        "listeners": [
            {"name": "control", "address": f"127.0.0.1:{port}",
             "routes": ["runtime", "control", "ops"]},
            {"name": "local", "address": "unix:/run/tenantd/control.sock",
             "routes": ["control"]}],
        "regions": [region]})
    machine.path(f"{machine.prefix}/etc/tenantd/tenantd.yaml").write_text(text)
    machine.run("chmod", "0644", f"{machine.prefix}/etc/tenantd/tenantd.yaml")
    drop_in = machine.path("/etc/systemd/system/tenantd.service.d")
    drop_in.mkdir(parents=True, exist_ok=True)
    # There is no journal in there.
    (drop_in / "log.conf").write_text("[Service]\nStandardOutput=append:/run/tenantd.log\n"
                                      "StandardError=append:/run/tenantd.log\n")
    machine.run("systemctl", "daemon-reload")


@pytest.fixture(scope="module")
def service(testbed, run_dir):
    tree = run_dir / "installed"
    prefix = install.install(tree)
    machine = systemd.Systemd(run_dir / "systemd", tree, prefix)
    gateway = testbed.start_gateway()
    with machine:
        port = reserve_port()
        configure(machine, testbed, gateway, port)
        daemon = Installed(machine, port)
        yield daemon
        # Kept where the stage `secrets` looks for logs.
        (machine.run_dir / "tenantd.log").write_text(daemon.log())
        machine.run("systemctl", "stop", "tenantd", check=False)
    gateway.stop()


def start(service):
    done = service.machine.run("systemctl", "start", "tenantd", check=False)
    assert done.returncode == 0, (done.stderr, service.log(), service.machine.log_text()[-3000:])


def test_systemd_finds_no_fault_with_the_unit(service):
    done = service.machine.run("systemd-analyze", "verify", "tenantd.service")
    assert done.stdout + done.stderr == ""


def test_it_runs_in_its_sandbox_and_makes_tenants(service, new_appid):
    start(service)
    assert service.property("StatusText").startswith("serving")
    api, appid = clients.Api(service), new_appid()
    api.create_tenant(appid)
    credentials = api.credentials(appid)
    clients.boto(credentials).put_object(Bucket=f"{appid}-data", Key="k", Body=b"v")
    with clients.mongo(credentials) as client:
        client[appid].c.insert_one({"_id": 1})
    machine = service.machine
    for url in ((), ("--url", "unix:/run/tenantd/control.sock")):
        done = machine.run("setpriv", "--reuid=tenantd", "--regid=tenantd", "--clear-groups",
                           "tenantctl", "tenant", "list", *url)
        assert done.stdout.count(appid) == 1
    deny_map = machine.path("/var/lib/tenantd-gateway/deny.map")
    wait_until(deny_map.exists, 10, "the deny map")
    assert deny_map.stat().st_mode & 0o777 == 0o644
    assert "level=error" not in service.log()


def test_what_it_has_no_right_to(service):
    start(service)
    machine, pid = service.machine, service.pid
    status = dict(line.split(":\t", 1) for line in
                  machine.path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split()[0] != "0"
    assert {status[n].strip("0") for n in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    limits = machine.path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits), limits
    files = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert re.search(rf"Max open files +{files} +{files} ", limits), limits

    def may_write(path):
        script = f"touch {path}/probe && rm {path}/probe"
        return machine.run("nsenter", "--target", str(pid), "--mount", "--", "sh", "-c", script,
                           check=False).returncode == 0
    assert may_write("/var/lib/tenantd") and may_write("/var/lib/tenantd-gateway")
    assert may_write("/run/tenantd")
    for path in ("/usr", "/etc", f"{machine.prefix}/etc/tenantd", "/var/log", "/run", "/root"):
        assert not may_write(path), path
    # Only root, and not the daemon's user, reads the master key where it is kept.
    key = f"{machine.prefix}/etc/tenantd/master.key"
    assert machine.run("setpriv", "--reuid=tenantd", "--clear-groups", "cat", key,
                       check=False).returncode != 0


def test_it_reloads_and_comes_back_from_kill_9(service, new_appid):
    start(service)
    api, appid = clients.Api(service), new_appid()
    api.create_tenant(appid)
    service.machine.run("systemctl", "reload", "tenantd")
    assert service.property("ActiveState") == "active"
    assert "reloaded" in service.log()
    before = service.pid
    service.machine.run("kill", "-9", str(before))
    wait_until(lambda: service.pid not in (0, before) and
               service.property("SubState") == "running", 30, "a restart")
    assert service.property("NRestarts") == "1"
    assert clients.Api(service).tenant(appid)["phase"] == "Created"


def test_a_daemon_that_hangs_is_killed_and_started_again(service):
    machine = service.machine
    drop_in = machine.path("/etc/systemd/system/tenantd.service.d/watchdog.conf")
    drop_in.write_text(f"[Service]\nWatchdogSec={WATCHDOG_S}\nRestartSec=3\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "tenantd")
    # It is left alone as long as it is well.
    before = service.pid
    time.sleep(WATCHDOG_S + 1)
    assert service.pid == before
    with subprocess.Popen([parts.build_dir() / "store_hold",
                           machine.path("/var/lib/tenantd/store/control.mdb")],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        wait_until(lambda: service.property("Result") == "watchdog", 8 * WATCHDOG_S,
                   "the watchdog")
        assert "the store's writer has not come round" in service.log()
        holder.stdin.close()
        holder.wait(10)
    wait_until(lambda: service.property("SubState") == "running", 30, "a restart")
    assert clients.Api(service).get("/readyz", token="").status_code == 200
    drop_in.unlink()
    machine.run("systemctl", "daemon-reload")


def test_a_stop_is_an_end_and_no_failure(service):
    start(service)
    service.machine.run("systemctl", "stop", "tenantd")
    assert service.machine.show("tenantd", "ActiveState", "Result") == {
        "ActiveState": "inactive", "Result": "success"}
    assert service.log().rstrip().endswith("stopping")
    assert not os.path.exists(service.machine.path("/run/tenantd"))
