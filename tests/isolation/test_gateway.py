"""The gateway in front of real MinIO: everything legitimate works through it as it does without
it, in path style and as virtual host; the deny map, the size cap, streaming and the log.

    pytest tests/isolation/test_gateway.py
"""
import concurrent.futures
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from tests.isolation.gateway_support import (
    DOMAIN, EMPTY_SHA256, MIB, STYLES, UNSIGNED, UNSIGNED_TRAILER, Capture, Gateway, Keys,
    SlowReader, World, client, host_of, open_request, presigned_target, read_reply, send,
    signed, signed_chunks, signed_request)
from tests.testbed import parts
from tests.testbed.process import wait_until


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    it = World(tmp_path_factory.mktemp("gateway"))
    yield it
    it.stop()


@pytest.fixture
def key():
    """An object key that nobody has used."""
    return "k-" + uuid.uuid4().hex


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


@pytest.mark.parametrize("odd,style", [
    (odd, style) for odd in ODD_KEYS for style in STYLES
    if not (odd.startswith("minio/") and style == "virtual")])
def test_odd_keys_as_without_the_gateway(world, odd, style):
    """Whatever stock MinIO makes of a key, the gateway makes the same."""
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


def test_keys_under_minio_are_for_path_style_only(world):
    """MinIO's own routes answer there in virtual-host style: the one documented difference."""
    s3 = client(world.endpoint("virtual"), world.alice.keys, "virtual")
    assert attempt(lambda: s3.put_object(Bucket=world.alice.bucket, Key="minio/x", Body=b"x")) \
        == ("error", "AllAccessDisabled")


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


def test_signed_chunks(world, key):
    """The streaming upload whose chunks are signed one by one; a wrong one is noticed."""
    path, data = f"/{world.alice.bucket}/{key}", os.urandom(100000)
    for broken, status in ((True, 403), (False, 200)):
        target, headers = signed_request(
            world.alice.keys, "PUT", host_of(world.through), path,
            payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            headers={"x-amz-decoded-content-length": str(len(data)),
                     "content-encoding": "aws-chunked"})
        body = signed_chunks(world.alice.keys, headers, data)
        body = body.replace(data, bytes(len(data))) if broken else body
        reply = send(world.through, "PUT", target, headers, body)
        assert reply.status == status, reply
        assert (world.stored(world.alice.bucket, key) == data) == (not broken)


def test_payload_type_in_a_presigned_query(world):
    """As the JavaScript SDK writes it."""
    target = presigned_target(world.alice.keys, "GET", host_of(world.through),
                              f"/{world.alice.bucket}/own",
                              query=[("X-Amz-Content-Sha256", UNSIGNED)])
    assert send(world.through, "GET", target).status == 200


@pytest.mark.parametrize("separator", [",", ", ", " , "])
def test_spellings_of_the_authorization_header(world, separator):
    """Clients differ in the spaces."""
    target, headers = signed_request(world.alice.keys, "GET", host_of(world.through),
                                     f"/{world.alice.bucket}/own")
    headers["authorization"] = headers["authorization"].replace(", ", separator)
    reply = send(world.through, "GET", target, headers)
    assert reply.status == 200, reply
    assert world.line(reply)["access_key"] == world.alice.keys.access_key


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


@pytest.mark.parametrize("style", STYLES)
def test_sdk_defaults_over_tls(world, key, style):
    """Over TLS newer SDKs send unsigned trailers by default: the header signature carries
    them through."""
    folder = Path(tempfile.mkdtemp(prefix="tenantd-gateway-tls."))
    folder.chmod(0o755)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}",
         "-keyout", folder / "key", "-out", folder / "cert"],
        check=True, capture_output=True, timeout=60)
    (folder / "key").chmod(0o644)
    with Gateway([world.minio.address], options=[
            "--external-tls-cert", folder / "cert", "--external-tls-key",
            folder / "key"]) as gateway:
        s3 = client(f"https://{DOMAIN}:{gateway.ports['external']}", world.alice.keys, style,
                    verify=str(folder / "cert"))
        sent = []
        s3.meta.events.register("before-send.s3.PutObject",
                                lambda request, **_: sent.append(request.headers))
        s3.put_object(Bucket=world.alice.bucket, Key=key, Body=b"over TLS")
        assert sent[0]["X-Amz-Content-SHA256"].decode() == UNSIGNED_TRAILER
        assert world.stored(world.alice.bucket, key) == b"over TLS"
        url = s3.generate_presigned_url("get_object",
                                        {"Bucket": world.alice.bucket, "Key": key})
        assert requests.get(url, verify=folder / "cert").content == b"over TLS"
        assert [l["listener"] for l in gateway.wait_lines(lambda l: key in l["path"], 2)] == \
            ["external"] * 2
    shutil.rmtree(folder)


# --- What is sent on -------------------------------------------------------------------------

@pytest.fixture(scope="module")
def capture():
    """A gateway whose upstream shows what it received."""
    upstream = Capture()
    gateway = Gateway([f"127.0.0.1:{upstream.port}"], max_request="1m").start()
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


@pytest.mark.parametrize("name", ["X-Amz-Content-Sha256", "X-Amz-Copy-Source",
                                  "X-Amz-Copy-Source-Range", "X-Minio-Force-Delete"])
def test_a_header_hidden_behind_its_underscored_twin_stays_behind(capture, name):
    """nginx sees the twin, MinIO would see the header."""
    gateway, upstream = capture
    twin = name.replace("-", "_")
    assert send(gateway.address(), "GET", "/abc123-data/k",
                [(twin, ""), (name, "hidden")]).status == 200
    assert upstream.last().headers.get_all(name) is None
    assert b"hidden" not in upstream.last().raw


def test_upstream_connections_are_kept(capture):
    gateway, upstream = capture
    before = upstream.connections
    for _ in range(50):
        send(gateway.address(), "GET", "/abc123-data/k", {"Connection": "close"})
    # One per worker at most.
    assert upstream.connections - before <= 2 and upstream.last().version == "HTTP/1.1"


@pytest.mark.parametrize("host", ["[::1]:9000", "[fd00::5]", "gateway", "my_gateway.local:9",
                                  "10.0.0.5:9000", DOMAIN, f"{DOMAIN}:443"])
def test_host_names_of_path_style(capture, host):
    gateway, upstream = capture
    assert send(gateway.address(), "GET", "/abc123-data/k", {"Host": host}).status == 200
    assert upstream.last().headers.get_all("Host") == [host]


def test_upstream_down():
    with Gateway(["127.0.0.1:1"]) as gateway:
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

def test_uploads_stream():
    """60 MiB of 64 are upstream before the client sends the rest, and no file is written."""
    upstream = SlowReader()
    with Gateway([f"127.0.0.1:{upstream.port}"]) as gateway:
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
    assert signed(world.through, world.alice.keys, "GET",
                  f"/{world.alice.bucket}/own").status == 200


# --- The log --------------------------------------------------------------------------------------

def test_log_line(world, key):
    body = b"y" * 5000
    reply = signed(world.through, world.alice.keys, "PUT",
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
