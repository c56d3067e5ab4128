"""What `cmake --install` puts on a machine: that it is all there and nothing else, that it runs,
and that pages, completion and the unit say what the programs do."""
import json
import os
import re
import subprocess

import pytest

from tests.testbed import install, parts

# From the prefix on; docs/operations.md tells the same in words.
FILES = """
bin/tenantctl
lib/systemd/system/tenantd.service
lib/sysusers.d/tenantd.conf
lib/tmpfiles.d/tenantd.conf
sbin/tenantd
share/bash-completion/completions/tenantctl
share/doc/tenantd/LICENSE
share/doc/tenantd/NEWS.md
share/doc/tenantd/gateway.md
share/doc/tenantd/openapi.yaml
share/doc/tenantd/operations.md
share/doc/tenantd/policies.md
share/man/man1/tenantctl.1
share/man/man5/tenantd.yaml.5
share/man/man8/tenantd.8
share/tenantd/deploy/minio-admin-policy.json
share/tenantd/deploy/minio-identity.py
share/tenantd/deploy/mongodb-identity.py
share/tenantd/deploy/mongodb-tenantd-role.json
share/tenantd/gateway/headers.refused
share/tenantd/gateway/nginx.conf.in
share/tenantd/gateway/render
share/tenantd/gateway/server.conf.in
share/tenantd/grafana/tenantd.json
share/tenantd/prometheus/tenantd.rules.yml
""".split()
PROGRAMS = {"bin/tenantctl", "sbin/tenantd", "share/tenantd/gateway/render",
            "share/tenantd/deploy/minio-identity.py", "share/tenantd/deploy/mongodb-identity.py"}


def output(*argv, **kwargs):
    done = subprocess.run([*map(str, argv)], capture_output=True, text=True, timeout=60,
                          check=False, **kwargs)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """(where the prefix is, the prefix)"""
    old = os.umask(0o022)
    tree = tmp_path_factory.mktemp("installed")
    prefix = install.install(tree)
    os.umask(old)
    return tree / prefix.lstrip("/"), prefix


def test_all_that_belongs_there_and_nothing_else(installed):
    root, prefix = installed
    expected = {*FILES,
                *(f"share/tenantd/quota/{p.name}" for p in (parts.ROOT / "quota").glob("*.yaml")),
                *(f"share/tenantd/policies/{p.name}"
                  for p in (parts.ROOT / "policies").glob("*.yaml"))}
    tree = root
    for _ in prefix.strip("/").split("/"):
        tree = tree.parent
    assert set(install.files(tree)) == {f"{prefix.lstrip('/')}/{name}" for name in expected}
    for name in expected:
        mode = (root / name).stat().st_mode & 0o777
        assert mode == (0o755 if name in PROGRAMS else 0o644), (name, oct(mode))


def test_what_is_installed_runs(installed):
    root, prefix = installed
    version = re.search(r"project\(tenantd VERSION (\S+)",
                        (parts.ROOT / "CMakeLists.txt").read_text()).group(1)
    assert output(root / "sbin/tenantd", "--version") == f"tenantd {version}\n"
    assert output(root / "bin/tenantctl", "--version") == f"tenantctl {version}\n"
    assert output(root / "bin/tenantctl", "version") == f"tenantctl {version}\n"
    # It looks for plans and templates where they were put.
    defaults = output(root / "sbin/tenantd", "--print-config")
    assert f"plans_dir: {prefix}/share/tenantd/quota\n" in defaults
    assert f"policies_dir: {prefix}/share/tenantd/policies\n" in defaults
    output(root / "bin/tenantctl", "policy", "check", root / "share/tenantd/policies")
    for script in ("deploy/minio-identity.py", "deploy/mongodb-identity.py", "gateway/render"):
        assert "usage" in output(parts.python(), root / "share/tenantd" / script, "--help")


def test_no_place_of_the_build_and_no_word_unfilled_is_in_it(installed):
    root, _ = installed
    for name in install.files(root):
        if name in ("bin/tenantctl", "sbin/tenantd"):
            continue  # debug information
        text = (root / name).read_text()
        assert str(parts.ROOT) not in text and str(root) not in text, name
        if not name.startswith("share/tenantd/gateway/"):  # templates of their own
            assert not re.search(r"@[A-Z_]{3,}@", text), name


