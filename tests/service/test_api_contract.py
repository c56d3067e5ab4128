"""The HTTP contract: every status that the description promises, and that the description, the
table of routes and the daemon are one."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.testbed import clients, parts
from tests.testbed.clients import expect
from tests.testbed.process import wait_until

DESCRIPTION = parts.ROOT / "docs" / "api" / "openapi.yaml"
VERBS = ("get", "put", "post", "delete")
TENANTD_CONFIG = {"engine": {"delete_grace": "30s", "backoff_max": "2s"},
                  "reserved": ["notforyou"]}


@pytest.fixture(scope="module")
def description():
    return yaml.safe_load(DESCRIPTION.read_text())


def operations(description):
    """{(verb, path): operation}"""
    return {(verb.upper(), path): item[verb] for path, item in description["paths"].items()
            for verb in VERBS if verb in item}


def route_table():
    """[(verb, path, roles, sets, flags, body, args, operationId)] of the C table."""
    text = (parts.ROOT / "tenantd/api/route.c").read_text()
    table = text.split("api_route_table[] = {", 1)[1].split("\n};", 1)[0]
    table = re.sub(r"\s+", " ", table)
    row = re.compile(r'\{ "(\w+)", "([^"]+)", ([^,]+), ([^,]+), ([^,]+), (\w+), '
                     r'\{ ([^}]*) \}, (\w+), "(\w+)" \}')
    rows = [m.groups() for m in row.finditer(table)]
    assert len(rows) == table.count("h_"), "every row is understood"
    return rows


def test_description_is_valid_openapi(description):
    validate(description)


def test_description_and_table_name_the_same_operations(description):
    ids = {key: op["operationId"] for key, op in operations(description).items()}
    assert ids == {(row[0], row[1]): row[8] for row in route_table()}
    assert len(set(ids.values())) == len(ids)


def parameters(description, path, operation):
    for entry in description["paths"][path].get("parameters", []) + \
            operation.get("parameters", []):
        while "$ref" in entry:
            entry = description["components"]["parameters"][entry["$ref"].rsplit("/", 1)[1]]
        yield entry


def test_description_and_table_agree_on_parameters_bodies_and_sets(description):
    for verb, path, roles, sets, _, body, args, _, _ in route_table():
        operation = operations(description)[verb, path]
        named = list(parameters(description, path, operation))
        assert {p["name"] for p in named if p["in"] == "query"} == \
            set(re.findall(r'"(\w+)"', args)), path
        assert {p["name"] for p in named if p["in"] == "path"} == \
            set(re.findall(r"{(\w+)}", path)), path
        assert ("requestBody" in operation) == (body != "0"), (verb, path)
        assert operation["tags"] == [{"API_ROUTES_RUNTIME": "runtime", "CONTROL": "control",
                                      "OPS": "ops"}[sets]]
        assert (operation.get("security") == []) == (roles == "API_ANYONE")
        promised = set(operation["responses"])
        if roles != "API_ANYONE":
            assert {"401", "403"} <= promised, (verb, path)
        if body != "0":
            assert {"400", "413", "415"} <= promised, (verb, path)


def test_the_daemon_serves_its_own_description(tenantd):
    reply = requests.get(tenantd.url() + "/openapi.yaml", timeout=5)
    assert reply.status_code == 200 and reply.headers["Content-Type"].startswith(
        "application/yaml")
    assert reply.content == DESCRIPTION.read_bytes()


@pytest.fixture(scope="module")
def conforms(description):
    """conforms(reply, verb, path): its status and body are what the description says."""
    registry = Registry().with_resource(
        "urn:api", Resource.from_contents(description, default_specification=DRAFT202012))

    def check(reply, verb, path):
        operation = operations(description)[verb, path]
        responses = operation["responses"]
        assert str(reply.status_code) in responses, \
            f"{verb} {path} promises no {reply.status_code}: {reply.text}"
        answer = responses[str(reply.status_code)]
        pointer = "/paths/" + path.replace("~", "~0").replace("/", "~1") + \
            f"/{verb.lower()}/responses/{reply.status_code}"
        if "$ref" in answer:
            pointer = answer["$ref"].removeprefix("#")
            answer = description["components"]["responses"][pointer.rsplit("/", 1)[1]]
        if not reply.content:
            assert "content" not in answer or reply.request.method == "HEAD"
            return reply
        media = reply.headers["Content-Type"].split(";")[0]
        assert media in answer["content"], (media, path)
        if media.endswith("json"):
            where = f"urn:api#{pointer}/content/{media.replace('/', '~1')}/schema"
            Draft202012Validator({"$ref": where}, registry=registry).validate(reply.json())
        return reply
    return check


def test_every_status_of_a_tenants_life(api, new_appid, conforms):
    appid = new_appid()
    path, where = "/v1/tenants/{appid}", f"/v1/tenants/{appid}"

    def ok(reply, verb, route, status, code=None):
        assert reply.status_code == status, reply.text
        conforms(reply, verb, route)
        if code:
            assert reply.json()["code"] == code, reply.text
        return reply

    spec = {"plan": "small", "buckets": [{"name": "data"}]}
    ok(api.get(where), "GET", path, 404, "not_found")
    ok(api.delete(where), "DELETE", path, 404, "not_found")
    ok(api.put(where, json=spec, headers={"If-Match": '"1"'}), "PUT", path, 412,
       "precondition_failed")
    created = ok(api.put(where, json=spec, headers={"If-None-Match": "*"}), "PUT", path, 201)
    assert created.headers["Location"] == where and created.headers["ETag"]
    ok(api.put(where, json=spec, headers={"If-None-Match": "*"}), "PUT", path, 412)
    settled = ok(api.get(where + "?wait=60"), "GET", path, 200)
    assert settled.json()["phase"] == "Created" and settled.json()["settled"]
    same = ok(api.put(where, json=settled.json(), headers={"If-Match": settled.headers["ETag"]}),
              "PUT", path, 200)
    assert same.json()["generation"] == settled.json()["generation"], "GET, PUT changes nothing"
    ok(api.put(where, json={"labels": {"team": "x"}},
               headers={"If-Match": same.headers["ETag"]}), "PUT", path, 200)
    ok(api.put(where, json={"labels": {}}, headers={"If-Match": same.headers["ETag"]}),
       "PUT", path, 412)
    for body in ("{", "[]", '{"plan":"small","plan":"small"}', '{"plan":"\\u0000"}',
                 '{"plan":"\xff"}', '{"plan":1}', '{"nonsense":1}',
                 '{"buckets":[{"name":"data"},{"name":"data"}]}', '{"limits":{"cows":1}}',
                 '{"limits":{"buckets":-1}}', '{"labels":{"a":1}}'):
        ok(api.put(where, data=body.encode("latin-1"),
                   headers={"Content-Type": "application/json"}), "PUT", path, 400,
           "invalid_request")
    ok(api.put(where, data="plan=small"), "PUT", path, 415, "unsupported_media_type")
    ok(api.put(where, json={"plan": "x" * 270_000}), "PUT", path, 413, "too_large")
    ok(api.put(where, json={"plan": "gold"}), "PUT", path, 422, "unknown_plan")
    ok(api.put(where, json={"region": "elsewhere"}), "PUT", path, 409, "immutable")
    ok(api.put("/v1/tenants/notforyou", json=spec), "PUT", path, 409, "appid_reserved")
    ok(api.put("/v1/tenants/Not-Valid", json=spec), "PUT", path, 400, "invalid_request")
    ok(api.put("/v1/tenants/" + "a" * 60, json=spec), "PUT", path, 400, "invalid_request")
    ok(api.put(where, json=spec, token=""), "PUT", path, 401, "unauthenticated")
    auditor = api.mint_token("auditor")["token"]
    ok(api.put(where, json=spec, token=auditor), "PUT", path, 403, "forbidden")
    ok(api.get(where, token=auditor), "GET", path, 200)
    ok(api.post(where + "/resume"), "POST", path + "/resume", 200)  # it is not suspended: fine
    ok(api.post(where + "/undelete"), "POST", path + "/undelete", 409, "wrong_phase")
    ok(api.post(where + "/suspend", json={"why": "x"}), "POST", path + "/suspend", 400)
    suspended = ok(api.post(where + "/suspend?wait=60"), "POST", path + "/suspend", 200)
    assert suspended.json()["phase"] == "Suspended"
    ok(api.post(where + "/resume?wait=60", json={}), "POST", path + "/resume", 200)
    ok(api.put(where, json={"deletion_protection": True}), "PUT", path, 200)
    ok(api.delete(where + "?force=true"), "DELETE", path, 409, "deletion_protected")
    ok(api.put(where, json={"deletion_protection": False}), "PUT", path, 200)
    deleting = ok(api.delete(where), "DELETE", path, 202)
    assert deleting.json()["phase"] == "Deleting" and deleting.json()["delete_due_at"]
    ok(api.delete(where), "DELETE", path, 202)
    ok(api.put(where, json=spec), "PUT", path, 409, "wrong_phase")
    ok(api.post(where + "/undelete?wait=60"), "POST", path + "/undelete", 200)
    ok(api.delete(where + "?force=true&wait=60"), "DELETE", path, 204)
    ok(api.delete(where), "DELETE", path, 204)
    ok(api.get(where), "GET", path, 410, "appid_retired")
    ok(api.put(where, json=spec), "PUT", path, 410, "appid_retired")
    ok(api.post(where + "/suspend"), "POST", path + "/suspend", 410, "appid_retired")
    ok(api.get(where + "/buckets"), "GET", path + "/buckets", 410, "appid_retired")
    ok(api.post("/v1/tokens", json={"role": "runtime", "appid": appid}), "POST", "/v1/tokens",
       410, "appid_retired")


def test_buckets_and_tokens_conform(api, new_appid, conforms):
    appid = new_appid()
    api.create_tenant(appid, plan="small")
    where = f"/v1/tenants/{appid}/buckets"
    listed, one = "/v1/tenants/{appid}/buckets", "/v1/tenants/{appid}/buckets/{name}"
    for i in range(3):
        reply = conforms(api.put(f"{where}/more-{i}?wait=60",
                                 json={"mode": "readonly", "quota_bytes": 1048576}), "PUT", one)
        assert reply.status_code == 201 and reply.json()["ready"]
        assert reply.headers["Location"] == f"{where}/more-{i}"
    names, cursor = [], ""
    while cursor is not None:
        page = conforms(api.get(f"{where}?limit=2" + (f"&cursor={cursor}" if cursor else "")),
                        "GET", listed).json()
        assert len(page["buckets"]) <= 2
        names += [b["name"] for b in page["buckets"]]
        cursor = page["next"]
    assert names == ["data", "more-0", "more-1", "more-2"]
    conforms(api.get(where + "/none"), "GET", one)
    conforms(api.delete(where + "/none"), "DELETE", one)
    assert conforms(api.put(where + "/UP", json={}), "PUT", one).status_code == 400
    over = [api.put(f"{where}/over-{i}", json={}) for i in range(6)]
    assert conforms(over[-1], "PUT", one).status_code == 422, "the plan has 5 buckets"
    # Empty goes, full stays, purge takes it.
    credentials = api.credentials(appid)
    s3 = clients.boto(credentials)
    s3.put_object(Bucket=f"{appid}-data", Key="k", Body=b"x")
    reply = conforms(api.delete(where + "/data"), "DELETE", one)
    assert (reply.status_code, reply.json()["code"]) == (409, "bucket_not_empty")
    assert s3.get_object(Bucket=f"{appid}-data", Key="k")["Body"].read() == b"x"
    assert conforms(api.delete(where + "/more-0"), "DELETE", one).status_code == 204
    assert conforms(api.delete(where + "/data?purge=true"), "DELETE", one).status_code == 202

    minted = conforms(api.post("/v1/tokens", json={
        "role": "tenant", "appid": appid, "label": "Zoë's", "ttl_seconds": 60}),
        "POST", "/v1/tokens").json()
    assert minted["label"] == "Zoë's" and minted["expires_at"] > minted["created_at"]
    shown = conforms(api.get(f"/v1/tokens/{minted['id']}"), "GET", "/v1/tokens/{id}").json()
    assert "token" not in shown and shown["id"] == minted["id"]
    page = conforms(api.get(f"/v1/tokens?appid={appid}"), "GET", "/v1/tokens").json()
    assert minted["id"] in [t["id"] for t in page["tokens"]]
    everyone, cursor = set(), ""
    while cursor is not None:
        page = conforms(api.get("/v1/tokens?limit=3" + (f"&cursor={cursor}" if cursor else "")),
                        "GET", "/v1/tokens").json()
        everyone |= {t["id"] for t in page["tokens"]}
        cursor = page["next"]
    assert minted["id"] in everyone
    for body in ({}, {"role": "king"}, {"role": "runtime"}, {"role": "admin", "appid": appid},
                 {"role": "admin", "ttl_seconds": 0}, {"role": "admin", "label": "x" * 65},
                 {"role": "admin", "extra": 1}):
        reply = conforms(api.post("/v1/tokens", json=body), "POST", "/v1/tokens")
        assert reply.status_code == 400, body
    assert conforms(api.post("/v1/tokens", json={"role": "runtime", "appid": "nobody99"}),
                    "POST", "/v1/tokens").status_code == 422
    assert conforms(api.delete(f"/v1/tokens/{minted['id']}"), "DELETE",
                    "/v1/tokens/{id}").status_code == 204
    assert conforms(api.delete(f"/v1/tokens/{minted['id']}"), "DELETE",
                    "/v1/tokens/{id}").status_code == 404


def test_brakes_conform(api, new_appid, conforms):
    appid = new_appid()
    api.create_tenant(appid, plan="small")
    hold = {"mode": "hold", "reason": "contract", "expires_in_seconds": 600}
    for path, where, missing in (
            ("/v1/modes/daemon", "/v1/modes/daemon", None),
            ("/v1/modes/region/{region}", "/v1/modes/region/default", "/v1/modes/region/x"),
            ("/v1/modes/tenant/{appid}", f"/v1/modes/tenant/{appid}", "/v1/modes/tenant/nobody99"),
            ("/v1/modes/tenant/{appid}/{resource}", f"/v1/modes/tenant/{appid}/object",
             f"/v1/modes/tenant/{appid}/x")):
        assert conforms(api.get(where), "GET", path).json()["mode"] == "manage"
        assert conforms(api.put(where, json=hold), "PUT", path).json()["mode"] == "hold"
        assert conforms(api.get(where), "GET", path).json()["reason"] == "contract"
        document = conforms(api.get(f"/v1/tenants/{appid}"), "GET", "/v1/tenants/{appid}").json()
        assert "Held" in str(document["resources"]["object"])
        listed = conforms(api.get("/v1/modes?limit=1"), "GET", "/v1/modes").json()
        assert [m["scope"] for m in listed["modes"]] == [where.removeprefix("/v1/modes/")]
        expect(api.put(f"/v1/tenants/{appid}", json={"labels": {"at": where[-9:].strip("/")}}), 200)
        planned = conforms(api.get(f"/v1/plan?appid={appid}"), "GET", "/v1/plan").json()
        assert planned["tenants"][0]["appid"] == appid
        assert conforms(api.put(where, json={"mode": "hold"}), "PUT", path).status_code == 400
        assert conforms(api.put(where, json={"mode": "manage"}), "PUT", path).status_code == 200
        if missing:
            assert conforms(api.get(missing), "GET", path).status_code == 404
            assert conforms(api.put(missing, json=hold), "PUT", path).status_code == 404
    assert conforms(api.get("/v1/plan?appid=nobody99"), "GET", "/v1/plan").status_code == 404
    assert conforms(api.get("/v1/plan?cursor=.."), "GET", "/v1/plan").status_code == 400
    budgets = conforms(api.get("/v1/budgets"), "GET", "/v1/budgets").json()["budgets"]
    assert [b["region"] for b in budgets] == ["default"] and not budgets[0]["stopped"]
    approval = {"region": "default", "count": 7, "reason": "contract"}
    answer = conforms(api.post("/v1/approvals", json=approval), "POST", "/v1/approvals").json()
    assert answer["close"]["approved"] == 7
    for body, status in ((approval | {"region": "x"}, 404), (approval | {"count": -1}, 400),
                         ({"region": "default"}, 400)):
        reply = conforms(api.post("/v1/approvals", json=body), "POST", "/v1/approvals")
        assert reply.status_code == status, body
    api.wait_tenant(appid, lambda d: d["settled"])


def test_a_tenants_own_token(api, new_appid):
    mine, other = new_appid(), new_appid()
    for appid in (mine, other):
        api.create_tenant(appid)
    me = api.with_token(api.mint_token("tenant", mine)["token"])
    expect(me.get(f"/v1/tenants/{mine}"), 200)
    expect(me.put(f"/v1/tenants/{mine}/buckets/own?wait=60", json={}), 201)
    expect(me.get(f"/v1/tenants/{mine}/buckets"), 200)
    expect(me.delete(f"/v1/tenants/{mine}/buckets/own"), 204)
    for reply in (me.get(f"/v1/tenants/{other}"), me.get("/v1/tenants"),
                  me.put(f"/v1/tenants/{mine}", json={"limits": {"buckets": 50}}),
                  me.delete(f"/v1/tenants/{mine}"), me.post(f"/v1/tenants/{mine}/suspend"),
                  me.get(f"/v1/tenants/{other}/buckets"), me.get("/v1/audit"),
                  me.put(f"/v1/tenants/{other}/buckets/x99", json={}),
                  me.get("/v1/tokens"), me.post("/v1/tokens", json={"role": "admin"})):
        assert (reply.status_code, reply.json()["code"]) == (403, "forbidden"), reply.url


def test_lists_of_tenants(api, new_appid, conforms):
    made = sorted(new_appid() for _ in range(5))
    for appid in made:
        expect(api.put(f"/v1/tenants/{appid}", json={"plan": "small"}), 201)
    seen, cursor = [], ""
    while cursor is not None:
        page = conforms(api.get("/v1/tenants?limit=2" + (f"&cursor={cursor}" if cursor else "")),
                        "GET", "/v1/tenants").json()
        seen += [t["appid"] for t in page["tenants"]]
        cursor = page["next"]
    assert seen == sorted(set(seen)) and set(made) <= set(seen)
    for appid in made:
        api.wait_phase(appid, "Created")
    page = api.get("/v1/tenants?phase=Created&limit=1000").json()
    assert set(made) <= {t["appid"] for t in page["tenants"]}
    assert api.get("/v1/tenants?phase=Deleting").json()["tenants"] == []
    for query in ("limit=0", "limit=1001", "limit=x", "phase=created", "cursor=..", "pahse=x"):
        assert conforms(api.get("/v1/tenants?" + query), "GET", "/v1/tenants").status_code == 400


def test_mutations_are_in_the_audit(api, new_appid, conforms):
    appid = new_appid()
    api.create_tenant(appid)
    minted = api.mint_token("runtime", appid)
    for verb, path in (("put", "/buckets/second"), ("post", "/suspend"), ("post", "/resume"),
                       ("delete", "/buckets/second?purge=true"), ("delete", ""),
                       ("post", "/undelete")):
        body = {"json": {}} if verb != "delete" else {}
        expect(api.request(verb.upper(), f"/v1/tenants/{appid}{path}", **body),
               200, 201, 202, 204)
    expect(api.delete(f"/v1/tokens/{minted['id']}"), 204)
    entries, after = [], 0
    while after is not None:
        page = conforms(api.get(f"/v1/audit?appid={appid}&limit=3&after={after}"), "GET",
                        "/v1/audit").json()
        entries += page["entries"]
        after = page["next"]
    assert [e["action"] for e in entries] == [
        "tenant.put", "token.create", "bucket.put", "tenant.suspend", "tenant.resume",
        "bucket.delete", "tenant.delete", "tenant.undelete", "token.delete"]
    assert {e["role"] for e in entries} == {"admin"}
    assert [e["seq"] for e in entries] == sorted(e["seq"] for e in entries)
    assert not any(minted["token"] in str(e) for e in entries)
    # What was refused changed nothing, and is not there.
    expect(api.put(f"/v1/tenants/{appid}", json={"plan": "gold"}), 422)
    page = api.get(f"/v1/audit?appid={appid}&limit=1000").json()
    assert len(page["entries"]) == len(entries)
    assert api.get(f"/v1/audit?appid={appid}&after={page['last']}").json()["entries"] == []


def test_methods_and_unknown_paths(api, tenantd):
    for path in ("/", "/v1", "/v1/", "/v1/tenants/", "/v1/credentials/", "/v2/tenants",
                 "/v1/tenants/abcdef/volumes", "/console/x"):
        assert api.get(path).status_code == 404, path
    reply = api.request("PATCH", "/v1/tenants/abcdef")
    assert reply.status_code == 405
    assert sorted(reply.headers["Allow"].split(", ")) == ["DELETE", "GET", "HEAD", "PUT"]
    assert api.post("/v1/credentials").status_code == 405
    head = api.request("HEAD", "/openapi.yaml", token="")
    assert head.status_code == 200 and head.text == ""
    assert int(head.headers["Content-Length"]) == DESCRIPTION.stat().st_size
    ids = {requests.get(tenantd.url() + "/healthz", timeout=5).headers["X-Request-Id"]
           for _ in range(100)}
    assert len(ids) == 100 and all(re.fullmatch("[0-9a-f]{32}", i) for i in ids)


def test_metrics_please_promtool(api, tenantd):
    text = requests.get(tenantd.url() + "/metrics", timeout=5).text
    promtool = shutil.which("promtool")
    assert promtool, "package prometheus is missing"
    done = subprocess.run([promtool, "check", "metrics"], input=text, text=True,
                          capture_output=True, timeout=30)
    assert done.returncode == 0 and not done.stdout.strip() and not done.stderr.strip(), \
        done.stdout + done.stderr
    tenants = api.get("/v1/tenants?limit=1000").json()["tenants"]
    assert tenants and not any(t["appid"] in text for t in tenants), "never an appid"
    for name in ("tenantd_http_requests_total", "tenantd_store_commits_total",
                 "tenantd_spool_appended_total", "tenantd_backend_circuit_open",
                 "tenantd_tenants", "tenantd_logins_refused_total", "tenantd_gate_stopped",
                 "tenantd_gate_budget_used", "tenantd_modes"):
        assert re.search(rf"^{name}[ {{]", text, re.M), name


def test_readiness_tells_what_is_wrong(fault_testbed):
    daemon = fault_testbed.start_tenantd("readiness", patch={
        "engine": {"call_timeout": "1s", "backoff_min": "50ms", "backoff_max": "200ms"}})
    try:
        api = clients.Api(daemon)
        assert api.get("/readyz?strict=true", token="").status_code == 200
        fault_testbed.minio_fault.cut()
        for i in range(8):
            expect(api.put(f"/v1/tenants/unready{i}", json={"plan": "small"}), 201)

        def degraded():
            reply = api.get("/readyz", token="")
            assert reply.status_code == 200 and reply.json()["ready"]
            return [c["name"] for c in reply.json()["checks"] if not c["ok"]]
        wait_until(lambda: any("object" in name for name in degraded()), 30,
                   "the circuit of MinIO opens")
        assert api.get("/readyz?strict=true", token="").status_code == 503
        assert api.get("/healthz", token="").status_code == 200
        fault_testbed.minio_fault.heal()
        wait_until(lambda: degraded() == [], 40, "it closes")
        for i in range(8):
            api.wait_phase(f"unready{i}", "Created")
    finally:
        fault_testbed.minio_fault.heal()
        daemon.stop()
        daemon.gateway.stop()


def test_first_token_file(tenantd):
    path = Path(tenantd.token_path)
    assert path.stat().st_mode & 0o777 == 0o400
    assert re.fullmatch(r"tnd_[A-Za-z0-9_-]{43}\n", path.read_text())
    before = path.read_text()
    tenantd.restart()
    assert path.read_text() == before, "made once"
    assert clients.Api(tenantd).get("/v1/tokens").status_code == 200
