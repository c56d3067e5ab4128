"""kill -9 at a chosen step of tenantd: see c/crash_at.c."""
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def library(run_dir):
    path = Path(run_dir) / "crash_at.so"
    if not path.exists():
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", path,
                        HERE / "c" / "crash_at.c", "-ldl"], check=True)
    return path


class CrashAt:
    """Prepares a Tenantd (not running) to die at a step after arm()."""

    def __init__(self, daemon, lib):
        self.daemon, self.lib = daemon, lib
        self.arm_file = daemon.run_dir / "crash.arm"

    def prepare(self, kind, step):
        """kind: "commit" (each durable write, before and after it) or "send" (each write to a
        backend's socket); step: from 1."""
        self.arm_file.unlink(missing_ok=True)
        self.daemon.extra_environment = {
            "LD_PRELOAD": str(self.lib), "CRASH_KIND": kind, "CRASH_AT": str(step),
            "CRASH_ARM": str(self.arm_file)}

    def arm(self):
        self.arm_file.touch()

    def disarm(self):
        """The next start is a plain one."""
        self.daemon.extra_environment = {}
        self.arm_file.unlink(missing_ok=True)