def test_the_documentation_lists_what_is_installed():
    text = (parts.ROOT / "docs" / "operations.md").read_text()
    for name in FILES:
        folder = os.path.dirname(name)
        assert f"`{name}`" in text or f"`{folder}/`" in text, name


# ---- the unit ----

@pytest.fixture(scope="module")
def unit(installed, tmp_path_factory):
    """The unit with its program where it was installed below DESTDIR."""
    root, prefix = installed
    text = (root / "lib/systemd/system/tenantd.service").read_text()
    path = tmp_path_factory.mktemp("unit") / "tenantd.service"
    path.write_text(text.replace(f"ExecStart={prefix}/", f"ExecStart={root}/"))
    return path


def test_systemd_understands_the_unit(installed, unit):
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=one", unit],
                          env={**os.environ, "MANPATH": str(installed[0] / "share/man")},
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_exposure_is_as_documented(unit):
    text = output("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    score = re.search(r"Overall exposure level for tenantd.service: (\S+)", text).group(1)
    docs = (parts.ROOT / "docs" / "operations.md").read_text()
    assert re.search(r"exposure level of \**([\d.]+)", docs).group(1) == score


def test_nothing_is_open_but_what_it_needs(unit):
    text = output("systemd-analyze", "security", "--offline=true", "--no-pager", "--json=short",
                  unit)
    assert {row["json_field"] for row in json.loads(text) if not row["set"]} == {
        # It serves and calls over the network; a site says to and from where.
        "PrivateNetwork", "RestrictAddressFamilies_AF_INET_INET6", "IPAddressDeny",
        "RestrictAddressFamilies_AF_UNIX",  # listeners, the journal, the service manager
        "RootDirectoryOrRootImage",
        "DeviceAllow"}  # reading the clock, which ProtectClock= brings along


def test_the_users_and_folders_can_be_made(installed):
    root, _ = installed
    assert '\nu tenantd - "tenantd" /' in (root / "lib/sysusers.d/tenantd.conf").read_text()
    for line in (root / "lib/tmpfiles.d/tenantd.conf").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"d /\S+ 07[0-7]{2} \S+ tenantd -", line), line


# ---- manual pages ----

def plain(page):
    """A page as a reader sees it, without bold and underline."""
    return re.sub(r".\x08", "", output("mandoc", "-Tutf8", "-Owidth=200", page))


