"""What `./dev up` shows: a tenant is made, a real S3 client and a real MongoDB client use its
credentials, and its neighbour is refused."""
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import botocore.exceptions
import pymongo.errors

from . import clients

NEIGHBOUR = "demo02"


def say(text=""):
    print(text, flush=True)


class Broken(Exception):
    """The tour met something that must not be."""


def tenantctl(env, *args):
    """Run tenantctl, shown as it would be typed; what it printed."""
    say(f"$ tenantctl {' '.join(args)}")
    done = subprocess.run(
        [env["TENANTCTL_BIN"], *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=120, env={
            "PATH": os.environ.get("PATH", ""), "TENANTD_URL": env["TENANTD_URL"],
            "TENANTD_TOKEN_FILE": env["TENANTD_TOKEN_FILE"]})
    for line in done.stdout.splitlines():
        say("  " + line)
    if done.returncode != 0:
        raise Broken(f"tenantctl ended with status {done.returncode}")
    return done.stdout


def refused(what, action):
    """action() must be refused by the backend; says with which words."""
    try:
        action()
    except botocore.exceptions.ClientError as error:
        reply = error.response
        say(f"  {what}: refused, {reply['ResponseMetadata']['HTTPStatusCode']} "
            f"{reply['Error']['Code']}")
    except pymongo.errors.OperationFailure as error:
        say(f"  {what}: refused, {error.code} {error.details.get('codeName', '')}")
    else:
        raise Broken(f"{what} was NOT refused")


def use_objects(credentials):
    s3, bucket = clients.boto(credentials), clients.bucket_name(credentials)
    body = b"kept at %d" % time.time()
    s3.put_object(Bucket=bucket, Key="hello.txt", Body=body)
    back = s3.get_object(Bucket=bucket, Key="hello.txt")["Body"].read()
    if back != body:
        raise Broken("boto3 read something else than it wrote")
    say(f"  boto3 through {credentials['object']['internal_endpoint']}: wrote and read "
        f"{bucket}/hello.txt ({len(back)} bytes)")


def use_database(credentials):
    with clients.mongo(credentials) as client:
        visits = client[credentials["database"]["database"]].visits
        visits.insert_one({"at": time.time()})
        say(f"  pymongo as {credentials['database']['username']}: "
            f"{visits.count_documents({})} document(s) in visits")


def cross(mine, other):
    s3, bucket = clients.boto(mine), clients.bucket_name(other)
    refused(f"{mine['appid']} reads {bucket}/hello.txt",
            lambda: s3.get_object(Bucket=bucket, Key="hello.txt"))
    refused(f"{mine['appid']} writes {bucket}/mine.txt",
            lambda: s3.put_object(Bucket=bucket, Key="mine.txt", Body=b"x"))
    with clients.mongo(mine) as client:
        visits = client[other["database"]["database"]].visits
        refused(f"{mine['appid']} reads the database {other['database']['database']}",
                lambda: visits.find_one())


def tour(env, demo):
    daemon = SimpleNamespace(url=lambda listener="control": env["TENANTD_URL"],
                             admin_token=open(env["TENANTD_TOKEN_FILE"]).read().strip())
    api = clients.Api(daemon)
    say()
    tenantctl(env, "tenant", "create", demo, "--plan", "standard", "--bucket", "data", "--wait")
    tenantctl(env, "tenant", "create", NEIGHBOUR, "--plan", "standard", "--bucket", "data",
              "--wait")
    if api.tenant(demo)["phase"] != "Created":
        raise Broken(f"{demo} is not Created: {json.dumps(api.tenant(demo), indent=2)}")
    mine, other = api.credentials(demo), api.credentials(NEIGHBOUR)
    say(f"\nThe credentials that tenantd serves to a pod of {demo}, in use:")
    use_objects(mine)
    use_database(mine)
    use_objects(other)
    say(f"\nThe neighbour {NEIGHBOUR} and {demo} against each other:")
    cross(other, mine)
    cross(mine, other)
    say(f"""
Running at {env['TENANTD_URL']}. Try next:
  eval "$(./dev env)"; export TENANTD_URL TENANTD_TOKEN_FILE
  $TENANTCTL_BIN tenant list
  $TENANTCTL_BIN tenant get {demo} --output json
  $TENANTCTL_BIN credentials {demo} --format env
  kill -9 $TENANTD_PID; $TENANTD_BIN --config $TENANTD_CONFIG    # nothing is lost
  ./dev down            stops it, and --purge forgets it""")


def main(env, demo):
    """Exit status of the tour."""
    try:
        tour(env, demo)
        return 0
    except Broken as error:
        say(f"\nThe tour failed: {error}")
    except clients.ApiError as error:
        say(f"\nThe tour failed: tenantd answered {error}")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError,
            pymongo.errors.PyMongoError, OSError) as error:
        say(f"\nThe tour failed: {type(error).__name__}: {error}")
    print("Everything is left running; ./dev env shows where.", file=sys.stderr)
    return 1
