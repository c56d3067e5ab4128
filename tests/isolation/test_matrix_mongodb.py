"""Tenant A against tenant B with MongoDB commands. Each row is run on A's own database,
where it works or is refused as the tenant's role says, and aimed at B's or the cluster."""
import pymongo
import pytest
from pymongo.errors import OperationFailure

from tests.isolation.matrix import OK, REFUSED, Matrix, attempt

from tests.testbed import clients

matrix = Matrix("MongoDB, with tenant A's credentials")
NOT_AUTHORIZED = 13


class Party:
    def __init__(self, api, appid):
        api.create_tenant(appid)
        self.appid = appid
        self.credentials = api.credentials(appid)
        self.client = clients.mongo(self.credentials)
        self.db = self.client[appid]
        self.fill()

    def fill(self):
        self.db.docs.delete_many({})
        self.db.docs.insert_many([{"_id": i, "v": i} for i in range(5)])


@pytest.fixture(scope="module")
def parties(api, new_appid):
    a, b = Party(api, new_appid()), Party(api, new_appid())
    yield a, b
    a.client.close()
    b.client.close()
    print(matrix)


def run(db, *args, **kwargs):
    return db.command(*args, **kwargs)


# name, call(database to aim at, the other tenant's name), does it work on the own one?
ROWS = [
    ("find", lambda d, o: list(d.docs.find()), OK),
    ("count", lambda d, o: d.docs.count_documents({}), OK),
    ("distinct", lambda d, o: d.docs.distinct("v"), OK),
    ("aggregate", lambda d, o: list(d.docs.aggregate([{"$group": {"_id": None}}])), OK),
    ("insert", lambda d, o: d.docs.insert_one({"x": 1}), OK),
    ("update", lambda d, o: d.docs.update_one({"_id": 0}, {"$set": {"v": 9}}), OK),
    ("findAndModify", lambda d, o: d.docs.find_one_and_update({"_id": 0}, {"$inc": {"v": 1}}), OK),
    ("delete", lambda d, o: d.docs.delete_one({"_id": 1}), OK),
    ("bulkWrite", lambda d, o: d.docs.bulk_write([pymongo.InsertOne({"y": 1})]), OK),
    ("createIndex", lambda d, o: d.docs.create_index("v"), OK),
    ("dropIndexes", lambda d, o: (d.docs.drop_indexes()), OK),
    ("listCollections", lambda d, o: d.list_collection_names(), OK),
    ("listIndexes", lambda d, o: list(d.docs.list_indexes()), OK),
    ("create collection", lambda d, o: d.create_collection(f"c{id(d)}"), OK),
    ("rename within", lambda d, o: d.docs.rename("docs2", dropTarget=True), OK),
    ("drop collection", lambda d, o: run(d, "drop", "docs2"), OK),
    ("$out within", lambda d, o: list(d.docs.aggregate([{"$out": "out"}])), OK),
    ("$merge within", lambda d, o: list(d.docs.aggregate([{"$merge": "out"}])), OK),
    ("$lookup within", lambda d, o: list(d.docs.aggregate([{"$lookup": {
        "from": "docs", "localField": "v", "foreignField": "v", "as": "x"}}])), OK),
    ("dbStats", lambda d, o: run(d, "dbStats"), OK),
    ("collStats", lambda d, o: run(d, "collStats", "docs"), OK),
    ("change stream", lambda d, o: d.watch(max_await_time_ms=10).close(), OK),
    ("transaction", lambda d, o: transaction(d), OK),
    ("create view", lambda d, o: (run(d, "create", "view", viewOn="docs", pipeline=[]),
                                  run(d, "drop", "view")), OK),
    ("dropDatabase", lambda d, o: run(d, "dropDatabase"), REFUSED),
    ("createUser", lambda d, o: run(d, "createUser", "evil", pwd="x" * 12, roles=[]), REFUSED),
    ("createUser with role", lambda d, o: run(d, "createUser", "evil", pwd="x" * 12, roles=[
        {"role": "readWrite", "db": o}]), REFUSED),
    ("updateUser", lambda d, o: run(d, "updateUser", d.name, pwd="y" * 12), REFUSED),
    ("dropUser", lambda d, o: run(d, "dropUser", d.name), REFUSED),
    ("dropAllUsersFromDatabase", lambda d, o: run(d, "dropAllUsersFromDatabase"), REFUSED),
    ("grantRolesToUser", lambda d, o: run(d, "grantRolesToUser", d.name,
                                          roles=[{"role": "root", "db": "admin"}]), REFUSED),
    ("createRole", lambda d, o: run(d, "createRole", "evil", privileges=[], roles=[]), REFUSED),
    ("updateRole", lambda d, o: run(d, "updateRole", "tenantd_app", privileges=[]), REFUSED),
    ("dropRole", lambda d, o: run(d, "dropRole", "tenantd_app"), REFUSED),
    ("grantPrivilegesToRole", lambda d, o: run(d, "grantPrivilegesToRole", "tenantd_app",
        privileges=[{"resource": {"db": o, "collection": ""}, "actions": ["find"]}]), REFUSED),
    ("usersInfo all", lambda d, o: run(d, "usersInfo", 1), REFUSED),
    ("rolesInfo", lambda d, o: run(d, "rolesInfo", 1), REFUSED),
    ("profile", lambda d, o: run(d, "profile", 2), REFUSED),
    ("profile slowms", lambda d, o: run(d, "profile", 0, slowms=0), REFUSED),
    ("validate", lambda d, o: run(d, "validate", "docs"), REFUSED),
    ("system.profile", lambda d, o: list(d["system.profile"].find()), REFUSED),
    ("system.users", lambda d, o: list(d["system.users"].find()), REFUSED),
    ("planCacheClear", lambda d, o: run(d, "planCacheClear", "docs"), REFUSED),
    ("bypassDocumentValidation", lambda d, o: d.docs.with_options().insert_one(
        {"z": 1}, bypass_document_validation=True), REFUSED),
]

