"""Looks for live secrets where they must not be: in logs, reports and stored state, in the
arguments and environment of processes. Every secret that passed through a helper of the
testbed is known by the file `secrets.seen` of the run (see process.note_secret)."""
import json
import subprocess
import tempfile
from pathlib import Path

SEEN = "secrets.seen"
# Files that hold a secret because that is what they are for: mode 0400, one secret each.
SECRET_FILES = {"master.key", "admin.token", "root.password", "keyfile", "minio.env",
                "tenantd.secret-key", "tenantd.password"}
# Folders that belong to a backend, which keeps the secrets of its own users there.
BACKEND_DATA = {"data", "db", "certs"}


def known(run):
    """{secret: what it is} of everything seen in this run so far."""
    path = Path(run) / SEEN
    if not path.exists():
        return {}
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return {e["value"]: e["kind"] for e in entries}


def searched_files(run):
    """Every file of a run in which no secret may be. Test reports are left out: a failed test
    shows what it compared."""
    def walk(folder):
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or path.name == SEEN or path.name in SECRET_FILES:
                continue
            if path.is_dir():
                if path.name not in BACKEND_DATA:
                    yield from walk(path)
            elif path.is_file() and path.suffix != ".xml":
                yield path
    return list(walk(Path(run)))


def in_files(secrets, files):
    """[(path, what was found)] over those files; text or binary, in one pass."""
    if not secrets or not files:
        return []
    with tempfile.NamedTemporaryFile("w") as patterns:
        patterns.write("".join(s + "\n" for s in secrets))
        patterns.flush()
        found = subprocess.run(
            ["xargs", "-0", "grep", "-a", "-o", "-H", "-Z", "-F", "-f", patterns.name, "--"],
            input=b"\0".join(str(f).encode() for f in files), stdout=subprocess.PIPE).stdout
    hits = set()
    for line in found.splitlines():
        path, _, value = line.partition(b"\0")
        hits.add((path.decode(), secrets[value.decode()]))
    return sorted(hits)


def in_process(secrets, pid):
    """[(where, what was found)] in the arguments and the environment of a process."""
    hits = []
    for name in ("cmdline", "environ"):
        text = (Path("/proc") / str(pid) / name).read_bytes()
        hits += [(f"/proc/{pid}/{name}", kind) for value, kind in secrets.items()
                 if value.encode() in text]
    return hits


def in_text(secrets, text):
    """What was found in a text, e.g. a reply."""
    return sorted({kind for value, kind in secrets.items() if value in text})
