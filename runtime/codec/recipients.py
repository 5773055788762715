"""age recipients of a plan: native ``age1…`` keys, and ssh-ed25519 and ssh-rsa keys as age takes them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..plan import CompiledPlan

#: Kinds of recipients → how messages call them.
KINDS: Final = {"age1": "age1… (X25519)", "ssh-ed25519": "ssh-ed25519", "ssh-rsa": "ssh-rsa"}


def library() -> Any:
    """The age library. Raises ImportError."""
    return importlib.import_module("pyrage")


def read(recipients: Sequence[str]) -> list[Any]:
    """The recipients as the library has them. Raises ValueError that names the first which is none."""
    age = library()
    found = []
    for text in recipients:
        try:
            found.append((age.ssh.Recipient if text.startswith("ssh-") else age.x25519.Recipient).from_str(text))
        except age.RecipientError:
            raise ValueError(f"{shortened(text)} is no age recipient (age1…, ssh-ed25519 … or ssh-rsa …)") from None
    return found


def shortened(recipient: str) -> str:
    """A recipient for a message. What may be a secret key that somebody took for one is not shown."""
    if recipient.upper().startswith("AGE-SECRET-KEY") or not recipient.startswith(tuple(KINDS)):
        return "a recipient"
    return recipient if len(recipient) <= 80 else f"{recipient[:40]}…"


def faults(plan: CompiledPlan) -> Iterable[str]:
    """What is wrong with ``compress`` and ``encrypt`` of *plan*'s sources: found before anything is opened."""
    from . import zstandard

    for source in plan.sources:
        if source.compress is not None:
            try:
                zstandard.level_of(source.compress)
                zstandard.module()
            except (ValueError, ImportError) as error:
                yield f"source {source.name}: compress: {error}"
        if source.encrypt:
            try:
                read(source.encrypt)
            except (ValueError, ImportError) as error:
                yield f"source {source.name}: encrypt: {error}"
