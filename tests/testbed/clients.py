"""The clients that tests speak with: tenantd's API, S3, MongoDB."""
import time

import boto3
import pymongo
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from .process import note_secret, wait_until


class ApiError(AssertionError):
    """A helper got another answer than it needs; carries it."""

    def __init__(self, reply):
        self.reply = reply
        super().__init__(f"{reply.request.method} {reply.request.url}: "
                         f"{reply.status_code} {reply.text[:2000]}")


def expect(reply, *statuses):
    """reply, whose status must be one of those."""
    if reply.status_code not in statuses:
        raise ApiError(reply)
    return reply


def let_in(call):
    """call's result. The gateway takes over its deny map a moment after a tenant is Created
    again, by a reload, which closes kept connections and takes its time on a busy machine: only
    that is waited out, and call must bear to be repeated."""
    def attempt():
        try:
            return call()
        except ClientError as error:
            if error.response["Error"]["Code"] != "AllAccessDisabled":
                raise
        except ConnectionClosedError:  # RFC 9112, 9.3.1: it was idle, and closed meanwhile
            pass
        return None

    return wait_until(attempt, 30, "the gateway lets the tenant in")


class Api:
    """tenantd's HTTP API. get/put/post/delete give the `requests` response, whatever its status;
    the helpers below them insist on success. Follows a restart to another port."""

    def __init__(self, daemon, token=None, listener="control"):
        self.daemon, self.listener = daemon, listener
        self.token = token
        self.session = requests.Session()

    def request(self, method, path, token=None, headers=None, **kwargs):
        """token: None = ours (the admin's by default), "" = none at all."""
        if token is None:
            token = self.token or self.daemon.admin_token
        headers = dict(headers or {})
        if token:
            headers.setdefault("Authorization", "Bearer " + token)
        kwargs.setdefault("timeout", 90)
        return self.session.request(method, self.daemon.url(self.listener) + path,
                                    headers=headers, **kwargs)

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def put(self, path, **kwargs):
        return self.request("PUT", path, **kwargs)

    def post(self, path, **kwargs):
        return self.request("POST", path, **kwargs)

    def delete(self, path, **kwargs):
        return self.request("DELETE", path, **kwargs)

    def with_token(self, token):
        """The same API for somebody else."""
        return Api(self.daemon, token, self.listener)

    def tenant(self, appid):
        return expect(self.get(f"/v1/tenants/{appid}"), 200).json()

    def create_tenant(self, appid, plan="standard", buckets=("data",), timeout=60, **spec):
        """Make a tenant and wait until it is Created; its document. buckets: names, or
        (name, mode) pairs. timeout 0: do not wait."""
        body = {"plan": plan, "buckets": [
            {"name": b} if isinstance(b, str) else {"name": b[0], "mode": b[1]}
            for b in buckets], **spec}
        path = f"/v1/tenants/{appid}"
        if timeout:
            path += f"?wait={min(timeout, 60)}"
        document = expect(self.put(path, json=body), 200, 201).json()
        if timeout and document["phase"] != "Created":
            return self.wait_phase(appid, "Created", timeout)
        return document

    def wait_tenant(self, appid, check, timeout=60, what="the wanted state"):
        """Poll until check(document) holds; the document. `None` stands for a tombstone."""
        deadline = time.monotonic() + timeout
        while True:
            reply = expect(self.get(f"/v1/tenants/{appid}"), 200, 410)
            document = reply.json() if reply.status_code == 200 else None
            if check(document):
                return document
            if time.monotonic() >= deadline:
                raise TimeoutError(f"{appid}: not {what} within {timeout} s: {reply.text}")
            time.sleep(0.05)

    def wait_phase(self, appid, phase, timeout=60):
        """Wait for a phase, with the newest spec settled; "Deleted" may also be a 410. A tenant
        that is Created is let in by the gateway, too."""
        def check(document):
            if document is None:
                return phase == "Deleted"
            return (document["phase"] == phase and
                    document["observed_generation"] == document["generation"])
        document = self.wait_tenant(appid, check, timeout, phase)
        gateway = getattr(self.daemon, "gateway", None)
        if phase == "Created" and gateway and gateway.running():
            gateway.wait_denied(appid, None)
        return document

    def mint_token(self, role="runtime", appid=None, ttl_seconds=3600, label="test"):
        """A new API token: {"id", "token", ...}."""
        body = {"role": role, "label": label, "ttl_seconds": ttl_seconds}
        if appid:
            body["appid"] = appid
        document = expect(self.post("/v1/tokens", json=body), 200, 201).json()
        note_secret(f"token {role}", document["token"])
        return document

    def credentials(self, appid=None, token=None):
        """The tenant's credentials, fetched as a pod does: with a runtime token, minted for
        this unless given."""
        token = token or self.mint_token("runtime", appid)["token"]
        document = expect(self.get("/v1/credentials", token=token), 200).json()
        note_credentials(document)
        return document


def note_credentials(document):
    """Note what the stage `secrets` is to look for."""
    if document.get("object"):
        note_secret("object secret_key", document["object"]["secret_key"])
    if document.get("database"):
        note_secret("database password", document["database"]["password"])


def boto(credentials, listener="internal", **config):
    """A boto3 S3 client with a tenant's credentials, through the gateway. It never retries, so
    that a test sees what was answered."""
    part = credentials["object"]
    return boto3.client(
        "s3", endpoint_url=part[f"{listener}_endpoint"], region_name=part["region"],
        aws_access_key_id=part["access_key"], aws_secret_access_key=part["secret_key"],
        aws_session_token=part.get("session_token") or None,
        config=Config(**{"s3": {"addressing_style": "path"}, "connect_timeout": 5,
                         "read_timeout": 60, "retries": {"total_max_attempts": 1}, **config}))


def mongo(credentials, **options):
    """A pymongo client with a tenant's credentials; the caller closes it."""
    return pymongo.MongoClient(credentials["database"]["uri"],
                               **{"serverSelectionTimeoutMS": 10000, **options})


def bucket_name(credentials, name="data"):
    return next(b["bucket"] for b in credentials["object"]["buckets"] if b["name"] == name)
