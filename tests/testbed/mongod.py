"""A real mongod: a replica set of one with authentication, and tenantd's own database user
made the way an operator makes it (deploy/mongodb-identity.py)."""
import resource
import subprocess
import sys
from urllib.parse import quote

import pymongo
import pymongo.errors

from . import parts
from .process import Server, new_secret, secret_file, wait_until


class Mongod(Server):
    name = "mongod"
    port_names = ("mongodb",)
    collision_words = Server.collision_words + ("failed to set up listener",)
    admin_user = "tenantd"

    def __init__(self, run_dir, ports=None, advertise=None):
        """advertise: HOST:PORT that the replica set tells its clients, when that is not where
        mongod listens (a fault proxy)."""
        super().__init__(run_dir, ports)
        self.advertise = advertise
        self.root_password = secret_file(self.run_dir / "root.password")
        secret_file(self.run_dir / "keyfile", lambda: new_secret(48))
        self.admin_user_file = self.run_dir / "tenantd.username"
        self.admin_password_file = self.run_dir / "tenantd.password"

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['mongodb']}"

    @property
    def public_address(self):
        return self.advertise or self.address

    @property
    def uri(self):
        """Without credentials."""
        return f"mongodb://{self.public_address}/?replicaSet=rs0"

    @property
    def admin_uri(self):
        """As root."""
        return (f"mongodb://root:{quote(self.root_password)}@{self.public_address}/"
                f"?replicaSet=rs0&authSource=admin")

    def prepare(self):
        (self.run_dir / "db").mkdir(exist_ok=True)

    def argv(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = 64000 if hard == resource.RLIM_INFINITY else min(64000, hard)
        return ["prlimit", f"--nofile={max(files, soft)}", "--",
                parts.mongod(), "--dbpath", self.run_dir / "db",
                "--port", self.ports["mongodb"], "--bind_ip", "127.0.0.1",
                "--unixSocketPrefix", self.run_dir, "--nounixsocket",
                "--auth", "--keyFile", self.run_dir / "keyfile", "--replSet", "rs0",
                "--noscripting", "--wiredTigerCacheSizeGB", "0.25"]

    def _direct(self, **auth):
        return pymongo.MongoClient(self.address, directConnection=True,
                                   serverSelectionTimeoutMS=2000, **auth)

    def ready(self):
        try:
            with self._direct() as client:
                client.admin.command("hello")
                return True
        except pymongo.errors.PyMongoError:
            return False

    def start(self):
        super().start()
        if (self.run_dir / "made").exists():
            self._follow_address()
        else:
            self._initiate()
        self.wait_primary()
        return self

    def _initiate(self):
        # The localhost exception holds until the first user exists.
        with self._direct() as client:
            client.admin.command("replSetInitiate", {
                "_id": "rs0", "members": [{"_id": 0, "host": self.public_address}]})
            wait_until(lambda: client.admin.command("hello")["isWritablePrimary"], 30,
                       "mongod primary")
            client.admin.command("createUser", "root", pwd=self.root_password,
                                 roles=["root"], mechanisms=["SCRAM-SHA-256"])
        self.make_identity()
        (self.run_dir / "made").touch()

    def _follow_address(self):
        """The set knows its member by address; after a start on another port, tell it."""
        with self.root(direct=True) as client:
            config = client.admin.command("replSetGetConfig")["config"]
            if config["members"][0]["host"] != self.public_address:
                config["members"][0]["host"] = self.public_address
                config["version"] += 1
                client.admin.command("replSetReconfig", config, force=True)

    def wait_primary(self, timeout=60):
        with self._direct() as client:
            wait_until(lambda: client.admin.command("hello")["isWritablePrimary"], timeout,
                       "mongod primary")

    def make_identity(self):
        """tenantd's own user, its role and its two credential files."""
        subprocess.run(
            [sys.executable, parts.ROOT / "deploy" / "mongodb-identity.py",
             "--uri", f"mongodb://{self.address}/?directConnection=true",
             "--root-user", "root", "--root-password-file", self.run_dir / "root.password",
             "--user", self.admin_user,
             "--username-out", self.admin_user_file,
             "--password-out", self.admin_password_file],
            check=True, stdout=subprocess.DEVNULL)
        secret_file(self.admin_password_file)

    def root(self, direct=False):
        """A pymongo client as root, which the caller closes."""
        if direct:
            return self._direct(username="root", password=self.root_password)
        return pymongo.MongoClient(self.admin_uri, serverSelectionTimeoutMS=10000)

    def users(self, database):
        """Names of the users of a database."""
        with self.root() as client:
            return {u["user"] for u in client[database].command("usersInfo")["users"]}

    def step_down(self, seconds=5):
        """The primary steps down and, alone, becomes primary again after that time."""
        with self.root() as client:
            try:
                client.admin.command("replSetStepDown", seconds, force=True)
            except pymongo.errors.AutoReconnect:
                pass
