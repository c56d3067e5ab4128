"""The gateway before MinIO: a real nginx with the configuration that policies/gateway renders.
An internal and an external listener, both on 127.0.0.1 here."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import requests

from . import parts
from .minio_server import Minio
from .process import Server, wait_until


class Gateway(Server):
    name = "gateway"
    port_names = ("internal", "external")
    # nginx has workers, which only its master can take along.
    death_signal = "TERM"

    def __init__(self, run_dir, upstream, ports=None, deny_map=None, options=()):
        """upstream: HOST:PORT of MinIO. options: further ones for policies/gateway/render."""
        super().__init__(run_dir, ports)
        self.upstream, self.options = upstream, list(options)
        self.deny_map = deny_map or self.run_dir / "deny.map"
        self.config_path = self.run_dir / "nginx.conf"
        self.pid_path = self.run_dir / "nginx.pid"
        self.access_log = self.run_dir / "access.log"
        self.error_log = self.run_dir / "error.log"

    @property
    def internal_endpoint(self):
        return f"http://127.0.0.1:{self.ports['internal']}"

    @property
    def external_endpoint(self):
        return f"http://127.0.0.1:{self.ports['external']}"

    def prepare(self):
        (self.run_dir / "temp").mkdir(mode=0o700, exist_ok=True)
        self.deny_map.touch(exist_ok=True)
        self.error_log.unlink(missing_ok=True)
        done = subprocess.run(
            [parts.ROOT / "policies" / "gateway" / "render",
             "--internal-listen", f"127.0.0.1:{self.ports['internal']}",
             "--external-listen", f"127.0.0.1:{self.ports['external']}",
             "--upstream", self.upstream, "--domain", Minio.domain,
             "--log", self.access_log, "--error-log", self.error_log,
             "--deny-map", self.deny_map, "--pid", self.pid_path,
             "--temp-dir", self.run_dir / "temp", "--workers", "2",
             "--output", self.config_path, *self.options],
            stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"policies/gateway/render: {done.stderr}"

    def argv(self):
        return [parts.nginx(), "-p", self.run_dir, "-c", self.config_path,
                "-e", self.error_log, "-g", "daemon off;"]

    def ready(self):
        # Any answer of ours will do: a path that the gateway itself refuses.
        reply = requests.get(self.internal_endpoint + "/minio/admin/v3/info", timeout=2)
        return "X-Gateway-Request-Id" in reply.headers and self.pid_path.exists()

    def log_text(self):
        """What a failed start says goes to the error log."""
        text = super().log_text()
        if self.error_log.exists():
            text += self.error_log.read_text(errors="replace")
        return text

    def reload(self):
        """Read the configuration and the deny map anew."""
        self.signal(signal.SIGHUP)

    def denied(self):
        """The deny map as it is on disk: {appid or access key: mode}."""
        return dict(line.rstrip(";").split() for line in self.deny_map.read_text().splitlines())

    def workers(self):
        """{pid: seconds since boot at which it was started} of the workers that take requests,
        without those that finish what they have."""
        master, tick, found = self.process.pid, os.sysconf("SC_CLK_TCK"), {}
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        for pid in children:
            try:
                title = Path(f"/proc/{pid}/cmdline").read_bytes()
                after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"worker process" in title and b"shutting down" not in title:
                found[int(pid)] = int(after[19]) / tick
        return found

    def map_in_force(self):
        """Do all workers that take requests know the deny map that is on disk?"""
        offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        # Of the rename. A worker's start is known by the tick.
        since = self.deny_map.stat().st_ctime - offset - 1.5 / os.sysconf("SC_CLK_TCK")
        workers = self.workers()
        return bool(workers) and min(workers.values()) >= since

    def wait_denied(self, appid, mode, timeout=15):
        """Wait until tenantd has put the appid into the deny map with this mode (None: has
        taken it out), and the gateway goes by it."""
        wait_until(lambda: self.denied().get(appid) == mode and self.map_in_force(), timeout,
                   f"{appid} is {mode} in the deny map")

    def requests(self):
        """The access log: one dictionary per finished request."""
        if not self.access_log.exists():
            return []
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]
