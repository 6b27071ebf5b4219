"""Which names and which web pages a local server answers to.

A web page must not reach a server on its reader's machine: not by a name of its own that leads there (DNS
rebinding), and not from another origin. Covers: Host and Origin. Does not cover: tokens, bodies
(`harness.server.guard`).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping


class Refusal(Exception):
    """An answer other than what was asked for."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


class Origins:
    """The host names that are served."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        """`hosts`: names beside localhost, this machine's own and addresses."""
        self._hosts = {"localhost", socket.gethostname().lower(), *(name.lower() for name in hosts)}

    def check(self, headers: Mapping[str, str], advice: str = "") -> None:
        """Let a request pass, by its headers with names in lower case.

        Raises:
            Refusal: If it was sent to a name that is not served (then `advice` ends the message), or by a
                web page of another origin.
        """
        host = headers.get("host", "")
        if not self._is_ours(_host_name(host)):
            raise Refusal(403, f"this host name is not served{advice}")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Refusal(403, "requests from web pages of other origins are not answered")

    def _is_ours(self, name: str) -> bool:
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.lower() in self._hosts
        return True  # a name that leads elsewhere tomorrow is what is to be feared, and this is none


def _host_name(host: str) -> str:
    """Without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
