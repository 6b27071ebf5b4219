"""Where a command's results go, the cluster that it needs, its port: looked at before any work is done."""

from __future__ import annotations

import socket
from pathlib import Path

from harness.errors import InputError
from harness.run_store.lock import locked


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; at port 0, at one that is free.

    Raises:
        InputError: If there is none to be had.
    """
    try:
        # Without the port, of which it would take what is left beyond 65,535.
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        return socket.create_server((address[0], port, *address[2:]), family=family)
    except (OSError, OverflowError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(f"--port {port} of {host}: {said}; name another, or 0 for a free one") from None


def check_places(folder: Path, cache: Path | None, ray: str | None) -> None:
    """Refuse what would end a run after its model was loaded or its first programs were graded.

    Args:
        folder: Of the run; one that did not exist does not exist afterwards.
        cache: Of verdicts; `None` for none.
        ray: Address of a Ray cluster; `None` for none.

    Raises:
        InputError: If the folder is in use or can't be written, the cache can't be used, or nothing answers
            at the address.
    """
    with locked(folder):
        pass
    if cache is not None:
        from harness.runner.cache import VerdictCache  # noqa: PLC0415 - where there is one

        VerdictCache(cache).close()
    if ray is not None:
        from harness.cluster.connection import check_address  # noqa: PLC0415 - the same

        check_address(ray)
