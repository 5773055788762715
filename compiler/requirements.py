"""What ``require`` promises, and whether the plan keeps it.

A metric whose facts are not all given is an interval: of three copies of which two say their site, one can count on one
site or on two. A promise that holds for the whole interval is kept, one that holds nowhere in it is broken (TC401), and
any other cannot be evaluated (TC402): what would decide it is named. So no promise passes unchecked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..dsl.ast import Boolean, Duration, Number, Size, Value
from ..dsl.diagnostics import Related
from ..dsl.spans import Span
from .duration import estimate
from .graph import Graph
from .metrics import PLAN_METRICS, SOURCE_METRICS, is_comparable, is_known
from .model import Condition, Node
from .names import as_written, listed, nearest
from .passes.layout import Layout
from .tree import in_bytes, is_broken, shown


@dataclass(frozen=True, slots=True)
class Amount:
    """A metric: at least *low*, at most *high*; *missing* is what is not given, *said* what there is, in words."""

    low: float
    high: float
    missing: tuple[str, ...] = ()
    said: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise that is not kept: ``broken`` or ``unknowable`` says why, the other is empty."""

    span: Span
    broken: str = ""
    unknowable: str = ""
    help: str = ""
    related: tuple[Related, ...] = ()


def verdicts(graph: Graph, laid_out: Callable[[], Layout]) -> Iterator[Verdict]:
    """Every promise of the program that is broken or cannot be evaluated."""
    for condition in graph.model.conditions:
        if not is_known(condition):
            yield _no_metric(condition)
        elif is_broken(condition.value) or condition.broken or not is_comparable(condition):
            continue
        elif condition.metric in PLAN_METRICS:
            yield from _of_plan(condition, graph, laid_out)
        else:
            yield from _of_sources(condition, graph)


def _no_metric(condition: Condition) -> Verdict:
    known = [*SOURCE_METRICS, *PLAN_METRICS]
    near = nearest(condition.metric, known)
    has = f"a requirement is about {listed((f'`{k}`' for k in known), 'or')}"
    return Verdict(
        condition.metric_span,
        unknowable=f"there is nothing called `{condition.metric}` to require",
        help=f"did you mean `{near}`? {has}" if near else has,
    )


def _text(condition: Condition) -> str:
    return f"`{condition.metric} {condition.operator} {shown(condition.value)}`"


def _number(value: Value) -> float:
    if isinstance(value, Size):
        return value.size_bytes
    if isinstance(value, Duration):
        return value.seconds
    assert isinstance(value, Number | Boolean)
    return value.value


def _holds(operator: str, wanted: float) -> Callable[[Amount], bool | None]:
    """Whether an amount keeps the promise: True, False, or None where that depends on what is missing."""

    def judge(amount: Amount) -> bool | None:
        if operator == ">=":
            return True if amount.low >= wanted else None if amount.high >= wanted else False
        if operator == "<=":
            return True if amount.high <= wanted else None if amount.low <= wanted else False
        if amount.low == amount.high:
            return amount.low == wanted
        return None if amount.low <= wanted <= amount.high else False

    return judge


def _of_plan(condition: Condition, graph: Graph, laid_out: Callable[[], Layout]) -> Iterator[Verdict]:
    if graph.uncertain is None or graph.uncertain or graph.model.plan_is_lost:
        return
    amount = _plan_amount(condition.metric, graph, laid_out)
    holds = _holds(condition.operator, _number(condition.value))(amount)
    if holds is False:
        yield Verdict(
            condition.metric_span,
            broken=f"the plan does not keep {_text(condition)}: {amount.said}",
            help=PLAN_METRICS[condition.metric],
        )
    elif holds is None:
        yield Verdict(
            condition.metric_span,
            unknowable=f"{_text(condition)} cannot be evaluated: {_missing(amount.missing)}",
            help="give what is missing, or take the requirement out",
        )


def _plan_amount(metric: str, graph: Graph, laid_out: Callable[[], Layout]) -> Amount:
    if metric == "memory":
        needed = sum(draft.depth for draft in laid_out()) * graph.model.record
        return Amount(needed, needed, said=f"its buffers need {in_bytes(needed)}")
    if metric == "drives":
        used = len({agent.drive for agent in graph.model.all_agents})
        return Amount(used, used, said=f"it uses {used} drives")
    found = estimate(graph)
    return Amount(found.low, found.high, found.missing, found.said)


