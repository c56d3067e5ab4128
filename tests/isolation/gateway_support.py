"""What the gateway's tests need: the gateway itself, a MinIO with two tenants, requests whose
every byte the test decides (a client library would repair or refuse them), and signatures
that may be valid, forged or incomplete on purpose."""
import base64
import datetime
import hashlib
import hmac
import http.client
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.testbed import parts
from tests.testbed.minio_server import Minio
from tests.testbed.process import Server, note_secret, wait_until

RENDER = parts.ROOT / "policies" / "gateway" / "render"
DOMAIN = Minio.domain
REGION = Minio.region
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MIB = 1 << 20
STYLES = ("path", "virtual")

_getaddrinfo = socket.getaddrinfo


def _resolve(host, *args, **kwargs):
    """BUCKET.s3.tenantd.test is here, as it would be by a wildcard record."""
    name = host.decode() if isinstance(host, bytes) else host
    if name and (name == DOMAIN or name.endswith("." + DOMAIN)):
        host = "127.0.0.1"
    return _getaddrinfo(host, *args, **kwargs)


socket.getaddrinfo = _resolve


NOBODY = 65534


class Gateway(Server):
    """nginx with a configuration made by policies/gateway/render, without any privilege also
    when the tests run as root: hence a folder of its own, which `nobody` can reach."""

    name = "gateway"
    port_names = ("internal", "external")
    # Its master takes the workers along; a killed one could not.
    death_signal = "TERM"

    def __init__(self, upstreams, max_request="5g", options=()):
        run_dir = Path(tempfile.mkdtemp(prefix="tenantd-gateway."))
        super().__init__(run_dir)
        if os.geteuid() == 0:
            os.chown(run_dir, NOBODY, NOBODY)
        run_dir.chmod(0o755)
        self.upstreams, self.max_request, self.options = upstreams, max_request, options
        self.deny_map = self.run_dir / "deny.map"
        self.access_log = self.run_dir / "access.log"
        self.error_log = self.run_dir / "error.log"
        self.config = self.run_dir / "nginx.conf"
        self.temp_dir = self.run_dir / "temp"

    def address(self, listener="internal"):
        return ("127.0.0.1", self.ports[listener])

    def prepare(self):
        self.temp_dir.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.temp_dir, NOBODY, NOBODY)
        if not self.deny_map.exists():
            self.deny_map.write_text("")
        # Two workers, so that reload, reopen and the shared upstream zone are really shared.
        argv = [sys.executable, RENDER, "--output", self.config,
                "--internal-listen", f"127.0.0.1:{self.ports['internal']}",
                "--external-listen", f"127.0.0.1:{self.ports['external']}",
                "--domain", DOMAIN, "--max-request", self.max_request,
                "--log", self.access_log, "--error-log", self.error_log,
                "--deny-map", self.deny_map, "--pid", self.run_dir / "nginx.pid",
                "--temp-dir", self.temp_dir, "--workers", "2", *self.options]
        for upstream in self.upstreams:
            argv += ["--upstream", upstream]
        subprocess.run(list(map(str, argv)), check=True, timeout=30)

    def argv(self):
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                "--inh-caps=-all", "--no-new-privs", "--pdeathsig", "TERM", "--"]
        return (drop if os.geteuid() == 0 else []) + [
            parts.nginx(), "-e", self.error_log, "-c", self.config, "-g", "daemon off;"]

    def ready(self):
        # Refused by the gateway itself, so MinIO need not be there.
        return send(self.address(), "GET", "/minio/").status == 403

    def stop(self):
        status = super().stop()
        assert status == 0, f"nginx ended with {status}"
        shutil.rmtree(self.run_dir)

    def workers(self):
        """{pid: title} of the worker processes."""
        found = {}
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in children:
            try:
                found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_text()
            except FileNotFoundError:
                pass
        return found

    def reload(self):
        """HUP, then wait until only new workers take requests."""
        before = set(self.workers())
        self.signal(signal.SIGHUP)

        def replaced():
            now = self.workers()
            new = set(now) - before
            return len(new) == 2 and all("shutting down" in now[pid]
                                         for pid in set(now) & before)
        wait_until(replaced, 20, "gateway reloaded")

    def deny(self, entries):
        """Write the deny map as tenantd does (atomic rename, then HUP)."""
        tmp = self.deny_map.with_suffix(".new")
        tmp.write_text("".join(f"{key} {mode};\n" for key, mode in entries.items()))
        tmp.rename(self.deny_map)
        self.reload()

    def lines(self, path=None):
        """The log as a list of dictionaries; every line must be JSON."""
        path = path or self.access_log
        return [json.loads(line) for line in path.read_text().splitlines()] \
            if path.exists() else []

    def wait_lines(self, want, count=1, timeout=20, path=None):
        """The log lines for which want(line) holds, once there are `count` of them."""
        def there():
            found = [line for line in self.lines(path) if want(line)]
            return found if len(found) >= count else None
        return wait_until(there, timeout, "lines in the access log")

    def temp_files(self):
        return [p for p in self.temp_dir.rglob("*") if p.is_file()]


