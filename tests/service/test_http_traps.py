"""The daemon as hostile and unlucky clients meet it: its limits, its end, its listeners."""
import json
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(daemon, source=None, timeout=10):
    host, port = daemon.listeners()["control"].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=timeout,
                                    source_address=(source, 0) if source else None)


def read_reply(sock):
    """(status, body) of one answer; (0, b"") when the connection ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            more = sock.recv(1)
        except ConnectionResetError:
            more = b""
        if not more:
            return 0, data
        data += more
    status = int(data.split()[1])
    length = re.search(rb"\r\nContent-Length: (\d+)\r\n", data, re.I)
    body = b""
    while length and len(body) < int(length[1]):
        body += sock.recv(int(length[1]) - len(body))
    return status, body


def ends_within(sock, seconds):
    """The server closes it; how long that took."""
    began = time.monotonic()
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - began


@pytest.fixture
def strict(testbed):
    """start(**api settings): a tenantd with limits of its own."""
    started = []

    def start(name="traps", listeners=None, **settings):
        patch = {"api": settings}
        if listeners:
            patch["listeners"] = listeners
        daemon = testbed.start_tenantd(name, patch=patch)
        started.append(daemon)
        return daemon
    yield start
    for daemon in started:
        if daemon.running():
            daemon.stop()
        daemon.gateway.stop()


@pytest.mark.parametrize("count", [127, 128, 129, 256, 512])
def test_connections_that_are_all_ready_at_once(tenantd, count):
    """The HTTP library's own loop stalls at multiples of 128."""
    socks = [connect(tenantd) for _ in range(count)]
    slowest = 0
    for _ in range(10):
        began = time.monotonic()
        for sock in socks:
            sock.sendall(HEALTH)
        for sock in socks:
            assert read_reply(sock)[0] == 200
        slowest = max(slowest, time.monotonic() - began)
    for sock in socks:
        sock.close()
    assert slowest < 5


