"""Fixtures of all black-box stages; tests/service/README.md shows how to use them."""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.testbed import bed, clients, parts


@pytest.fixture(scope="session")
def run_dir(request):
    """The folder of this stage's servers, states and logs. `./dev test` keeps it until the
    stage `secrets` has searched it; pytest called by hand keeps it if a test failed."""
    base = os.environ.get("TENANTD_TEST_RUN")
    by_hand = not base
    if by_hand:
        base = os.environ["TENANTD_TEST_RUN"] = tempfile.mkdtemp(prefix="tenantd-pytest.")
    path = Path(base) / os.environ.get("TENANTD_STAGE", "pytest") / "run"
    # With workers side by side, each has servers of its own.
    path /= os.environ.get("PYTEST_XDIST_WORKER", "")
    path.mkdir(parents=True, exist_ok=True)
    print(f"\nrun folder: {path}")
    yield path
    if by_hand and not request.session.testsfailed and not os.environ.get("TENANTD_KEEP"):
        shutil.rmtree(base)


def _shed_data(request, testbed):
    """A stopped mongod leaves 300 MB of journal, which tell nobody anything when all is well."""
    if not request.session.testsfailed and not os.environ.get("TENANTD_KEEP"):
        shutil.rmtree(testbed.mongod.run_dir / "db", ignore_errors=True)
        shutil.rmtree(testbed.minio.run_dir / "data", ignore_errors=True)


@pytest.fixture(scope="session")
def testbed(request, run_dir):
    """MinIO and mongod, shared by everything in the session."""
    with bed.Testbed(run_dir / "shared") as it:
        yield it
    _shed_data(request, it)


@pytest.fixture(scope="session")
def fault_testbed(request, run_dir):
    """Another MinIO and mongod behind the fault proxy, which tests may stop, slow and cut.
    A test leaves them healed and running."""
    with bed.Testbed(run_dir / "faults", faults=True) as it:
        yield it
    _shed_data(request, it)


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


@pytest.fixture(scope="module")
def tenantctl(tenantd):
    """tenantctl("tenant", "list", ...) runs it against this module's tenantd, as admin; the
    CompletedProcess with stdout and stderr as text. Keywords go to subprocess.run()."""
    def run(*args, env=None, **kwargs):
        return subprocess.run(
            [parts.tenantctl(), *map(str, args)], text=True, capture_output=True,
            **{"timeout": 90, **kwargs}, env={
                "PATH": os.environ["PATH"], "TENANTD_URL": tenantd.url(),
                "TENANTD_TOKEN_FILE": str(tenantd.token_path), **(env or {})})
    return run


@pytest.fixture(scope="session")
def node():
    """node("name.cjs", ..., env={...}) runs tests/js/name.cjs with the packages of tests/js;
    the CompletedProcess with stdout and stderr as text."""
    def run(script, *args, env=None, **kwargs):
        return subprocess.run(
            ["node", parts.ROOT / "tests" / "js" / script, *map(str, args)], text=True,
            capture_output=True, **{"timeout": 90, **kwargs}, env={
                "PATH": os.environ["PATH"], "NODE_PATH": parts.node_modules(),
                **(env or {})})
    return run
