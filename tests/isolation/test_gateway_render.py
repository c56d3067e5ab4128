"""The renderer of the gateway's configuration: bad input is refused and named, and what it
makes of good input is accepted by nginx as an unprivileged user.

    pytest tests/isolation/test_gateway_render.py
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.isolation.gateway_support import NOBODY, RENDER
from tests.testbed import parts


@pytest.fixture
def folder():
    """A folder that an unprivileged nginx can write in."""
    path = Path(tempfile.mkdtemp(prefix="tenantd-render."))
    (path / "temp").mkdir()
    (path / "deny.map").write_text("abc123 deny;\nABCDEFGHIJ0123456789 readonly;\n")
    if os.geteuid() == 0:
        for entry in (path, path / "temp"):
            os.chown(entry, NOBODY, NOBODY)
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def arguments(folder, **changes):
    options = {
        "internal-listen": "127.0.0.1:9100", "external-listen": "127.0.0.1:9101",
        "upstream": "127.0.0.1:9000", "log": f"{folder}/access.log",
        "error-log": f"{folder}/error.log", "deny-map": f"{folder}/deny.map",
        "pid": f"{folder}/nginx.pid", "temp-dir": f"{folder}/temp"}
    options |= {name.replace("_", "-"): value for name, value in changes.items()}
    argv = [sys.executable, str(RENDER)]
    for name, values in options.items():
        for value in values if isinstance(values, list) else [values]:
            argv += [] if value is None else [f"--{name}", value]
    return argv


def render(folder, **changes):
    return subprocess.run(arguments(folder, **changes), capture_output=True, text=True,
                          timeout=30)


def nginx_test(folder, text):
    config = folder / "nginx.conf"
    config.write_text(text)
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
            "--inh-caps=-all", "--no-new-privs", "--"] if os.geteuid() == 0 else []
    return subprocess.run([*drop, parts.nginx(), "-t", "-e", folder / "error.log",
                           "-c", config], capture_output=True, text=True, timeout=30)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = Path(tempfile.mkdtemp(prefix="tenantd-render-tls."))
    path.chmod(0o755)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=s3.tenantd.test", "-keyout", path / "key", "-out", path / "cert"],
        check=True, capture_output=True, timeout=60)
    (path / "key").chmod(0o644)
    yield {"cert": str(path / "cert"), "key": str(path / "key")}
    shutil.rmtree(path)


@pytest.mark.parametrize("changes", [
    {}, {"domain": "s3.tenantd.test"}, {"domain": ["s3.example.org", "objects.example.com"]},
    {"upstream": ["10.0.0.1:9000", "10.0.0.2:9000", "[fd00::3]:9000", "localhost:9000"]},
    {"internal_listen": "[::1]:9100", "external_listen": "*:9101"},
    {"max_request": "1"}, {"max_request": "16G"}, {"workers": "4"},
    {"deny_map_hash_max": "1000000"}], ids=str)
def test_good_input_is_accepted_by_nginx(folder, changes):
    result = render(folder, **changes)
    assert result.returncode == 0, result.stderr
    checked = nginx_test(folder, result.stdout)
    assert checked.returncode == 0, checked.stderr
    for level in ("[warn]", "[alert]", "[emerg]", "[crit]"):
        assert level not in checked.stderr
    assert not re.findall(r"@[A-Z_]+@", result.stdout)
    assert not re.findall(r"^\s*user\b", result.stdout, re.M)


def test_tls_on_all_sides(folder, certificate):
    result = render(folder, external_tls_cert=certificate["cert"],
                    external_tls_key=certificate["key"],
                    internal_tls_cert=certificate["cert"],
                    internal_tls_key=certificate["key"],
                    upstream_tls_ca=certificate["cert"], upstream_tls_name="minio.example.org")
    assert result.returncode == 0, result.stderr
    checked = nginx_test(folder, result.stdout)
    assert checked.returncode == 0, checked.stderr
    assert result.stdout.count(" ssl;") == 2 and "https://gw_minio" in result.stdout
    assert "proxy_ssl_verify on;" in result.stdout


@pytest.mark.parametrize("changes,word", [
    ({"internal_listen": "9100"}, "--internal-listen"),
    ({"internal_listen": "127.0.0.1"}, "--internal-listen"),
    ({"internal_listen": "localhost:9100"}, "not an IP address"),
    ({"internal_listen": "127.0.0.1:0"}, "not a port"),
    ({"internal_listen": "127.0.0.1:65536"}, "not a port"),
    ({"internal_listen": "::1:9100"}, "brackets"),
    ({"internal_listen": "[127.0.0.1]:9100"}, "brackets"),
    ({"external_listen": "127.0.0.1:9101; return 200"}, "--external-listen"),
    ({"external_listen": "127.0.0.1:9100"}, "the same"),
    ({"external_listen": "127.0.0.1:٩١٠١"}, "not a port"),
    ({"upstream": "http://127.0.0.1:9000"}, "without a scheme"),
    ({"upstream": "127.0.0.1"}, "--upstream"), ({"upstream": "a b:9000"}, "--upstream"),
    ({"upstream": "unix:/run/x"}, "--upstream"),
    ({"upstream": ["a:9000", "a:9000"]}, "twice"),
    ({"upstream": None}, "--upstream"), ({"log": None}, "--log"),
    ({"domain": "S3.example.org"}, "lower-case"), ({"domain": ".example.org"}, "--domain"),
    ({"domain": "10.0.0.1"}, "an address"), ({"domain": "a;b"}, "--domain"),
    ({"domain": ["example.org", "s3.example.org"]}, "lies within"),
    ({"domain": ["s3.example.org", "s3.example.org"]}, "lies within"),
    ({"max_request": "0"}, "--max-request"), ({"max_request": "5GiB"}, "--max-request"),
    ({"max_request": "-1"}, "--max-request"), ({"max_request": "1.5g"}, "--max-request"),
    ({"log": "access.log"}, "absolute"), ({"log": "/var/log/$host.log"}, "--log"),
    ({"log": "/var/log/a b"}, "--log"), ({"log": "/var/log/x;"}, "--log"),
    ({"log": "/var/log/../x"}, ".."), ({"log": "/same", "error_log": "/same"}, "the same"),
    ({"deny_map": "/etc/*.map"}, "--deny-map"), ({"pid": "x"}, "--pid"),
    ({"temp_dir": "/tmp/\n"}, "--temp-dir"),
    ({"external_tls_cert": "/a"}, "go together"), ({"internal_tls_key": "/a"}, "go together"),
    ({"upstream_tls_ca": "/a"}, "go together"),
    ({"upstream_tls_ca": "/a", "upstream_tls_name": "a b"}, "--upstream-tls-name"),
    ({"workers": "0"}, "--workers"), ({"workers": "many"}, "--workers"),
    ({"worker_connections": "1"}, "--worker-connections"),
    ({"idle_timeout": "0"}, "--idle-timeout"), ({"upstream_timeout": "x"}, "--upstream"),
    ({"deny_map_hash_max": "5"}, "--deny-map-hash-max"), ({"unknown": "1"}, "--unknown"),
    ({"internal_l": "127.0.0.1:1"}, "--internal-l")], ids=str)
def test_bad_input_is_refused_and_named(folder, changes, word):
    result = render(folder, **changes)
    assert result.returncode == 2 and result.stdout == ""
    assert word in result.stderr and "Traceback" not in result.stderr


def test_output_is_replaced_whole_or_not_at_all(folder):
    out = folder / "out.conf"
    argv = arguments(folder)
    assert subprocess.run([*argv, "--output", out], timeout=30).returncode == 0
    first = out.read_text()
    assert first == render(folder).stdout, "same input, same bytes"
    bad = [*argv, "--max-request", "0", "--output", out]
    assert subprocess.run(bad, capture_output=True, timeout=30).returncode == 2
    assert out.read_text() == first
    nowhere = subprocess.run([*argv, "--output", folder / "no" / "out.conf"],
                             capture_output=True, text=True, timeout=30)
    assert nowhere.returncode == 1 and "no/out.conf" in nowhere.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["deny.map", "out.conf", "temp"]


def test_a_missing_deny_map_stops_the_start(folder):
    """Rather than letting everybody in."""
    text = render(folder).stdout
    (folder / "deny.map").unlink()
    checked = nginx_test(folder, text)
    assert checked.returncode != 0 and "deny.map" in checked.stderr


def test_every_refused_header_is_explained():
    """docs/gateway.md says why each header is refused, by name or by family."""
    document = (parts.ROOT / "docs" / "gateway.md").read_text()
    families = [re.compile(re.escape(f).replace(r"\*", "[a-z-]+") + "$")
                for f in re.findall(r"`(x-[a-z*-]+)`", document)]
    names = [line.split("\t") for line in
             (RENDER.parent / "headers.refused").read_text().splitlines()
             if line and not line.startswith("#")]
    assert len(names) > 30
    for name, reason in names:
        assert reason.strip()
        assert any(f.match(name) for f in families), name


def test_every_reason_is_documented():
    """Each value that the log's `refused` can have is in docs/gateway.md."""
    document = (parts.ROOT / "docs" / "gateway.md").read_text()
    config = (RENDER.parent / "nginx.conf.in").read_text()
    codes = config.partition("map $gw_refused $gw_message {")[2].partition("}")[0]
    reasons = re.findall(r"^\t\t([a-z0-9_]+) \"", codes, re.M)
    assert len(reasons) > 15
    for reason in reasons:
        assert f"`{reason}`" in document, reason


def test_every_log_field_is_documented(folder):
    document = (parts.ROOT / "docs" / "gateway.md").read_text()
    log = re.search(r"log_format gw_internal .*", render(folder).stdout)[0]
    for name in re.findall(r'[{,]"([a-z_]+)":', log):
        assert f"`{name}`" in document, name
