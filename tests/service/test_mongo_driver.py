"""The MongoDB driver alone, against a real mongod, with tenantd's own restricted user and
tenants at work with real clients."""
import json
import os
import threading
import time

import bson
import pymongo
import pymongo.errors
import pytest

from tests.service.mongo_driver_support import (  # noqa: F401 (fixtures)
    INSTANCE, LOGIN_FAILED, NOT_AUTHORIZED, OTHER_INSTANCE, ROLE, Shell, Tenant, code_of,
    everything, live, make, make_both, mongod, names, ok, root, settled, shell, tenant)
from tests.testbed.bed import new_appid
from tests.testbed.process import new_secret, wait_until


# Making


def test_create(shell, mongod, root, tenant):
    seen = ok(shell.call(**tenant.request("observe", keep="")))
    assert (seen["presence"], seen["drifted"]) == ("absent", False)
    made = ok(shell.call(**tenant.request("ensure")))
    assert (made["presence"], made["drifted"], made["reason"]) == ("ours", False, "")
    user = root[tenant.appid].command("usersInfo", tenant.appid)["users"][0]
    assert user["mechanisms"] == ["SCRAM-SHA-256"]
    assert user["customData"] == {"tenantd": INSTANCE, "appid": tenant.appid}
    assert user["roles"] == [{"role": ROLE, "db": tenant.appid}]
    assert made["identity"] == str(user["userId"].as_uuid()
                                   if hasattr(user["userId"], "as_uuid")
                                   else user["userId"])
    with tenant.client(mongod) as client:
        client[tenant.appid]["things"].insert_one({"x": 1})
        assert code_of(lambda: client["another"]["things"].insert_one({})) == \
            NOT_AUTHORIZED


def test_create_again_changes_nothing(shell, root, live):
    before = everything(root, live.appid)
    again = ok(shell.call(**live.request("ensure")))
    assert everything(root, live.appid) == before
    assert not again["drifted"]
    assert {"createRole", "updateRole", "createUser", "updateUser", "dropUser",
            "killAllSessions"}.isdisjoint(names(again))
    settled = ok(shell.call(**live.request("observe")))
    assert (settled["presence"], settled["drifted"]) == ("ours", False)


def test_many_at_once(shell, mongod, root):
    tenants = [Tenant() for _ in range(16)]
    for reply in shell.parallel([t.request("ensure", deadline_ms=90000) for t in tenants]):
        assert ok(reply)["presence"] == "ours"
    for tenant in tenants:
        assert tenant.login_code(mongod) == 0


def test_builtin_roles_when_a_template_says_so(shell, mongod, root):
    tenant = Tenant("laf_readwrite_dbadmin")
    ok(shell.call(**tenant.request("ensure")))
    tenant.recorded()
    with tenant.client(mongod) as client:
        db = client[tenant.appid]
        db["things"].insert_one({})
        # Of dbAdmin, and not of tenantd_owner.
        assert db.command("validate", "things")["ok"] == 1
        ok(shell.call(**tenant.request("ensure", access="fenced")))
        assert code_of(lambda: db["things"].insert_one({})) == NOT_AUTHORIZED
        assert db["things"].count_documents({}) == 1


@pytest.mark.parametrize("appid,code", [
    ("admin", "APPID_RESERVED"), ("local", "APPID_RESERVED"), ("config", "APPID_RESERVED"),
    ("a.b", "INVALID"), ("", "INVALID"), ("ABC123", "INVALID"), ("a" * 33, "INVALID"),
    ("x$y", "INVALID"), ("ab", "INVALID")])
@pytest.mark.parametrize("verb", ["observe", "ensure", "remove", "measure"])
def test_names_that_are_never_tenants(shell, tenant, appid, code, verb):
    tenant.appid = appid
    reply = shell.call(**tenant.request(verb, keep=""))
    assert (reply["rc"], reply["calls"]) == (code, [])


def test_unknown_template(shell, tenant):
    tenant.template = "nosuchthing"
    reply = shell.call(**tenant.request("ensure"))
    assert (reply["rc"], reply["calls"]) == ("INVALID", [])


# Ours or foreign


def by_hand_user(root, tenant):
    root[tenant.appid].command("createUser", tenant.appid, pwd=new_secret(),
                               roles=["readWrite"])


