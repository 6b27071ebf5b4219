"""Answers too long to be carried out of the sandbox: a digest of the value is, and is compared instead.

A few references of MBPP+ return lists of millions of parts. The digest is the same for values that are equal
by `==`, numbers of other types included. It is computed in the program's process, by a function that the
program could replace, and to no use: it does not know which digest is expected.

Does not cover: tolerances, which no such value needs, and objects that are no plain data.
"""

from __future__ import annotations

MOST_TEXT = 1 << 16
"""Characters of an answer as text, from which its digest is compared."""
NAME = "_rltf_digest"
SETUP = f"""\
def {NAME}(value):
    from hashlib import sha256

    def feed(value, update):
        if isinstance(value, (list, tuple)):
            update(b"[" if isinstance(value, list) else b"(")
            if set(map(type, value)) <= {{str}}:
                return update(repr(tuple(value)).encode(errors="surrogatepass") + b"]")
            for item in value:
                feed(item, update)
            update(b"]")
        elif isinstance(value, dict):
            update(b"dict" + repr(sorted((of(key), of(item)) for key, item in value.items())).encode())
        elif isinstance(value, (set, frozenset)):
            update(b"set" + repr(sorted(map(of, value))).encode())
        elif isinstance(value, (bool, int)) or isinstance(value, float) and value == value // 1:
            update(b"%x;" % int(value))
        elif isinstance(value, (str, bytes)):
            data = value.encode(errors="surrogatepass") if isinstance(value, str) else value
            update((type(value) is str and b"s%d:" or b"b%d:") % len(data) + data)
        elif value is None or isinstance(value, (float, complex)):
            update(repr(value).encode() + b";")
        else:
            update(b"object " + type(value).__name__.encode())

    def of(value):
        digest = sha256()
        feed(value, digest.update)
        return digest.hexdigest()

    return "digest " + of(value)
"""


def digested(expression: str) -> str:
    """The expression of the digest of what another gives."""
    return f"{NAME}({expression})"
