"""age identities of a restore: files of native keys, or ssh private keys, as ``age -i`` takes them.

A key is read from its file straight into the library and is never part of a message.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ..faults import Place, RestoreFault, UsageFault
from .recipients import library

#: Names a file of identities, beside those of ``--identity``.
VARIABLE: Final = "TCC_IDENTITY"
#: Far more than any file of keys holds.
_FILE_BYTES_MAX: Final = 1 << 20
_KEY: Final = "AGE-SECRET-KEY-1"


def load(files: Sequence[Path]) -> tuple[Any, ...]:
    """All identities in *files*, and in the file that ``TCC_IDENTITY`` names. Raises :class:`UsageFault`."""
    named = os.environ.get(VARIABLE)
    found: list[Any] = []
    for path in (*files, *([Path(named)] if named else [])):
        found += _read(path)
    return tuple(found)


def check_opens(beginning: bytes, identities: Sequence[Any], *, source: str, object_id: str) -> None:
    """Whether one of *identities* opens the object of which *beginning* is the first payload. Raises RestoreFault."""
    from .decode import fits, kinds_of_recipients

    if identities and fits(beginning, identities):
        return
    kinds = ", ".join(kinds_of_recipients(beginning)) or "unknown"
    raise RestoreFault(
        f"the object is encrypted to recipients of the kind {kinds}"
        + ("; none of the identities given opens it" if identities else ""),
        place=Place(source=source, object_id=object_id),
        safe="nothing was written",
        todo="name the file of an identity that opens it with --identity FILE, or in TCC_IDENTITY",
    )


def _read(path: Path) -> list[Any]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise UsageFault(
            f"the identity file {path} cannot be read: {what}",
            safe="nothing was written",
            todo="name a file of age keys, or an ssh private key, with --identity, or in TCC_IDENTITY",
        ) from None
    if len(data) > _FILE_BYTES_MAX:
        raise UsageFault(f"{path} is no identity file: it holds more than {_FILE_BYTES_MAX} bytes")
    if data.startswith((b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")):
        raise UsageFault(
            f"the identity file {path} is itself encrypted with a passphrase, which tcc does not ask for",
            todo=f"decrypt it into memory first: age -d {path} > /dev/shm/key, and name that file",
        )
    if b"-----BEGIN " in data[:200]:
        return [_ssh(path, data)]
    return _native(path, data)


def _ssh(path: Path, data: bytes) -> Any:
    age = library()
    try:
        return age.ssh.Identity.from_buffer(data)
    except age.IdentityError as error:
        if "decrypted first" in str(error):
            raise UsageFault(
                f"the ssh key {path} is protected with a passphrase, which tcc does not ask for",
                todo=f"take the passphrase from a copy of it: cp {path} /dev/shm/key && ssh-keygen -p -f /dev/shm/key",
            ) from None
        raise UsageFault(
            f"the ssh key {path} cannot be used: {error}", todo="age takes ssh-ed25519 and ssh-rsa keys"
        ) from None


def _native(path: Path, data: bytes) -> list[Any]:
    age = library()
    found = []
    for number, raw in enumerate(data.splitlines(), 1):
        line = raw.decode("utf-8", "replace").strip()
        if not line or line.startswith("#"):
            continue
        if line.upper().startswith("AGE-PLUGIN-"):
            raise UsageFault(
                f"{path}, line {number}: this key needs a plugin of age, which tcc does not start",
                todo="take the object from its volume by hand: docs/encryption.md has the commands",
            )
        try:
            found.append(age.x25519.Identity.from_str(line))
        except age.IdentityError:
            what = "a damaged key" if line.upper().startswith(_KEY) else "no key"
            raise UsageFault(
                f"{path}, line {number}: {what}; an identity file holds lines of {_KEY}…, or one ssh private key"
            ) from None
    if not found:
        raise UsageFault(f"the identity file {path} holds no key")
    return found