# What aims at the neighbour or the cluster from the own database: refused always.
REACH = [
    ("$out across", lambda a, b: list(a.db.docs.aggregate([{"$out": {
        "db": b.appid, "coll": "planted"}}]))),
    ("$merge across", lambda a, b: list(a.db.docs.aggregate([{"$merge": {
        "into": {"db": b.appid, "coll": "docs"}}}]))),
    ("$lookup across", lambda a, b: list(a.db.docs.aggregate([{"$lookup": {
        "from": {"db": b.appid, "coll": "docs"}, "pipeline": [], "as": "x"}}]))),
    ("$unionWith across", lambda a, b: list(a.db.docs.aggregate([{"$unionWith": {
        "db": b.appid, "coll": "docs", "pipeline": []}}]))),
    ("renameCollection across", lambda a, b: a.client.admin.command(
        "renameCollection", f"{a.appid}.docs", to=f"{b.appid}.docs9")),
    ("renameCollection from there", lambda a, b: a.client.admin.command(
        "renameCollection", f"{b.appid}.docs", to=f"{a.appid}.stolen")),
    ("cloneCollectionAsCapped there", lambda a, b: a.client[b.appid].command(
        "cloneCollectionAsCapped", "docs", toCollection="c", size=4096)),
    ("$currentOp all users", lambda a, b: list(a.client.admin.aggregate([{"$currentOp": {
        "allUsers": True}}]))),
    ("currentOp", lambda a, b: a.client.admin.command("currentOp", **{"$all": True})),
    ("killOp", lambda a, b: a.client.admin.command("killOp", op=1)),
    ("killAllSessions", lambda a, b: a.client.admin.command(
        "killAllSessions", [{"user": b.appid, "db": b.appid}])),
    ("serverStatus", lambda a, b: a.client.admin.command("serverStatus")),
    ("top", lambda a, b: a.client.admin.command("top")),
    ("hostInfo", lambda a, b: a.client.admin.command("hostInfo")),
    ("getCmdLineOpts", lambda a, b: a.client.admin.command("getCmdLineOpts")),
    ("getParameter", lambda a, b: a.client.admin.command("getParameter", "*")),
    ("setParameter", lambda a, b: a.client.admin.command("setParameter", 1, logLevel=1)),
    ("getLog", lambda a, b: a.client.admin.command("getLog", "global")),
    ("replSetGetStatus", lambda a, b: a.client.admin.command("replSetGetStatus")),
    ("shutdown", lambda a, b: a.client.admin.command("shutdown")),
    ("fsync", lambda a, b: a.client.admin.command("fsync")),
    ("oplog", lambda a, b: a.client.local["oplog.rs"].find_one()),
    ("admin.system.users", lambda a, b: a.client.admin["system.users"].find_one()),
    ("config.system.sessions", lambda a, b: a.client.config["system.sessions"].find_one()),
    ("cluster change stream", lambda a, b: a.client.watch(max_await_time_ms=10).close()),
    ("insert into a new database", lambda a, b: a.client[a.appid + "x"].c.insert_one({})),
    ("insert into admin", lambda a, b: a.client.admin.c.insert_one({})),
    ("usersInfo for all databases", lambda a, b: a.client.admin.command(
        "usersInfo", {"forAllDBs": True})),
]


def transaction(database):
    with database.client.start_session() as session:
        with session.start_transaction():
            database.docs.insert_one({"t": 1}, session=session)


def refused(error):
    """Not authorized, or a command that the server refuses anyone in this form."""
    return error.code == NOT_AUTHORIZED


@pytest.mark.parametrize("name,call,own", ROWS, ids=[r[0] for r in ROWS])
def test_row(parties, name, call, own):
    a, b = parties
    a.fill()
    b.fill()
    before = list(b.db.docs.find())
    mine, why = attempt(lambda: call(a.db, b.appid), OperationFailure)
    assert mine == own, f"{name} on the own database: {why or 'was allowed'}"
    foreign, why = attempt(lambda: call(a.client[b.appid], a.appid), OperationFailure)
    matrix.add(name, mine, foreign)
    assert foreign == REFUSED, f"{name} reached the neighbour"
    assert refused(why), f"{name}: refused, but by {why}"
    assert list(b.db.docs.find()) == before
    assert b.client.admin.command("ping")["ok"] == 1


@pytest.mark.parametrize("name,call", REACH, ids=[r[0] for r in REACH])
def test_reaching_out(parties, name, call):
    a, b = parties
    a.fill()
    b.fill()
    before = list(b.db.docs.find())
    foreign, why = attempt(lambda: call(a, b), OperationFailure)
    matrix.add(name, "-", foreign)
    assert foreign == REFUSED, f"{name} reached the neighbour or the cluster"
    assert list(b.db.docs.find()) == before
    assert "planted" not in b.db.list_collection_names()
    assert "stolen" not in a.db.list_collection_names()


def test_list_databases_shows_only_the_own_one(parties):
    a, _ = parties
    names = [d["name"] for d in a.client.admin.command("listDatabases", nameOnly=True)["databases"]]
    assert names == [a.appid]


def test_one_tenants_password_is_no_use_elsewhere(parties):
    a, b = parties
    part = a.credentials["database"]
    with pymongo.MongoClient(part["uri"].replace(f"/{a.appid}", f"/{b.appid}").replace(
            f"authSource={a.appid}", f"authSource={b.appid}"),
            serverSelectionTimeoutMS=5000) as client:
        with pytest.raises(OperationFailure) as why:
            client[b.appid].docs.find_one()
    assert why.value.code == 18
