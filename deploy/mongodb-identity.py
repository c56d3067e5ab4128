#!/usr/bin/env python3
"""Make the MongoDB user that tenantd works as.

    mongodb-identity.py --uri 'mongodb://HOST:27017/?replicaSet=rs0' --root-user root
        --root-password-file F --username-out /etc/tenantd/mongodb.username
        --password-out /etc/tenantd/mongodb.password

It makes (or brings up to date) the role `tenantd` in the database `admin` from
mongodb-tenantd-role.json beside this script, and a user with just that role and a random
password, and writes the two files that tenantd's configuration names, mode 0400. Run again,
it changes the password; tenantd reads the files anew without a restart. Needs Python 3.9 and
the package `pymongo`.

In mongosh, as a user administrator, the same is done by

    use admin
    db.runCommand({createRole: "tenantd", privileges: [...], roles: []})   // from the file
    db.createUser({user: "tenantd", pwd: passwordPrompt(), roles: ["tenantd"],
                   mechanisms: ["SCRAM-SHA-256"]})

Guard this user like root: who may grant roles can grant itself any. Passwords of tenants cross
this connection, so give it TLS.
"""
import argparse
import json
import os
import secrets
from pathlib import Path

import pymongo

EXISTS = (51002, 51003)  # role, user


def write_secret(path, value):
    tmp = Path(path).with_name(Path(path).name + ".new")
    tmp.unlink(missing_ok=True)
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(fd, "w") as out:
        out.write(value)
    tmp.rename(path)


def make_or_update(database, what, name, **body):
    """createRole or createUser, and if it is there already, updateRole or updateUser."""
    try:
        database.command(f"create{what}", name, **body)
    except pymongo.errors.OperationFailure as error:
        if error.code not in EXISTS:
            raise
        database.command(f"update{what}", name, **body)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--uri", required=True, help="without credentials")
    args.add_argument("--root-user", required=True)
    args.add_argument("--root-password-file", required=True, type=Path)
    args.add_argument("--user", default="tenantd")
    args.add_argument("--username-out", required=True, type=Path)
    args.add_argument("--password-out", required=True, type=Path)
    args = args.parse_args()

    role = json.loads(Path(__file__).with_name("mongodb-tenantd-role.json").read_text())
    password = secrets.token_hex(20)
    with pymongo.MongoClient(args.uri, username=args.root_user, authSource="admin",
                             password=args.root_password_file.read_text().strip(),
                             serverSelectionTimeoutMS=10000) as client:
        make_or_update(client.admin, "Role", role["role"],
                       privileges=role["privileges"], roles=role["roles"])
        make_or_update(client.admin, "User", args.user, pwd=password,
                       roles=[{"role": role["role"], "db": "admin"}],
                       mechanisms=["SCRAM-SHA-256"])
    write_secret(args.password_out, password)
    write_secret(args.username_out, args.user)
    print(f"user {args.user} with role {role['role']}: "
          f"{args.username_out}, {args.password_out}")


main()
