"""The gateway against real MinIO. Every attack is made twice: past the gateway, to know what
stock MinIO does (a test that fails there says that MinIO has changed, and a rule may go), and
through it, where it is refused before MinIO sees it and leaves nothing behind. Everything
legitimate works through it as it does without it, in path style and as virtual host.

    pytest tests/isolation/test_gateway.py
"""
import base64
import concurrent.futures
import hashlib
import hmac
import io
import os
import re
import signal
import socket
import subprocess
import tarfile
import time
import uuid
from urllib.parse import quote

import pytest
import requests
from botocore.exceptions import ClientError

from tests.isolation.gateway_support import (
    DOMAIN, EMPTY_SHA256, MIB, TRAILER_NAME, UNSIGNED, UNSIGNED_TRAILER, BareMinio, Capture,
    Gateway, Keys, SlowReader, Tenant, client, open_request, presigned_target, read_reply,
    send, signed_request, unsigned_trailer_body, wait_until)
from tests.testbed import parts

STYLES = ("path", "virtual")


class World:
    """One MinIO, one gateway, two tenants and the means to look behind."""

    def __init__(self, folder):
        self.minio = BareMinio(folder / "minio").start()
        self.gateway = Gateway(folder / "gateway", [self.minio.address]).start()
        self.alice = Tenant(self.minio, "gwalice")
        self.bob = Tenant(self.minio, "gwbob")
        self.root = self.minio.client()
        self.direct = ("127.0.0.1", self.minio.ports["s3"])
        self.through = self.gateway.address()
        self.root.put_object(Bucket=self.bob.bucket, Key="secret", Body=b"bob's")
        self.root.put_object(Bucket=self.alice.bucket, Key="own", Body=b"alice's")

    def stop(self):
        self.gateway.stop()
        self.minio.stop()

    def stored(self, bucket, key):
        """The content of an object, None when there is none."""
        try:
            return self.root.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey"
            return None

    def keys(self, bucket):
        return {o["Key"] for o in self.root.list_objects_v2(Bucket=bucket).get("Contents", [])}

    def line(self, reply):
        """The log line of an answer."""
        request_id = reply.headers["X-Gateway-Request-Id"]
        return self.gateway.wait_lines(lambda l: l["request_id"] == request_id)[0]

    def assert_refused(self, reply, reason, *statuses):
        """Refused by the gateway, for that reason, in S3's words, and not passed on."""
        assert reply.status in (statuses or (403,)), reply
        assert reply.headers["Content-Type"] == "application/xml"
        assert reply.code, reply
        line = self.line(reply)
        assert line["refused"] == reason and line["upstream"] == "", line

    def endpoint(self, style, listener="internal"):
        host = DOMAIN if style == "virtual" else "127.0.0.1"
        return f"http://{host}:{self.gateway.ports[listener]}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    it = World(tmp_path_factory.mktemp("gateway"))
    yield it
    it.stop()


@pytest.fixture
def key():
    """An object key that nobody has used."""
    return "k-" + uuid.uuid4().hex


def host_of(address):
    return f"{address[0]}:{address[1]}"


def signed(world, address, keys, method, path, **kwargs):
    body = kwargs.get("body", b"")
    target, headers = signed_request(keys, method, host_of(address), path, **kwargs)
    return send(address, method, target, headers, body)


# --- Attacks -----------------------------------------------------------------------------

# target: what stock MinIO answers to the root user's own signed GET of it. None: its router
# does not take the spelling for the reserved path; the gateway refuses it all the same.
RESERVED = [
    ("/minio/admin/v3/info", 200), ("/minio/health/live", 200), ("/minio/health/ready", 200),
    ("/minio/health/cluster", 200), ("/minio/health/live?x=1", 200),
    ("http://elsewhere/minio/health/live", 200),
    ("/minio/v2/metrics/cluster", 403), ("/minio/metrics/v3/cluster/usage/buckets", 403),
    ("/minio/prometheus/metrics", 403), ("/minio/kms/v1/status", 501), ("/minio", 403),
    ("/minio/", 404), ("//minio/admin/v3/info", None), ("/minio//admin/v3/info", None),
    ("/minio%2Fadmin/v3/info", None), ("/%6dinio/admin/v3/info", None),
    ("/%6Dini%6F/health/live", None), ("/%2Fminio/health/live", None),
    ("/./minio/health/live", None), ("/%2e/minio/health/live", None),
    ("/xxx/../minio/health/live", None), ("/xxx/..%2fminio/health/live", None),
    ("/gwalice-data/../minio/health/live", None), ("/xxx/%2e%2E/minio/admin/v3/info", None),
]


@pytest.mark.parametrize("target,stock", RESERVED, ids=[t for t, _ in RESERVED])
def test_reserved_paths(world, target, stock):
    root = Keys(world.minio.root_user, world.minio.root_password)
    path, _, query = target.partition("?")
    query = [tuple(query.split("="))] if query else []
    signed_path = "/" + path.split("/", 3)[3] if path.startswith("http") else path
    for host in (None, f"{world.alice.bucket}.{DOMAIN}"):
        for address in (world.direct, world.through):
            _, headers = signed_request(root, "GET", host or host_of(address), signed_path,
                                        query)
            reply = send(address, "GET", target, headers)
            if address == world.through:
                world.assert_refused(reply, "reserved")
            elif host is None and stock is not None:
                assert reply.status == stock, reply
            elif stock is None:
                assert reply.status >= 400, reply


@pytest.mark.parametrize("target,reason,status", [
    ("/MINIO/health/live", "bucket", 400), ("/Minio/admin/v3/info", "bucket", 400),
    ("/minio\\health/live", "bucket", 400), ("/minio;x/health/live", "bucket", 400),
    ("/.minio.sys/config/config.json", "bucket", 400), ("//gwalice-data/own", "bucket", 400),
    ("/gwalice%2Ddata/own", "bucket", 400), ("/gwalice-data#/own", "uri", 400),
    ("/minio/health/live?a#b", "uri", 400), ("/gwalice-data/own?a;b", "uri", 400)])
def test_other_spellings_of_path_style(world, target, reason, status):
    """Not reserved for MinIO either (it is case-sensitive), but no bucket names: the gateway
    must never read another bucket than MinIO does."""
    world.assert_refused(send(world.through, "GET", target), reason, status)


def test_case_variants_are_ordinary_keys_in_virtual_host_style(world):
    keys, host = world.alice.keys, f"{world.alice.bucket}.{DOMAIN}"
    for address in (world.direct, world.through):
        target, headers = signed_request(keys, "PUT", host, "/MINIO/admin", body=b"x")
        assert send(address, "PUT", target, headers, b"x").status == 200
    assert world.stored(world.alice.bucket, "MINIO/admin") == b"x"


@pytest.mark.parametrize("host", [
    "gwalice-data.{d}.", "GWALICE-data.{d}", "gwalice-data.{D}", "gwalice-data.{d}:1:2", "x.{d}",
    "gwalice-data.{d}:", "a b", "gwalice-data.{d}/x", "-.{d}"])
def test_host_names_that_mean_something_else_to_minio(world, host):
    host = host.format(d=DOMAIN, D=DOMAIN.upper())
    reply = send(world.through, "GET", "/own", {"Host": host})
    assert reply.status == 400 and world.line(reply)["upstream"] == "", reply


