"""Tenant A against tenant B with every S3 verb that boto3 has for objects and buckets,
through the gateway. A's own bucket shows that a refusal is not just a broken request."""
import io
import urllib.request
import urllib.error

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.testbed import clients
from tests.isolation.matrix import OK, REFUSED, Matrix, attempt

BODY = b"neighbour's secret content"
matrix = Matrix("S3, with tenant A's credentials")


class Party:
    """A tenant with an object and an upload under way in its bucket."""

    def __init__(self, api, appid):
        api.create_tenant(appid, buckets=("data", ("open", "readwrite")))
        self.appid = appid
        self.credentials = api.credentials(appid)
        self.bucket = f"{appid}-data"
        self.s3 = clients.boto(self.credentials)
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=BODY)
        self.refill()

    def refill(self):
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=BODY)
        self.upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key="mp")["UploadId"]
        self.part = self.s3.upload_part(Bucket=self.bucket, Key="mp", UploadId=self.upload,
                                        PartNumber=1, Body=BODY)["ETag"]


@pytest.fixture(scope="module")
def parties(api, new_appid):
    a, b = Party(api, new_appid()), Party(api, new_appid())
    yield a, b
    print(matrix)


# name, call(s3 of A, A, target), does it work on A's own bucket?
ROWS = [
    ("ListObjectsV2", lambda s, a, t: s.list_objects_v2(Bucket=t.bucket), OK),
    ("ListObjects", lambda s, a, t: s.list_objects(Bucket=t.bucket), OK),
    ("ListObjectVersions", lambda s, a, t: s.list_object_versions(Bucket=t.bucket), OK),
    ("HeadBucket", lambda s, a, t: s.head_bucket(Bucket=t.bucket), OK),
    ("GetBucketLocation", lambda s, a, t: s.get_bucket_location(Bucket=t.bucket), OK),
    ("GetObject", lambda s, a, t: s.get_object(Bucket=t.bucket, Key="k"), OK),
    ("GetObject missing key", lambda s, a, t: pytest.raises(
        s.exceptions.NoSuchKey, s.get_object, Bucket=t.bucket, Key="none"), OK),
    ("GetObject range", lambda s, a, t: s.get_object(Bucket=t.bucket, Key="k",
                                                     Range="bytes=0-3"), OK),
    ("HeadObject", lambda s, a, t: s.head_object(Bucket=t.bucket, Key="k"), OK),
    ("GetObjectAttributes", lambda s, a, t: s.get_object_attributes(
        Bucket=t.bucket, Key="k", ObjectAttributes=["ETag"]), REFUSED),
    ("PutObject", lambda s, a, t: s.put_object(Bucket=t.bucket, Key="k", Body=BODY), OK),
    ("PutObject new key", lambda s, a, t: s.put_object(Bucket=t.bucket, Key="n", Body=b"x"), OK),
    ("upload_fileobj", lambda s, a, t: s.upload_fileobj(io.BytesIO(BODY), t.bucket, "f"), OK),
    ("CopyObject within", lambda s, a, t: s.copy_object(
        Bucket=t.bucket, Key="copy", CopySource={"Bucket": t.bucket, "Key": "k"}), OK),
    ("CopyObject from there", lambda s, a, t: s.copy_object(
        Bucket=a.bucket, Key="stolen", CopySource={"Bucket": t.bucket, "Key": "k"}), OK),
    ("CopyObject to there", lambda s, a, t: s.copy_object(
        Bucket=t.bucket, Key="planted", CopySource={"Bucket": a.bucket, "Key": "k"}), OK),
    ("CreateMultipartUpload", lambda s, a, t: s.create_multipart_upload(
        Bucket=t.bucket, Key="up"), OK),
    ("UploadPart", lambda s, a, t: s.upload_part(
        Bucket=t.bucket, Key="mp", UploadId=t.upload, PartNumber=1, Body=BODY), OK),
    ("UploadPartCopy from there", lambda s, a, t: s.upload_part_copy(
        Bucket=a.bucket, Key="mp", UploadId=a.upload, PartNumber=2,
        CopySource={"Bucket": t.bucket, "Key": "k"}), OK),
    ("UploadPartCopy to there", lambda s, a, t: s.upload_part_copy(
        Bucket=t.bucket, Key="mp", UploadId=t.upload, PartNumber=2,
        CopySource={"Bucket": a.bucket, "Key": "k"}), OK),
    ("ListParts", lambda s, a, t: s.list_parts(Bucket=t.bucket, Key="mp",
                                               UploadId=t.upload), OK),
    ("ListMultipartUploads", lambda s, a, t: s.list_multipart_uploads(Bucket=t.bucket), OK),
    ("CompleteMultipartUpload", lambda s, a, t: s.complete_multipart_upload(
        Bucket=t.bucket, Key="mp", UploadId=t.upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": t.part}]}), None),
    ("AbortMultipartUpload", lambda s, a, t: s.abort_multipart_upload(
        Bucket=t.bucket, Key="mp", UploadId=t.upload), None),
    ("DeleteObject", lambda s, a, t: s.delete_object(Bucket=t.bucket, Key="k"), OK),
    ("DeleteObject version", lambda s, a, t: s.delete_object(
        Bucket=t.bucket, Key="k", VersionId="null"), None),
    ("GetObject version", lambda s, a, t: s.get_object(
        Bucket=t.bucket, Key="n", VersionId="null"), None),
    # What no tenant may do, not even on its own bucket.
    ("CreateBucket", lambda s, a, t: s.create_bucket(Bucket=t.appid + "-extra"), REFUSED),
    ("DeleteBucket", lambda s, a, t: s.delete_bucket(Bucket=t.bucket), REFUSED),
    ("PutBucketPolicy", lambda s, a, t: s.put_bucket_policy(Bucket=t.bucket, Policy=(
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":'
        f'["s3:GetObject"],"Resource":["arn:aws:s3:::{t.bucket}/*"]}}]}}')), REFUSED),
    ("DeleteBucketPolicy", lambda s, a, t: s.delete_bucket_policy(Bucket=t.bucket), REFUSED),
    ("PutBucketVersioning", lambda s, a, t: s.put_bucket_versioning(
        Bucket=t.bucket, VersioningConfiguration={"Status": "Enabled"}), REFUSED),
    ("GetBucketVersioning", lambda s, a, t: s.get_bucket_versioning(Bucket=t.bucket), REFUSED),
    ("PutBucketLifecycle", lambda s, a, t: s.put_bucket_lifecycle_configuration(
        Bucket=t.bucket, LifecycleConfiguration={"Rules": [{
            "ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""},
            "Expiration": {"Days": 1}}]}), REFUSED),
    ("GetBucketLifecycle", lambda s, a, t: s.get_bucket_lifecycle_configuration(
        Bucket=t.bucket), REFUSED),
    ("PutBucketNotification", lambda s, a, t: s.put_bucket_notification_configuration(
        Bucket=t.bucket, NotificationConfiguration={}), REFUSED),
    ("GetBucketNotification", lambda s, a, t: s.get_bucket_notification_configuration(
        Bucket=t.bucket), REFUSED),
    ("PutBucketReplication", lambda s, a, t: s.put_bucket_replication(
        Bucket=t.bucket, ReplicationConfiguration={"Role": "", "Rules": [{
            "Status": "Enabled", "Priority": 1, "Filter": {"Prefix": ""},
            "DeleteMarkerReplication": {"Status": "Disabled"},
            "Destination": {"Bucket": f"arn:aws:s3:::{a.bucket}"}}]}), REFUSED),
    ("PutBucketEncryption", lambda s, a, t: s.put_bucket_encryption(
        Bucket=t.bucket, ServerSideEncryptionConfiguration={"Rules": [{
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}), REFUSED),
    ("PutBucketTagging", lambda s, a, t: s.put_bucket_tagging(
        Bucket=t.bucket, Tagging={"TagSet": [{"Key": "tenantd", "Value": "x"}]}), REFUSED),
    ("GetBucketTagging", lambda s, a, t: s.get_bucket_tagging(Bucket=t.bucket), REFUSED),
    ("DeleteBucketTagging", lambda s, a, t: s.delete_bucket_tagging(Bucket=t.bucket), REFUSED),
    ("PutObjectLockConfiguration", lambda s, a, t: s.put_object_lock_configuration(
        Bucket=t.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}), REFUSED),
    ("PutObjectTagging", lambda s, a, t: s.put_object_tagging(
        Bucket=t.bucket, Key="n", Tagging={"TagSet": []}), REFUSED),
    ("GetObjectTagging", lambda s, a, t: s.get_object_tagging(Bucket=t.bucket, Key="n"), REFUSED),
    ("PutObjectRetention", lambda s, a, t: s.put_object_retention(
        Bucket=t.bucket, Key="n", Retention={"Mode": "GOVERNANCE",
                                             "RetainUntilDate": "2030-01-01T00:00:00Z"}), REFUSED),
    ("PutBucketAcl", lambda s, a, t: s.put_bucket_acl(Bucket=t.bucket, ACL="public-read"),
     REFUSED),
    ("PutObjectAcl", lambda s, a, t: s.put_object_acl(Bucket=t.bucket, Key="n",
                                                      ACL="public-read"), REFUSED),
]


@pytest.mark.parametrize("name,call,own", ROWS, ids=[r[0] for r in ROWS])
def test_row(parties, name, call, own):
    a, b = parties
    a.refill()
    b.refill()
    mine, why = attempt(lambda: call(a.s3, a, a), ClientError)
    if own is not None:
        assert mine == own, f"{name} on the own bucket: {why or 'was allowed'}"
    foreign, why = attempt(lambda: call(a.s3, a, b), ClientError)
    matrix.add(name, mine, foreign)
    assert foreign == REFUSED, f"{name} reached the neighbour"
    status = why.response["ResponseMetadata"]["HTTPStatusCode"]
    assert 400 <= status < 500, f"{name}: not a refusal but {status}: {why}"
    assert BODY.decode() not in str(why)
    assert b.s3.get_object(Bucket=b.bucket, Key="k")["Body"].read() == BODY
    assert {o["Key"] for o in b.s3.list_objects_v2(Bucket=b.bucket)["Contents"]} <= \
        {"k", "n", "f", "copy", "mp"}


@pytest.mark.parametrize("method,params", [
    ("get_object", {"Key": "k"}), ("put_object", {"Key": "k"}), ("delete_object", {"Key": "k"}),
    ("list_objects_v2", {}), ("head_object", {"Key": "k"})])
def test_presigned_urls_reach_only_the_signers_own(parties, method, params):
    a, b = parties
    signer = clients.boto(a.credentials, signature_version="s3v4")
    verb = {"get_object": "GET", "put_object": "PUT", "delete_object": "DELETE",
            "list_objects_v2": "GET", "head_object": "HEAD"}[method]

    def fetch(bucket):
        url = signer.generate_presigned_url(method, Params={"Bucket": bucket, **params})
        request = urllib.request.Request(url, method=verb,
                                         data=BODY if verb == "PUT" else None)
        return urllib.request.urlopen(request, timeout=20).read()

    a.refill()
    fetch(a.bucket)
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(b.bucket)
    assert refused.value.code == 403
    matrix.add(f"presigned {method}", OK, REFUSED)
    assert b.s3.get_object(Bucket=b.bucket, Key="k")["Body"].read() == BODY


def test_a_post_form_of_one_tenant_does_not_reach_another(parties):
    import requests
    a, b = parties
    signer = clients.boto(a.credentials, signature_version="s3v4")
    form = signer.generate_presigned_post(a.bucket, "form")
    files = {"file": ("f", b"from a form")}
    assert requests.post(form["url"], data=form["fields"], files=files, timeout=20).ok
    foreign = form["url"].replace(a.bucket, b.bucket)
    reply = requests.post(foreign, data=form["fields"], files=files, timeout=20)
    assert reply.status_code == 403
    form = signer.generate_presigned_post(b.bucket, "form")
    reply = requests.post(form["url"], data=form["fields"], files=files, timeout=20)
    assert reply.status_code == 403
    matrix.add("POST form", OK, REFUSED)
    assert "form" not in [o["Key"] for o in b.s3.list_objects_v2(Bucket=b.bucket)["Contents"]]


def test_list_buckets_shows_only_the_own_ones(parties):
    a, _ = parties
    names = [x["Name"] for x in a.s3.list_buckets()["Buckets"]]
    assert names == [f"{a.appid}-data", f"{a.appid}-open"]


def test_anonymous_requests_follow_the_buckets_mode(parties):
    a, b = parties
    nobody = boto3.client("s3", endpoint_url=a.credentials["object"]["internal_endpoint"],
                          region_name="us-east-1",
                          config=Config(signature_version=UNSIGNED,
                                        s3={"addressing_style": "path"}))
    for call in (lambda: nobody.get_object(Bucket=b.bucket, Key="k"),
                 lambda: nobody.list_objects_v2(Bucket=b.bucket),
                 lambda: nobody.put_object(Bucket=b.bucket, Key="k", Body=b"x")):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    nobody.put_object(Bucket=f"{b.appid}-open", Key="x", Body=b"y")
    assert nobody.get_object(Bucket=f"{b.appid}-open", Key="x")["Body"].read() == b"y"


@pytest.mark.parametrize("path", ["/minio/admin/v3/info", "/minio/admin/v3/add-service-account",
                                  "/minio/health/live", "/minio/v2/metrics/cluster"])
def test_admin_paths_do_not_exist_for_tenants(parties, path):
    import requests
    a, _ = parties
    reply = requests.get(a.credentials["object"]["internal_endpoint"] + path, timeout=20)
    assert reply.status_code in (403, 404)
    assert "X-Minio-Deployment-Id" not in reply.headers
