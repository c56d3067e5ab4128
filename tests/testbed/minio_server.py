"""A real MinIO: one node, one drive, its root password in a file, and tenantd's own non-root
user made the way an operator makes it (deploy/minio-identity.py)."""
import hashlib
import io
import json
import subprocess
import sys
from urllib.parse import quote, urlencode

import boto3
import minio.crypto
import requests
import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException

from . import parts
from .process import Server, secret_file, write_secret


class Minio(Server):
    name = "minio"
    port_names = ("s3",)
    region = "us-east-1"
    # Names under which buckets may be addressed as hosts: BUCKET.s3.tenantd.test.
    domain = "s3.tenantd.test"
    root_user = "minioroot"
    admin_user = "tenantd-admin"

    def __init__(self, run_dir, ports=None, scanner_speed="fastest"):
        super().__init__(run_dir, ports)
        self.scanner_speed = scanner_speed
        self.root_password = secret_file(self.run_dir / "root.password")
        self.root_user_file = write_secret(self.run_dir / "root.user", self.root_user)
        self.admin_user_file = self.run_dir / "tenantd.access-key"
        self.admin_secret_file = self.run_dir / "tenantd.secret-key"
        self.identity_made = self.admin_secret_file.exists()

    @property
    def address(self):
        return f"127.0.0.1:{self.ports['s3']}"

    @property
    def endpoint(self):
        return f"http://{self.address}"

    def prepare(self):
        (self.run_dir / "data").mkdir(exist_ok=True)
        (self.run_dir / "certs").mkdir(exist_ok=True)
        # A file rather than environment variables: /proc/PID/environ shows those.
        write_secret(self.run_dir / "minio.env",
                     f"MINIO_ROOT_USER={self.root_user}\n"
                     f"MINIO_ROOT_PASSWORD={self.root_password}\n")

    def environment(self):
        return super().environment() | {
            "MINIO_CONFIG_ENV_FILE": str(self.run_dir / "minio.env"),
            "MINIO_BROWSER": "off", "MINIO_CI_CD": "1", "MINIO_UPDATE": "off",
            "MINIO_DOMAIN": self.domain, "MINIO_SCANNER_SPEED": self.scanner_speed}

    def argv(self):
        return [parts.minio(), "server", self.run_dir / "data", "--address", self.address,
                "--certs-dir", self.run_dir / "certs"]

    def ready(self):
        reply = requests.get(self.endpoint + "/minio/health/live", timeout=2)
        if reply.status_code != 200 or reply.headers.get("X-Minio-Server-Status"):
            return False
        try:
            # Signed with this run's password: so it is ours that answers.
            self.admin().info()
        except (MinioAdminException, urllib3.exceptions.HTTPError):
            return False
        return True

    def start(self):
        super().start()
        if not self.identity_made:
            self.make_identity()
        return self

    def make_identity(self):
        """tenantd's own user, its policy and its two credential files."""
        subprocess.run(
            [sys.executable, parts.ROOT / "deploy" / "minio-identity.py",
             "--endpoint", self.endpoint,
             "--root-user-file", self.root_user_file,
             "--root-password-file", self.run_dir / "root.password",
             "--user", self.admin_user,
             "--access-key-out", self.admin_user_file,
             "--secret-key-out", self.admin_secret_file],
            check=True, stdout=subprocess.DEVNULL)
        self.identity_made = True
        secret_file(self.admin_secret_file)

    def admin(self):
        """minio-py's admin client, as root."""
        return MinioAdmin(endpoint=self.address, region=self.region, secure=False,
                          credentials=StaticProvider(self.root_user, self.root_password))

    def admin_call(self, method, path, query=None, body=b"", sealed=False, keys=None):
        """One raw admin request (`path` without /minio/admin/v3/), as root or as
        keys=(access key, secret); the `requests` response. sealed: encrypt the body, as the
        calls that carry secrets want it; their replies are read with open_sealed()."""
        access_key, secret_key = keys or (self.root_user, self.root_password)
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if sealed:
            body = minio.crypto.encrypt(body, secret_key)
        url = f"{self.endpoint}/minio/admin/v3/{path}"
        if query:
            url += "?" + urlencode(sorted(query.items()), quote_via=quote)
        request = AWSRequest(method, url, data=body, headers={
            "Content-Type": "application/octet-stream",
            "X-Amz-Content-Sha256": hashlib.sha256(body).hexdigest()})
        S3SigV4Auth(Credentials(access_key, secret_key), "s3", self.region).add_auth(request)
        return requests.request(method, url, data=body, headers=dict(request.headers),
                                timeout=30)

    def open_sealed(self, reply, secret_key=None):
        """The JSON in the sealed reply to an admin call."""
        body = urllib3.HTTPResponse(io.BytesIO(reply.content), preload_content=False)
        return json.loads(minio.crypto.decrypt(body, secret_key or self.root_password))

    def client(self, access_key=None, secret_key=None, **config):
        """A boto3 S3 client straight at MinIO (past the gateway); as root by default."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=self.region,
            aws_access_key_id=access_key or self.root_user,
            aws_secret_access_key=secret_key or self.root_password,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1},
                          connect_timeout=5, read_timeout=30, **config))

    def users(self):
        """Names of all users."""
        return set(json.loads(self.admin().user_list()))

    def user_info(self, name):
        """{"policyName", "status", ...} of a user; None when there is none."""
        try:
            return json.loads(self.admin().user_info(name))
        except MinioAdminException as error:
            if "XMinioAdminNoSuchUser" in str(error):
                return None
            raise

    def buckets(self):
        return {b["Name"] for b in self.client().list_buckets()["Buckets"]}
