"""Where the real servers and our own programs are. `./dev` says so in the environment; without
it the cache and PATH are searched, so that pytest may also be called by hand."""
import hashlib
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenantd"


def _find(variable, program, cached):
    for candidate in (os.environ.get(variable), shutil.which(program), CACHE / cached,
                      f"/usr/sbin/{program}"):
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    raise FileNotFoundError(f"{program} is neither in PATH nor in {CACHE}: run ./dev setup")


def minio():
    return _find("TESTBED_MINIO", "minio", "minio-20260212/minio")


def mongod():
    return _find("TESTBED_MONGOD", "mongod", "mongod-6.0.5/mongod")


def nginx():
    return _find("TESTBED_NGINX", "nginx", "nginx/nginx")


def toxiproxy():
    return _find("TESTBED_TOXIPROXY", "toxiproxy-server", "toxiproxy-2.12.0/toxiproxy-server")


def build_dir():
    return Path(os.environ.get("TENANTD_BUILD") or ROOT / "build" / "debug")


def tenantd():
    return build_dir() / "tenantd"


def tenantctl():
    return build_dir() / "tenantctl"


def python():
    """The Python that has the clients."""
    return sys.executable


def node_modules():
    """Where the packages of tests/js are, as ./dev keeps them."""
    if os.environ.get("NODE_PATH"):
        return os.environ["NODE_PATH"]
    key = hashlib.sha256((ROOT / "tests/js/package-lock.json").read_bytes()).hexdigest()[:12]
    path = CACHE / f"node-{key}" / "node_modules"
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is missing: run ./dev setup")
    return str(path)
