"""What tenantd tells its service manager: READY, RELOADING, STOPPING, a status, and WATCHDOG for
as long as its loops live. The test is the manager: it makes the notification socket."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

from tests.testbed import clients, parts
from tests.testbed.process import wait_until

WATCHDOG_S = 4


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self):
        # The path of a unix socket must be short, which a run folder is not.
        self.folder = tempfile.mkdtemp(prefix="td-notify.")
        self.path = f"{self.folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.heard = []  # (when, {name: value})

    def close(self):
        self.socket.close()
        shutil.rmtree(self.folder)

    def listen(self):
        while True:
            try:
                text = self.socket.recv(4096).decode()
            except BlockingIOError:
                return self.heard
            self.heard.append((time.monotonic(), dict(
                line.split("=", 1) for line in text.splitlines() if "=" in line)))

    def forget(self):
        self.listen()
        self.heard = []

    def wait(self, name, value=None, timeout=20):
        """The first message that has it."""
        def check():
            for _, message in self.listen():
                if name in message and value in (None, message[name]):
                    return message
            return None
        return wait_until(check, timeout, f"{name}={value}")

    def names(self):
        return [name for _, message in self.listen() for name in message]


@pytest.fixture
def managed(testbed):
    """(tenantd, manager), the daemon not started yet."""
    daemon, manager = testbed.new_tenantd("managed"), Manager()
    daemon.extra_environment = {"NOTIFY_SOCKET": manager.path,
                                "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}
    yield daemon, manager
    if daemon.running():
        daemon.stop()
    daemon.gateway.stop()
    manager.close()


def test_a_life_as_the_service_manager_sees_it(managed, testbed, new_appid):
    daemon, manager = managed
    testbed.start_existing(daemon)
    ready = manager.wait("READY", "1")
    assert "STATUS" in ready
    assert "WATCHDOG" not in manager.names()[:1], "fed before it was ready"
    clients.Api(daemon).create_tenant(new_appid())
    manager.wait("STATUS", "serving 1 tenants, 0 of them stuck")

    # Fed often enough, again and again: no two are further apart than the period.
    manager.forget()
    wait_until(lambda: manager.names().count("WATCHDOG") >= 4, 4 * WATCHDOG_S, "WATCHDOG=1")
    times = [when for when, message in manager.heard if message.get("WATCHDOG") == "1"]
    assert max(b - a for a, b in zip(times, times[1:])) < WATCHDOG_S / 2

    manager.forget()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.hangup()
    reloading = manager.wait("RELOADING", "1")
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before - 1000 <= int(reloading["MONOTONIC_USEC"]) <= after
    manager.wait("READY", "1")
    names = manager.names()
    assert names.index("RELOADING") < names.index("READY")

    manager.forget()
    assert daemon.stop() == 0
    manager.wait("STOPPING", "1")
    assert "WATCHDOG" not in manager.names()[manager.names().index("STOPPING"):]


def test_hangups_do_not_keep_it_from_its_rounds(managed, testbed):
    daemon, manager = managed
    testbed.start_existing(daemon)
    manager.wait("READY", "1")
    manager.forget()
    until = time.monotonic() + WATCHDOG_S
    while time.monotonic() < until:
        daemon.hangup()
        manager.listen()  # only so many words fit into the socket
        time.sleep(0.1)
    assert manager.names().count("RELOADING") > 5
    assert manager.names().count("WATCHDOG") >= 2


def test_a_writer_that_hangs_starves_the_watchdog(managed, testbed):
    daemon, manager = managed
    testbed.start_existing(daemon)
    manager.wait("WATCHDOG", "1")
    with subprocess.Popen([parts.build_dir() / "store_hold",
                           daemon.state_dir / "store" / "control.mdb"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        manager.wait("STATUS", "stuck: the store's writer")
        manager.forget()
        # Everything else is well: it answers, and its main thread goes its rounds.
        assert clients.Api(daemon).get("/healthz", token="").status_code == 200
        time.sleep(WATCHDOG_S)
        assert "WATCHDOG" not in manager.names()
        holder.stdin.close()
        assert holder.wait(10) == 0
    manager.wait("WATCHDOG", "1")
    manager.wait("STATUS", "serving 0 tenants, 0 of them stuck")
    logs = daemon.logs()
    assert logs.count("the store's writer has not come round") == 1
    assert "all loops come round again" in logs


def test_no_manager_is_no_trouble(managed, testbed):
    daemon, _ = managed
    daemon.extra_environment = {"NOTIFY_SOCKET": f"{os.devnull}/nothing"}
    testbed.start_existing(daemon)
    assert daemon.stop() == 0
