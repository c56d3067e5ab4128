"""What is shipped to watch tenantd with: alert rules and a dashboard. They speak of metrics that
this daemon really has, every alert comes when it should and is explained in
docs/operations.md."""
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests.testbed import clients, parts

RULES = parts.ROOT / "deploy" / "prometheus" / "tenantd.rules.yml"
CASES = parts.ROOT / "tests" / "service" / "prometheus" / "tenantd.rules.test.yml"
DASHBOARD = parts.ROOT / "deploy" / "grafana" / "tenantd.json"
MANUAL = parts.ROOT / "docs" / "operations.md"
# Of Prometheus, for every target.
OWN = {"up"}
CERTIFICATE_DAYS = 90


def certificate():
    """A self-signed certificate and its key, for a listener."""
    folder = Path(tempfile.mkdtemp(prefix="td-tls."))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "key", "-out",
                    folder / "crt", "-subj", "/CN=pods", "-days", str(CERTIFICATE_DAYS)],
                   check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture(scope="module")
def metrics(testbed):
    """({name: type}, {label names}, text) of a daemon with everything that has metrics."""
    folder = certificate()
    daemon = testbed.start_tenantd("watched", patch={"listeners": [
        {"name": "control", "address": "127.0.0.1:0", "routes": ["control", "ops"]},
        {"name": "pods", "address": "127.0.0.1:0", "routes": ["runtime"],
         "tls": {"certificate_file": f"{folder}/crt", "key_file": f"{folder}/key"}}]})
    api = clients.Api(daemon)
    api.get("/healthz", token="")
    text = api.get("/metrics", token="").text
    daemon.stop()
    daemon.gateway.stop()
    shutil.rmtree(folder)
    names = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", text))
    return names, set(re.findall(r'[{,]([a-z]+)="', text)), text


def alerts():
    return yaml.safe_load(RULES.read_text())["groups"][0]["rules"]


def promtool(*argv):
    tool = shutil.which("promtool")
    assert tool, "package prometheus is missing"
    done = subprocess.run([tool, *map(str, argv)], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names_in(expr):
    """The metrics of an expression; of a histogram its own name."""
    bare = re.sub(r"\{[^}]*\}|\b(?:by|without) \([^)]*\)", "", expr)
    found = re.findall(r"\b(?:tenantd_[a-z0-9_]+|up)\b", bare)
    return {re.sub(r"_bucket$", "", name) for name in found}


def test_the_certificate_s_end_is_told(metrics):
    _, _, text = metrics
    value = re.search(r'(?m)^tenantd_tls_certificate_expiry_seconds\{listener="pods"\} (\d+)$',
                      text).group(1)
    assert abs(int(value) - time.time() - CERTIFICATE_DAYS * 86400) < 3600
    assert text.count("\ntenantd_tls_certificate_expiry_seconds{") == 1


def test_a_certificate_that_is_none_is_told_at_the_start(testbed, tmp_path):
    folder = certificate()
    (tmp_path / "crt").write_text("-----BEGIN NOTHING-----\n")
    daemon = testbed.new_tenantd("bad-certificate", patch={"listeners": [
        {"name": "pods", "address": "127.0.0.1:0", "routes": ["ops"],
         "tls": {"certificate_file": f"{tmp_path}/crt", "key_file": f"{folder}/key"}}]})
    daemon.launch()
    assert daemon.wait_exit() == 1
    assert f"{tmp_path}/crt: not a PEM certificate" in daemon.logs()
    daemon.gateway.stop()
    shutil.rmtree(folder)


# ---- alerts ----

def test_the_rules_are_sound_and_come_when_they_should():
    promtool("check", "rules", RULES)
    promtool("test", "rules", CASES)


def test_every_alert_has_a_case_in_which_it_comes():
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) >= 15
    cases = CASES.read_text()
    for name in names:
        assert f'alertname="{name}"' in cases, name
    for case in yaml.safe_load(cases)["tests"]:
        if "promql_expr_test" in case:
            looks = [len(look["exp_samples"]) for look in case["promql_expr_test"]]
            assert 0 in looks, f"{case['name']}: no look at which it is quiet"


def test_alerts_speak_of_metrics_that_there_are(metrics):
    names, _, _ = metrics
    for rule in alerts():
        used = names_in(rule["expr"])
        assert used, rule["alert"]
        assert used <= set(names) | OWN, rule["alert"]


def anchors(text):
    """Headings as links find them."""
    return {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"(?m)^#+ (.+)$", text)}


def test_every_alert_says_what_it_is_and_what_to_do():
    manual = MANUAL.read_text()
    known = anchors(manual)
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        notes = rule["annotations"]
        assert notes["summary"] and notes["description"].endswith("."), rule["alert"]
        place, anchor = notes["runbook"].split("#")
        assert place == "docs/operations.md" and anchor in known, rule["alert"]
        section = manual.split(f"\n#### {rule['alert']}\n")[1].split("\n#")[0]
        assert len(section.split()) >= 15, rule["alert"]
    headings = set(re.findall(r"(?m)^#### (Tenantd\w+)$", manual))
    assert headings == {rule["alert"] for rule in alerts()}


# ---- the dashboard ----

def panels():
    board = json.loads(DASHBOARD.read_text())
    return [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", ()))]


def expressions():
    return [target["expr"] for panel in panels() for target in panel.get("targets", ())]


def test_the_dashboard_is_one():
    board = json.loads(DASHBOARD.read_text())
    assert board["title"] == board["uid"] == "tenantd"
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids)) > 20
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles))
    cells = [(panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy) for panel in panels()
             for dx in range(panel["gridPos"]["w"]) for dy in range(panel["gridPos"]["h"])]
    assert len(cells) == len(set(cells)), "panels lie over each other"
    assert max(x for x, _ in cells) < 24
    variables = {v["name"] for v in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", DASHBOARD.read_text()))
    assert used - {"__rate_interval", "__all"} <= variables


def test_the_dashboard_shows_metrics_that_there_are(metrics, tmp_path):
    names, labels, _ = metrics
    assert len(expressions()) > 30
    for expr in expressions():
        used = names_in(expr)
        assert used and used <= set(names) | OWN, expr
        for name in used & set(names):
            if names[name] == "counter":
                assert re.search(rf"(rate|increase)\({name}\b", expr), expr
        for group in re.findall(r"by \(([^)]*)\)", expr):
            assert set(group.split(", ")) <= labels | {"instance"}, expr
    rules = [{"record": f"panel:{i}", "expr": expr.replace("$__rate_interval", "5m")}
             for i, expr in enumerate(expressions())]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", path)