def test_reserved_host_name(world):
    world.assert_refused(send(world.through, "GET", "/x", {"Host": f"minio.{DOMAIN}"}),
                         "reserved")


@pytest.mark.parametrize("host,path,query", [
    (None, "/", ""), (None, "/", "?"), (None, "//", ""), (None, "/gwalice-data", ""),
    (None, "/gwalice-data/any/key", ""), (f"gwalice-data.{DOMAIN}", "/", ""),
    (f"gwalice-data.{DOMAIN}", "/any/key", "")])
def test_sts_answers_on_any_path(world, host, path, query):
    """Stock MinIO takes a form POST on any path whatever for STS."""
    body = b"Action=AssumeRole&Version=2011-06-15&DurationSeconds=900"
    for address in (world.direct, world.through):
        target, headers = signed_request(
            world.alice.user, "POST", host or host_of(address), path, body=body,
            headers={"content-type": "application/x-www-form-urlencoded"}, service="sts")
        reply = send(address, "POST", target + query, headers, body)
        if address == world.direct:
            assert reply.status == 200 and b"<SecretAccessKey>" in reply.body
        else:
            world.assert_refused(reply, "post")


@pytest.mark.parametrize("target,reason,status", [
    ("/?{}", "sts", 403), ("/gwalice-data?delete&{}", "sts", 403),
    ("/gwalice-data/k?uploads=&{}", "sts", 403),
    ("/gwalice-data?delete&%41{}", "query", 400), ("/gwalice-data?delete;{}", "uri", 400)])
def test_sts_by_query(world, target, reason, status):
    action = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=x"
    if "%41" in target:
        action = action[1:]
    target = target.format(action)
    if reason != "uri":
        reply = send(world.direct, "POST", target)
        assert b"sts.amazonaws.com" in reply.body, "stock MinIO: the STS handler answers"
    world.assert_refused(send(world.through, "POST", target), reason, status)


@pytest.mark.parametrize("method,target,content_type", [
    ("POST", "/", "multipart/form-data; boundary=x"), ("PUT", "/", ""), ("DELETE", "/", ""),
    ("POST", "/gwalice-data", "text/plain"), ("POST", "/gwalice-data/k", ""),
    ("POST", "/gwalice-data?policy", ""), ("POST", "/gwalice-data?uploads", ""),
    ("POST", "/gwalice-data?delete", "multipart/form-data; boundary=x"),
    ("POST", "/gwalice-data/k?delete", ""),
    ("POST", "/gwalice-data/k", "multipart/form-data; boundary=x")])
def test_posts_that_s3_does_not_have(world, method, target, content_type):
    headers = {"Content-Type": content_type} if content_type else {}
    world.assert_refused(send(world.through, method, target, headers), "post")


def v2_target(signer, path, claim="", name="AWSAccessKeyId"):
    """A query with a valid version 2 signature of `signer`, with `claim` as a first key."""
    expires = str(int(time.time()) + 600)
    mac = hmac.new(signer.secret_key.encode(), f"GET\n\n\n{expires}\n{path}".encode(),
                   hashlib.sha1)
    signature = quote(base64.b64encode(mac.digest()).decode(), safe="")
    first = f"{name}={claim}&" if claim else ""
    return (f"{path}?{first}{name}={signer.access_key}&Signature={signature}"
            f"&Expires={expires}")


def test_signature_v2_acts_for_anybody(world):
    """Stock MinIO verifies the last AWSAccessKeyId of a query and acts for the first: any
    tenant is any other, and root. So version 2 does not exist on the gateway."""
    alice, secret = world.alice.keys, f"/{world.bob.bucket}/secret"
    for claim in (world.bob.appid, world.minio.root_user):
        reply = send(world.direct, "GET", v2_target(alice, secret, claim))
        assert reply.status == 200 and reply.body == b"bob's"
        world.assert_refused(send(world.through, "GET", v2_target(alice, secret, claim)),
                             "sigv2")
    assert send(world.direct, "GET", v2_target(alice, secret)).status == 403
    own = v2_target(alice, f"/{world.alice.bucket}/own")
    assert send(world.direct, "GET", own).status == 200
    world.assert_refused(send(world.through, "GET", own), "sigv2")
    encoded = v2_target(alice, secret, world.bob.appid, "AWSAccess%4BeyId")
    assert send(world.direct, "GET", encoded).status == 200
    world.assert_refused(send(world.through, "GET", encoded), "query", 400)
    header = {"Authorization": f"AWS {alice.access_key}:AAAA"}
    world.assert_refused(send(world.through, "GET", secret, header), "sigv2")


@pytest.mark.parametrize("authorization", [
    "Bearer abc", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=x", "Basic eDp5",
    "AWS4-HMAC-SHA256 Credential=a/b/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential=abc/20260101/us-east-1/s3/aws4_request,SignedHeaders=host,"
    "SignedHeaders=x-amz-copy-source,Signature=" + "0" * 64])
def test_authorization_must_be_readable(world, authorization):
    world.assert_refused(send(world.through, "GET", "/gwalice-data/own",
                              {"Authorization": authorization}), "auth", 400)


def test_two_signatures(world):
    """Which part of MinIO believes which one is its own affair."""
    host = host_of(world.through)
    path = f"/{world.alice.bucket}/own"
    query = presigned_target(world.bob.keys, "GET", host, path)
    _, headers = signed_request(world.alice.keys, "GET", host, path)
    world.assert_refused(send(world.through, "GET", query, headers), "auth", 400)
    again = query + f"&X-Amz-Credential={world.alice.keys.access_key}"
    world.assert_refused(send(world.through, "GET", again), "query", 400)
    for name in ("X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token"):
        doubled = f"{query}&{name}=x&{name}=y"
        world.assert_refused(send(world.through, "GET", doubled), "query", 400)


# The forged credentials need only the name of a tenant.
FORGED = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={key}%2F20260101%2Fus-east-1%2Fs3"
          "%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800"
          "&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0" * 64)