def by_hand_other_user(root, tenant):
    root[tenant.appid].command("createUser", "somebody", pwd=new_secret(), roles=["read"])


def by_hand_data(root, tenant):
    root[tenant.appid]["things"].insert_many([{"x": i} for i in range(3)])


def by_hand_role(root, tenant):
    root[tenant.appid].command("createRole", "reader", privileges=[], roles=["read"])


def by_hand_all(root, tenant):
    by_hand_user(root, tenant)
    by_hand_data(root, tenant)
    by_hand_role(root, tenant)


def by_hand_upper_case(root, tenant):
    root[tenant.appid.upper()]["things"].insert_one({})


def by_other_instance(root, tenant):
    mark = {"tenantd": OTHER_INSTANCE, "appid": tenant.appid}
    root[tenant.appid].command("createRole", ROLE, privileges=[], roles=[])
    root[tenant.appid].command("createUser", tenant.appid, pwd=new_secret(), roles=[ROLE],
                               customData=mark)


FOREIGN = [by_hand_user, by_hand_other_user, by_hand_data, by_hand_role, by_hand_all,
           by_hand_upper_case, by_other_instance]


@pytest.mark.parametrize("absent_before", [False, True])
@pytest.mark.parametrize("hand", FOREIGN)
def test_foreign_is_left_alone(shell, mongod, root, tenant, hand, absent_before):
    hand(root, tenant)
    tenant.absent_before = absent_before
    before = everything(root, tenant.appid)
    seen = ok(shell.call(**tenant.request("observe")))
    assert seen["presence"] == "foreign" and seen["reason"]
    for verb, access in (("ensure", "full"), ("ensure", "fenced"), ("ensure", "none"),
                         ("remove", "full")):
        reply = shell.call(**tenant.request(verb, access=access, keep="ab"))
        assert (reply["rc"], reply["presence"]) == ("FOREIGN", "foreign"), reply
        assert set(names(reply)) <= {"find", "listDatabases", "login"}
    assert everything(root, tenant.appid) == before


def test_foreign_tenant_works_on(shell, mongod, root, tenant):
    """A user and a database by hand, in use while we are told to take them."""
    password = new_secret()
    root[tenant.appid].command("createUser", tenant.appid, pwd=password, roles=["readWrite"])
    with pymongo.MongoClient(mongod.address, directConnection=True, username=tenant.appid,
                             password=password, authSource=tenant.appid) as client:
        things = client[tenant.appid]["things"]
        things.insert_many([{"x": i} for i in range(10)])
        cursor = things.find({}, batch_size=2)
        next(cursor)
        for verb in ("observe", "ensure", "remove"):
            shell.call(**tenant.request(verb, access="none"))
            things.insert_one({})
        assert len(list(cursor)) >= 9


def test_two_instances_want_one_name(mongod, root):
    with Shell(mongod) as one, Shell(mongod, instance=OTHER_INSTANCE) as two:
        for _ in range(10):
            ours, theirs = Tenant(), Tenant()
            theirs.appid = ours.appid
            for shell, tenant in ((one, ours), (two, theirs)):
                shell.send(tenant.request("ensure"))
            replies = [one.receive(), two.receive()]
            assert sorted(r["rc"] for r in replies) == ["FOREIGN", "OK"], replies
            won, shell, mark = (ours, one, INSTANCE) if replies[0]["rc"] == "OK" \
                else (theirs, two, OTHER_INSTANCE)
            user, = root[ours.appid].command("usersInfo")["users"]
            assert user["customData"]["tenantd"] == mark
            with won.client(mongod) as client:
                client[won.appid]["things"].insert_one({})
            won.recorded()
            settled(shell, won)


