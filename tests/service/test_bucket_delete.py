"""Buckets go only by their own DELETE."""
from tests.testbed import clients
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

TENANTD_CONFIG = {"engine": {"delete_grace": 0}}


def test_a_bucket_goes_only_by_its_own_delete(testbed, api, new_appid):
    appid = new_appid()
    api.create_tenant(appid, buckets=("data", "gone"))
    credentials = api.credentials(appid)
    s3 = clients.boto(credentials)
    s3.put_object(Bucket=f"{appid}-gone", Key="k", Body=b"v")
    reply = api.delete(f"/v1/tenants/{appid}/buckets/gone")
    assert reply.status_code == 409 and reply.json()["code"] == "bucket_not_empty", reply.text
    assert s3.get_object(Bucket=f"{appid}-gone", Key="k")["Body"].read() == b"v"
    expect(api.delete(f"/v1/tenants/{appid}/buckets/gone?purge=true"), 202, 204)
    wait_until(lambda: f"{appid}-gone" not in testbed.minio.buckets(), 30, "the bucket goes")
    s3.delete_object(Bucket=f"{appid}-data", Key="k")
    expect(api.delete(f"/v1/tenants/{appid}/buckets/data"), 200, 202, 204)
    wait_until(lambda: f"{appid}-data" not in testbed.minio.buckets(), 30, "the bucket goes")