def test_dripping_clients_are_cut_in_time(strict):
    daemon = strict(header_timeout="700ms", body_timeout="900ms", idle_timeout="1500ms")
    token = daemon.admin_token
    heads = {
        "request line": (b"", 0.7),
        "header": (b"GET /healthz HTTP/1.1\r\nX-Slow: ", 0.7),
        "body": (f"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                 "Content-Type: application/json\r\nContent-Length: 4000\r\n\r\n".encode(), 0.9),
        "chunked body": (f"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                         "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "fff\r\n".encode(), 0.9),
        "second request": (HEALTH, 1.5),
    }
    socks = {}
    for what, (head, _) in heads.items():
        sock = socks[what] = connect(daemon)
        sock.sendall(head)
        if head == HEALTH:
            assert read_reply(sock)[0] == 200
        sock.settimeout(0.02)
    began, cut = time.monotonic(), {}
    while len(cut) < len(heads) and time.monotonic() - began < 15:
        for what, sock in socks.items():
            if what in cut:
                continue
            try:
                sock.sendall(b" " if "body" in what else b"x")
                if sock.recv(4096) == b"":
                    cut[what] = time.monotonic() - began
            except socket.timeout:
                pass
            except (ConnectionResetError, BrokenPipeError):
                cut[what] = time.monotonic() - began
    assert set(cut) == set(heads)
    for what, seconds in cut.items():
        allowed = heads[what][1]
        assert allowed - 0.3 < seconds < allowed + 3, (what, seconds)
    figures = requests.get(daemon.url() + "/metrics", timeout=5).text
    assert 'tenantd_http_connections_cut_total{phase="header"} 2' in figures
    assert 'tenantd_http_connections_cut_total{phase="body"} 2' in figures


def test_silent_connections_do_not_stay(strict):
    daemon = strict(header_timeout="500ms")
    socks = [connect(daemon) for _ in range(50)]
    for sock in socks:
        ends_within(sock, 5)
    assert requests.get(daemon.url() + "/healthz", timeout=5).status_code == 200


def test_large_headers(tenantd):
    url = tenantd.url() + "/healthz"
    assert requests.get(url, headers={"X-Big": "x" * 7000}, timeout=5).status_code == 200
    reply = requests.get(url, headers={"X-Big": "x" * 8500}, timeout=5)
    assert (reply.status_code, reply.json()["code"]) == (431, "header_too_large")
    for size in (20_000, 2_000_000):
        with connect(tenantd) as sock:
            try:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nX-Big: " + b"x" * size)
                sock.sendall(b"\r\n\r\n")
                assert read_reply(sock)[0] in (0, 431)
            except (BrokenPipeError, ConnectionResetError):
                pass
    with connect(tenantd) as sock:
        sock.sendall(b"GET /" + b"x" * 30_000 + b" HTTP/1.1\r\n\r\n")
        assert read_reply(sock)[0] in (0, 414, 431)
    assert requests.get(url, timeout=5).status_code == 200


def test_large_bodies(api, tenantd):
    big = "x" * 300_000
    reply = api.put("/v1/tenants/abcdef", data=json.dumps({"plan": big}),
                    headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    reply = api.post("/v1/tokens", data=json.dumps({"role": big[:5000]}),
                     headers={"Content-Type": "application/json"})
    assert reply.status_code == 413
    # Announced as small, or not announced, and then endless: the connection ends.
    with connect(tenantd) as sock:
        sock.sendall(f"POST /v1/tokens HTTP/1.1\r\nHost: x\r\n"
                     f"Authorization: Bearer {tenantd.admin_token}\r\n"
                     "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                     .encode())
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 50_000_000:
                sock.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
        assert sent < 20_000_000


def test_nobody_is_asked_to_continue_for_nothing(tenantd):
    """A client that waits for leave to send hears the refusal instead."""
    with connect(tenantd) as sock:
        sock.sendall(b"PUT /v1/tenants/abcdef HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                     b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        assert read_reply(sock)[0] == 401
    with connect(tenantd) as sock:
        sock.sendall(f"PUT /v1/tenants/abcdef HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                     f"Authorization: Bearer {tenantd.admin_token}\r\n"
                     "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n".encode())
        assert read_reply(sock)[0] == 100
        sock.sendall(b'{"plan":"none"}')
        assert read_reply(sock)[0] == 422


@pytest.mark.parametrize("garbage", [
    b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 200,
    b"GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/tokens HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /healthz%00/v1/tenants HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/../healthz HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_what_is_not_http_harms_nobody(tenantd, garbage):
    with connect(tenantd, timeout=2) as sock:
        sock.sendall(garbage)
        try:
            read_reply(sock)
        except socket.timeout:
            pass
    assert requests.get(tenantd.url() + "/healthz", timeout=5).status_code == 200


def test_connection_floods(strict):
    """One address takes all it may; others are served meanwhile."""
    daemon = strict(max_connections=200, max_connections_per_ip=50)
    flood, refused = [], 0
    for _ in range(150):
        sock = connect(daemon, source="127.0.0.2")
        sock.sendall(HEALTH)
        if read_reply(sock)[0] == 200:
            flood.append(sock)
        else:
            refused += 1
    assert len(flood) == 50 and refused == 100
    for _ in range(20):
        assert requests.get(daemon.url() + "/healthz", timeout=5).status_code == 200
    figures = requests.get(daemon.url() + "/metrics", timeout=5).text
    assert int(re.search(r"^tenantd_http_connections_refused_total (\d+)$", figures, re.M)[1]) \
        == 100
    for sock in flood:
        sock.close()

    def served():
        with connect(daemon, source="127.0.0.2") as sock:
            sock.sendall(HEALTH)
            return read_reply(sock)[0] == 200
    wait_until(served, 5, "places that were given back")


def test_flood_of_bad_tokens(api, tenantd, new_appid):
    """Refused logins cost the good ones nothing but the CPU they burn, and are counted."""
    appid = new_appid()
    api.create_tenant(appid)
    token = api.mint_token("runtime", appid)["token"]
    stop = threading.Event()
    sent = [0] * 4

    def flood(i):
        sock = connect(tenantd)
        while not stop.is_set():
            batch = b"".join(
                b"GET /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer tnd_%043d"
                b"\r\n\r\n" % (sent[i] + n) for n in range(20))
            sock.sendall(batch)
            for _ in range(20):
                assert read_reply(sock)[0] == 401
            sent[i] += 20
        sock.close()
    threads = [threading.Thread(target=flood, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    slowest, began, good = 0, time.monotonic(), 0
    session = requests.Session()
    while time.monotonic() - began < 5:
        start = time.monotonic()
        reply = session.get(tenantd.url() + "/v1/credentials", timeout=10,
                            headers={"Authorization": "Bearer " + token})
        assert reply.status_code == 200
        slowest, good = max(slowest, time.monotonic() - start), good + 1
    stop.set()
    for thread in threads:
        thread.join(20)
    assert sum(sent) > 500 and good > 50
    assert slowest < 2, "a good client never waits behind bad ones"
    figures = requests.get(tenantd.url() + "/metrics", timeout=5).text
    counted = int(re.search(r"^tenantd_logins_refused_total (\d+)$", figures, re.M)[1])
    assert counted >= sum(sent)
    # Counted, not written one by one.
    page = expect(api.get("/v1/audit?limit=1000"), 200).json()
    assert len([e for e in page["entries"] if e["action"] == "login.refused"]) < 10


def test_refused_logins_reach_the_audit_with_their_count(strict):
    """Once a minute, and at the end."""
    daemon = strict()
    for _ in range(30):
        reply = requests.get(daemon.url() + "/v1/tenants", timeout=5,
                             headers={"Authorization": "Bearer tnd_" + "B" * 43})
        assert reply.status_code == 401
    daemon.restart()
    page = expect(clients.Api(daemon).get("/v1/audit?limit=1000"), 200).json()
    entries = [e for e in page["entries"] if e["action"] == "login.refused"]
    assert sum(e["count"] for e in entries) == 30
    assert {e["address"] for e in entries} == {"127.0.0.1"}
    assert {e["outcome"] for e in entries} == {"unauthenticated"}


def test_stopping_answers_those_that_wait(testbed, new_appid):
    """The HTTP library aborts the process when it is stopped with a suspended connection."""
    daemon = testbed.start_tenantd("stop")
    api = clients.Api(daemon)
    appid = new_appid()
    api.create_tenant(appid)
    token = api.mint_token("runtime", appid)["token"]
    tag = expect(api.get("/v1/credentials", token=token), 200).headers["ETag"]
    socks = []
    for _ in range(130):
        sock = connect(daemon)
        sock.sendall(f"GET /v1/credentials HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
                     f"If-None-Match: {tag}\r\nPrefer: wait=60\r\n\r\n".encode())
        socks.append(sock)
    idle = [connect(daemon) for _ in range(5)]

    def waiting():
        text = requests.get(daemon.url() + "/metrics", timeout=5).text
        return "\ntenantd_http_waiting 130\n" in text
    wait_until(waiting, 10, "all wait")
    began = time.monotonic()
    daemon.process.send_signal(signal.SIGTERM)
    for sock in socks:
        status, body = read_reply(sock)
        assert status == 503 and json.loads(body)["code"] == "unavailable"
        ends_within(sock, 5)
    for sock in idle:
        ends_within(sock, 5)
    assert daemon.wait_exit(20) == 0
    assert time.monotonic() - began < 10
    daemon.gateway.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    for ca in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    for name, ca in (("server", "ca"), ("client", "ca"), ("stranger", "other")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
                "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", f"{name}.pem")
    return folder


def test_listeners(strict, certificates, tmp_path):
    """A unix socket, TLS, TLS with client certificates; each with its route sets."""
    tls = {"certificate_file": str(certificates / "server.pem"),
           "key_file": str(certificates / "server.key")}
    path = tmp_path / "api.sock"
    daemon = strict("listeners", listeners=[
        {"name": "control", "address": "127.0.0.1:0", "routes": ["control", "ops"]},
        {"name": "pods", "address": "127.0.0.1:0", "routes": ["runtime"], "tls": tls},
        {"name": "pods6", "address": "[::1]:0", "routes": ["runtime"]},
        {"name": "mutual", "address": "127.0.0.1:0", "routes": ["ops"],
         "tls": {**tls, "client_ca_file": str(certificates / "ca.pem")}},
        {"name": "local", "address": f"unix:{path}", "routes": ["ops", "control"],
         "mode": "0600"}])
    where = daemon.listeners()
    assert set(where) == {"control", "pods", "pods6", "mutual", "local"}
    ca = str(certificates / "ca.pem")
    # Sets: credentials only with the pods, everything else only elsewhere.
    pods = f"https://{where['pods']}"
    assert requests.get(pods + "/v1/credentials", verify=ca, timeout=5).status_code == 401
    assert requests.get(pods + "/healthz", verify=ca, timeout=5).status_code == 404
    assert requests.get(pods + "/v1/tenants", verify=ca, timeout=5).status_code == 404
    assert requests.get(f"http://{where['pods6']}/v1/credentials", timeout=5).status_code == 401
    assert requests.get(daemon.url() + "/v1/credentials", timeout=5).status_code == 404
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(pods + "/healthz", timeout=5)
    # Plain text to a TLS port, and nothing to one: neither holds anybody up.
    host, port = where["pods"].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as sock:
        sock.sendall(HEALTH)
        assert read_reply(sock)[0] in (0, 400)
    mutual = f"https://{where['mutual']}/healthz"
    pair = [(str(certificates / f"{n}.pem"), str(certificates / f"{n}.key"))
            for n in ("client", "stranger")]
    # Asked for, not required, and not judged yet: nothing depends on it.
    for cert in (None, *pair):
        assert requests.get(mutual, verify=ca, cert=cert, timeout=5).status_code == 200
    # The unix socket.
    assert path.stat().st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(HEALTH)
        assert read_reply(sock)[0] == 200
        sock.sendall(f"GET /v1/tenants HTTP/1.1\r\nHost: x\r\n"
                     f"Authorization: Bearer {daemon.admin_token}\r\n\r\n".encode())
        assert read_reply(sock)[0] == 200
    # A socket left behind by kill -9 is taken over; at the end it is gone.
    daemon.kill()
    assert path.exists()
    daemon.start()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
    daemon.stop()
    assert not path.exists()


def test_keep_alive_and_pipelining(tenantd):
    with connect(tenantd) as sock:
        sock.sendall(HEALTH * 50)
        assert {read_reply(sock)[0] for _ in range(50)} == {200}
        sock.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(4096)
        assert data.endswith(b"\r\n\r\n") and b"Content-Length: 16" in data
        sock.sendall(HEALTH)
        assert read_reply(sock)[0] == 200
