"""The MongoDB driver when something breaks: it is killed at every sub-step, the server is
slow, silent, cut off, or not primary for a while. The same call again always converges."""
import itertools
import threading
import time

import pytest

from tests.service.mongo_driver_support import (  # noqa: F401 (fixtures)
    LOGIN_FAILED, Shell, Tenant, everything, make, make_both, mongod, ok, root, settled,
    tenant)
from tests.testbed.fault_proxy import FaultProxy
from tests.testbed.mongod import Mongod
from tests.testbed.process import reserve_port


# Crashes: whatever the last request that was carried out, the same call again converges.


def calls_of(mongod, prepare, request):
    """How many backend requests the call makes when nothing happens."""
    tenant = Tenant()
    with Shell(mongod) as shell:
        prepare(shell, tenant)
        return len(ok(shell.call(**request(tenant)))["calls"])


def crash_everywhere(mongod, prepare, request, check):
    """Run request() in a process that dies after its N-th backend request, for every N, and
    then again in one that does not."""
    total = calls_of(mongod, prepare, request)
    assert total > 3
    deaths = 0
    for n in range(1, total + 1):
        tenant = Tenant()
        with Shell(mongod) as shell:
            prepare(shell, tenant)
            dying = Shell(mongod, die_after=n)
            deaths += dying.call(**request(tenant)) is None
            dying.close()
            assert dying.status == -9
            reply = ok(shell.call(**request(tenant)))
            check(shell, tenant, reply)
    assert deaths == total


def test_crash_while_making(mongod, root):
    def check(shell, tenant, reply):
        assert reply["presence"] == "ours" and not reply["drifted"]
        assert mongod.users(tenant.appid) == {tenant.appid}
        tenant.recorded()
        settled(shell, tenant)
    crash_everywhere(mongod, lambda shell, tenant: None,
                     lambda tenant: tenant.request("ensure"), check)


def test_crash_while_fencing(mongod, root):
    def check(shell, tenant, reply):
        settled(shell, tenant, access="fenced")
    crash_everywhere(mongod, make,
                     lambda tenant: tenant.request("ensure", access="fenced"), check)


def test_crash_while_suspending_and_resuming(mongod, root):
    def suspended(shell, tenant, reply):
        assert mongod.users(tenant.appid) == set()
        assert tenant.login_code(mongod) == LOGIN_FAILED
        settled(shell, tenant, access="none", keep="ab")
        ok(shell.call(**tenant.request("ensure", keep="ab", unlock=True)))
        assert tenant.login_code(mongod, "a") == tenant.login_code(mongod, "b") == 0
    crash_everywhere(mongod, make_both,
                     lambda tenant: tenant.request("ensure", access="none", keep="ab"),
                     suspended)

    def suspend(shell, tenant):
        make_both(shell, tenant)
        ok(shell.call(**tenant.request("ensure", access="none", keep="ab")))

    def resumed(shell, tenant, reply):
        assert tenant.login_code(mongod, "a") == tenant.login_code(mongod, "b") == 0
        settled(shell, tenant, keep="ab")
    crash_everywhere(mongod, suspend,
                     lambda tenant: tenant.request("ensure", keep="ab", unlock=True), resumed)


def test_crash_while_retiring(mongod, root):
    def check(shell, tenant, reply):
        assert mongod.users(tenant.appid) == {tenant.user("b")}
        assert tenant.login_code(mongod, "a") == LOGIN_FAILED
        settled(shell, tenant, keep="b", retire="a")
    crash_everywhere(mongod, make_both,
                     lambda tenant: tenant.request("ensure", keep="b", retire="a"), check)


def test_crash_while_removing(mongod, root):
    def prepare(shell, tenant):
        make_both(shell, tenant)
        with tenant.client(mongod) as client:
            client[tenant.appid]["things"].insert_one({})

    def check(shell, tenant, reply):
        assert (reply["presence"], reply["more"]) == ("absent", False)
        assert everything(root, tenant.appid) == ([], [], set(), {})
        assert tenant.login_code(mongod, "a") == LOGIN_FAILED
    crash_everywhere(mongod, prepare,
                     lambda tenant: tenant.request("remove", keep="ab"), check)


# A server in trouble


@pytest.fixture(scope="module")
def faulty(run_dir):
    """(mongod behind a fault proxy, the proxy)."""
    with FaultProxy(run_dir / "mongo_driver_proxy") as proxies:
        server = Mongod(run_dir / "mongo_driver_faulty", {"mongodb": reserve_port()})
        proxy = proxies.proxy("mongod", server.address)
        server.advertise = proxy.address
        with server:
            yield server, proxy


def test_dead_server(mongod, tenant):
    with Shell(mongod, uri=f"mongodb://127.0.0.1:{reserve_port()}/?replicaSet=rs0") as shell:
        reply = shell.call(**tenant.request("ensure", deadline_ms=20000))
        assert reply["rc"] == "UNREACHABLE"
        assert reply["took_ms"] < 5000


@pytest.mark.parametrize("deadline_ms", [200, 1000, 4000])
def test_server_that_never_answers(faulty, deadline_ms):
    mongod, _ = faulty
    tenant = Tenant()
    with Shell(mongod) as shell:
        make(shell, tenant)
        mongod.pause()
        try:
            for verb, access in (("observe", "full"), ("ensure", "none"), ("remove", "full")):
                reply = shell.call(**tenant.request(verb, access=access,
                                                    deadline_ms=deadline_ms))
                assert reply["rc"] in ("UNREACHABLE", "TIMEOUT")
                assert reply["took_ms"] <= deadline_ms + 250
        finally:
            mongod.unpause()
        settled(shell, tenant)


