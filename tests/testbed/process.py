"""Servers as child processes that cannot outlive the tests unnoticed.

Every server is started by one thread that lives as long as this process, through
`setpriv --pdeathsig KILL`: the kernel kills it when that thread, hence this process, ends,
however it ends. (The signal is tied to the thread that forked, so starting servers from
short-lived threads would kill them early.)

Ports: the kernel is asked for one, and it is left in TIME_WAIT, so that it is not handed to
anybody else for a minute while a server that sets SO_REUSEADDR (all of ours do) may bind
it. Should it be taken all the same, the start is repeated with another one.
"""
import atexit
import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import threading
import time
import weakref
from pathlib import Path

START_ATTEMPTS = 5


class StartError(Exception):
    """A server did not become ready; carries the end of its log."""


class PortTaken(StartError):
    """Somebody else listens on the port we had reserved."""


def reserve_port():
    """A free port on 127.0.0.1, held back from others for about a minute."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            # The side that closes first keeps the port in TIME_WAIT.
            accepted.close()
    return port


def new_secret(nbytes=20):
    return secrets.token_hex(nbytes)


def write_secret(path, value):
    """Write a file that its owner can read and nobody can change; replaces it at once."""
    path = Path(path)
    tmp = path.with_name(path.name + ".new")
    tmp.unlink(missing_ok=True)
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(fd, "w") as out:
        out.write(value)
    tmp.rename(path)
    return path


def secret_file(path, make=new_secret):
    """The content of a secret file, made on first use; also noted for the log search."""
    path = Path(path)
    if not path.exists():
        write_secret(path, make())
    value = path.read_text().strip()
    note_secret(path.name, value)
    return value


_noted = set()


def note_secret(kind, value):
    """Remember a live secret, so that the stage `secrets` can look for it in every log."""
    run = os.environ.get("TENANTD_TEST_RUN")
    if not run or not value or value in _noted:
        return
    _noted.add(value)
    line = json.dumps({"kind": kind, "value": value}) + "\n"
    fd = os.open(Path(run) / "secrets.seen", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(fd, "w") as out:
        out.write(line)


def wait_until(check, timeout, what, interval=0.02):
    """Call check() until it gives something true; its value. TimeoutError after timeout."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {timeout} s")
        time.sleep(interval)


class _Spawner:
    """The one thread that forks."""

    def __init__(self):
        self._lock = threading.Lock()
        self._thread = None
        self._jobs = queue.SimpleQueue()

    def _run(self):
        while True:
            kwargs, reply = self._jobs.get()
            try:
                reply.put(subprocess.Popen(**kwargs))
            except BaseException as error:  # handed to the caller
                reply.put(error)

    def popen(self, **kwargs):
        with self._lock:
            # After a fork() of ours the thread has stayed behind in the parent.
            if self._thread is None or not self._thread.is_alive():
                self._jobs = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._run, daemon=True,
                                                name="spawner")
                self._thread.start()
        reply = queue.SimpleQueue()
        self._jobs.put((kwargs, reply))
        result = reply.get()
        if isinstance(result, BaseException):
            raise result
        return result


_spawner = _Spawner()
_alive = weakref.WeakSet()


@atexit.register
def _kill_all():
    for server in list(_alive):
        server.kill()


class Server:
    """A child process with a log, ports and a readiness check.

    A subclass gives argv(), ready() and, if it has ports, `port_names`. Ports are chosen at
    the first start and kept for later ones, so that a restart is found where it was.
    """

    name = "server"
    port_names = ()
    start_timeout = 30
    stop_timeout = 20
    # What the kernel sends when we end; TERM for one that has children to take along.
    death_signal = "KILL"
    collision_words = ("already in use", "addrinuse", "address in use")

    def __init__(self, run_dir, ports=None):
        self.run_dir = Path(run_dir)
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.ports = dict(ports or {})
        self.process = None
        self.starts = 0
        self._log = None

    # What a subclass says about itself.
    def argv(self):
        raise NotImplementedError

    def environment(self):
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.run_dir),
                "LANG": "C.UTF-8"}

    def ready(self):
        """True when it serves; may raise OSError while it does not."""
        raise NotImplementedError

    def prepare(self):
        """Called before every start, with the ports known."""

    @property
    def log_path(self):
        """The log of the current (or last) start; one file per start."""
        return self.run_dir / f"{self.name}.{max(self.starts, 1)}.log"

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        """Start it and wait until it is ready."""
        assert not self.running(), f"{self.name} runs already"
        chosen_before = all(n in self.ports for n in self.port_names)
        for attempt in range(START_ATTEMPTS):
            if not chosen_before or attempt > 0:
                self.ports.update({n: reserve_port() for n in self.port_names})
            try:
                self.launch()
                self.wait_ready()
                return self
            except PortTaken:
                if attempt == START_ATTEMPTS - 1:
                    raise
        return self

    def launch(self):
        """Start it and do not wait."""
        self.starts += 1
        self.prepare()
        with open(self.log_path, "ab", buffering=0) as log:
            self.process = _spawner.popen(
                args=["setpriv", "--pdeathsig", self.death_signal, "--", *map(str, self.argv())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=self.environment(), cwd=self.run_dir, start_new_session=True)
        _alive.add(self)

    def wait_ready(self, timeout=None):
        def check():
            if not self.running():
                self.raise_start_error(f"exited with status {self.process.returncode}")
            try:
                return self.ready()
            except OSError:
                return False
        try:
            wait_until(check, timeout or self.start_timeout, f"{self.name} ready")
        except TimeoutError:
            self.kill()
            self.raise_start_error("not ready in time")

    def raise_start_error(self, why):
        tail = self.log_text()[-4000:]
        kind = PortTaken if any(w in tail.lower() for w in self.collision_words) \
            else StartError
        raise kind(f"{self.name}: {why}; {self.log_path} ends:\n{tail}")

    def log_text(self):
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def signal(self, number):
        assert self.running(), f"{self.name} does not run"
        os.kill(self.process.pid, number)

    def stop(self):
        """SIGTERM and wait; its exit status. One that does not obey is an error."""
        if not self.running():
            return self.process.returncode if self.process else None
        # A stopped process would never see the SIGTERM.
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(self.stop_timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not stop within {self.stop_timeout} s")

    def kill(self):
        """kill -9, with what it may have forked, and wait."""
        if self.running():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def pause(self):
        """Freeze it: connections stay open and nothing answers."""
        self.signal(signal.SIGSTOP)

    def unpause(self):
        self.signal(signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()
