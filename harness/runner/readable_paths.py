"""What programs may read: the interpreter's own library, the packages they are offered, shared libraries.

Not what else is installed: a verdict must not depend on it, and data sets come as packages too. So no
site-packages and no dist-packages, wherever the interpreter's own folders hold some, and of the system's
libraries the shared objects alone.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

_OWN_FOLDER = os.path.realpath(Path(__file__).parents[2])
"""Where this package and the benchmarks lie: mini's programs could ask its generator for the answer."""
_SHARED_OBJECT = re.compile(r"\.so(\.[\w.]+)?$")
_LIBRARY_FOLDERS = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_SYSTEM_FILES = ("/usr/share/zoneinfo", "/etc/localtime", "/etc/ld.so.cache", "/dev/urandom", "/dev/zero")
_PACKAGES = ("site-packages", "dist-packages")


def paths(packages: Mapping[str, str]) -> list[str]:
    """Folders and files, all that lies in a folder with it.

    Args:
        packages: Folders of the packages that programs are offered.
    """
    libraries = {
        sysconfig.get_path("stdlib"),
        # Not a virtual environment's, which is nothing but the packages that programs must not see.
        sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix}),
    }
    found = {
        part for library in libraries for part in without(library, [*_packages_in(library), _OWN_FOLDER])
    }
    for folder in packages.values():
        found |= {part for path in (folder, f"{folder}.libs") for part in without(path, [_OWN_FOLDER])}
    found.update(_SYSTEM_FILES)
    for folder in (*_LIBRARY_FOLDERS, str(Path(sys.base_prefix) / "lib")):
        found.update(_shared_objects(folder))
    return sorted(path for path in found if os.path.exists(path))


def without(path: str, hidden: Iterable[str]) -> list[str]:
    """What to allow so that all of `path` can be read but for `hidden`: Landlock can't take back a part."""
    real = os.path.realpath(path)
    within = [each for each in hidden if each == real or each.startswith(real + os.sep)]
    if real in within:
        return []
    if not within:
        return [path]
    return [part for entry in os.listdir(real) for part in without(os.path.join(real, entry), within)]


def _packages_in(library: str) -> list[str]:
    return [os.path.join(os.path.realpath(library), name) for name in _PACKAGES]


def _shared_objects(folder: str) -> list[str]:
    """Shared objects in a folder, and in those right below it where a system keeps them by architecture."""
    folders = [folder]
    try:
        folders += [entry.path for entry in os.scandir(folder) if entry.name.endswith(("-gnu", "-musl"))]
    except OSError:
        return []
    return [
        entry.path
        for each in folders
        for entry in os.scandir(each)
        if _SHARED_OBJECT.search(entry.name) and entry.is_file()
    ]