@pytest.mark.parametrize("page", ["man1/tenantctl.1", "man5/tenantd.yaml.5", "man8/tenantd.8"])
def test_a_page_is_without_faults(installed, page):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", installed[0] / "share/man" / page],
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    done = subprocess.run(["groff", "-ww", "-mandoc", "-z", "-Tutf8",
                           installed[0] / "share/man" / page],
                          capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_key_is_in_its_page(installed):
    text = plain(installed[0] / "share/man/man5/tenantd.yaml.5")
    source = (parts.ROOT / "tenantd" / "config.c").read_text()
    keys = re.findall(r'\tKEY\("([a-z_.]+)"', source)
    assert len(keys) > 40
    for key in keys:
        assert re.search(rf"(?m)^ +{re.escape(key)}\b", text), key
    assert "(size from 16Mi; default 64Gi; restart)" in text


def commands():
    """{"tenant create": {"--plan": "NAME", ...}, ...} from --help."""
    def options(text):
        return dict(re.findall(r"(?m)^  (?:-\w, )?(--[a-z-]+)(?: |\[=)?([^\s\]]*)", text))
    top = output(parts.tenantctl(), "--help")
    listed = top.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    names = [re.match(r"  (\S+(?: \S+)?)  ", line).group(1) for line in listed]
    return {name: options(output(parts.tenantctl(), *name.split(), "--help"))
            for name in names}


def test_every_command_and_option_is_in_its_page(installed):
    text = plain(installed[0] / "share/man/man1/tenantctl.1")
    table = commands()
    assert len(table) > 20 and "--bucket" in table["tenant create"]
    shared = set.intersection(*map(set, table.values()))
    assert {"--url", "--token-file", "--help"} <= shared
    for name, options in table.items():
        part = re.split(r"\n(?=   \S)", text.split(f"\n   {name}\n")[1])[0]
        assert f"tenantctl {name}" in part, name
        for option in set(options) - shared:
            assert re.search(rf"(?m)^ +{option}\b", part), (name, option)
    for option in shared:
        assert re.search(rf"(?m)^ +(-\w, )?{option}\b", text), option


def test_every_word_of_tenantd_is_in_its_page(installed):
    text = plain(installed[0] / "share/man/man8/tenantd.8")
    options = set(re.findall(r"--[a-z-]+", output(parts.tenantd(), "--help")))
    assert len(options) == 5
    for option in options:
        assert option in text, option
    done = subprocess.run([parts.tenantd(), "--print-config=html"], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.startswith("usage:")


# ---- completion ----

def complete(installed, *words, cwd="/"):
    """What bash offers for the last word; bash splits at "=" and ":"."""
    split = [w for word in words for w in re.split(r"([=:])", word) if w or word == ""]
    script = ('source "$1"; shift; COMP_WORDS=(tenantctl "$@"); COMP_CWORD=$#; _tenantctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = output("bash", "--norc", "-c", script, "-",
                  installed[0] / "share/bash-completion/completions/tenantctl", *split, cwd=cwd)
    return set(done.split())


def test_completion_knows_every_command_and_option(installed):
    table = commands()
    firsts = {name.split()[0] for name in table}
    assert complete(installed, "") == firsts
    for first in firsts:
        rest = {name.split()[1] for name in table if name.startswith(first + " ")}
        assert not rest or complete(installed, first, "") == rest
    for name, options in table.items():
        assert complete(installed, *name.split(), "--") == set(options), name


def test_completion_knows_what_can_be_given(installed, tmp_path):
    for name, options in commands().items():
        for option, value in options.items():
            if "|" in value:
                choices = set(value.split("|"))
                assert complete(installed, *name.split(), f"{option}=", "") == choices
                if option != "--help":  # its value is attached or none
                    assert complete(installed, *name.split(), option, "") == choices
    (tmp_path / "admin.token").touch()
    assert complete(installed, "--token-file", "adm", cwd=tmp_path) == {"admin.token"}
    assert complete(installed, "policy", "check", "", cwd=tmp_path) == {"admin.token"}


@pytest.mark.parametrize("words, expected", [
    (["ten"], {"tenant"}),
    (["tenant", "un"], {"undelete"}),
    (["-o", "json", "audit", "l"], {"list"}),
    (["--output=json", "audit", "l"], {"list"}),
    (["--quiet", "tenant", "creat"], {"create"}),
    (["tenant", "create", "abc123", "--pl"], {"--plan"}),
    (["tenant", "create", "--plan", "tenant", "--unset"], set()),
    (["tenant", "create", "--plan", ""], set()),
    (["tenant", "get", ""], set()),
    (["nonsense", ""], set()),
    (["tenant", "create", "--wait", "--reg"], {"--region"}),
    (["exec", "--appid", "abc123", "--", "tenantct"], None),
])
def test_completion_in_the_middle_of_a_line(installed, words, expected):
    path = f"{installed[0]}/bin:{os.environ['PATH']}"
    os.environ["PATH"], old = path, os.environ["PATH"]
    try:
        assert complete(installed, *words) == ({"tenantctl"} if expected is None else expected)
    finally:
        os.environ["PATH"] = old


def test_completion_at_a_prompt(installed):
    """The tab key in an interactive bash."""
    script = installed[0] / "share/bash-completion/completions/tenantctl"
    done = subprocess.run(
        ["script", "-qec", "bash --norc --noprofile -i", "/dev/null"], timeout=30, text=True,
        capture_output=True, check=False, env={**os.environ, "TERM": "dumb", "PS1": "$ "},
        input=f"source {script}\ntenantctl() {{ echo \"got:$*\"; }}\n"
              "tenantctl tena\tsus\tabc123 --outp\tjs\t\nexit\n")
    assert "got:tenant suspend abc123 --output json" in done.stdout, done.stdout
