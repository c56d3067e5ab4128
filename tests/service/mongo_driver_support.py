"""What the tests of the MongoDB driver share: the driver in a process of its own
(mongo_driver_shell of the build folder), and a tenant as the engine would know it."""
import pymongo
import pymongo.errors
import pytest

from tests.service.driver_shell import (  # noqa: F401
    INSTANCE, OTHER_INSTANCE, DriverShell, names, ok)
from tests.testbed import parts
from tests.testbed.bed import new_appid
from tests.testbed.mongod import Mongod
from tests.testbed.process import new_secret, note_secret

ROLE = "tenantd_app"
NOT_AUTHORIZED = 13
LOGIN_FAILED = 18


class Shell(DriverShell):
    def __init__(self, mongod, uri=None, instance=INSTANCE, die_after=0, stop_after=0,
                 next_files=None):
        next_files = next_files or (None, None)
        super().__init__("mongo_driver_shell", uri=uri or mongod.uri,
                         username_file=mongod.admin_user_file,
                         password_file=mongod.admin_password_file,
                         policies=parts.ROOT / "policies", instance=instance,
                         die_after=die_after, stop_after=stop_after,
                         next_username_file=next_files[0], next_password_file=next_files[1])


class Tenant:
    """What the engine would know about one tenant, and requests made of it."""

    def __init__(self, template="tenantd_owner"):
        self.appid = new_appid()
        self.template = template
        self.secrets = {"a": new_secret(), "b": new_secret()}
        for secret in self.secrets.values():
            note_secret("tenant password", secret)
        self.claimed = False
        self.absent_before = True
        self.fresh = {"a": True, "b": True}

    def user(self, slot):
        return self.appid if slot == "a" else f"{self.appid}.b"

    def request(self, verb, access="full", keep="a", retire="", **more):
        slots = [{"id": s, "want": want, "key": self.user(s), "secret": self.secrets[s],
                  "fresh": self.fresh[s]}
                 for want, names in (("keep", keep), ("retire", retire)) for s in names]
        return {"verb": verb, "appid": self.appid, "access": access,
                "claimed": self.claimed, "absent_before": self.absent_before,
                "template": self.template, "slots": slots, **more}

    def recorded(self, slots="a"):
        self.claimed, self.absent_before = True, False
        for slot in slots:
            self.fresh[slot] = False

    def client(self, mongod, slot="a", **options):
        return pymongo.MongoClient(mongod.address, directConnection=True,
                                   username=self.user(slot), password=self.secrets[slot],
                                   authSource=self.appid,
                                   **{"serverSelectionTimeoutMS": 5000, **options})

    def login_code(self, mongod, slot="a"):
        """0, or the server's code."""
        return code_of(lambda: self._ping(mongod, slot))

    def _ping(self, mongod, slot):
        with self.client(mongod, slot) as client:
            client[self.appid].command("connectionStatus")


def code_of(call):
    try:
        call()
        return 0
    except pymongo.errors.OperationFailure as error:
        return error.code


@pytest.fixture(scope="module")
def mongod(run_dir):
    with Mongod(run_dir / "mongo_driver") as server:
        yield server


@pytest.fixture(scope="module")
def root(mongod):
    with mongod.root() as client:
        yield client


@pytest.fixture
def shell(mongod):
    with Shell(mongod) as it:
        yield it


@pytest.fixture
def tenant():
    return Tenant()


@pytest.fixture
def live(shell, tenant):
    """A tenant that is made and recorded."""
    ok(shell.call(**tenant.request("ensure")))
    tenant.recorded()
    return tenant


def everything(root, appid):
    """All that the server knows of a database, to compare before and after."""
    users = list(root.admin["system.users"].find({"db": appid}))
    roles = list(root.admin["system.roles"].find({"db": appid}))
    found = {d for d in root.list_database_names() if d.lower() == appid.lower()}
    data = {}
    for name in found:
        for collection in root[name].list_collection_names():
            data[name, collection] = root[name][collection].count_documents({})
    return users, roles, found, data


def make(shell, tenant):
    ok(shell.call(**tenant.request("ensure")))
    tenant.recorded()


def make_both(shell, tenant):
    ok(shell.call(**tenant.request("ensure", keep="ab")))
    tenant.recorded("ab")


def settled(shell, tenant, access="full", **slots):
    seen = ok(shell.call(**tenant.request("observe", access=access, **slots)))
    assert (seen["presence"], seen["drifted"]) == ("ours", False), seen
