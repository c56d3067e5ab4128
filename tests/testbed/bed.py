"""All backends of a testbed together, and the tenantd that works on them."""
import random
import string
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import config
from .daemon import Tenantd
from .fault_proxy import FaultProxy
from .gateway import Gateway
from .minio_server import Minio
from .mongod import Mongod
from .process import reserve_port


def new_appid():
    """A random valid appid."""
    return "t" + "".join(random.choices(string.ascii_lowercase + string.digits, k=9))


class Testbed:
    """MinIO and mongod, with a fault proxy before both if `faults`; gateways and tenantds on
    top of them, each tenantd with a gateway of its own (its deny map is that tenantd's).

    ports: {"minio": {...}, "mongod": {...}} to use again, from ports()."""

    __test__ = False  # not something for pytest to collect

    def __init__(self, run_dir, faults=False, ports=None, progress=lambda text: None):
        self.run_dir = Path(run_dir)
        self.progress = progress
        ports = ports or {}
        self.minio = Minio(self.run_dir / "minio", ports.get("minio"))
        self.proxy = FaultProxy(self.run_dir / "toxiproxy") if faults else None
        self.minio_fault = self.mongod_fault = None
        self.mongod = Mongod(self.run_dir / "mongod", ports.get("mongod"))
        self.started = []
        self._numbers = {}

    def start(self):
        if self.proxy:
            self._start(self.proxy)
            # Proxies need to know where the backends will be before those start: a replica
            # set tells its address, the proxy's, to every client.
            self.minio.ports["s3"] = reserve_port()
            self.mongod.ports["mongodb"] = reserve_port()
            self.minio_fault = self.proxy.proxy("minio", self.minio.address)
            self.mongod_fault = self.proxy.proxy("mongod", self.mongod.address)
            self.mongod.advertise = self.mongod_fault.address
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(self._start, s) for s in (self.minio, self.mongod)]:
                future.result()
        return self

    def _start(self, server):
        began = time.monotonic()
        if server not in self.started:
            self.started.append(server)
        server.start()
        self.progress(f"{server.name} is up ({time.monotonic() - began:.1f} s)")
        return server

    @property
    def minio_endpoint(self):
        """Where tenantd is to reach MinIO: the fault proxy if there is one."""
        return f"http://{self.minio_fault.address}" if self.minio_fault \
            else self.minio.endpoint

    def _folder(self, name):
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        return self.run_dir / (name if number == 1 else f"{name}{number}")

    def start_gateway(self, run_dir=None, ports=None, **options):
        return self._start(Gateway(run_dir or self._folder("gateway"), self.minio.address,
                                   ports=ports, **options))

    def new_tenantd(self, name="tenantd", port=0, patch=None, gateway=None):
        """A tenantd with an empty state folder, not started; `.gateway` is its gateway."""
        folder = self._folder(name)
        gateway = gateway or self.start_gateway(folder / "gateway")
        daemon = Tenantd(folder, [config.region(self, gateway)], port, patch)
        daemon.gateway = gateway
        return daemon

    def start_existing(self, server):
        """Start one that new_tenantd() made; it is stopped with the rest."""
        return self._start(server)

    def start_tenantd(self, *args, **kwargs):
        return self._start(self.new_tenantd(*args, **kwargs))

    def ports(self):
        return {"minio": self.minio.ports, "mongod": self.mongod.ports}

    def stop(self):
        """Stop everything, the last first. A server that does not obey is an error, told
        after all are down."""
        problems = []
        for server in reversed(self.started):
            try:
                server.stop()
            except RuntimeError as error:
                problems.append(str(error))
        self.started = []
        if problems:
            raise RuntimeError("; ".join(problems))

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exc):
        self.stop()
