"""Attacks on the gateway. Each is made twice: past the gateway at real MinIO, to know what the
stock server does (a test that fails there says that MinIO has changed, and a rule may go), and
through it, where it is refused before MinIO sees it and leaves nothing behind.

    pytest tests/isolation/test_gateway_attacks.py
"""
import base64
import hashlib
import hmac
import io
import tarfile
import time
import uuid
from urllib.parse import quote

import pytest
import requests
from botocore.exceptions import ClientError

from tests.isolation.gateway_support import (
    DOMAIN, STYLES, TRAILER_NAME, UNSIGNED, UNSIGNED_TRAILER, Keys, World, client, host_of,
    presigned_target, send, signed, signed_request, unsigned_trailer_body)
from tests.testbed import parts


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    it = World(tmp_path_factory.mktemp("gateway"))
    yield it
    it.stop()


@pytest.fixture
def key():
    """An object key that nobody has used."""
    return "k-" + uuid.uuid4().hex


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
    ("/minio/health/../../gwalice-data/own", None),
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
        # This handler does not even undo the chunks that the type promises.
        body = snowball(name)
        target, headers = signed_request(
            world.alice.keys, "PUT", host_of(address), f"/{bucket}/{name}.tar",
            payload=UNSIGNED_TRAILER, headers={
                "x-amz-meta-snowball-auto-extract": "true",
                "x-amz-decoded-content-length": str(len(body))})
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
        reply = signed(world.through, world.alice.keys, "PUT",
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
    reply = signed(world.through, keys, "PUT", path, body=b"x", headers={name: "true"})
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
        reply = signed(world.through, world.alice.keys, "PUT",
                       f"/{world.alice.bucket}/{key}", query=[(spelled, "true")], body=b"x")
        world.assert_refused(reply, "header")
    assert world.stored(world.alice.bucket, key) is None


def test_internal_metadata_past_the_gateway(world, key):
    """Why those headers: stock MinIO lets a tenant forge times and ETags, break its objects,
    and, with one of five names present, send internal metadata of any name."""
    path = f"/{world.alice.bucket}/{key}"

    def put(headers, query=()):
        return signed(world.direct, world.alice.keys, "PUT", path, body=b"x",
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
    # It looks at the headers in random order and stops at the first of either kind.
    both = {"x-minio-internal-anything": "1", "x-minio-internal-actual-object-size": "1"}
    assert 200 in (put(both) for _ in range(100))


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
        reply = signed(address, world.alice.keys, "PUT", f"/{bucket}/{key}",
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
        reply = signed(world.through, world.alice.keys, "PUT", f"/{bucket}/{key}",
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


def test_copy_range_signed_in_the_query(world, key):
    bucket, address = world.alice.bucket, world.through
    upload = world.root.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    copy = {"x-amz-copy-source": f"/{bucket}/own"}
    ranged = copy | {"x-amz-copy-source-range": "bytes=0-1"}
    for signed_headers, ok in ((ranged, True), (copy, False)):
        target = presigned_target(world.alice.keys, "PUT", host_of(address), f"/{bucket}/{key}",
                                  query=[("partNumber", "1"), ("uploadId", upload)],
                                  headers=signed_headers)
        reply = send(address, "PUT", target, ranged)
        if ok:
            assert reply.status == 200, reply
        else:
            world.assert_refused(reply, "copy_source")
    world.root.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


def test_fields_of_a_form_are_out_of_reach(world, key):
    """The documented limit: they are in the body. A tenant breaks an object of its own so, and
    nobody else's: the form is signed, and its bucket is in the path."""
    s3 = client(world.endpoint("path"), world.alice.keys)
    extra = {"x-minio-replication-server-side-encryption-sealed-key": "AAAA"}
    form = s3.generate_presigned_post(world.alice.bucket, key, Fields=extra,
                                      Conditions=[extra])
    reply = requests.post(form["url"], data=form["fields"], files={"file": b"x"})
    assert reply.status_code == 204
    with pytest.raises(ClientError):
        world.root.get_object(Bucket=world.alice.bucket, Key=key)
    elsewhere = form["url"].replace(world.alice.bucket, world.bob.bucket)
    reply = requests.post(elsewhere, data=form["fields"], files={"file": b"x"})
    assert reply.status_code == 403 and world.stored(world.bob.bucket, key) is None


def test_lambda_reads(world):
    query = [("lambdaArn", "arn:minio:s3-object-lambda::x:webhook")]
    path = f"/{world.alice.bucket}/own"
    reply = signed(world.direct, world.alice.keys, "GET", path, query=query)
    assert reply.code == "LambdaARNNotFound", "stock MinIO asks its configured functions"
    world.assert_refused(signed(world.through, world.alice.keys, "GET", path,
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
        assert world.line(reply)["refused"] == "unread"


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