TRAILER = ("X-Amz-Content-Sha256", UNSIGNED_TRAILER)
CHUNKED = [("X-Amz-Decoded-Content-Length", "6"), ("X-Amz-Trailer", TRAILER_NAME)]
# name: (headers, does stock MinIO store it, extra query, reason, status)
FORGERIES = {
    "plain": ([TRAILER], True, "", "payload", 403),
    "lower-case name": ([("x-amz-content-sha256", UNSIGNED_TRAILER)], True, "", "payload", 403),
    "lower-case value": ([(TRAILER[0], UNSIGNED_TRAILER.lower())], False, "", "payload", 403),
    "tab after value": ([(TRAILER[0], UNSIGNED_TRAILER + "\t")], True, "", "payload", 403),
    "tab before value": ([(TRAILER[0], "\t" + UNSIGNED_TRAILER)], True, "", "payload", 403),
    "given twice": ([TRAILER, (TRAILER[0], UNSIGNED)], True, "", "payload", 403),
    "second of two": ([(TRAILER[0], UNSIGNED), TRAILER], False, "", "", 403),
    "shadowed by underscores": ([("X_Amz_Content_Sha256", UNSIGNED), TRAILER], True, "", "",
                                403),
    "shadowed by nothing": ([("X_Amz_Content_Sha256", ""), TRAILER], True, "", "", 403),
    "encoded name in the query": ([TRAILER], True, "%58-Amz-Meta-A=b&", "query", 400),
    "in the query too": ([TRAILER], True, f"X-Amz-Content-Sha256={UNSIGNED_TRAILER}&",
                         "payload", 403),
    "in the query only": ([], False, f"X-Amz-Content-Sha256={UNSIGNED_TRAILER}&", "payload",
                          403),
    "in lower case in the query": ([], False, f"x-amz-content-sha256={UNSIGNED_TRAILER}&",
                                   "payload", 403),
    "junk beside it": ([TRAILER, ("Authorization", "junk")], False, "", "auth", 400),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", FORGERIES)
def test_forged_unsigned_trailer_upload(world, key, name, style):
    headers, stock, query, reason, status = FORGERIES[name]
    bucket, body = world.alice.bucket, unsigned_trailer_body(b"forged")
    headers = list(headers) + CHUNKED
    path = f"/{bucket}/{key}"
    if style == "virtual":
        path = f"/{key}"
        headers.append(("Host", f"{bucket}.{DOMAIN}"))
    target = f"{path}?{query}{FORGED.format(key=world.alice.appid)}"
    reply = send(world.through, "PUT", target, headers, body)
    assert reply.status == status, reply
    if reason:
        world.assert_refused(reply, reason, status)
    assert world.stored(bucket, key) is None
    reply = send(world.direct, "PUT", target, headers, body)
    assert (reply.status == 200) == stock, reply
    assert (world.stored(bucket, key) == b"forged") == stock


def test_forged_upload_of_a_part(world, key):
    root, bucket = world.root, world.alice.bucket
    upload = root.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    target = (f"/{bucket}/{key}?partNumber=1&uploadId={upload}&"
              + FORGED.format(key=world.alice.appid))
    headers = [TRAILER, *CHUNKED]
    body = unsigned_trailer_body(b"forged")
    world.assert_refused(send(world.through, "PUT", target, headers, body), "payload")
    parts_ = root.list_parts(Bucket=bucket, Key=key, UploadId=upload)
    assert not parts_.get("Parts")
    assert send(world.direct, "PUT", target, headers, body).status == 200
    root.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def test_unsigned_trailer_with_a_header_signature(world, key):
    """What newer SDKs send over TLS: verified by MinIO, so it passes."""
    body = unsigned_trailer_body(b"honest")
    path = f"/{world.alice.bucket}/{key}"
    target, headers = signed_request(
        world.alice.keys, "PUT", host_of(world.through), path, payload=UNSIGNED_TRAILER,
        headers={"x-amz-decoded-content-length": "6", "content-encoding": "aws-chunked",
                 "x-amz-trailer": TRAILER_NAME})
    forged = headers | {"authorization": headers["authorization"][:-4] + "0000"}
    reply = send(world.through, "PUT", target, forged, body)
    assert reply.status == 403 and world.line(reply)["upstream_status"] == "403"
    assert world.stored(world.alice.bucket, key) is None
    assert send(world.through, "PUT", target, headers, body).status == 200
    assert world.stored(world.alice.bucket, key) == b"honest"


def test_force_delete(world):
    """DELETE of a prefix with this header wipes it with all versions on s3:DeleteObject."""
    bucket = world.alice.bucket
    shadow = [("x_minio_force_delete", "")]
    for extra in ([], shadow):
        for address, gone in ((world.through, False), (world.direct, True)):
            for name in ("wipe/a", "wipe/b"):
                world.root.put_object(Bucket=bucket, Key=name, Body=b"x")
            target, headers = signed_request(world.alice.keys, "DELETE", host_of(address),
                                             f"/{bucket}/wipe/")
            headers = extra + list(headers.items()) + [("X-Minio-Force-Delete", "true")]
            reply = send(address, "DELETE", target, headers)
            assert ({"wipe/a", "wipe/b"} & world.keys(bucket) == set()) == gone, reply
            if address == world.through and not extra:
                world.assert_refused(reply, "header")


def snowball(*names):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            tar.addfile(info, io.BytesIO(b"abc"))
    return out.getvalue()


def test_snowball_with_a_wrong_signature(world):
    """The archive upload accepts any signature next to an unsigned trailer."""
    bucket = world.alice.bucket
    for address, stored in ((world.through, False), (world.direct, True)):
        name = "snow-" + uuid.uuid4().hex
        data = snowball(name)
        body = unsigned_trailer_body(data)
        target, headers = signed_request(
            world.alice.keys, "PUT", host_of(address), f"/{bucket}/{name}.tar",
            payload=UNSIGNED_TRAILER, headers={
                "x-amz-meta-snowball-auto-extract": "true", "x-amz-trailer": TRAILER_NAME,
                "x-amz-decoded-content-length": str(len(data))})
        headers["authorization"] = headers["authorization"][:-4] + "0000"
        reply = send(address, "PUT", target, headers, body)
        assert (name in world.keys(bucket)) == stored, reply
        if address == world.through:
            world.assert_refused(reply, "header")


def test_snowball_with_a_good_signature(world):
    """Refused as well: the policy is asked for one prefix and the archive names the keys."""
    name = "snow-" + uuid.uuid4().hex
    for extra in ({"x-amz-meta-snowball-auto-extract": "true"},
                  {"x-amz-meta-minio-snowball-prefix": "p"}):
        reply = signed(world, world.through, world.alice.keys, "PUT",
                       f"/{world.alice.bucket}/{name}.tar", body=snowball(name), headers=extra)
        world.assert_refused(reply, "header")
    assert not any(k.startswith(name) for k in world.keys(world.alice.bucket))


def refused_names():
    text = (parts.ROOT / "policies" / "gateway" / "headers.refused").read_text()
    return [line.split("\t")[0] for line in text.splitlines()
            if line and not line.startswith("#")]


@pytest.mark.parametrize("name", refused_names())
def test_refused_header(world, key, name):
    """Each alone is refused; hidden behind its underscored twin it does not reach MinIO, so
    a signature over it fails."""
    path, keys = f"/{world.alice.bucket}/{key}", world.alice.keys
    reply = signed(world, world.through, keys, "PUT", path, body=b"x", headers={name: "true"})
    world.assert_refused(reply, "header")
    target, headers = signed_request(keys, "PUT", host_of(world.through), path, body=b"x",
                                     headers={name: "true"})
    reply = send(world.through, "PUT", target,
                 [(name.replace("-", "_"), "")] + list(headers.items()), b"x")
    assert reply.status >= 400, reply
    assert world.stored(world.alice.bucket, key) is None


@pytest.mark.parametrize("name", [n for n in refused_names()
                                  if n.startswith(("x-minio-", "x-amz-replication",
                                                   "x-amz-meta-snowball"))])
def test_refused_header_as_query(world, key, name):
    """MinIO takes object metadata from the query as well."""
    for spelled in (name, name.title()):
        reply = signed(world, world.through, world.alice.keys, "PUT",
                       f"/{world.alice.bucket}/{key}", query=[(spelled, "true")], body=b"x")
        world.assert_refused(reply, "header")
    assert world.stored(world.alice.bucket, key) is None


def test_internal_metadata_past_the_gateway(world, key):
    """Why those headers: stock MinIO lets a tenant forge times and ETags, break its objects,
    and, with one of five names present, send internal metadata of any name."""
    path = f"/{world.alice.bucket}/{key}"

    def put(headers, query=()):
        return signed(world, world.direct, world.alice.keys, "PUT", path, body=b"x",
                      headers=headers, query=query).status

    def head():
        return world.root.head_object(Bucket=world.alice.bucket, Key=key)

    assert put({"x-minio-source-mtime": "2001-01-01T00:00:00Z",
                "x-minio-source-etag": "deadbeef"}) == 200
    assert head()["LastModified"].year == 2001 and head()["ETag"] == '"deadbeef"'
    sealed = "X-Minio-Replication-Server-Side-Encryption-Sealed-Key"
    for headers, query in (({sealed: "AAAA"}, ()), ({}, [(sealed, "AAAA")])):
        assert put(headers, query) == 200
        with pytest.raises(ClientError):
            world.root.get_object(Bucket=world.alice.bucket, Key=key)
    assert put({"x-minio-internal-anything": "1"}) == 400
    assert put({"x-minio-internal-anything": "1", "x-minio-internal-actual-object-size": "1"}) \
        == 200


def test_copy_source_injected_into_a_presigned_upload(world, key):
    """The holder of an upload URL made it a copy of anything its signer can read."""
    bucket = world.alice.bucket
    world.root.put_object(Bucket=bucket, Key="private", Body=b"not for the holder")
    source = ("X-Amz-Copy-Source", f"/{bucket}/private")
    shadow = ("X_Amz_Copy_Source", "")

    def attempt(address, headers):
        target = presigned_target(world.alice.keys, "PUT", host_of(address),
                                  f"/{bucket}/{key}")
        return send(address, "PUT", target, headers)

    world.assert_refused(attempt(world.through, [source]), "copy_source")
    # The shadow hides the header from the rule, and then from MinIO too.
    reply = attempt(world.through, [shadow, source])
    assert b"CopyObjectResult" not in reply.body
    assert world.stored(bucket, key) in (None, b"")
    reply = attempt(world.direct, [source])
    assert reply.status == 200 and b"CopyObjectResult" in reply.body
    assert world.stored(bucket, key) == b"not for the holder"


@pytest.mark.parametrize("named", ["Host%3BX-Amz-Copy-Source-Range", "x-amz-copy-sourcery",
                                   "my-x-amz-copy-source", "%78-amz-copy-source"])
def test_copy_source_needs_its_own_name_signed(world, named):
    target = (f"/{world.alice.bucket}/x?" + FORGED.format(key=world.alice.appid)).replace(
        "SignedHeaders=host", f"SignedHeaders={named}")
    reply = send(world.through, "PUT", target, {"X-Amz-Copy-Source": "/a/b"})
    world.assert_refused(reply, "copy_source")


def test_copy_source_injected_into_a_signed_request(world, key):
    bucket, header = world.alice.bucket, {"x-amz-copy-source": f"/{world.alice.bucket}/own"}
    for address, stored in ((world.through, None), (world.direct, b"alice's")):
        reply = signed(world, address, world.alice.keys, "PUT", f"/{bucket}/{key}",
                       headers=header, unsigned=tuple(header))
        assert world.stored(bucket, key) == stored, reply
        if address == world.through:
            world.assert_refused(reply, "copy_source")
    reply = send(world.through, "PUT", f"/{bucket}/{key}", header)
    world.assert_refused(reply, "copy_source")


def test_copy_range_must_be_signed_too(world, key):
    bucket = world.alice.bucket
    upload = world.root.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    query = [("partNumber", "1"), ("uploadId", upload)]
    headers = {"x-amz-copy-source": f"/{bucket}/own", "x-amz-copy-source-range": "bytes=0-1"}
    for unsigned, ok in (((), True), (("x-amz-copy-source-range",), False)):
        reply = signed(world, world.through, world.alice.keys, "PUT", f"/{bucket}/{key}",
                       query=query, headers=headers, unsigned=unsigned)
        assert (reply.status == 200) == ok, reply
        if not ok:
            world.assert_refused(reply, "copy_source")
    world.root.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def test_copy_source_signed_in_the_query(world, key):
    header = {"x-amz-copy-source": f"/{world.alice.bucket}/own"}
    target = presigned_target(world.alice.keys, "PUT", host_of(world.through),
                              f"/{world.alice.bucket}/{key}", headers=header)
    assert send(world.through, "PUT", target, header).status == 200
    assert world.stored(world.alice.bucket, key) == b"alice's"


def test_lambda_reads(world):
    query = [("lambdaArn", "arn:minio:s3-object-lambda::x:webhook")]
    path = f"/{world.alice.bucket}/own"
    reply = signed(world, world.direct, world.alice.keys, "GET", path, query=query)
    assert reply.code == "LambdaARNNotFound", "stock MinIO asks its configured functions"
    world.assert_refused(signed(world, world.through, world.alice.keys, "GET", path,
                                query=query), "feature")


def test_framing_tricks(world):
    both = [("Content-Length", "3"), ("Transfer-Encoding", "chunked")]
    for headers in (both, [("Transfer-Encoding", "chunked, identity")],
                    [("Host", "a"), ("Host", "b")], [("Content-Length", "1"),
                                                      ("Content-Length", "2")],
                    [("x-minio-force-delete ", "true")],
                    [("Authorization", "a"), ("Authorization", "b")]):
        reply = send(world.through, "PUT", "/gwalice-data/framing", headers, b"0\r\n\r\n")
        assert reply.status in (400, 501), (headers, reply)
        assert world.line(reply)["upstream"] == ""
    reply = send(world.through, "BREW", "/gwalice-data/own")
    world.assert_refused(reply, "method", 405)


def test_what_cannot_be_parsed_gets_an_answer_in_xml(world):
    for target in ("/gwalice-data/%zz", "/gwalice-data/%00", "/" + "x" * 40000, "/../../x",
                   "/gwalice-data/a b"):
        reply = send(world.through, "GET", target)
        assert reply.status in (400, 414) and reply.code == "InvalidRequest", reply


def test_neighbours_are_refused_through_the_gateway_too(world, key):
    """The gateway is no way around MinIO's own judgement."""
    bob = client(world.endpoint("path"), world.bob.keys)
    for call in (lambda: bob.get_object(Bucket=world.alice.bucket, Key="own"),
                 lambda: bob.put_object(Bucket=world.alice.bucket, Key=key, Body=b"x"),
                 lambda: bob.copy_object(Bucket=world.bob.bucket, Key=key,
                                         CopySource=f"{world.alice.bucket}/own"),
                 lambda: bob.list_objects_v2(Bucket=world.alice.bucket)):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert {b["Name"] for b in bob.list_buckets()["Buckets"]} == {world.bob.bucket}


# --- Everything legitimate ------------------------------------------------------------------

ODD_KEYS = ["plain", "with space and +plus", "percent%2Fencoded", "percent%", "a/b/c",
            "double//slash", "/leading", "trailing/", "..dots", "a..b/c..d", "üñí/ö 日本.txt",
            "q?x=1&y#frag", "semi;colon=equals,comma", "(paren)'quote\"*!~$@:[]{}|^`<>",
            "minio/admin", "back\\slash", ".hidden", "tab\tkey", "e\u0301", "-._~"]


def attempt(call):
    try:
        return "ok", call()
    except ClientError as error:
        return "error", error.response["Error"]["Code"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("odd", ODD_KEYS)
def test_odd_keys_as_without_the_gateway(world, odd, style):
    """Whatever stock MinIO makes of a key, the gateway makes the same."""
    if style == "virtual" and odd.startswith("minio/"):
        pytest.xfail("documented: keys under minio/ are reachable in path style only")
    bucket, folder = world.alice.bucket, f"odd-{uuid.uuid4().hex}"
    name = odd if odd.startswith(("minio/", "/")) else f"{folder}/{odd}"
    copy_source = {"Bucket": bucket, "Key": name}
    host = DOMAIN if style == "virtual" else "127.0.0.1"
    results = []
    for port in (world.minio.ports["s3"], world.gateway.ports["internal"]):
        s3 = client(f"http://{host}:{port}", world.alice.keys, style)
        results.append([
            attempt(lambda: s3.put_object(Bucket=bucket, Key=name, Body=b"odd")["ETag"]),
            attempt(lambda: s3.get_object(Bucket=bucket, Key=name)["Body"].read()),
            attempt(lambda: s3.head_object(Bucket=bucket, Key=name)["ContentLength"]),
            attempt(lambda: s3.copy_object(Bucket=bucket, Key=name + ".copy",
                                           CopySource=copy_source)["CopyObjectResult"]["ETag"]),
            attempt(lambda: requests.get(s3.generate_presigned_url(
                "get_object", {"Bucket": bucket, "Key": name})).status_code),
            sorted(world.keys(bucket)),
            attempt(lambda: s3.delete_object(Bucket=bucket, Key=name)["ResponseMetadata"]
                    ["HTTPStatusCode"]),
            attempt(lambda: s3.delete_objects(Bucket=bucket, Delete={
                "Objects": [{"Key": name + ".copy"}]}).get("Errors")),
            sorted(world.keys(bucket))])
    assert results[0] == results[1]


@pytest.mark.parametrize("listener", ["internal", "external"])
@pytest.mark.parametrize("style", STYLES)
def test_everyday_work(world, key, style, listener):
    bucket = world.alice.bucket
    s3 = client(world.endpoint(style, listener), world.alice.keys, style)
    data = os.urandom(100000)
    s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="text/x-test",
                  Metadata={"under_score": "1", "dotted.name": "2"}, Tagging="a=b")
    got = s3.get_object(Bucket=bucket, Key=key)
    assert got["Body"].read() == data and got["ContentType"] == "text/x-test"
    assert got["Metadata"] == {"under_score": "1", "dotted.name": "2"}
    for wanted, piece in (("bytes=10-19", data[10:20]), ("bytes=-5", data[-5:]),
                          ("bytes=99990-", data[99990:])):
        part = s3.get_object(Bucket=bucket, Key=key, Range=wanted)
        assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert part["Body"].read() == piece
    assert attempt(lambda: s3.get_object(Bucket=bucket, Key=key, Range="bytes=999999-"))[1] == \
        "InvalidRange"
    assert attempt(lambda: s3.get_object(Bucket=bucket, Key=key, IfNoneMatch=got["ETag"]))[1] \
        == "304"
    assert s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == \
        [{"Key": "a", "Value": "b"}]
    s3.copy_object(Bucket=bucket, Key=key + ".2", CopySource={"Bucket": bucket, "Key": key})
    assert world.stored(bucket, key + ".2") == data
    for listing in (s3.list_objects_v2(Bucket=bucket, Prefix=key),
                    s3.list_objects(Bucket=bucket, Prefix=key)):
        assert [o["Key"] for o in listing["Contents"]] == [key, key + ".2"]
    assert len(s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]) == 2
    assert [b["Name"] for b in s3.list_buckets()["Buckets"]] == [bucket]
    s3.head_bucket(Bucket=bucket)
    s3.get_bucket_location(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": key + ".2"}]})
    assert world.stored(bucket, key) is None
    assert attempt(lambda: s3.get_object(Bucket=bucket, Key=key))[1] == "NoSuchKey"


@pytest.mark.parametrize("style", STYLES)
def test_multipart(world, key, style):
    bucket = world.alice.bucket
    s3 = client(world.endpoint(style), world.alice.keys, style)
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    first, second = os.urandom(5 * MIB), os.urandom(1000)
    world.root.put_object(Bucket=bucket, Key=key + ".src", Body=second + first)
    done = [{"PartNumber": 1, "ETag": s3.upload_part(
        Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=first)["ETag"]}]
    done.append({"PartNumber": 2, "ETag": s3.upload_part_copy(
        Bucket=bucket, Key=key, UploadId=upload, PartNumber=2,
        CopySource={"Bucket": bucket, "Key": key + ".src"},
        CopySourceRange="bytes=0-999")["CopyPartResult"]["ETag"]})
    assert len(s3.list_parts(Bucket=bucket, Key=key, UploadId=upload)["Parts"]) == 2
    s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload,
                                 MultipartUpload={"Parts": done})
    assert world.stored(bucket, key) == first + second
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
    assert attempt(lambda: s3.list_parts(Bucket=bucket, Key=key, UploadId=upload))[1] == \
        "NoSuchUpload"


