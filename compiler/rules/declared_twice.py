"""TC202: a name declared twice.

Why: of two sources with one name, which one would a coupling mean? Sources, drives, pools, agents, targets, hosts and
groups share one namespace; buffers live inside their agent; let and param have a scope of their own.

    drive R1 { volumes = "a" }
    drive R1 { volumes = "b" }

Mend: give one of them another name.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.ast import Name
from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..model import Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC202", "a name declared twice")


def twice(name: Name, what: str, first: Span) -> Diagnostic:
    """The diagnostic for the second declaration of *name*."""
    return RULE.at(
        name.span,
        f"the {what} {as_written(name.text)} is declared twice",
        help="give one of them another name",
        related=[Related("first declared here", first)],
    )


def in_a_loop(name: Name) -> Diagnostic:
    """The diagnostic for a ``let`` or ``param`` inside a ``for``."""
    return RULE.at(
        name.span,
        f"each iteration would declare the variable {as_written(name.text)} again",
        help="write it outside of the `for`: a let or param has one value in the whole program",
    )


def check(model: Model) -> Iterator[Diagnostic]:
    """Every later declaration of a name, and every attribute that a statement repeats."""
    for again in model.duplicates:
        yield RULE.at(again.span, again.message, help=again.help, related=[Related("first declared here", again.first)])
