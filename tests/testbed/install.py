"""What `cmake --install` makes of the build that the tests use."""
import os
import subprocess
from pathlib import Path

from . import parts


def install(tree):
    """Install below `tree`; the prefix of the build, "/usr/local" for one."""
    subprocess.run(["cmake", "--install", parts.build_dir()], check=True, timeout=60,
                   stdout=subprocess.DEVNULL, env={**os.environ, "DESTDIR": str(tree)})
    cache = (parts.build_dir() / "CMakeCache.txt").read_text()
    return next(line.split("=", 1)[1] for line in cache.splitlines()
                if line.startswith("CMAKE_INSTALL_PREFIX:"))


def files(tree):
    """All files of a tree, as paths from its root, sorted."""
    tree = Path(tree)
    return sorted(str(p.relative_to(tree)) for p in tree.rglob("*") if not p.is_dir())
