"""Run a command on this machine as on one that lacks layers of isolation; its processes alone are concerned.

    python studies/without_layers.py [--refuse WHAT …] [--without-libseccomp] [--as-nobody] [--cgroup FILE …]
        COMMAND …

What is refused fails by a seccomp filter that the command and all that it starts run under, with the error of
such a machine. The filter goes without no_new_privs, which the runner must set itself: so root starts this.
The interpreter and this checkout are made to be read by every user, in mounts of the command's own.
Does not cover: machines other than Linux.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyseccomp

from harness.runner.sandbox import libc
from harness.runner.sandbox.isolation import check
from harness.runner.sandbox.namespaces import NOBODY, expose, unshare_mounts

ROOT = Path(__file__).resolve().parents[1]
_CLONE_NEW = {
    "user": 1 << 28, "pid": 1 << 29, "network": 1 << 30, "ipc": 1 << 27, "uts": 1 << 26, "cgroup": 1 << 25,
    "mount": 1 << 17,
}  # fmt: skip
_MOUNTING = ["mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "setns", "unshare", "umount2"]
_MS_BIND = 4096


def _refuse_clone(rules: Any, flags: int) -> None:
    """Have clone fail with these; clone3 hides its flags in memory, so libc is told to use clone."""
    refused = pyseccomp.ERRNO(errno.EPERM)
    rules.add_rule(refused, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flags, flags))


def _user_namespaces(rules: Any) -> None:
    """As `kernel.unprivileged_userns_clone=0`, or AppArmor's restriction in Ubuntu."""
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    flag = _CLONE_NEW["user"]
    _refuse_clone(rules, flag)
    only = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag)
    rules.add_rule(pyseccomp.ERRNO(errno.EPERM), "unshare", only)


def _namespaces(rules: Any) -> None:
    """As Docker's own filter does, without `--cap-add SYS_ADMIN`."""
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    for flag in _CLONE_NEW.values():
        _refuse_clone(rules, flag)
    for name in _MOUNTING:
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)


def _landlock(rules: Any) -> None:
    """As Linux before 5.13."""
    for name in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), name)


REFUSALS: dict[str, Callable[[Any], None]] = {
    "user-namespaces": _user_namespaces,
    "namespaces": _namespaces,
    "landlock": _landlock,
}


def _hide_libseccomp() -> None:
    """Put an empty file over the library that this process has loaded."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    library = next(line.split()[-1] for line in maps if "libseccomp" in line)
    check(libc.calls.mount(b"/dev/null", library.encode(), None, _MS_BIND, None), f"mount({library})")


def main() -> None:
    """Prepare, and become the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--refuse", action="append", default=[], choices=REFUSALS)
    parser.add_argument("--without-libseccomp", action="store_true")
    parser.add_argument("--as-nobody", action="store_true", help=f"as user {NOBODY}, without groups")
    parser.add_argument("--cgroup", action="append", default=[], help="a cgroup.procs to be written into")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("must be started by root")
    for file in args.cgroup:
        Path(file).write_text("0")
    unshare_mounts()
    expose([sys.base_prefix, str(ROOT)])
    if args.without_libseccomp:
        _hide_libseccomp()
    if args.refuse:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        rules.set_attr(pyseccomp.Attr.CTL_NNP, 0)
        for name in args.refuse:
            REFUSALS[name](rules)
        rules.load()
    if args.as_nobody:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.environ |= {"HOME": "/nonexistent", "USER": "nobody", "LOGNAME": "nobody"}
    os.execv(args.command[0], args.command)


if __name__ == "__main__":
    main()
