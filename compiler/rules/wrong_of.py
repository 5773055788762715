"""TC305: ``of`` names a group of a kind that cannot feed this one.

    restore group old { … }
    mirror group m of old { … }      # what is restored is copied, not mirrored

Mend: a mirror group is ``of`` a backup or mirror group, a copy group ``of`` a restore or copy group; backup and restore
groups have no ``of``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...dsl.diagnostics import Diagnostic, Related
from ...runtime.kinds import GroupKind
from ..model import Model
from ..names import as_written
from ..rule import Rule

RULE = Rule("TC305", "`of` names a group of a kind that cannot feed this one")

#: kind of group → the kinds of groups that feed it
FEEDS: Mapping[GroupKind, tuple[GroupKind, ...]] = {"mirror": ("backup", "mirror"), "copy": ("restore", "copy")}


def check(model: Model) -> Iterator[Diagnostic]:
    """Every group with an ``of`` that cannot be, and every mirror and copy group without one."""
    for group in model.groups:
        feeds = FEEDS.get(group.kind)
        name = as_written(group.name)
        if feeds is None:
            if group.of_span is not None:
                by = "sources" if group.kind == "backup" else "drives"
                yield RULE.at(
                    group.of_span,
                    f"{name} is a {group.kind} group: {by} feed it, no other group",
                    help=f"take `of {as_written(group.of or '')}` out, or make it a "
                    + ("mirror group" if group.kind == "backup" else "copy group"),
                )
        elif group.of is None:
            yield RULE.at(
                group.span,
                f"the {group.kind} group {name} does not say which group feeds it",
                help=f"write `{group.kind} group {name} of GROUP`, GROUP a {feeds[0]} or {feeds[1]} group",
            )
        elif group.of_kind is not None and group.of_kind not in feeds and group.of_span is not None:
            of = next(g for g in model.groups if g.name == group.of)
            other = next(kind for kind, by in FEEDS.items() if group.of_kind in by)
            yield RULE.at(
                group.of_span,
                f"{as_written(group.of)} is a {group.of_kind} group, which cannot feed a {group.kind} group",
                help=f"a {group.kind} group is `of` a {feeds[0]} or {feeds[1]} group; "
                f"`{other} group {name} of {as_written(group.of)}` is possible",
                related=[Related(f"{as_written(of.name)} is declared here", of.span)],
            )
