"""GET /v1/credentials with a token and its audit record, against nginx `return` with a body of
the same size, server on one core and client on the other; connections; memory; disk."""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.figures import Figures, in_turns  # noqa: E402
from tests.testbed import config, parts, process  # noqa: E402
from tests.testbed.daemon import Tenantd  # noqa: E402

SMALL, LARGE = 1_000, int(os.environ.get("BENCH_TENANTS", "1000000"))
SECONDS, ROUNDS = 3, 5
HERE = Path(__file__).parent
SERVER_CPU, CLIENT_CPU = "0", "1"


class Nowhere:
    """Backends that are never asked: a settled tenant costs them nothing."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.minio_endpoint = "http://127.0.0.1:1"
        self.minio = self.mongod = self
        self.region = "us-east-1"
        self.deny_map, self.pid_path = folder / "deny.map", folder / "gateway.pid"
        self.uri = "mongodb://127.0.0.1:1/?replicaSet=rs0"
        self.internal_endpoint = self.external_endpoint = "http://127.0.0.1:2"
        for name in ("admin_user_file", "admin_secret_file", "admin_password_file"):
            path = folder / name
            process.write_secret(path, "x" * 20)
            setattr(self, name, path)


def wrk(url, connections, script=None, argument=None):
    """(requests per second, errors)."""
    argv = ["taskset", "-c", CLIENT_CPU, "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency"]
    if script:
        argv += ["-s", str(script)]
    argv.append(url)
    if argument:
        argv += ["--", str(argument)]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    failed = re.search(r"Socket errors: .*", out)
    if bad or failed:
        raise RuntimeError(f"not a clean run: {out}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def filled(folder, count):
    """A tenantd, not running, with that many tenants; its tokens file."""
    daemon = Tenantd(folder, [config.region(Nowhere(folder), Nowhere(folder))], patch={
        "api": {"threads": 1}, "engine": {"verify_interval": 0},
        "store": {"max_bytes": "32Gi"}})
    daemon.ready_path = "/healthz"
    daemon.prepare()
    tokens = folder / "tokens"
    fill = parts.build_dir() / "bench_fill"
    subprocess.run([fill, daemon.state_dir, folder / "master.key", str(count), tokens],
                   check=True)
    daemon.wrapper = ["taskset", "-c", SERVER_CPU]
    return daemon, tokens


def rss_anon(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text).group(1)) * 1024


def nginx(folder, body):
    port = process.reserve_port()
    conf = folder / "nginx.conf"
    conf.write_text(f"""worker_processes 1; worker_cpu_affinity 01; daemon off; pid {folder}/nginx.pid;
error_log {folder}/nginx.err; events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/b;
 proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
 scgi_temp_path {folder}/s;
 server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json;
 return 200 '{body}'; }} }} }}""")
    child = subprocess.Popen([parts.nginx(), "-c", conf, "-e", folder / "nginx.err"])
    time.sleep(0.5)
    return child, f"http://127.0.0.1:{port}/v1/credentials"


def rate_of(url, tokens, count=32):
    """Requests per second over that many connections, when called."""
    return lambda: wrk(url, count, HERE / "tokens.lua", tokens)


def rates(figures, small, large, peer_url):
    """Each is (URL, its tokens). The peer is asked with the same tokens: picking one of a million
    is work for the client."""
    names = ("small", "small peer", "large", "large peer")
    urls = (small, (peer_url, small[1]), large, (peer_url, large[1]))
    for url in (small, large):
        rate_of(*url)()  # warm
    rate = in_turns({name: rate_of(*url) for name, url in zip(names, urls)}, ROUNDS)
    for name, count in (("small", SMALL), ("large", LARGE)):
        ratio = rate[name] / rate[name + " peer"]
        figures.add(f"credentials, {count:,} tenants, 32 connections", rate[name], "req/s",
                    "nginx return", rate[name + " peer"], ratio, ">= 0.60", ratio >= 0.60)
    # What the client itself needs for a million tokens is in both of `large`.
    cost = rate["small"] / rate["large"]
    figures.add(f"cost per request, {LARGE:,} / {SMALL:,} tenants", cost, "", goal="<= 1.3",
                ok=cost <= 1.3)


def connections(figures, small):
    """The library's own loop stalls at multiples of 128."""
    by = in_turns({count: rate_of(*small, count) for count in
                   (64, 96, 127, 128, 129, 192, 255, 256, 257, 384, 512)}, 3)
    median = sorted(by.values())[len(by) // 2]
    worst = min(by, key=by.get)
    ratio = by[worst] / median
    figures.add(f"connections 64..512, worst at {worst}", by[worst], "req/s", "median",
                median, ratio, ">= 0.8", ratio >= 0.8)


def memory(figures, daemon):
    """1,000 idle connections on top."""
    import socket
    host, port = daemon.listeners()["control"].rsplit(":", 1)
    held = [socket.create_connection((host, int(port))) for _ in range(1000)]
    for s in held:
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    for s in held:
        s.recv(4096)
    value = rss_anon(daemon.pid) / 2**20
    for s in held:
        s.close()
    figures.add(f"RssAnon, {LARGE:,} tenants, 1,000 connections", value, "MiB", goal="<= 80",
                ok=value <= 80)


def main():
    figures = Figures("credentials")
    with tempfile.TemporaryDirectory(prefix="tenantd-bench.") as tmp:
        tmp = Path(tmp)
        small, small_tokens = filled(tmp / "small", SMALL)
        began = time.monotonic()
        large, large_tokens = filled(tmp / "large", LARGE)
        figures.add(f"filling {LARGE:,} tenants", time.monotonic() - began, "s")
        disk = sum(f.stat().st_blocks * 512 for f in (large.state_dir / "store").iterdir()
                   if "ballast" not in f.name)
        figures.add("disk per tenant", disk / LARGE, "bytes")
        os.sync()  # or the disk is still busy with them while the rates are taken
        small.start()
        began = time.monotonic()
        large.start()
        figures.add(f"start to ready, {LARGE:,} tenants", (time.monotonic() - began) * 1000, "ms")
        import requests
        token = large_tokens.open().readline().strip()
        reply = requests.get(large.url() + "/v1/credentials",
                             headers={"Authorization": "Bearer " + token}, timeout=10)
        reply.raise_for_status()
        peer, peer_url = nginx(tmp, reply.text.replace("'", ""))
        try:
            paths = [(d.url() + "/v1/credentials", tokens)
                     for d, tokens in ((small, small_tokens), (large, large_tokens))]
            rates(figures, *paths, peer_url)
            connections(figures, paths[0])
            memory(figures, large)
        finally:
            peer.terminate()
            peer.wait()
            small.stop()
            large.stop()
    return figures.done()


if __name__ == "__main__":
    sys.exit(main())
