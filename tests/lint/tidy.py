#!/usr/bin/env python3
"""tidy.py BUILD CACHE: clang-tidy over the compile commands of BUILD.

A file that is clean leaves an empty file in CACHE, named by the hash of the clang-tidy
version, .clang-tidy, its compile command, and the content of it and of every project header
that it includes.
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path.cwd().resolve()
JOBS = 2


def dependencies(command, folder):
    """The project files that a compile command reads."""
    words, skip = [], False
    for word in shlex.split(command):
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MT", "-MQ"):
            skip = True
        elif word not in ("-c", "-MD", "-MMD"):
            words.append(word)
    out = subprocess.run(words + ["-MM"], cwd=folder, capture_output=True, text=True,
                         check=False)
    if out.returncode != 0:
        return None
    names = out.stdout.replace("\\\n", " ").split(":", 1)[1].split()
    paths = {pathlib.Path(folder, name).resolve() for name in names}
    return sorted(p for p in paths if p.is_relative_to(ROOT))


def key_of(entry, salt):
    files = dependencies(entry["command"], entry["directory"])
    if files is None:
        return None
    digest = hashlib.sha256(salt)
    # The command without the place of the checkout: a cache serves more than one.
    digest.update(entry["command"].replace(str(ROOT), "").encode())
    for path in files:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def check(entry, build, cache, salt):
    """Complaints about one file; "" when clean."""
    key = key_of(entry, salt)
    if key is not None and (cache / key).exists():
        return ""
    out = subprocess.run(["clang-tidy", "-p", build, "--quiet", entry["file"]],
                         capture_output=True, text=True, check=False)
    text = out.stdout.strip()
    if out.returncode != 0 and not text:
        text = f"{entry['file']}: clang-tidy failed:\n{out.stderr.strip()}"
    if not text and key is not None:
        (cache / key).touch()
    return text.replace(str(ROOT) + "/", "")


def main():
    build, cache = sys.argv[1], pathlib.Path(sys.argv[2])
    cache.mkdir(parents=True, exist_ok=True)
    entries = json.loads(pathlib.Path(build, "compile_commands.json").read_text())
    entries = {e["file"]: e for e in entries}
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True)
    salt = version.stdout + b"".join(
        pathlib.Path(f).read_bytes() for f in (".clang-tidy", "tests/.clang-tidy"))
    bad, done, told = 0, 0, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        jobs = {pool.submit(check, e, build, cache, salt): f for f, e in entries.items()}
        for job in concurrent.futures.as_completed(jobs):
            done += 1
            if job.result():
                bad += 1
                print(job.result(), flush=True)
            if time.monotonic() - told > 15:
                told = time.monotonic()
                print(f"... {done} of {len(entries)} files", flush=True)
    if bad:
        print(f"{bad} of {len(entries)} files with complaints")
    return 1 if bad or not entries else 0


os.nice(5)
sys.exit(main())
