"""What the tests of the MinIO driver need: the driver at the end of a pipe
(build/.../minio_driver_shell), a real MinIO on which it is tenantd's own restricted user,
and tenants at work with real clients."""
import json

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from tests.service.driver_shell import (  # noqa: F401
    INSTANCE, OTHER_INSTANCE, DriverShell, names, ok)
from tests.testbed import parts
from tests.testbed.bed import new_appid
from tests.testbed.minio_server import Minio
from tests.testbed.process import new_secret, note_secret

WRITES = {"add-user", "remove-user", "set-user-status", "set-user-or-group-policy",
          "add-service-account", "update-service-account", "delete-service-account",
          "revoke-tokens", "set-bucket-quota", "create-bucket", "delete-bucket",
          "put-bucket-policy", "delete-bucket-policy", "put-bucket-tagging",
          "delete-objects", "abort-upload"}
SECRETS = set()


def secret():
    value = new_secret()
    SECRETS.add(value)
    note_secret("minio driver", value)
    return value


class Shell(DriverShell):
    def __init__(self, minio, endpoints=None, instance=INSTANCE, die_after=0, files=None,
                 next_files=None, policies=None):
        files = files or (minio.admin_user_file, minio.admin_secret_file)
        next_files = next_files or (None, None)
        super().__init__("minio_driver_shell", SECRETS,
                         access_key_file=files[0], secret_key_file=files[1],
                         instance=instance, policies=policies or parts.ROOT / "policies",
                         endpoint=endpoints or [minio.endpoint], die_after=die_after,
                         next_access_key_file=next_files[0],
                         next_secret_key_file=next_files[1])


class Tenant:
    """What the engine would know about one tenant, and requests made of it."""

    def __init__(self, template="tenantd_owner", buckets=("data",)):
        self.appid = new_appid()
        self.template = template
        self.keys = {"parent": self.appid, "a": self.random_key(), "b": self.random_key()}
        self.secrets = {slot: secret() for slot in self.keys}
        self.claimed, self.absent_before = False, True
        self.fresh = {"a": True, "b": True, "parent": False}
        self.buckets = {name: {"name": name, "mode": "private", "quota": 0,
                               "absent_before": True} for name in buckets}

    @staticmethod
    def random_key():
        return new_secret(10).upper()

    def request(self, verb, access="full", keep="a", retire="", buckets=None, **more):
        slots = [{"id": s, "want": want, "key": self.keys[s], "secret": self.secrets[s],
                  "fresh": self.fresh[s]}
                 for want, names in (("keep", ["parent", *keep]), ("retire", retire))
                 for s in names]
        chosen = self.buckets if buckets is None else buckets
        return {"verb": verb, "appid": self.appid, "access": access,
                "claimed": self.claimed, "absent_before": self.absent_before,
                "template": self.template, "slots": slots,
                "buckets": [self.buckets[b] for b in chosen], **more}

    def recorded(self, slots="a"):
        self.claimed, self.absent_before = True, False
        for slot in slots:
            self.fresh[slot] = False
        for bucket in self.buckets.values():
            bucket.update(claimed=True, absent_before=False)

    def bucket(self, name="data"):
        return f"{self.appid}-{name}"

    def client(self, minio, slot="a"):
        return minio.client(self.keys[slot], self.secrets[slot])

    def works(self, minio, slot="a", name="data"):
        """"" or the error code of a put and a get."""
        s3 = self.client(minio, slot)
        return code_of(lambda: (s3.put_object(Bucket=self.bucket(name), Key="k", Body=b"x"),
                                s3.get_object(Bucket=self.bucket(name), Key="k")))


def code_of(call):
    try:
        call()
        return ""
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


@pytest.fixture(scope="module")
def minio(run_dir):
    with Minio(run_dir / "minio_driver") as server:
        yield server


@pytest.fixture(scope="module")
def root(minio):
    return minio.client()


@pytest.fixture
def shell(minio):
    with Shell(minio) as it:
        yield it


@pytest.fixture
def tenant():
    return Tenant()


def make(shell, tenant):
    ok(shell.call(**tenant.request("ensure")))
    tenant.recorded()
    return tenant


@pytest.fixture
def live(shell, tenant):
    """A tenant that is made and recorded."""
    return make(shell, tenant)


def accounts(minio, user):
    reply = minio.admin_call("GET", "list-service-accounts", {"user": user})
    if reply.status_code == 404:
        return {}
    return {a["accessKey"]: a for a in minio.open_sealed(reply)["accounts"] or []}


def account_info(minio, key):
    reply = minio.admin_call("GET", "info-service-account", {"accessKey": key})
    return minio.open_sealed(reply) if reply.ok else None


def policy_of(root, bucket):
    try:
        return json.loads(root.get_bucket_policy(Bucket=bucket)["Policy"])
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def everything(minio, root, appid):
    """All that the server knows of a name, to compare before and after."""
    buckets = {}
    for name in sorted(b for b in minio.buckets() if b.startswith(appid + "-")):
        try:
            tags = sorted((t["Key"], t["Value"])
                          for t in root.get_bucket_tagging(Bucket=name)["TagSet"])
        except botocore.exceptions.ClientError:
            tags = []
        versions = root.list_object_versions(Bucket=name)
        quota = minio.admin_call("GET", "get-bucket-quota", {"bucket": name}).json()
        buckets[name] = (policy_of(root, name), tags, quota,
                         [(v["Key"], v["VersionId"]) for v in versions.get("Versions", [])])
    return minio.user_info(appid), accounts(minio, appid), buckets


def settled(shell, tenant, access="full", **more):
    seen = ok(shell.call(**tenant.request("observe", access=access, **more)))
    assert (seen["presence"], seen["drifted"]) == ("ours", False), seen
    assert WRITES.isdisjoint(names(seen))
    return seen


def sts_client(minio, shell, tenant):
    keys = ok(shell.call(verb="assume", key=tenant.appid, secret=tenant.secrets["parent"]))
    return boto3.client("s3", endpoint_url=minio.endpoint, region_name=minio.region,
                        aws_access_key_id=keys["key"], aws_secret_access_key=keys["secret"],
                        aws_session_token=keys["token"],
                        config=Config(s3={"addressing_style": "path"},
                                      retries={"total_max_attempts": 1}))


@pytest.fixture
def plain(minio):
    """A shell that may answer with the temporary keys asked for."""
    with Shell(minio) as it:
        yield it
