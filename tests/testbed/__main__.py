"""python -m tests.testbed up|down|env --run-dir DIR: the testbed behind `./dev up`.

One supervisor process owns every server; when it ends, however, they end. It holds a lock on
DIR/lock as long as it lives, so nobody has to trust a process id. What people and programs
need to know is in DIR/env as shell assignments. Data, secrets and ports stay in DIR, so that
the next `up` finds the same world.
"""
import argparse
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import parts, tour
from .bed import Testbed
from .process import StartError, reserve_port, wait_until

DEMO = "demo01"
UP_TIMEOUT = 180


def say(text):
    print(text, flush=True)


class RunDir:
    """The folder of one `./dev up`, seen from outside and from the supervisor."""

    def __init__(self, path):
        self.path = Path(path)
        self.lock = self.path / "lock"
        self.env = self.path / "env"
        self.ports = self.path / "ports.json"
        self.log = self.path / "supervisor.log"

    def supervisor(self):
        """Process id of the supervisor; None when there is none."""
        try:
            with open(self.lock) as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return None
                except BlockingIOError:
                    return int(lock.read() or 0)
        except FileNotFoundError:
            return None

    def take_lock(self):
        """Become the supervisor; False when there is one."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held = open(self.lock, "a+")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        # Left by one that was killed.
        self.env.unlink(missing_ok=True)
        self._held.truncate(0)
        self._held.write(str(os.getpid()))
        self._held.flush()
        return True

    def values(self):
        """The shell assignments as a dictionary, TENANTD_PID as of now."""
        values = dict(shlex.split(line)[0].split("=", 1)
                      for line in self.env.read_text().splitlines())
        pids = daemons(values["TENANTD_CONFIG"])
        values["TENANTD_PID"] = str(pids[0]) if pids else ""
        return values


def daemons(config_path):
    """Process ids of every tenantd that runs with this configuration, also those that
    somebody started by hand."""
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            argv = (proc / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.path.basename(argv[0]) == b"tenantd" and config_path.encode() in argv:
            found.append(int(proc.name))
    return sorted(found)


def shell(values):
    return "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in values.items())


def describe(testbed, daemon):
    return {
        "TENANTD_URL": daemon.url(),
        "TENANTD_TOKEN_FILE": daemon.token_path,
        "TENANTD_STATE": daemon.state_dir,
        "TENANTD_CONFIG": daemon.config_path,
        "TENANTD_PID": daemon.pid,
        "GATEWAY_ENDPOINT": daemon.gateway.internal_endpoint,
        "GATEWAY_EXTERNAL_ENDPOINT": daemon.gateway.external_endpoint,
        "MINIO_ENDPOINT": testbed.minio.endpoint,
        "MINIO_ROOT_USER": testbed.minio.root_user,
        "MINIO_ROOT_PASSWORD": testbed.minio.root_password,
        "MONGODB_ADMIN_URI": testbed.mongod.admin_uri,
        "TENANTD_BIN": parts.tenantd(),
        "TENANTCTL_BIN": parts.tenantctl(),
    }


def write_private(path, text):
    tmp = path.with_suffix(".new")
    tmp.unlink(missing_ok=True)
    with os.fdopen(os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)
    tmp.rename(path)


def supervise(run, stopping):
    """Start everything, say so in run.env, wait until told to stop, stop everything."""
    known = json.loads(run.ports.read_text()) if run.ports.exists() else {}
    run.env.unlink(missing_ok=True)
    testbed = Testbed(run.path, ports=known, progress=lambda text: say("  " + text))
    try:
        testbed.start()
        gateway = testbed.start_gateway(run.path / "gateway", known.get("gateway"))
        port = known.get("tenantd") or reserve_port()
        daemon = testbed.new_tenantd(port=port, gateway=gateway)
        try:
            testbed.start_existing(daemon)
        except StartError:
            # Ours from the last time, now somebody else's: take another one.
            if "in use" not in daemon.log_text():
                raise
            daemon.port = port = reserve_port()
            testbed.start_existing(daemon)
        run.ports.write_text(json.dumps(
            testbed.ports() | {"gateway": gateway.ports, "tenantd": port}))
        write_private(run.env, shell(describe(testbed, daemon)))
        stopping.wait()
    finally:
        run.env.unlink(missing_ok=True)
        testbed.stop()


def supervisor_main(run, demo):
    """The body of the supervisor process. demo: run the tour in it too (foreground)."""
    if not run.take_lock():
        say(f"already up: {run.path}")
        return 1
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    if demo:
        def show():
            if wait_for_env(run, lambda: not stopping.is_set()):
                show_tour(run)
                say("\nCtrl-C stops everything.")
        threading.Thread(target=show, daemon=True).start()
    try:
        supervise(run, stopping)
    except (StartError, FileNotFoundError, TimeoutError, RuntimeError) as error:
        say(f"not up: {error}")
        return 1
    return 0


def wait_for_env(run, alive):
    """Wait until everything runs; False when the supervisor gave up."""
    try:
        wait_until(lambda: run.env.exists() or not alive(), UP_TIMEOUT, "up", 0.1)
    except TimeoutError:
        return False
    return run.env.exists()


def show_tour(run):
    return tour.main(run.values(), DEMO)


def up(run, foreground):
    if foreground:
        return supervisor_main(run, demo=True)
    if run.supervisor() is not None:
        if not wait_for_env(run, lambda: run.supervisor() is not None):
            say(f"dev: the testbed in {run.path} did not come up; see {run.log}")
            return 1
        say(f"already up: {run.path}")
        return show_tour(run)
    run.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    run.env.unlink(missing_ok=True)
    began = time.monotonic()
    say(f"starting MinIO, MongoDB, the gateway and tenantd in {run.path}")
    with open(run.log, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.testbed", "supervise", "--run-dir", run.path],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=parts.ROOT)
    # If somebody else started at the same moment, his supervisor has the lock: fine too.
    ok = wait_for_env(run, lambda: process.poll() is None or run.supervisor() is not None)
    print(run.log.read_text(errors="replace"), end="")
    if not ok:
        say(f"dev: it did not come up within {time.monotonic() - began:.0f} s; "
            f"logs are in {run.path}")
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        return 1
    say(f"everything is up ({time.monotonic() - began:.1f} s)")
    return show_tour(run)


def down(run):
    config_path = str(run.path / "tenantd" / "tenantd.yaml")
    pid = run.supervisor()
    if pid:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: run.supervisor() is None, 90, "the supervisor ends", 0.1)
    # A tenantd that somebody started again by hand is not the supervisor's child.
    for extra in daemons(config_path):
        os.kill(extra, signal.SIGTERM)
    wait_until(lambda: not daemons(config_path), 30, "tenantd ends", 0.1)
    say("stopped" if pid else "nothing was running")
    return 0


def env(run):
    if run.supervisor() is None or not run.env.exists():
        print("dev: nothing is up here; try ./dev up", file=sys.stderr)
        return 1
    print(shell(run.values()), end="")
    return 0


def main():
    args = argparse.ArgumentParser(prog="python -m tests.testbed")
    args.add_argument("verb", choices=["up", "supervise", "down", "env"])
    args.add_argument("--run-dir", required=True)
    args.add_argument("--foreground", action="store_true")
    args = args.parse_args()
    run = RunDir(args.run_dir)
    if args.verb == "up":
        return up(run, args.foreground)
    if args.verb == "supervise":
        return supervisor_main(run, demo=False)
    return down(run) if args.verb == "down" else env(run)


if __name__ == "__main__":
    sys.exit(main())