class Reply:
    """A response, read to its end."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def code(self):
        """The S3 error code in the body, or ""."""
        text = self.body.decode(errors="replace")
        return text.partition("<Code>")[2].partition("</Code>")[0]

    def __repr__(self):
        return f"{self.status} {self.code} {self.body[:300]!r}"


def open_request(address, method, target, headers=(), body=b"", version="HTTP/1.1",
                 timeout=30):
    """Send one request exactly as given; the socket. A Host header is added only when there
    is none; Content-Length only with a body and when no framing header is given."""
    headers = list(headers.items() if isinstance(headers, dict) else headers)
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", f"{address[0]}:{address[1]}"))
    if body and not names & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(body))))
    head = f"{method} {target} {version}\r\n" + \
        "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
    sock = socket.create_connection(address, timeout=timeout)
    try:
        sock.sendall(head.encode("utf-8", "surrogateescape") + body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # answered early; the answer can still be read
    return sock


def read_reply(sock, method="GET"):
    response = http.client.HTTPResponse(sock, method=method)
    try:
        response.begin()
        return Reply(response)
    finally:
        response.close()


def send(address, method, target, headers=(), body=b"", **kwargs):
    """open_request() and its Reply."""
    sock = open_request(address, method, target, headers, body, **kwargs)
    try:
        return read_reply(sock, method)
    finally:
        sock.close()


class Keys:
    """An access key and what goes with it."""

    def __init__(self, access_key, secret_key, token=None):
        self.access_key, self.secret_key, self.token = access_key, secret_key, token


def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def _signing_key(keys, scope):
    key = b"AWS4" + keys.secret_key.encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    return key


def _v4_signature(keys, scope, stamp, canonical):
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    return _mac(_signing_key(keys, scope), text).hex()


def _canonical(method, path, query, headers, signed, payload):
    path = quote(unquote_to_bytes(path), safe="/-_.~")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query)
    return "\n".join([method, path, "&".join(f"{k}={v}" for k, v in pairs)] +
                     [f"{name}:{headers[name]}" for name in signed] +
                     ["", ";".join(signed), payload])


def encode_query(query):
    return "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in query)


def signed_request(keys, method, host, path, query=(), headers=None, body=b"", payload=None,
                   unsigned=(), service="s3"):
    """(target, headers) with a version 4 signature in the Authorization header. Headers named
    in `unsigned` are sent and not signed."""
    headers = {k.lower(): v for k, v in (headers or {}).items()}
    stamp = _now()
    payload = payload or hashlib.sha256(body).hexdigest()
    headers |= {"host": host, "x-amz-date": stamp, "x-amz-content-sha256": payload}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    signed = sorted(set(headers) - set(unsigned) - {"content-length"})
    scope = f"{stamp[:8]}/{REGION}/{service}/aws4_request"
    signature = _v4_signature(keys, scope, stamp,
                              _canonical(method, path, query, headers, signed, payload))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}")
    target = path + ("?" + encode_query(query) if query else "")
    return target, headers


def signed_chunks(keys, headers, data):
    """An aws-chunked body whose chunks continue the signature of signed_request()'s headers
    (payload STREAMING-AWS4-HMAC-SHA256-PAYLOAD)."""
    stamp = headers["x-amz-date"]
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    key = _signing_key(keys, scope)
    previous, body = headers["authorization"].rpartition("=")[2], b""
    for chunk in (data, b""):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, EMPTY_SHA256,
                          hashlib.sha256(chunk).hexdigest()])
        previous = _mac(key, text).hex()
        body += f"{len(chunk):x};chunk-signature={previous}\r\n".encode() + chunk + b"\r\n"
    return body


def presigned_target(keys, method, host, path, query=(), headers=None, expires=600):
    """The target with a version 4 signature in the query; `headers` are those to sign."""
    headers = {k.lower(): v for k, v in (headers or {}).items()} | {"host": host}
    stamp = _now()
    signed = sorted(headers)
    scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
    query = list(query) + [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", f"{keys.access_key}/{scope}"), ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)), ("X-Amz-SignedHeaders", ";".join(signed))]
    if keys.token:
        query.append(("X-Amz-Security-Token", keys.token))
    signature = _v4_signature(keys, scope, stamp,
                              _canonical(method, path, query, headers, signed, UNSIGNED))
    return f"{path}?{encode_query(query)}&X-Amz-Signature={signature}"


TRAILER_NAME = "x-amz-checksum-crc32"


def unsigned_trailer_body(data):
    """An aws-chunked body without chunk signatures; goes with X-Amz-Trailer: TRAILER_NAME."""
    checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))
    return (f"{len(data):x}\r\n".encode() + data + b"\r\n0\r\n" +
            TRAILER_NAME.encode() + b":" + checksum + b"\r\n\r\n")


def client(endpoint, keys, style="path", verify=None, **config):
    s3 = {"addressing_style": style} | config.pop("s3", {})
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=keys.access_key,
        aws_secret_access_key=keys.secret_key, aws_session_token=keys.token,
        verify=verify, config=Config(
            s3=s3, signature_version="s3v4", retries={"total_max_attempts": 1},
            connect_timeout=5, read_timeout=60, **config))


class BareMinio(Minio):
    """MinIO without tenantd's own identity in it: nothing here needs it."""

    def __init__(self, run_dir):
        super().__init__(run_dir)
        self.identity_made = True


