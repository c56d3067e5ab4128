"""tenantd itself, as a child process on a state folder of its own."""
import signal

import requests

from . import config, parts
from .process import Server, note_secret, wait_until


class Tenantd(Server):
    """One tenantd. Its state folder, configuration and logs are under run_dir; a restart finds
    the same state. `port` 0 lets it choose (the URL may change with a restart)."""

    name = "tenantd"
    start_timeout = 60

    def __init__(self, run_dir, regions, port=0, patch=None):
        super().__init__(run_dir)
        self.regions, self.port, self.patch = regions, port, patch
        self.state_dir = self.run_dir / "state"
        self.config_path = self.run_dir / "tenantd.yaml"
        # What wait_ready() waits for: "/readyz" (every backend reached) or "/healthz".
        self.ready_path = "/readyz"
        self.extra_environment = {}
        self.wrapper = []

    def prepare(self):
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        # A stale file would name the ports of the process before.
        (self.state_dir / "listeners").unlink(missing_ok=True)
        self.write_config()

    def write_config(self):
        """(Re)write the configuration file, e.g. before a SIGHUP."""
        config.write(self.config_path,
                     config.render(self.state_dir, self.regions, self.port, self.patch))

    def environment(self):
        # libmongoc would leave a file in /dev/shm behind after a kill -9.
        return super().environment() | {"MONGOC_DISABLE_SHM": "1"} | self.extra_environment

    def argv(self):
        return [*self.wrapper, parts.tenantd(), "--config", self.config_path]

    def listeners(self):
        """{name: address} of what it listens on; {} as long as it does not say."""
        try:
            lines = (self.state_dir / "listeners").read_text().splitlines()
        except FileNotFoundError:
            return {}
        return dict(line.split(None, 1) for line in lines)

    def url(self, listener="control"):
        return f"http://{self.listeners()[listener]}"

    def ready(self):
        if not self.listeners():
            return False
        return requests.get(self.url() + self.ready_path, timeout=5).status_code == 200

    @property
    def token_path(self):
        return self.state_dir / "admin.token"

    @property
    def admin_token(self):
        token = self.token_path.read_text().strip()
        note_secret("admin.token", token)
        return token

    def hangup(self):
        """Reload the configuration."""
        self.signal(signal.SIGHUP)

    def wait_exit(self, timeout=30):
        """Wait until it has ended by itself; its status."""
        wait_until(lambda: not self.running(), timeout, "tenantd ends")
        return self.process.returncode

    def logs(self):
        """All logs of all its starts, as one text."""
        return "".join(p.read_text(errors="replace")
                       for p in sorted(self.run_dir.glob("tenantd.*.log")))