def _of_sources(condition: Condition, graph: Graph) -> Iterator[Verdict]:
    judge = _holds(condition.operator, _number(condition.value))
    broken: list[str] = []
    unknown: list[str] = []
    missing: dict[str, None] = {}
    related: list[Related] = []
    count = 0
    known: dict[tuple[str, ...], Amount] = {}
    for name, span, roots in _subjects(condition, graph):
        count += 1
        if not roots or any(graph.is_uncertain(root) for root in roots):
            continue  # no roots: another fault has taken away what fed them
        amount = _source_amount(condition.metric, roots, graph, known)
        holds = judge(amount)
        if holds is False:
            broken.append(f"{as_written(name)} has {amount.said}")
        elif holds is None:
            unknown.append(as_written(name))
            missing.update(dict.fromkeys(amount.missing))
        if holds is not True and span is not None:
            related.append(Related(f"{as_written(name)}: {amount.said}", span))
    if broken:
        yield Verdict(
            condition.metric_span,
            broken=f"the plan does not keep {_text(condition)}: {listed(_some(broken))}",
            help=SOURCE_METRICS[condition.metric],
            related=tuple(related),
        )
    elif unknown:
        yield Verdict(
            condition.metric_span,
            unknowable=f"{_text(condition)} cannot be evaluated for {listed(_some(unknown))}: "
            f"{_missing(tuple(missing))}",
            help="give what is missing, or take the requirement out",
        )
    elif not count and graph.uncertain is not None:
        yield Verdict(
            condition.metric_span,
            unknowable=f"{_text(condition)} cannot be evaluated: the plan backs up no source",
            help="couple a source, or take the requirement out",
        )


def _some(items: Sequence[str], most: int = 12) -> list[str]:
    return [*items[:most], f"{len(items) - most} more"] if len(items) > most else [*items]


def _missing(what: Sequence[str]) -> str:
    return listed(_some(what)) or "the plan does not say enough"


def _subjects(condition: Condition, graph: Graph) -> Iterator[tuple[str, Span | None, list[Node]]]:
    """The sources that a promise is about, with places and roots. What is restored counts by its recorded source."""
    declared = {entity.name: entity.span for entity in graph.model.of_kind("source")}
    recorded: dict[str, list[Node]] = {}
    for root in graph.roots:
        if root.kind == "source":
            continue
        selector = graph.feeds[Node("buffer", root.name, root.buffer)][0].selector
        if selector is not None:
            recorded.setdefault(selector.argument or "all", []).append(root)
    if condition.of:
        for name in dict.fromkeys(name for name, _ in condition.of):
            if name in declared:
                yield name, declared[name], [Node("source", name)]
            else:
                yield name, None, recorded.get(name, [])
        return
    for root in graph.roots:
        if root.kind == "source" and graph.below[root]:
            yield root.name, declared[root.name], [root]
    for name, roots in recorded.items():
        yield name, None, roots


def _source_amount(metric: str, roots: Sequence[Node], graph: Graph, known: dict[tuple[str, ...], Amount]) -> Amount:
    """The least that any of the roots of one name has. Roots on the same drives have the same: it is in *known*."""
    amounts = []
    for root in roots:
        drives = graph.copies(root)
        if metric == "encrypted":
            amounts.append(_encrypted(root, graph))
            continue
        if drives not in known:
            known[drives] = _amount_on(metric, drives, graph)
        amounts.append(known[drives])
    return min(amounts, key=lambda amount: (amount.low, amount.high))


def _encrypted(root: Node, graph: Graph) -> Amount:
    statement = graph.model.statement_of("source", root.name) if root.kind == "source" else None
    if statement is None:
        return Amount(0, 1, ("whether a recorded object is encrypted stands on its volumes",), "no known encryption")
    encrypted = statement.mentions("encrypt")
    return Amount(encrypted, encrypted, said="`encrypt`" if encrypted else "no `encrypt`")


def _amount_on(metric: str, drives: Sequence[str], graph: Graph) -> Amount:
    if metric == "copies":
        on = f" ({listed(as_written(d) for d in drives)})" if drives else ""
        return Amount(len(drives), len(drives), said=f"{len(drives)} {'copy' if len(drives) == 1 else 'copies'}{on}")
    statements = [s for d in drives if (s := graph.model.statement_of("drive", d)) is not None]
    if metric == "hosts":
        hosts = {s.text("host") for s in statements}
        return Amount(len(hosts), len(hosts), said=_counted(len(hosts), "host"))
    attribute = "site" if metric == "sites" else "media"
    known = dict.fromkeys(v for s in statements if (v := s.text(attribute)) is not None)
    without = [s for s in statements if s.text(attribute) is None]
    low = max(len(known), 1 if without else 0)
    said = _counted(len(known), "site") if metric == "sites" else f"{len(known)} known media"
    listed_values = f" ({listed(known)})" if known else ""
    return Amount(
        low,
        len(known) + len(without),
        tuple(f"{as_written(s.name)} has no `{attribute}`" for s in without),
        said + listed_values,
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