def test_replies_that_get_lost(faulty):
    """Requests are carried out and nobody tells; then all is well again."""
    mongod, proxy = faulty
    tenant = Tenant()
    with Shell(mongod) as shell:
        make(shell, Tenant())  # connected and logged in
        proxy.swallow_replies()
        try:
            reply = shell.call(**tenant.request("ensure", deadline_ms=1500))
            assert reply["rc"] in ("UNREACHABLE", "TIMEOUT")
            assert reply["took_ms"] < 1750
        finally:
            proxy.heal()
        ok(shell.call(**tenant.request("ensure")))
        assert tenant.login_code(mongod) == 0


@pytest.mark.parametrize("verb,access", [
    ("ensure", "full"), ("ensure", "fenced"), ("ensure", "none"), ("remove", "full")])
def test_connections_cut_in_the_middle(faulty, verb, access):
    """Every connection ends after some bytes of replies, wherever that is; what was begun
    is completed when the line is good again."""
    mongod, proxy = faulty
    failed = 0
    for nbytes in list(range(50, 3000, 270)) + [3600, 5000]:
        tenant = Tenant()
        with Shell(mongod) as shell:
            if (verb, access) != ("ensure", "full"):
                make(shell, tenant)
            proxy.cut_reply_after(nbytes)
            try:
                reply = shell.call(**tenant.request(verb, access=access, deadline_ms=5000))
            finally:
                proxy.heal()
            failed += reply["rc"] != "OK"
            assert reply["rc"] in ("OK", "UNREACHABLE", "TIMEOUT"), reply
            reply = ok(shell.call(**tenant.request(verb, access=access)))
            if verb == "remove":
                assert reply["presence"] == "absent"
            else:
                tenant.recorded()
                settled(shell, tenant, access=access)
                assert tenant.login_code(mongod) == (LOGIN_FAILED if access == "none"
                                                     else 0)
    assert failed > 3, "nothing was cut"


def test_slow_server(faulty):
    mongod, proxy = faulty
    tenant = Tenant()
    with Shell(mongod) as shell:
        proxy.slow(150)
        try:
            ok(shell.call(**tenant.request("ensure")))
            reply = shell.call(**Tenant().request("ensure", deadline_ms=1000))
            assert reply["rc"] in ("TIMEOUT", "UNREACHABLE")
            assert reply["took_ms"] < 1500
        finally:
            proxy.heal()
        assert tenant.login_code(mongod) == 0


def test_cut_and_healed_line(faulty):
    mongod, proxy = faulty
    tenant = Tenant()
    with Shell(mongod) as shell:
        make(shell, tenant)
        proxy.cut()
        try:
            began = time.monotonic()
            reply = shell.call(**tenant.request("ensure", access="none"))
            assert reply["rc"] == "UNREACHABLE"
            assert time.monotonic() - began < 5
        finally:
            proxy.heal()
        ok(shell.call(**tenant.request("ensure", access="none")))
        assert tenant.login_code(mongod) == LOGIN_FAILED


def test_no_proof_of_death_over_a_broken_line(faulty):
    """A login that breaks off looks much like one that is refused."""
    mongod, proxy = faulty
    for nbytes in range(200, 1400, 80):
        tenant = Tenant()
        with Shell(mongod) as shell:
            make(shell, tenant)
            ok(shell.call(**tenant.request("observe")))
            proxy.cut_reply_after(nbytes)
            try:
                seen = shell.call(**tenant.request("observe", deadline_ms=3000))
            finally:
                proxy.heal()
            assert seen["reason"] != "PasswordChanged"
            assert not (seen["rc"] == "OK" and seen["drifted"])


def test_stepped_down_primary_is_waited_for(mongod, tenant):
    with Shell(mongod) as shell:
        make(shell, Tenant())
        mongod.step_down(3)
        began = time.monotonic()
        ok(shell.call(**tenant.request("ensure", deadline_ms=30000)))
        assert time.monotonic() - began > 1, "it did not step down"
        assert tenant.login_code(mongod) == 0


def test_stepped_down_primary_and_no_time(mongod, tenant):
    with Shell(mongod) as shell:
        make(shell, Tenant())
        mongod.step_down(5)
        reply = shell.call(**tenant.request("ensure", deadline_ms=1500))
        assert reply["rc"] in ("UNREACHABLE", "TIMEOUT")
        assert reply["took_ms"] < 1750
        mongod.wait_primary()
        ok(shell.call(**tenant.request("ensure")))


def test_step_downs_during_work(mongod, root):
    """Tenants are made and suspended while the primary steps down again and again.

    The pauses differ: short ones hit every command, long ones let even a loaded machine
    get on, so that what is tested is convergence and not luck.
    """
    stop = threading.Event()

    def unrest():
        for pause in itertools.cycle((0.1, 0.3, 1, 3)):
            if stop.wait(pause):
                return
            mongod.step_down(1)
            mongod.wait_primary()

    thread = threading.Thread(target=unrest)
    thread.start()
    try:
        with Shell(mongod) as shell:
            for _ in range(3):
                tenants = [Tenant() for _ in range(4)]
                for t, r in zip(tenants, shell.parallel(
                        [t.request("ensure", deadline_ms=60000) for t in tenants])):
                    ok(r)
                    t.recorded()
                for r in shell.parallel([t.request("ensure", access="none",
                                                   deadline_ms=60000) for t in tenants]):
                    ok(r)
    finally:
        stop.set()
        thread.join()
    mongod.wait_primary()
    for tenant in tenants:
        assert mongod.users(tenant.appid) == set()
