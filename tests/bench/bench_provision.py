"""Making 500 tenants on real MinIO and MongoDB, against the same backend calls made bare."""
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.figures import Figures  # noqa: E402
from tests.testbed import bed, clients, parts  # noqa: E402

COUNT = int(os.environ.get("BENCH_PROVISION", "500"))


def bare(testbed, prefix):
    minio, mongod = testbed.minio, testbed.mongod
    out = subprocess.run(
        [parts.build_dir() / "bench_replay", minio.endpoint, minio.admin_user_file,
         minio.admin_secret_file, mongod.uri, mongod.admin_user_file, mongod.admin_password_file,
         parts.ROOT / "policies", prefix, str(COUNT)],
        check=True, capture_output=True, text=True).stdout
    return float(out)


def through_tenantd(testbed, daemon):
    api = clients.Api(daemon)
    appids = [bed.new_appid() for _ in range(COUNT)]
    body = {"plan": "standard", "buckets": [{"name": "data"}]}
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for reply in pool.map(lambda a: api.put(f"/v1/tenants/{a}", json=body), appids):
            clients.expect(reply, 201)
    left = set(appids)
    while left:
        for appid in list(left)[:50]:
            if api.tenant(appid)["phase"] == "Created":
                left.discard(appid)
        if left:
            time.sleep(0.02)
    return time.monotonic() - began


def main():
    figures = Figures(f"making {COUNT} tenants on real MinIO and MongoDB")
    with tempfile.TemporaryDirectory(prefix="tenantd-bench.") as tmp, \
            bed.Testbed(Path(tmp)) as testbed:
        trace = Path(tmp) / "trace.ndjson"
        daemon = testbed.start_tenantd(patch={"trace_file": str(trace),
                                              "engine": {"verify_interval": 0}})
        first = bare(testbed, "ra")
        took = through_tenantd(testbed, daemon)
        second = bare(testbed, "rb")
        base = (first + second) / 2
        ratio = took / base
        figures.add("time", took, "s", "the same calls bare", base, ratio, "<= 1.3", ratio <= 1.3)
        by = collections.defaultdict(lambda: [0, 0])
        for line in trace.read_text().splitlines():
            call = json.loads(line)
            key = f"{call['backend']} {call['what'].split('?')[0].split(' /')[0]}"
            by[key][0] += 1
            by[key][1] += call["us"]
        for name, (n, us) in sorted(by.items(), key=lambda kv: -kv[1][1])[:12]:
            figures.add(f"  {name} ({n / COUNT:.1f} per tenant)", us / n / 1000, "ms each")
        daemon.stop()
    return figures.done()


if __name__ == "__main__":
    sys.exit(main())
