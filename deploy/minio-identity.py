#!/usr/bin/env python3
"""Make the MinIO user that tenantd works as.

    minio-identity.py --endpoint http://HOST:9000 --root-user-file F --root-password-file F
        --access-key-out /etc/tenantd/minio.access-key --secret-key-out /etc/tenantd/minio.secret-key

It makes (or replaces) the canned policy `tenantd-admin` from minio-admin-policy.json beside
this script, and a user with that policy and a random secret, and writes the two files that
tenantd's configuration names, mode 0400. Run again, it gives the user a new secret; tenantd
reads the files anew without a restart. Needs Python 3.9 and the package `minio`.

With MinIO's own client the same is done by

    mc admin policy create ALIAS tenantd-admin minio-admin-policy.json
    mc admin user add ALIAS tenantd-admin            (asks for the secret)
    mc admin policy attach ALIAS tenantd-admin --user tenantd-admin

Guard this user like root: who may make policies and attach them can reach everything.
"""
import argparse
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException

POLICY = "tenantd-admin"


def write_secret(path, value):
    tmp = Path(path).with_name(Path(path).name + ".new")
    tmp.unlink(missing_ok=True)
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(fd, "w") as out:
        out.write(value)
    tmp.rename(path)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--endpoint", required=True)
    args.add_argument("--root-user-file", required=True, type=Path)
    args.add_argument("--root-password-file", required=True, type=Path)
    args.add_argument("--user", default="tenantd-admin")
    args.add_argument("--access-key-out", required=True, type=Path)
    args.add_argument("--secret-key-out", required=True, type=Path)
    args = args.parse_args()

    url = urlsplit(args.endpoint)
    root = StaticProvider(args.root_user_file.read_text().strip(),
                          args.root_password_file.read_text().strip())
    admin = MinioAdmin(endpoint=url.netloc, credentials=root, region="us-east-1",
                       secure=url.scheme == "https")
    admin.policy_add(POLICY, str(Path(__file__).with_name("minio-admin-policy.json")))
    secret = secrets.token_hex(20)
    admin.user_add(args.user, secret)
    try:
        admin.attach_policy([POLICY], user=args.user)
    except MinioAdminException as error:
        if "PolicyChangeAlreadyApplied" not in str(error):
            raise
    # The secret goes first: tenantd re-reads both when either changes.
    write_secret(args.secret_key_out, secret)
    write_secret(args.access_key_out, args.user)
    print(f"user {args.user} with policy {POLICY}: "
          f"{args.access_key_out}, {args.secret_key_out}")


main()
