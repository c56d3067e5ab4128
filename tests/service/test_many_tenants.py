"""Many tenants at once."""
import time
from concurrent.futures import ThreadPoolExecutor

from tests.testbed import clients
from tests.testbed.clients import expect


def used_by_both_clients(credentials):
    appid = credentials["appid"]
    bucket = clients.bucket_name(credentials)
    s3 = clients.boto(credentials)
    s3.put_object(Bucket=bucket, Key="k", Body=appid.encode())
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == appid.encode()
    with clients.mongo(credentials) as client:
        client[appid].c.insert_one({"_id": appid})
        assert client[appid].c.find_one()["_id"] == appid


def test_200_tenants_made_at_once_each_used_by_both_clients(api, new_appid):
    appids = [new_appid() for _ in range(200)]
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        for reply in pool.map(lambda a: api.put(f"/v1/tenants/{a}", json={
                "plan": "standard", "buckets": [{"name": "data"}]}), appids):
            expect(reply, 201)
        for appid in appids:
            api.wait_phase(appid, "Created", 180)
        took = time.monotonic() - began
        list(pool.map(lambda a: used_by_both_clients(api.credentials(a)), appids))
    print(f"\n200 tenants Created in {took:.1f} s")
