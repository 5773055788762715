"""From what a verification found to the plan that heals it."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .console import say

if TYPE_CHECKING:
    from ..compiler.draft.outcome import Holdings
    from ..runtime.restore.verdicts import Verified

_BAD = frozenset({"damaged", "missing"})


def draft_repair(
    result: Verified,
    output: str | None,
    *,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: Mapping[str, str],
) -> None:
    """Write the copy plan for all copies that are not sound; say so where there is nothing to do or to be done.

    Raises CatalogFault, UsageFault.
    """
    from ..compiler.draft.drafts import repair
    from ..compiler.draft.outcome import NothingToDraft
    from .drafting import put, sight

    bad = {}
    for item in result.objects:
        if item.status == "lost":
            say(f"left out: {item.plan}/{item.source} {item.object}: records of it are nowhere left")
        else:
            if hangs := [c.drive for c in item.copies if c.status == "hanging"]:
                say(f"left out: the copy of {item.plan}/{item.source} {item.object} on {', '.join(hangs)}: it hangs")
            bad[item.object] = [c.drive for c in item.copies if c.status in _BAD]
    sighted = sight(plan_path, catalog, state, defines)
    try:
        drafted = repair(_as_found(sighted.holdings, bad))
    except NothingToDraft as why:
        say(f"nothing to repair: {why}")
        return
    put(drafted, sighted, how=["tcc", *sys.argv[1:]], output=output, force=False, again=True)


def _as_found(holdings: Holdings, bad: Mapping[str, list[str]]) -> Holdings:
    """The holdings with what was found on the media instead of what the catalog thinks.

    Where no copy of an object is sound all of them are kept as something to read: a copy takes each record from any.
    """
    objects = []
    for held in holdings.objects:
        lacking = bad.get(held.id, [])
        sound = tuple(c for c in held.copies if c.drive not in lacking)
        objects.append(dataclasses.replace(held, lacking=tuple(lacking), copies=sound or held.copies))
    return dataclasses.replace(holdings, objects=tuple(objects))