def test_name_taken_while_we_make_it(mongod, root):
    """Somebody makes the user when we have looked, or have made the role already."""
    for roles in (["read"], [ROLE]):
        for stop_after in (3, 4) if roles == ["read"] else (4,):
            tenant = Tenant()
            db = root[tenant.appid]
            with Shell(mongod, stop_after=stop_after) as shell:
                reply = shell.meanwhile(
                    tenant.request("ensure"),
                    lambda: db.command("createUser", tenant.appid, pwd=new_secret(),
                                       roles=roles))
                assert (reply["rc"], reply["presence"]) == ("FOREIGN", "foreign")
                assert "createUser" in names(reply) or stop_after == 3
            user, = db.command("usersInfo")["users"]
            assert user["roles"] == [{"role": roles[0], "db": tenant.appid}]
            # Our role went again, unless somebody had taken it for his own.
            left = db.command("rolesInfo", 1)["roles"]
            assert len(left) == (1 if roles == [ROLE] else 0)


def test_user_dropped_while_we_look(mongod, root):
    """Between our look and our next step somebody drops user and role: they are made again,
    and the refused login is not taken for a changed password."""
    for verb in ("ensure", "observe"):
        for stop_after in range(1, 9):
            tenant = Tenant()
            db = root[tenant.appid]
            with Shell(mongod) as shell:
                make(shell, tenant)
                total = len(ok(shell.call(**tenant.request(verb)))["calls"])
            if stop_after >= total:
                break
            with Shell(mongod, stop_after=stop_after) as shell:
                reply = ok(shell.meanwhile(
                    tenant.request(verb),
                    lambda: (db.command("dropAllUsersFromDatabase"),
                             db.command("dropAllRolesFromDatabase"))))
                assert reply["reason"] != "PasswordChanged"
                ok(shell.call(**tenant.request("ensure")))
                settled(shell, tenant)
        assert stop_after > 3


def test_mark_of_ours_is_not_enough_without_a_record(shell, root, live):
    live.claimed, live.absent_before = False, False
    before = everything(root, live.appid)
    assert ok(shell.call(**live.request("observe")))["presence"] == "ours"
    for verb in ("ensure", "remove"):
        reply = shell.call(**live.request(verb, access="none"))
        assert (reply["rc"], reply["reason"]) == ("FOREIGN", "NotRecorded")
    assert everything(root, live.appid) == before


def test_password_of_the_intent_proves_it_ours(shell, mongod, root, tenant):
    root[tenant.appid].command("createUser", tenant.appid, pwd=tenant.secrets["a"], roles=[],
                               mechanisms=["SCRAM-SHA-256"])
    made = ok(shell.call(**tenant.request("ensure")))
    assert made["presence"] == "ours"
    tenant.recorded()
    settled(shell, tenant)


# Access


def run_in_thread(call):
    """Run it; .join() then .error is what it raised."""
    def body():
        try:
            call()
        except pymongo.errors.PyMongoError as error:
            thread.error = error
    thread = threading.Thread(target=body, daemon=True)
    thread.error = None
    thread.start()
    return thread


def operations(root, appid):
    return [op for op in root.admin.aggregate([{"$currentOp": {"allUsers": True}}])
            if any(u["db"] == appid for u in op.get("effectiveUsers", []))]


def slow_merge(db):
    """Each document takes about a millisecond, and is in `copies` then."""
    slow = {"$size": {"$filter": {"input": {"$range": [0, 4000]},
                                  "cond": {"$lt": ["$$this", 0]}}}}
    return lambda: db["things"].aggregate([{"$set": {"y": slow}}, {"$merge": "copies"}])


def slow_update_without_session(db):
    slow = {"$size": {"$filter": {"input": {"$range": [0, 4000]},
                                  "cond": {"$lt": ["$$this", 0]}}}}
    things = db["things"].with_options(write_concern=pymongo.WriteConcern(w=0))
    return lambda: things.update_many({}, [{"$set": {"y": slow}}])


def fill(client, appid, documents=20000):
    client[appid]["things"].insert_many([{"x": i} for i in range(documents)])


def test_fence_lets_read_and_delete(shell, mongod, live):
    with live.client(mongod) as client:
        things = client[live.appid]["things"]
        things.insert_many([{"x": i} for i in range(5)])
        ok(shell.call(**live.request("ensure", access="fenced")))
        assert code_of(lambda: things.insert_one({})) == NOT_AUTHORIZED
        assert code_of(lambda: things.update_one({}, {"$unset": {"x": 1}})) == \
            NOT_AUTHORIZED
        assert code_of(lambda: things.create_index("x")) == NOT_AUTHORIZED
        assert things.count_documents({}) == 5
        assert things.delete_many({"x": {"$lt": 2}}).deleted_count == 2
        ok(shell.call(**live.request("ensure")))
        things.insert_one({})


