"""Changes of promises: what a plan no longer requires of a source, requires less, more, or anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..runtime.plan import CompiledPlan
from .differ_change import RANK_GAIN, RANK_PROMISE, RANK_SIZE, Change, Effect, some, value_text
from .differ_flows import buffer_paths
from .metrics import PLAN_METRICS

#: (metric, operator) → source (empty: the plan itself) → the value that asks for most
Promises = dict[tuple[str, str], dict[str, float]]


def requirement_changes(old: CompiledPlan, new: CompiledPlan) -> Iterator[Change]:
    """What changes of the promises about sources that both plans read; sources that agree are named together."""
    fed, still_fed = _fed(old), _fed(new)
    was, now = _promises(old, fed), _promises(new, still_fed)
    known = frozenset(still_fed)
    both = [name for name in fed if name in known]
    for key in dict.fromkeys([*was, *now]):
        before, after = was.get(key, {}), now.get(key, {})
        alike: dict[tuple[float | None, float | None], list[str]] = {}
        for name in [*both, ""]:
            if before.get(name) != after.get(name):
                alike.setdefault((before.get(name), after.get(name)), []).append(name)
        for (value, other), names in alike.items():
            yield _change(key, value, other, names, every=len(both) > 1 and names == both)


def _promises(plan: CompiledPlan, fed: Iterable[str]) -> Promises:
    out: Promises = {}
    for requirement in plan.requirements:
        values = out.setdefault((requirement.metric, requirement.operator), {})
        names = ("",) if requirement.metric in PLAN_METRICS else requirement.of or fed
        for name in names:
            value = requirement.value
            if name in values and not _asks_more(requirement.operator, value, values[name]):
                value = values[name]
            values[name] = value
    return out


def _fed(plan: CompiledPlan) -> tuple[str, ...]:
    """The sources that some buffer holds."""
    roots = {root for root, _ in buffer_paths(plan).values()}
    return tuple(source.name for source in plan.sources if source.name in roots)


def _asks_more(operator: str, value: float, other: float) -> bool:
    return value < other if operator == "<=" else value > other


def _change(key: tuple[str, str], was: float | None, now: float | None, names: list[str], *, every: bool) -> Change:
    metric, operator = key
    of = "" if names == [""] else " of all sources" if every else f" of {some(names)}"
    rank, effect = RANK_PROMISE, "worse"
    if was is None:
        assert now is not None
        rank, effect = RANK_GAIN, "better"
        message = f"the requirement `{_text(key, now)}`{of} is new"
    elif now is None:
        message = f"the requirement `{_text(key, was)}`{of} is gone"
    elif operator == "==":
        rank, effect = RANK_SIZE, "neutral"
        message = f"the requirement `{_text(key, was)}`{of} is `{_text(key, now)}` now"
    else:
        more = _asks_more(operator, now, was)
        rank, effect = (RANK_GAIN, "better") if more else (RANK_PROMISE, "worse")
        word = "strengthened" if more else "weakened"
        message = f"the requirement `{_text(key, was)}`{of} is {word} to `{_text(key, now)}`"
    return Change("requirements", metric, message, rank, _effect(effect))


def _effect(word: str) -> Effect:
    return "worse" if word == "worse" else "better" if word == "better" else "neutral"


def _text(key: tuple[str, str], value: float) -> str:
    return f"{key[0]} {key[1]} {value_text(key[0], value)}"
