"""Fixtures of all black-box stages; tests/service/README.md shows how to use them."""
import os
import tempfile
from pathlib import Path

import pytest

from tests.testbed import bed, clients


@pytest.fixture(scope="session")
def run_dir():
    """The folder of this stage's servers, states and logs. `./dev test` keeps it until the
    stage `secrets` has searched it."""
    base = os.environ.get("TENANTD_TEST_RUN") or tempfile.mkdtemp(prefix="tenantd-pytest.")
    os.environ["TENANTD_TEST_RUN"] = base
    path = Path(base) / os.environ.get("TENANTD_STAGE", "pytest") / "run"
    path.mkdir(parents=True, exist_ok=True)
    print(f"\nrun folder: {path}")
    return path


@pytest.fixture(scope="session")
def testbed(run_dir):
    """MinIO and mongod, shared by everything in the session."""
    with bed.Testbed(run_dir / "shared") as it:
        yield it


@pytest.fixture(scope="session")
def fault_testbed(run_dir):
    """Another MinIO and mongod behind the fault proxy, which tests may stop, slow and cut.
    A test leaves them healed and running."""
    with bed.Testbed(run_dir / "faults", faults=True) as it:
        yield it


@pytest.fixture(scope="session")
def new_appid():
    """new_appid() gives a valid appid that nobody has used."""
    return bed.new_appid


@pytest.fixture(scope="module")
def tenantd(request, testbed):
    """A tenantd with an empty state, and a gateway, for this module. A module may set
    TENANTD_CONFIG, a dictionary that is laid over the configuration."""
    daemon = testbed.start_tenantd(request.module.__name__.split(".")[-1],
                                   patch=getattr(request.module, "TENANTD_CONFIG", None))
    yield daemon
    if daemon.running():
        daemon.stop()
    daemon.gateway.stop()


@pytest.fixture(scope="module")
def api(tenantd):
    """tenantd's API with the admin token; see tests/testbed/clients.py."""
    return clients.Api(tenantd)


@pytest.fixture
def boto():
    """boto(credentials) gives an S3 client of that tenant through the gateway."""
    return clients.boto


@pytest.fixture
def mongo():
    """mongo(credentials) gives a MongoDB client of that tenant, closed after the test."""
    opened = []

    def make(credentials, **options):
        opened.append(clients.mongo(credentials, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def tenant(api, new_appid):
    """A Created tenant with one private bucket `data`: its credentials document."""
    appid = new_appid()
    api.create_tenant(appid)
    return api.credentials(appid)