def test_fence_stops_what_runs(shell, mongod, root, live):
    db = root[live.appid]
    with live.client(mongod) as client, live.client(mongod) as other:
        fill(client, live.appid)
        merge = run_in_thread(slow_merge(client[live.appid]))
        wait_until(lambda: db["copies"].count_documents({}) > 0 or
                   operations(root, live.appid), 10, "$merge at work")
        session = other.start_session()
        session.start_transaction()
        other[live.appid]["bag"].insert_one({"x": 1}, session=session)
        reply = ok(shell.call(**live.request("ensure", access="fenced")))
        assert reply["took_ms"] < 1000
        merge.join(5)
        assert not merge.is_alive() and merge.error is not None
        copies = db["copies"].count_documents({})
        assert copies < 20000
        with pytest.raises(pymongo.errors.PyMongoError):
            session.commit_transaction()
        assert db["bag"].count_documents({}) == 0
        assert operations(root, live.appid) == []
        assert db["copies"].count_documents({}) == copies


def test_fence_stops_what_runs_without_a_session(shell, mongod, root, live):
    db = root[live.appid]
    with live.client(mongod) as client:
        fill(client, live.appid)
        slow_update_without_session(client[live.appid])()
        found = wait_until(lambda: operations(root, live.appid), 10, "update at work")
        assert all("lsid" not in op for op in found)
        ok(shell.call(**live.request("ensure", access="fenced")))
        assert operations(root, live.appid) == []
        done = db["things"].count_documents({"y": {"$exists": True}})
        assert done < 20000
        assert db["things"].count_documents({"y": {"$exists": True}}) == done


def test_fence_again_ends_what_an_interrupted_one_left(shell, mongod, root, live):
    """The role was fenced and we were killed: the second call finds nothing to change in the
    role, and must end the work all the same."""
    with live.client(mongod) as client:
        fill(client, live.appid)
        merge = run_in_thread(slow_merge(client[live.appid]))
        wait_until(lambda: operations(root, live.appid), 10, "$merge at work")
        fenced = ok(shell.call(**Tenant().request("ensure")))  # another one: to compare
        assert "createRole" in names(fenced)
        dying = Shell(mongod, die_after=4)
        assert dying.call(**live.request("ensure", access="fenced")) is None
        dying.close()
        settled(shell, live, access="fenced")
        assert operations(root, live.appid) != []
        reply = ok(shell.call(**live.request("ensure", access="fenced")))
        assert "updateRole" not in names(reply)
        merge.join(5)
        assert merge.error is not None
        assert operations(root, live.appid) == []


def test_a_smaller_template_ends_what_runs(shell, mongod, root, live):
    with live.client(mongod) as client:
        fill(client, live.appid)
        merge = run_in_thread(slow_merge(client[live.appid]))
        wait_until(lambda: operations(root, live.appid), 10, "$merge at work")
        live.template = "tenantd_readonly"
        if shell.call(**live.request("ensure"))["rc"] != "OK":
            pytest.fail("tenantd_readonly cannot be used as a template")
        merge.join(5)
        assert merge.error is not None