@pytest.mark.parametrize("style", STYLES)
def test_presigned_and_forms(world, key, style):
    bucket = world.alice.bucket
    s3 = client(world.endpoint(style), world.alice.keys, style)
    put = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": key})
    assert requests.put(put, data=b"presigned").status_code == 200
    get = s3.generate_presigned_url("get_object", {
        "Bucket": bucket, "Key": key, "ResponseContentDisposition": 'attachment; filename="ü"'})
    reply = requests.get(get)
    assert reply.content == b"presigned" and "Content-Disposition" in reply.headers
    listing = s3.generate_presigned_url("list_objects_v2", {"Bucket": bucket, "Prefix": key})
    assert key in requests.get(listing).text
    tampered = get.replace(key, "own")
    assert requests.get(tampered).status_code == 403
    assert requests.delete(get).status_code == 403
    form = s3.generate_presigned_post(bucket, key + ".form",
                                      Conditions=[["content-length-range", 1, 100]])
    assert requests.post(form["url"], data=form["fields"],
                         files={"file": b"by form"}).status_code == 204
    assert world.stored(bucket, key + ".form") == b"by form"
    assert requests.post(form["url"], data=form["fields"],
                         files={"file": b"x" * 101}).status_code == 400
    delete = s3.generate_presigned_url("delete_object", {"Bucket": bucket, "Key": key})
    assert requests.delete(delete).status_code == 204


