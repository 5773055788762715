"""Selectors: which recorded objects a restore agent's buffer takes, of those that lie on its drive (language.md)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, cast

from ..faults import AmbiguousFault, Fault, Place, RestoreFault, UsageFault
from ..frozen import frozen
from ..kinds import source_text, sources_named
from .holdings import Asked, Held, Holdings

SelectorKind = Literal["latest", "all", "chain", "object"]

_NAME: Final = r'[A-Za-z_][A-Za-z0-9_]*|"(?:[^"\\\n]|\\["\\nt])*"'
_TEXT: Final = re.compile(rf"(?:(?P<kind>latest|all|chain|object)\((?P<argument>{_NAME})\)|(?P<bare>{_NAME}))\Z")
_ESCAPES: Final = {"n": "\n", "t": "\t"}


@frozen
class Selector:
    """``argument`` is a source (``D1``, ``PLAN/D1``) or an object's identifier; None for the bare ``all``."""

    kind: SelectorKind
    argument: str | None
    text: str

    @property
    def everything(self) -> bool:
        """Whether it takes objects of any source."""
        return self.kind == "all" and self.argument is None


def parse(text: str) -> Selector:
    """The selector that a compiled plan's buffer states as its feed. Raises UsageFault where it is none."""
    match = _TEXT.match(text)
    if match is None:
        raise UsageFault(f"{text} is no selector", todo="compile the plan again with `tcc compile`")
    if match["bare"] == "all":
        return Selector("all", None, text)
    if match["bare"] is not None:
        return Selector("latest", _plain(match["bare"]), text)
    return Selector(cast(SelectorKind, match["kind"]), _plain(match["argument"]), text)


def _plain(name: str) -> str:
    if not name.startswith('"'):
        return name
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), name[1:-1])


def asked(selectors: Iterable[Selector]) -> Asked | None:
    """What *selectors* look at of a drive; None: everything."""
    chosen = list(selectors)
    if any(selector.everything for selector in chosen):
        return None
    ids = frozenset(s.argument for s in chosen if s.kind == "object" and s.argument is not None)
    return Asked(ids, frozenset(s.argument for s in chosen if s.kind != "object" and s.argument is not None))


# ---------------------------------------------------------------- choosing


@frozen
class Chosen:
    """The objects of a selector, oldest first, and why others were passed over."""

    objects: tuple[Held, ...]
    notes: tuple[str, ...] = ()


def choose(selector: Selector, holdings: Holdings, *, as_of: str | None = None) -> Chosen:
    """The objects that *selector* means among those that lie on the drive.

    *as_of*: UTC text as sessions bear it; only sessions that started by then count. Only objects that are whole on the
    drive are taken. Raises UsageFault where there is no such source or object, RestoreFault where none is whole.
    """
    objects = [held for held in holdings.objects if as_of is None or held.item.started <= as_of]
    if selector.kind == "object":
        assert selector.argument is not None
        return Chosen((_by_id(selector.argument, objects, holdings, as_of),))
    if selector.argument is not None:
        plan, source = _source(selector.argument, holdings)
        objects = [held for held in objects if (held.item.plan, held.item.source) == (plan, source)]
    whole = [held for held in objects if held.usable]
    notes = [_passed_over(held, holdings) for held in objects if not held.usable]
    if not whole:
        raise _none_whole(selector, notes, holdings, as_of)
    if selector.kind == "latest":
        newer = [held for held in objects if not held.usable and _age(held) > _age(whole[0])]
        return Chosen((whole[0],), tuple(_passed_over(held, holdings) for held in newer))
    if selector.kind == "chain":
        return _chain(whole, holdings, selector)
    return Chosen(tuple(reversed(whole)), tuple(notes))


def _age(held: Held) -> tuple[int, str, str]:
    return held.item.number, held.item.started, held.item.id


def _by_id(object_id: str, objects: Sequence[Held], holdings: Holdings, as_of: str | None) -> Held:
    found = next((held for held in objects if held.item.id == object_id), None)
    if found is None:
        when = f" from a session up to {as_of}" if as_of else ""
        raise UsageFault(
            f"drive {holdings.drive} holds no object {object_id}{when}",
            safe="nothing was written",
            todo="`tcc objects` lists what lies where",
        )
    if not found.usable:
        raise RestoreFault(
            _passed_over(found, holdings),
            place=Place(drive=holdings.drive),
            safe="nothing was written",
            todo="choose a whole object: see `tcc objects`",
        )
    return found


def _source(text: str, holdings: Holdings) -> tuple[str, str]:
    names = holdings.names
    found = sources_named(names, text)
    if len(found) == 1:
        return found[0]
    if found:
        each = [(f"source {source} of plan {plan}", f'"{source_text(plan, source)}"') for plan, source in found]
        raise AmbiguousFault(text, each, where=f"drive {holdings.drive}")
    known = sorted({source for _, source in names} | {"/".join(pair) for pair in names})
    near = difflib.get_close_matches(text, known, n=1)
    holds = ", ".join(known[:10]) if known else "nothing"
    raise UsageFault(
        f"drive {holdings.drive} holds no object of {text}",
        safe="nothing was written",
        todo=f"did you mean {near[0]}?" if near else f"it holds {holds} ({holdings.folder})",
    )


def _passed_over(held: Held, holdings: Holdings) -> str:
    item = held.item
    if item.status != "whole":
        why = f"it is {item.status}" + (f" ({item.error})" if item.error else "")
    else:
        why = f"drive {holdings.drive} holds only a part of it"
    return f"object {item.id} of {item.source}, {item.started}, is passed over: {why}"


def _none_whole(selector: Selector, notes: Sequence[str], holdings: Holdings, as_of: str | None) -> Fault:
    when = f" up to {as_of}" if as_of else ""
    return RestoreFault(
        f"{selector.text} selects nothing on drive {holdings.drive}: no object{when} is whole there"
        + (f"; {'; '.join(notes[:5])}" if notes else ""),
        safe="nothing was written",
        todo="`tcc objects` lists what lies where; another drive may hold it whole",
    )


def _chain(whole: Sequence[Held], holdings: Holdings, selector: Selector) -> Chosen:
    """The newest full object, and of what follows it the line that ends in the newest object."""
    full = next((held for held in whole if held.item.level == "full"), None)
    if full is None:
        raise RestoreFault(
            f"{selector.text}: drive {holdings.drive} holds no full object, only incrementals",
            safe="nothing was written",
            todo="read the drive that holds the full object, or copy that one here first",
        )
    by_id: dict[str | None, Held] = {held.item.id: held for held in whole}
    # A full that stands for an incremental is all that is needed below it.
    by_id |= {held.item.parent: held for held in reversed(whole) if held.item.level == "full" and held.item.parent}
    for newest in whole:
        line = [newest]
        while line[-1].item.level != "full" and line[-1].item.parent in by_id and len(line) <= len(by_id):
            line.append(by_id[line[-1].item.parent])
        if line[-1] is full:
            break
    loose = [held for held in whole if _age(held) > _age(full) and held not in line]
    notes = [
        f"object {held.item.id} of {held.item.started} does not hang on {full.item.id}: left out" for held in loose
    ]
    return Chosen(tuple(reversed(line)), tuple(notes))