class Tenant:
    """A MinIO user with a prefix policy, a service account, and the bucket APPID-data."""

    def __init__(self, minio, appid):
        self.minio, self.appid = minio, appid
        self.bucket = f"{appid}-data"
        statement = {"Effect": "Allow", "Action": [
            "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket",
            "s3:GetBucketLocation", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
            "s3:ListBucketMultipartUploads", "s3:GetObjectTagging", "s3:PutObjectTagging",
            "s3:DeleteObjectTagging", "s3:ListBucketVersions"],
            "Resource": [f"arn:aws:s3:::{appid}-*", f"arn:aws:s3:::{appid}-*/*"]}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.user = Keys(appid, os.urandom(20).hex())
        self.keys = Keys("SA" + os.urandom(9).hex(), os.urandom(20).hex())
        for secret in (self.user.secret_key, self.keys.secret_key):
            note_secret("gateway-tenant", secret)
        self._call("add-user", {"accessKey": appid},
                   {"secretKey": self.user.secret_key, "status": "enabled"}, True)
        self._call("add-canned-policy", {"name": appid}, policy, False)
        self._call("set-user-or-group-policy",
                   {"policyName": appid, "userOrGroup": appid, "isGroup": "false"}, b"", False)
        self._call("add-service-account", {},
                   {"targetUser": appid, "accessKey": self.keys.access_key,
                    "secretKey": self.keys.secret_key}, True)
        minio.client().create_bucket(Bucket=self.bucket)

    def _call(self, path, query, body, sealed):
        reply = self.minio.admin_call("PUT", path, query, body, sealed)
        assert reply.status_code // 100 == 2, f"{path}: {reply.status_code} {reply.text}"


class World:
    """One MinIO, one gateway, two tenants and the means to look behind."""

    def __init__(self, folder):
        self.minio = BareMinio(folder / "minio").start()
        self.gateway = Gateway([self.minio.address]).start()
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
        listing = self.root.list_objects_v2(Bucket=bucket)
        return {o["Key"] for o in listing.get("Contents", [])}

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


def host_of(address):
    return f"{address[0]}:{address[1]}"


def signed(address, keys, method, path, **kwargs):
    body = kwargs.get("body", b"")
    target, headers = signed_request(keys, method, host_of(address), path, **kwargs)
    return send(address, method, target, headers, body)


class SlowReader(threading.Thread):
    """A stand-in for MinIO that takes an upload and can say how much of it has arrived: the
    real one tells nobody before the end."""

    def __init__(self):
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = 0
        self.start()

    def run(self):
        conn, _ = self._listener.accept()
        with conn:
            data = b""
            while b"\r\n\r\n" not in data:
                data += conn.recv(65536)
            head, _, rest = data.partition(b"\r\n\r\n")
            lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n")
                       if line.lower().startswith(b"content-length:")]
            self.received = len(rest)
            while self.received < lengths[0]:
                piece = conn.recv(1 << 18)
                if not piece:
                    return
                self.received += len(piece)
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self._listener.close()


class Captured:
    """A request as the upstream received it."""

    def __init__(self, head):
        self.raw = head
        first, _, rest = head.partition(b"\r\n")
        self.method, self.target, self.version = first.decode("latin-1").split(" ")
        self.headers = http.client.parse_headers(io.BytesIO(rest + b"\r\n"))


class Capture(threading.Thread):
    """A stand-in for MinIO that shows every request as it came over the wire: what the real one
    received cannot be seen."""

    def __init__(self):
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._seen = []
        self.connections = 0
        self.start()

    @property
    def count(self):
        return len(self._seen)

    def last(self):
        return self._seen[-1]

    def run(self):
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with conn, conn.makefile("rb") as stream:
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = stream.readline()
                    if not line:
                        return
                    head += line
                request = Captured(head[:-2])
                if not self._read_body(stream, request):
                    return
                self._seen.append(request)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    @staticmethod
    def _read_body(stream, request):
        """Read the body away; False when it ends too early."""
        if request.headers["Transfer-Encoding"] == "chunked":
            while True:
                line = stream.readline()
                if not line:
                    return False
                size = int(line, 16)
                if len(stream.read(size + 2)) < size + 2:
                    return False
                if size == 0:
                    return True
        size = int(request.headers["Content-Length"] or 0)
        return len(stream.read(size)) == size

    def close(self):
        self._listener.close()
