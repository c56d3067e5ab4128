"""A driver at the end of a pipe: what the shells of all drivers have in common
(tests/service/c/driver_shell.h)."""
import json
import os
import signal
import subprocess

from tests.testbed import parts

INSTANCE = "0123456789abcdef0123456789abcdef"
OTHER_INSTANCE = "fedcba9876543210fedcba9876543210"


class DriverShell:
    """One process with one driver. options: {"name": value} of its command line; a list is
    given once for each of its values, and what is empty is left out."""

    def __init__(self, program, secrets=(), **options):
        self.secrets = secrets  # none of them may be in a reply
        argv = [parts.build_dir() / program]
        for name, values in options.items():
            for value in values if isinstance(values, list) else [values]:
                if value:
                    argv += ["--" + name.replace("_", "-"), value]
        # libmongoc keeps counters in shared memory named after the process; one that was
        # killed leaves it behind, and the next with its number would complain.
        self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "MONGOC_DISABLE_SHM": "1"})

    def send(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def receive(self):
        """The reply, or None when the process died."""
        line = self.process.stdout.readline()
        assert not any(s in line for s in self.secrets), "a secret in a reply"
        return json.loads(line) if line else None

    def call(self, **request):
        self.send(request)
        return self.receive()

    def meanwhile(self, request, action):
        """Send it, and do something while the process is stopped (stop_after); the reply."""
        self.send(request)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        try:
            action()
        finally:
            self.process.send_signal(signal.SIGCONT)
        return self.receive()

    def parallel(self, requests):
        return self.call(parallel=requests)

    def close(self):
        """Ends it; what it printed besides replies, which must be nothing."""
        self.process.stdin.close()
        rest, errors = self.process.stdout.read(), self.process.stderr.read()
        self.status = self.process.wait(30)
        return rest + errors

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        noise = self.close()
        if exc[0] is None:
            assert noise == "" and self.status == 0, (self.status, noise)


def ok(reply):
    assert reply is not None, "the driver's process died"
    assert reply["rc"] == "OK", reply
    assert all(b["rc"] == "OK" for b in reply.get("buckets", [])), reply
    return reply


def names(reply):
    """The backend requests that were made for it."""
    return [name for name, _ in reply["calls"]]