def test_anonymous_reads_of_a_public_bucket(world):
    bucket = f"{world.alice.appid}-public"
    world.root.create_bucket(Bucket=bucket)
    world.root.put_bucket_policy(Bucket=bucket, Policy=(
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":'
        '["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::%s/*"]}]}' % bucket))
    world.root.put_object(Bucket=bucket, Key="page", Body=b"hello")
    reply = send(world.through, "GET", f"/{bucket}/page")
    assert reply.body == b"hello"
    assert world.line(reply)["bucket"] == bucket and world.line(reply)["access_key"] == ""
    reply = send(world.through, "GET", "/page", {"Host": f"{bucket}.{DOMAIN}"})
    assert reply.body == b"hello" and world.line(reply)["bucket"] == bucket
    assert send(world.through, "PUT", f"/{bucket}/up", body=b"x").status == 200


def test_sessions_of_sts(world, key):
    """Credentials with a session token, in headers and in presigned URLs."""
    body = b"Action=AssumeRole&Version=2011-06-15&DurationSeconds=900"
    target, headers = signed_request(
        world.alice.user, "POST", host_of(world.direct), "/", body=body, service="sts",
        headers={"content-type": "application/x-www-form-urlencoded"})
    text = send(world.direct, "POST", target, headers, body).body.decode()
    fields = [re.search(f"<{f}>([^<]+)", text)[1]
              for f in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    keys = Keys(*fields)
    s3 = client(world.endpoint("path"), keys)
    s3.put_object(Bucket=world.alice.bucket, Key=key, Body=b"sts")
    url = s3.generate_presigned_url("get_object",
                                    {"Bucket": world.alice.bucket, "Key": key})
    reply = requests.get(url)
    assert reply.content == b"sts"
    line = world.gateway.wait_lines(
        lambda l: l["request_id"] == reply.headers["X-Gateway-Request-Id"])[0]
    assert line["access_key"] == keys.access_key
    assert keys.token not in world.gateway.access_log.read_text()


def test_expect_continue(world, key):
    """100 Continue before an accepted body is asked for; a refused one is answered as such."""
    body = b"x" * 1000
    target, headers = signed_request(world.alice.keys, "PUT", host_of(world.through),
                                     f"/{world.alice.bucket}/{key}", body=body)
    headers |= {"Expect": "100-continue", "Content-Length": str(len(body))}
    with open_request(world.through, "PUT", target, headers) as sock:
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        assert read_reply(sock, "PUT").status == 200
    assert world.stored(world.alice.bucket, key) == body


def test_keepalive_and_pipelining_of_different_tenants(world):
    """One client connection, one upstream pool: every request is judged by itself."""
    requests_ = b""
    for keys, bucket, path in ((world.alice.keys, world.alice.bucket, "own"),
                               (world.alice.keys, world.bob.bucket, "secret"),
                               (world.bob.keys, world.bob.bucket, "secret")):
        target, headers = signed_request(keys, "GET", host_of(world.through),
                                         f"/{bucket}/{path}")
        requests_ += f"GET {target} HTTP/1.1\r\n".encode() + "".join(
            f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n"
    requests_ += (b"GET /minio/admin/v3/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    with socket.create_connection(world.through, timeout=30) as sock:
        sock.sendall(requests_)
        data = b""
        while piece := sock.recv(65536):
            data += piece
    assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"200", b"403", b"200", b"403"]


# --- What is sent on -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A gateway whose upstream shows what it received."""
    upstream = Capture()
    gateway = Gateway(tmp_path_factory.mktemp("capture"), [f"127.0.0.1:{upstream.port}"],
                      max_request="1m").start()
    yield gateway, upstream
    gateway.stop()
    upstream.close()


def test_forwarding_headers_are_our_own(capture):
    gateway, upstream = capture
    lies = {name: "6.6.6.6" for name in (
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Scheme",
        "X-Forwarded-Port", "X-Real-IP", "Forwarded")}
    assert send(gateway.address(), "GET", "/abc123-data/k",
                list(lies.items()) * 2).status == 200
    host = host_of(gateway.address())
    sent = upstream.last()
    assert b"6.6.6.6" not in sent.raw
    assert sent.headers.get_all("X-Forwarded-For") == ["127.0.0.1"]
    assert sent.headers.get_all("X-Real-IP") == ["127.0.0.1"]
    assert sent.headers.get_all("Forwarded") == ["for=127.0.0.1;proto=http"]
    assert sent.headers.get_all("X-Forwarded-Host") == [host]
    assert sent.headers.get_all("X-Forwarded-Proto") == ["http"]
    assert sent.headers.get_all("Host") == [host]


@pytest.mark.parametrize("target", [
    "/abc123-data/a%2Fb//c/%20+%C3%A4?prefix=%2F&x=a+b%20c", "/abc123-data/%7Etilde~(!)*'",
    "/abc123-data/k?", "/abc123-data/ä", "/abc123-data/x?y=?z&&="])
def test_targets_are_sent_on_byte_for_byte(capture, target):
    gateway, upstream = capture
    assert send(gateway.address(), "GET", target).status == 200
    assert upstream.last().target.encode("latin-1") == target.encode()


@pytest.mark.parametrize("name,values", [
    ("X-Amz-Content-Sha256", [UNSIGNED, EMPTY_SHA256]),
    ("X-Amz-Content-Sha256", [EMPTY_SHA256, "junk"])])
def test_only_the_judged_value_is_sent_on(capture, name, values):
    gateway, upstream = capture
    assert send(gateway.address(), "GET", "/abc123-data/k",
                [(name, value) for value in values]).status == 200
    assert upstream.last().headers.get_all(name) == values[:1]


def test_upstream_down(tmp_path):
    with Gateway(tmp_path, ["127.0.0.1:1"]) as gateway:
        reply = send(gateway.address(), "GET", "/abc123-data/k?X-Amz-Signature=planted")
        assert reply.status == 502 and reply.code == "ServiceUnavailable"
        assert gateway.wait_lines(lambda l: l["upstream_status"] == "502")
        assert "planted" not in gateway.error_log.read_text() + gateway.access_log.read_text()


# --- Size -------------------------------------------------------------------------------------

def test_size_cap(capture):
    gateway, upstream = capture
    path = "/abc123-data/big"
    reply = send(gateway.address(), "PUT", path, {"Content-Length": str(MIB + 1)})
    assert reply.status == 413 and reply.code == "EntityTooLarge"
    form = {"Content-Length": str(MIB + 1), "Content-Type": "multipart/form-data; boundary=x"}
    assert send(gateway.address(), "POST", "/abc123-data", form).status == 413
    before = upstream.count
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    reply = send(gateway.address(), "PUT", path, {"Transfer-Encoding": "chunked"}, chunk * 17)
    assert reply.status == 413, reply
    assert upstream.count == before, "the upstream never got a whole request"
    assert send(gateway.address(), "PUT", path, {"Transfer-Encoding": "chunked"},
                chunk * 15 + b"0\r\n\r\n").status == 200
    assert send(gateway.address(), "PUT", path, body=b"x" * MIB).status == 200


def test_default_cap_is_five_gib(world):
    assert f"client_max_body_size {5 << 30};" in world.gateway.config.read_text()
    path = f"/{world.alice.bucket}/huge"
    for size, status in ((5 << 30) + 1, 413), (5 << 30, 403):
        sock = open_request(world.through, "PUT", path, {"Content-Length": str(size)})
        assert read_reply(sock, "PUT").status == status
        sock.close()


# --- Streaming --------------------------------------------------------------------------------

def test_uploads_stream(tmp_path):
    """60 MiB of 64 are upstream before the client sends the rest, and no file is written."""
    upstream = SlowReader()
    with Gateway(tmp_path, [f"127.0.0.1:{upstream.port}"]) as gateway:
        piece = b"x" * MIB
        sock = open_request(gateway.address(), "PUT", "/abc123-data/k",
                            {"Content-Length": str(64 * MIB)})
        for _ in range(62):
            sock.sendall(piece)
        wait_until(lambda: upstream.received >= 60 * MIB, 20, "60 MiB upstream")
        assert upstream.received < 64 * MIB
        assert gateway.temp_files() == []
        for _ in range(2):
            sock.sendall(piece)
        assert read_reply(sock, "PUT").status == 200
        sock.close()
        line = gateway.wait_lines(lambda l: l["method"] == "PUT")[0]
        assert 64 * MIB < line["received"] < 64 * MIB + 1000
    upstream.close()


def test_downloads_stream(world, key):
    """A slow reader does not make the gateway store what MinIO sends."""
    world.root.put_object(Bucket=world.alice.bucket, Key=key, Body=bytes(64 * MIB))
    target, headers = signed_request(world.alice.keys, "GET", host_of(world.through),
                                     f"/{world.alice.bucket}/{key}")
    with open_request(world.through, "GET", target, headers) as sock:
        received = 0
        while received < 32 * MIB:
            received += len(sock.recv(1 << 18))
        assert world.gateway.temp_files() == []
        while received < 64 * MIB:
            received += len(sock.recv(1 << 18))
    line = world.gateway.wait_lines(lambda l: key in l["path"])[0]
    assert line["sent_body"] == 64 * MIB and line["completion"] == "OK"


# --- The deny map -------------------------------------------------------------------------------

def deny_attempts(world, keys, style):
    """What a tenant can do right now: {operation: "ok" or the error code}."""
    s3 = client(world.endpoint(style), keys, style)
    bucket = world.alice.bucket
    world.root.put_object(Bucket=bucket, Key="d1", Body=b"x")
    world.root.put_object(Bucket=bucket, Key="d2", Body=b"x")
    form = s3.generate_presigned_post(bucket, "d-form")
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "d-put"})

    def status(reply):
        return "ok" if reply.status_code < 300 else \
            reply.text.partition("<Code>")[2].partition("</Code>")[0]

    result = {name: call[1] if call[0] == "error" else "ok" for name, call in {
        "get": attempt(lambda: s3.get_object(Bucket=bucket, Key="own")),
        "list": attempt(lambda: s3.list_objects_v2(Bucket=bucket)),
        "delete": attempt(lambda: s3.delete_object(Bucket=bucket, Key="d1")),
        "multi-delete": attempt(lambda: s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": "d2"}]})),
        "put": attempt(lambda: s3.put_object(Bucket=bucket, Key="d3", Body=b"x")),
        "copy": attempt(lambda: s3.copy_object(Bucket=bucket, Key="d4",
                                               CopySource=f"{bucket}/own")),
        "multipart": attempt(lambda: s3.create_multipart_upload(Bucket=bucket, Key="d5")),
        "tag": attempt(lambda: s3.put_object_tagging(
            Bucket=bucket, Key="own", Tagging={"TagSet": []}))}.items()}
    result["form"] = status(requests.post(form["url"], data=form["fields"],
                                          files={"file": b"x"}))
    result["presigned"] = status(requests.put(url, data=b"x"))
    return result


@pytest.fixture
def deny(world):
    yield world.gateway.deny
    world.gateway.deny({})


READS = ("get", "list", "delete", "multi-delete")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("by", ["appid", "access key"])
def test_deny_map(world, deny, by, style):
    keys = world.alice.keys
    name = world.alice.appid if by == "appid" else keys.access_key
    everything = deny_attempts(world, keys, style)
    assert set(everything.values()) == {"ok"}
    deny({name: "readonly"})
    now = deny_attempts(world, keys, style)
    # A form's access key is in its body: only the bucket can stop it.
    expected = {op: "ok" if op in READS or (op == "form" and by != "appid")
                else "AccessDenied" for op in everything}
    assert now == expected
    deny({name: "deny"})
    now = deny_attempts(world, keys, style)
    assert now == {op: "ok" if op == "form" and by != "appid" else "AllAccessDisabled"
                   for op in everything}
    line = world.gateway.lines()[-1]
    assert line["status"] in (403, 204)
    neighbour = client(world.endpoint(style), world.bob.keys, style)
    assert neighbour.get_object(Bucket=world.bob.bucket, Key="secret")["Body"].read()
    deny({})
    assert deny_attempts(world, keys, style) == everything


def test_deny_reaches_anonymous_and_odd_spellings(world, deny):
    bucket, keys = world.alice.bucket, world.alice.keys
    deny({world.alice.appid: "deny", keys.access_key: "deny"})
    world.assert_refused(send(world.through, "GET", f"/{bucket}/own"), "denied")
    world.assert_refused(send(world.through, "GET", "/own", {"Host": f"{bucket}.{DOMAIN}"}),
                         "denied")
    world.assert_refused(send(world.through, "GET", "/own",
                              {"Host": f"{bucket}.{DOMAIN}:{world.through[1]}"}), "denied")
    # Another bucket, its own key.
    host = host_of(world.through)
    path = f"/{world.bob.bucket}/secret"
    reply = send(world.through, "GET", presigned_target(keys, "GET", host, path))
    world.assert_refused(reply, "denied")
    # The same key, so written that only MinIO would recognise it.
    for before, after in (("X-Amz-Credential", "X-Amz-%43redential"),
                          ("X-Amz-Credential", "X%2DAmz-Credential"),
                          (keys.access_key, "%53" + keys.access_key[1:]),
                          (keys.access_key, "+" + keys.access_key),
                          (keys.access_key, keys.access_key + "%2Fx")):
        target = presigned_target(keys, "GET", host, path).replace(before, after)
        reply = send(world.through, "GET", target)
        assert reply.status == 400 and world.line(reply)["upstream"] == "", reply


@pytest.mark.parametrize("target", ["/{b}?delete&uploads", "/{b}/k?delete&uploads",
                                    "/{b}/k?delete", "/{b}/k?uploads", "/{b}/k?uploadId=x"])
def test_readonly_posts(world, deny, target):
    deny({world.alice.appid: "readonly"})
    reply = send(world.through, "POST", target.format(b=world.alice.bucket))
    assert reply.status == 403 and world.line(reply)["refused"] in ("readonly", "post"), reply


def test_unknown_mode_denies(world, deny):
    deny({world.alice.appid: "readnoly"})
    world.assert_refused(send(world.through, "GET", f"/{world.alice.bucket}/own"), "denied")


def test_broken_map_changes_nothing(world, deny):
    deny({world.alice.appid: "deny"})
    world.gateway.deny_map.write_text("broken")
    size = world.gateway.error_log.stat().st_size
    world.gateway.signal(signal.SIGHUP)
    wait_until(lambda: "[emerg]" in world.gateway.error_log.read_text()[size:], 20,
               "the reload was refused")
    world.assert_refused(send(world.through, "GET", f"/{world.alice.bucket}/own"), "denied")


def test_deny_map_of_many(world, deny):
    """100,000 denied tenants, and the gateway still serves the others."""
    entries = {f"t{n:06d}": "readonly" for n in range(100000)}
    began = time.monotonic()
    deny(entries)
    assert time.monotonic() - began < 15
    world.assert_refused(send(world.through, "PUT", "/t099999-data/k", body=b"x"), "readonly")
    assert signed(world, world.through, world.alice.keys, "GET",
                  f"/{world.alice.bucket}/own").status == 200


# --- The log --------------------------------------------------------------------------------------

def test_log_line(world, key):
    body = b"y" * 5000
    reply = signed(world, world.through, world.alice.keys, "PUT",
                   f"/{world.alice.bucket}/{key}%20%C3%A4", body=body)
    line = world.line(reply)
    assert set(line) == {"v", "listener", "time", "request_id", "client", "access_key",
                         "bucket", "style", "method", "path", "sub", "copy", "status",
                         "upstream", "upstream_status", "refused", "received", "sent",
                         "sent_body", "seconds", "completion"}
    assert line["v"] == 1 and line["listener"] == "internal"
    assert abs(line["time"] - time.time()) < 60 and line["client"] == "127.0.0.1"
    assert line["access_key"] == world.alice.keys.access_key
    assert line["bucket"] == world.alice.bucket and line["style"] == "p"
    assert line["method"] == "PUT" and line["path"] == f"/{world.alice.bucket}/{key}%20%C3%A4"
    assert line["status"] == 200 and line["upstream_status"] == "200"
    assert line["refused"] == "" and line["completion"] == "OK"
    assert 5000 < line["received"] < 6000 and line["sent"] > 100 and line["sent_body"] == 0
    external = world.gateway.address("external")
    assert world.line(send(external, "GET", "/abc-def/x"))["listener"] == "external"


@pytest.mark.parametrize("query,sub", [
    ("uploads", "uploads"), ("uploadId=x&partNumber=1", "uploadId"), ("acl", "acl"),
    ("policy", "policy"), ("tagging", "tagging"), ("versions", "versions"),
    ("list-type=2&prefix=uploads", "list-type"), ("versionId=x", "versionId"),
    ("x-acl=1", ""), ("prefix=%26acl", "")])
def test_log_names_the_subresource(world, query, sub):
    reply = send(world.through, "GET", f"/{world.alice.bucket}/k?{query}")
    assert world.line(reply)["sub"] == sub


def test_log_has_no_secrets(world, key):
    s3 = client(world.endpoint("path"), world.alice.keys)
    url = s3.generate_presigned_url("get_object",
                                    {"Bucket": world.alice.bucket, "Key": "own"})
    reply = requests.get(url)
    assert reply.status_code == 200
    requests.get(url.replace("X-Amz-Signature=", "X-Amz-Signature=0"))
    target, headers = signed_request(world.alice.keys, "GET", host_of(world.through),
                                     f"/{world.alice.bucket}/own",
                                     query=[("prefix", "planted-query")])
    headers["x-amz-security-token"] = "planted-token"
    headers["cookie"] = headers["referer"] = headers["user-agent"] = "planted-header"
    last = send(world.through, "GET", target, headers)
    world.line(last)
    text = world.gateway.access_log.read_text() + world.gateway.error_log.read_text()
    signatures = [url.partition("X-Amz-Signature=")[2].partition("&")[0],
                  headers["authorization"].rpartition("=")[2]]
    for secret in ["planted-", "?", "X-Amz-", "Signature", world.alice.keys.secret_key,
                   *signatures]:
        assert secret not in text
    assert any(line["access_key"] == world.alice.keys.access_key
               for line in world.gateway.lines())


def test_log_survives_hostile_names(world):
    target = '/gwalice-data/"\\,\x7f{}\u2028'
    reply = send(world.through, "GET", target)
    if reply.status != 400:
        assert world.line(reply)["path"] == target
    world.gateway.lines()


def test_every_aborted_download_is_logged(world, key):
    world.root.put_object(Bucket=world.alice.bucket, Key=key, Body=bytes(64 * MIB))

    def abort(_):
        target, headers = signed_request(world.alice.keys, "GET", host_of(world.through),
                                         f"/{world.alice.bucket}/{key}")
        read = 0
        with open_request(world.through, "GET", target, headers) as sock:
            while read < MIB:
                read += len(sock.recv(65536))
        return read

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        read = sum(pool.map(abort, range(20)))
    lines = world.gateway.wait_lines(lambda l: key in l["path"], count=20)
    assert len(lines) == 20
    assert all(l["completion"] == "" and MIB <= l["sent"] < 64 * MIB for l in lines)
    assert sum(l["sent"] for l in lines) >= read


def test_aborted_upload_is_logged_with_what_arrived(world, key):
    headers = {"Content-Length": str(10 * MIB)}
    target = presigned_target(world.alice.keys, "PUT", host_of(world.through),
                              f"/{world.alice.bucket}/{key}")
    sock = open_request(world.through, "PUT", target, headers)
    sock.sendall(b"x" * MIB)
    sock.close()
    line = world.gateway.wait_lines(lambda l: key in l["path"])[0]
    assert line["completion"] == "" and line["received"] < 2 * MIB
    assert world.stored(world.alice.bucket, key) is None


def test_rotation(world, key):
    """Rename, then USR1: no line is lost, not even of a request that began in a worker which
    a reload has since retired."""
    gateway, old = world.gateway, world.gateway.access_log.with_suffix(".1")
    world.root.put_object(Bucket=world.alice.bucket, Key=key, Body=bytes(32 * MIB))
    target, headers = signed_request(world.alice.keys, "GET", host_of(world.through),
                                     f"/{world.alice.bucket}/{key}")
    with open_request(world.through, "GET", target, headers) as sock:
        received = len(sock.recv(65536))
        gateway.reload()
        before = send(world.through, "GET", "/minio/before")
        world.line(before)
        gateway.access_log.rename(old)
        gateway.signal(signal.SIGUSR1)
        # Every process holds the new file and none the old one.
        wait_until(lambda: all(
            gateway.access_log.exists() and open_files(pid).isdisjoint({str(old)})
            for pid in [gateway.pid, *gateway.workers()]), 20, "log reopened")
        after = send(world.through, "GET", "/minio/after")
        while received < 32 * MIB:
            received += len(sock.recv(1 << 18))
    assert world.line(after)["path"] == "/minio/after"
    assert gateway.wait_lines(lambda l: key in l["path"] and l["method"] == "GET")
    assert [l["path"] for l in gateway.lines(old)][-1] == "/minio/before"


def open_files(pid):
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    return found


def test_configuration_is_accepted_without_complaint(world):
    result = subprocess.run([parts.nginx(), "-t", "-c", world.gateway.config],
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert "[warn]" not in result.stderr and "[emerg]" not in result.stderr


def test_nothing_was_ever_written_to_the_temporary_folders(world):
    assert world.gateway.temp_files() == []
    assert "[alert]" not in world.gateway.error_log.read_text()