def test_suspend_ends_everything_at_once(shell, mongod, root, tenant):
    make_both(shell, tenant)
    with tenant.client(mongod, "a") as a, tenant.client(mongod, "b") as b, \
            tenant.client(mongod, "b") as idle:
        fill(a, tenant.appid)
        idle[tenant.appid]["things"].find_one()
        cursor = b[tenant.appid]["things"].find({}, batch_size=2)
        next(cursor)
        session = b.start_session()
        session.start_transaction()
        b[tenant.appid]["bag"].insert_one({}, session=session)
        merge = run_in_thread(slow_merge(a[tenant.appid]))
        wait_until(lambda: operations(root, tenant.appid), 10, "$merge at work")
        began = time.monotonic()
        reply = ok(shell.call(**tenant.request("ensure", access="none", keep="ab")))
        # A fraction of a second; the bound allows for a busy machine.
        print(f"\nsuspended in {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 5
        assert operations(root, tenant.appid) == []
        merge.join(5)
        assert merge.error is not None
        for client in (a, b, idle):
            assert code_of(lambda: client[tenant.appid]["things"].find_one()) != 0
        with pytest.raises(pymongo.errors.PyMongoError):
            list(cursor)
        with pytest.raises(pymongo.errors.PyMongoError):
            session.commit_transaction()
        assert root[tenant.appid]["bag"].count_documents({}) == 0
        assert tenant.login_code(mongod, "a") == LOGIN_FAILED
        assert tenant.login_code(mongod, "b") == LOGIN_FAILED
        assert mongod.users(tenant.appid) == set()
        # The logins were tried, with our own before and after.
        assert names(reply).count("login") == 4
        settled(shell, tenant, access="none", keep="ab")
        ok(shell.call(**tenant.request("ensure", keep="ab", unlock=True)))
        # The same password works again; a connection from before does not come to life.
        assert tenant.login_code(mongod, "a") == tenant.login_code(mongod, "b") == 0
        assert root[tenant.appid]["things"].count_documents({}) == 20000
    tenant.recorded("ab")
    settled(shell, tenant, keep="ab")


def test_suspended_stays_so_without_unlock(shell, mongod, root, live):
    ok(shell.call(**live.request("ensure", access="none")))
    before = everything(root, live.appid)
    reply = ok(shell.call(**live.request("ensure")))
    assert (reply["drifted"], reply["reason"]) == (True, "RoleEmptied")
    assert everything(root, live.appid) == before


def test_retire_one_slot_while_the_other_works(shell, mongod, root, tenant):
    make_both(shell, tenant)
    stop, errors, count = threading.Event(), [], [0]

    def work(client):
        while not stop.is_set():
            try:
                client[tenant.appid]["things"].insert_one({})
                count[0] += 1
            except pymongo.errors.PyMongoError as error:
                errors.append(error)

    with tenant.client(mongod, "a") as a, tenant.client(mongod, "b") as b:
        a[tenant.appid]["things"].insert_one({})
        thread = threading.Thread(target=work, args=(b,))
        thread.start()
        try:
            ok(shell.call(**tenant.request("ensure", keep="b", retire="a")))
            assert code_of(lambda: a[tenant.appid]["things"].find_one()) == NOT_AUTHORIZED
            assert tenant.login_code(mongod, "a") == LOGIN_FAILED
            before = count[0]
            wait_until(lambda: count[0] > before + 10, 10, "the other slot at work")
        finally:
            stop.set()
            thread.join()
    assert errors == []
    # The other way round: a new secret in the slot that is free again.
    tenant.secrets["a"], tenant.fresh["a"] = new_secret(), True
    ok(shell.call(**tenant.request("ensure", keep="ab")))
    assert tenant.login_code(mongod, "a") == tenant.login_code(mongod, "b") == 0


def test_fresh_slot_replaces_a_left_over_user_of_ours(shell, mongod, root, live):
    ok(shell.call(**live.request("ensure", keep="ab")))
    live.secrets["b"] = new_secret()
    ok(shell.call(**live.request("ensure", keep="ab")))
    assert live.login_code(mongod, "a") == live.login_code(mongod, "b") == 0


# Removal


def test_remove_with_an_open_transaction(shell, mongod, root, live):
    neighbour = Tenant()
    make(shell, neighbour)
    before = everything(root, neighbour.appid)
    root[live.appid].command("createUser", "somebody", pwd=new_secret(), roles=["readWrite"])
    root[live.appid].command("createRole", "other", privileges=[], roles=[])
    with live.client(mongod) as client:
        client[live.appid]["things"].insert_one({})
        session = client.start_session()
        session.start_transaction()
        client[live.appid]["things"].insert_one({}, session=session)
        gone = ok(shell.call(**live.request("remove")))
        assert (gone["presence"], gone["more"], gone["progress"]) == ("absent", False, 1)
        assert code_of(lambda: client[live.appid]["things"].insert_one({})) != 0
    assert everything(root, live.appid) == ([], [], set(), {})
    assert live.login_code(mongod) == LOGIN_FAILED
    assert everything(root, neighbour.appid) == before
    again = ok(shell.call(**live.request("remove")))
    assert (again["presence"], again["more"], again["progress"]) == ("absent", False, 0)


def test_remove_waits_for_somebody_elses_transaction(shell, mongod, root, live):
    root[live.appid]["things"].insert_one({})
    with root.start_session() as session:
        session.start_transaction()
        root[live.appid]["things"].insert_one({}, session=session)
        began = time.monotonic()
        reply = ok(shell.call(**live.request("remove", deadline_ms=2000)))
        assert time.monotonic() - began < 2.5
        assert (reply["more"], reply["reason"]) == (True, "DatabaseBusy")
        # The tenant is out already.
        assert mongod.users(live.appid) == set()
        session.abort_transaction()
    gone = ok(shell.call(**live.request("remove")))
    assert (gone["presence"], gone["more"]) == ("absent", False)
    assert everything(root, live.appid) == ([], [], set(), {})


def test_remove_what_was_made_and_never_recorded(shell, root, tenant):
    ok(shell.call(**tenant.request("ensure")))
    ok(shell.call(**tenant.request("remove")))
    assert everything(root, tenant.appid) == ([], [], set(), {})


def test_remove_many_users(shell, mongod, root, live):
    """More than one look shows."""
    users = root.admin["system.users"]
    document = users.find_one({"_id": f"{live.appid}.{live.appid}"})
    users.insert_many([{**document, "_id": f"{live.appid}.u{i}", "user": f"u{i}",
                        "userId": bson.Binary(os.urandom(16), 4)} for i in range(70)])
    gone = ok(shell.call(**live.request("remove")))
    assert gone["presence"] == "absent"
    assert everything(root, live.appid) == ([], [], set(), {})


# Drift: (what somebody does, what observe says, does ensure repair it)


def role_gets_more(db, tenant):
    db.command("updateRole", ROLE, privileges=[], roles=["dbOwner"])


def role_emptied(db, tenant):
    db.command("updateRole", ROLE, privileges=[], roles=[])


def role_dropped(db, tenant):
    db.command("dropRole", ROLE)


def user_dropped(db, tenant):
    db.command("dropUser", tenant.appid)


def user_gets_role(db, tenant):
    db.command("grantRolesToUser", tenant.appid, roles=["dbOwner"])


def user_loses_role(db, tenant):
    db.command("updateUser", tenant.appid, roles=[])


def mark_lost(db, tenant):
    db.command("updateUser", tenant.appid, customData={})


def foreign_user(db, tenant):
    db.command("createUser", "somebody", pwd=new_secret(), roles=["read"])


def foreign_role(db, tenant):
    db.command("createRole", "other", privileges=[], roles=["read"])


def password_changed(db, tenant):
    db.command("updateUser", tenant.appid, pwd=new_secret())


@pytest.mark.parametrize("change,reason,repaired", [
    (role_gets_more, "RoleChanged", True),
    (role_emptied, "RoleEmptied", False),
    (role_dropped, "RoleMissing", True),
    (user_dropped, "UserMissing", True),
    (user_gets_role, "RolesChanged", True),
    (user_loses_role, "RolesChanged", True),
    (mark_lost, "MarkMissing", True),
    (foreign_user, "ForeignUser", False),
    (foreign_role, "ForeignRole", False)])
def test_drift(shell, mongod, root, live, change, reason, repaired):
    change(root[live.appid], live)
    before = everything(root, live.appid)
    seen = ok(shell.call(**live.request("observe")))
    assert (seen["presence"], seen["drifted"], seen["reason"]) == ("ours", True, reason)
    assert everything(root, live.appid) == before
    fixed = ok(shell.call(**live.request("ensure")))
    if repaired:
        settled(shell, live)
        with live.client(mongod) as client:
            client[live.appid]["things"].insert_one({})
    else:
        assert (fixed["drifted"], fixed["reason"]) == (True, reason)
        assert everything(root, live.appid) == before


def test_changed_password_is_told_and_not_reset(shell, mongod, root, live):
    password_changed(root[live.appid], live)
    before = everything(root, live.appid)
    seen = ok(shell.call(**live.request("observe")))
    assert (seen["drifted"], seen["reason"]) == (True, "PasswordChanged")
    reply = shell.call(**live.request("ensure"))
    assert (reply["rc"], reply["reason"]) == ("BACKEND_REFUSED", "PasswordChanged")
    assert everything(root, live.appid) == before
    # A fence holds all the same.
    shell.call(**live.request("ensure", access="fenced"))
    role = root[live.appid].command("rolesInfo", ROLE, showPrivileges=True)["roles"][0]
    assert "insert" not in role["privileges"][0]["actions"]
    # Suspend and resume make the user anew.
    ok(shell.call(**live.request("ensure", access="none")))
    ok(shell.call(**live.request("ensure", unlock=True)))
    assert live.login_code(mongod) == 0


def test_a_foreign_user_with_a_slots_name_keeps_its_password(shell, mongod, root, live):
    root[live.appid].command("createUser", live.user("b"), pwd=new_secret(), roles=[])
    before = everything(root, live.appid)
    reply = shell.call(**live.request("ensure", keep="ab"))
    assert (reply["rc"], reply["reason"]) == ("BACKEND_REFUSED", "ForeignUser")
    assert everything(root, live.appid) == before


# tenantd's own credentials


class OwnUser:
    """Another user like tenantd's own, with files of its own."""

    def __init__(self, root, folder):
        self.root = root
        self.name = "own" + new_appid()
        self.admin_user_file = folder / f"{self.name}.username"
        self.admin_password_file = folder / f"{self.name}.password"
        self.set_password("createUser", roles=["tenantd"], mechanisms=["SCRAM-SHA-256"])
        self.write(self.admin_password_file)
        self.write(self.admin_user_file, self.name)

    def set_password(self, command="updateUser", **more):
        self.password = new_secret()
        self.root.admin.command(command, self.name, pwd=self.password, **more)

    def write(self, path, value=None):
        new = path.with_suffix(".new")
        new.touch(0o600)
        new.write_text((value or self.password) + "\n")
        new.rename(path)


def test_own_password_changes_without_a_restart(mongod, root, tmp_path, tenant):
    own = OwnUser(root, tmp_path)
    own.uri = mongod.uri
    following = (own.admin_user_file, tmp_path / "next.password")
    with Shell(own, next_files=following) as shell:
        make(shell, tenant)
        # Changed and written to `next` only; connections from before still work, so the
        # driver is told by the server when it needs a new one.
        own.set_password()
        own.write(following[1])
        assert ok(shell.call(verb="probe"))
        settled(shell, tenant)
        # Then to `current` only, and all our connections lose their user.
        root.admin.command("dropUser", own.name)
        own.set_password("createUser", roles=["tenantd"], mechanisms=["SCRAM-SHA-256"])
        own.write(own.admin_password_file)
        settled(shell, tenant)
        # Nothing fits; told, with the name of the file and without its content.
        root.admin.command("dropUser", own.name)
        refused = shell.call(**tenant.request("observe"))
        assert refused["rc"] == "BACKEND_AUTH"
        assert own.password not in json.dumps(refused)
        assert shell.call(verb="probe")["rc"] == "BACKEND_AUTH"
        own.set_password("createUser", roles=["tenantd"], mechanisms=["SCRAM-SHA-256"])
        own.write(own.admin_password_file)
        assert ok(shell.call(verb="probe"))
        settled(shell, tenant)


def test_a_missing_right_is_told(mongod, root, tmp_path, tenant):
    own = OwnUser(root, tmp_path)
    own.uri = mongod.uri
    root.admin.command("updateUser", own.name, roles=["readAnyDatabase"])
    with Shell(own) as shell:
        reply = shell.call(**tenant.request("ensure"))
        assert (reply["rc"], reply["upstream"]) == ("BACKEND_AUTH", 13)


def test_measure(shell, mongod, live):
    empty = ok(shell.call(verb="measure", appid=live.appid))
    assert (empty["data_bytes"], empty["collections"]) == (0, 0)
    with live.client(mongod) as client:
        client[live.appid]["things"].insert_many([{"x": "y" * 1000} for _ in range(100)])
    used = ok(shell.call(verb="measure", appid=live.appid))
    assert used["data_bytes"] > 100_000 and used["index_bytes"] > 0
    assert (used["collections"], used["objects"]) == (1, 100)
