"""A systemd of the tests' own: PID 1 of fresh namespaces, in which an installed tree is where it
was configured to be. What is unit, sandbox, credential or watchdog is the real thing; units of
the machine around are not started, and nothing outside changes: /etc, /run, /tmp, /var/lib and
the prefix are covered in there. Needs root. The network is the machine's, so that backends are
within reach."""
import os
import shlex
import subprocess
from pathlib import Path

from .process import Server

# What units name and nobody needs here.
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "network", "umount", "final")
BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$SCRATCH"
cd "$SCRATCH"
mkdir etc etc.work prefix prefix.work
mount -t overlay overlay -o lowerdir=/etc,upperdir=etc,workdir=etc.work /etc
mount -t overlay overlay \
	-o "lowerdir=$TREE$PREFIX:$PREFIX,upperdir=prefix,workdir=prefix.work" "$PREFIX"
cd /
for dir in /run /var/lib /var/log /var/tmp /tmp; do mount -t tmpfs -o mode=0755 tmpfs $dir; done
chmod 1777 /tmp /var/tmp
umount -l /sys/fs/cgroup 2>/dev/null || true
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/unified /sys/fs/cgroup/systemd
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
mkdir /run/units
for target in $TARGETS boot; do
	printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' "$target" \
		>"/run/units/$target.target"
done
# In a container systemd takes this for granted; credentials are mounted by way of it.
mount --make-rshared /
exec env -i PATH="$PATH" LANG=C.UTF-8 container=tests \
	SYSTEMD_UNIT_PATH="/run/units:$PREFIX/lib/systemd/system:/etc/systemd/system" \
	/lib/systemd/systemd --unit=boot.target --log-target=console --log-level=info \
	--show-status=0
"""


def possible():
    """Whether this process may make the namespaces."""
    return os.geteuid() == 0 and Path("/lib/systemd/systemd").exists()


class Systemd(Server):
    """tree: what `cmake --install` made of a build with this prefix."""

    name = "systemd"

    def __init__(self, run_dir, tree, prefix="/usr/local"):
        super().__init__(run_dir)
        self.tree, self.prefix = Path(tree), prefix

    def prepare(self):
        (self.run_dir / "scratch").mkdir(exist_ok=True)

    def argv(self):
        # When unshare is killed the kernel kills PID 1 in there, and that all the others.
        return ["unshare", "--pid", "--mount", "--ipc", "--uts", "--cgroup", "--fork",
                "--kill-child", "--mount-proc", "bash", "-c", BOOT]

    def environment(self):
        return super().environment() | {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SCRATCH": str(self.run_dir / "scratch"), "TREE": str(self.tree), "PREFIX": self.prefix, "TARGETS": " ".join(TARGETS)}

    @property
    def init(self):
        """The process id of its PID 1, seen from here."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def path(self, inside):
        """Where a file that is `inside` there is for us."""
        return Path(f"/proc/{self.init}/root{inside}")

    def run(self, *argv, check=True, stdin=None):
        """Run a command in there; its CompletedProcess."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.init), "--all", "--",
             *map(str, argv)], input=stdin, text=True, capture_output=True, timeout=60,
            check=False, env={**self.environment(), "SYSTEMD_PAGER": "", "HOME": "/"})
        if check and done.returncode != 0:
            raise AssertionError(f"{shlex.join(map(str, argv))}: {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def show(self, unit, *names):
        """Properties of a unit, a dictionary."""
        text = self.run("systemctl", "show", unit, *(f"--property={n}" for n in names)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def ready(self):
        try:
            return self.run("systemctl", "is-active", "boot.target", check=False) \
                .stdout.strip() == "active"
        except (IndexError, FileNotFoundError):
            return False

    def stop(self):
        """systemd takes SIGTERM for something else."""
        self.kill()
        return 0
