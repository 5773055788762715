"""TC204: an attribute that the statement does not have.

Why: an attribute that is silently ignored (``exlude``) backs up what it should not, or worse.

    source D1 { files = "/home"  exlude = ["*.tmp"] }

Mend: the help lists what the statement has, the nearest first.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ..attributes import WHAT_IT_IS, attributes_of
from ..model import Model, Statement
from ..names import as_written, by_nearness, listed, nearest
from ..rule import Rule

RULE = Rule("TC204", "an attribute that the statement does not have")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every attribute that is not in the statement's table, or means nothing for this kind of source."""
    selecting = {id(c.statement) for c in model.couplings if c.statement is not None and c.selector is not None}
    for statement in model.statements:
        known = attributes_of(statement.kind, restore=id(statement) in selecting)
        for attribute in statement.attributes:
            name = attribute.name.text
            if name not in known:
                yield RULE.at(
                    attribute.name.span, f"{_whose(statement)} has no attribute `{name}`", help=_help(name, [*known])
                )
        if statement.kind == "source":
            yield from _of_another_kind(statement)


def _of_another_kind(source: Statement) -> Iterator[Diagnostic]:
    """What a chain has and other sources have not, and the other way round: the engine would refuse it."""
    given = {attribute.name.text: attribute.name.span for attribute in source.attributes}
    what = [name for name in WHAT_IT_IS["source"] if name in given]
    if len(what) != 1:
        return  # TC205
    kind = what[0]
    misplaced = ["object"]
    if kind == "chain":
        misplaced = ["exclude", "one_file_system"]
        if source.text("level") == "incremental":
            misplaced.append("level")
    for name in misplaced:
        if name in given:
            owner = "chain" if name == "object" else "files"
            yield RULE.at(
                given[name],
                f"a `{kind}` source has no attribute `{name}`",
                help=f"take it out: `{name}` is for a source that says `{owner} = …`",
                related=[Related(f"{as_written(source.name)} is a `{kind}` source", given[kind])],
            )


def _whose(statement: Statement) -> str:
    return {"agent": "an agent", "plan": "the plan"}.get(statement.kind, f"a {statement.kind}")


def _help(name: str, known: list[str]) -> str:
    if name == "as_of":
        return "`as_of` belongs to the couplings of restore agents"
    near = nearest(name, known)
    has = f"it has {listed(f'`{k}`' for k in by_nearness(name, known))}"
    return f"did you mean `{near}`? {has}" if near else has
