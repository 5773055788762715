"""Figures, goals, and the one table: what a work's samples say."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from measure import Sample, counted

OURS = "tcc"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its spread; ``each`` holds one value a round, in their order."""

    median: float
    least: float
    most: float
    each: tuple[float, ...]

    @staticmethod
    def of(values: Sequence[float]) -> Figure:
        """Of one value a round."""
        return Figure(statistics.median(values), min(values), max(values), tuple(values))


@dataclass(frozen=True, slots=True)
class Goal:
    """What issue 5 (or 4) asks for: the *median* of a figure at most, or at least, *limit*. ``words`` name it.

    Keys of figures: ``time/PEER`` (our seconds to a peer's in the same round), ``inside/PEER`` (without the start of
    ``tcc``), ``cpu/PEER``, ``peak MiB``, ``cores`` (processor seconds to seconds), or a work's own.
    """

    key: str
    limit: float
    words: str
    at_least: bool = False

    def reached(self, figures: Mapping[str, Figure]) -> bool | None:
        """None where the figure could not be had here."""
        if self.key not in figures:
            return None
        value = figures[self.key].median
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(slots=True)
class Result:
    """What one work found. ``notes`` are lines for the reader of the table."""

    samples: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def figures_of(samples: Mapping[str, Sequence[Sample]], rounds: int) -> dict[str, Figure]:
    """Ours beside each other contender's, in the same round."""
    if OURS not in samples:
        return {}
    ours = counted(samples[OURS], rounds)
    found = {
        "peak MiB": Figure.of([s.peak_bytes / (1 << 20) for s in samples[OURS] if s.peak_bytes is not None] or [0.0]),
        "cores": Figure.of([s.cpu_seconds / s.seconds for s in ours]),
        "cpu seconds": Figure.of([s.cpu_seconds for s in ours]),
    }
    for name, all_of_it in samples.items():
        if name == OURS:
            continue
        pairs = list(zip(ours, counted(all_of_it, rounds), strict=True))
        found[f"time/{name}"] = Figure.of([a.seconds / b.seconds for a, b in pairs])
        found[f"cpu/{name}"] = Figure.of([a.cpu_seconds / max(b.cpu_seconds, 1e-3) for a, b in pairs])
        if all(a.inside_seconds is not None for a, _ in pairs):
            # A peer that says its own seconds, too, is taken by those: both without their start.
            theirs = [b.inside_seconds if b.inside_seconds is not None else b.seconds for _, b in pairs]
            found[f"inside/{name}"] = Figure.of(
                [(a.inside_seconds or 0.0) / other for (a, _), other in zip(pairs, theirs, strict=True)]
            )
    return found


# ---------------------------------------------------------------- what is shown


def table_of(title: str, result: Result, goals: Sequence[Goal], rounds: int) -> str:
    """The work's part of the table."""
    lines = [f"\n{title}"]
    if result.samples:
        lines.append(
            f"  {'':26}{'seconds':>9}{'CPU s':>8}{'MiB':>6}   {'tcc takes of its time':24}{'of its CPU':13}start apart"
        )
    for name, each in result.samples.items():
        timed = counted(each, rounds)
        seconds = statistics.median(s.seconds for s in timed)
        cpu = statistics.median(s.cpu_seconds for s in timed)
        peak = max((s.peak_bytes or 0 for s in each), default=0) / (1 << 20)
        ratio = result.figures.get(f"time/{name}")
        of_cpu = result.figures.get(f"cpu/{name}")
        apart = result.figures.get(f"inside/{name}")
        beside = f"{_spread(ratio):24}{of_cpu.median:<13.2f}" if ratio is not None and of_cpu is not None else ""
        beside += _spread(apart) if apart is not None else ""
        held = f"{peak:6.0f}" if peak else f"{'':6}"
        lines.append(f"  {name:26}{seconds:9.3f}{cpu:8.2f}{held}   {beside}".rstrip())
    lines += [f"  {note}" for note in result.notes]
    for goal in goals:
        lines.append(f"  goal: {goal.words}: {_judged(goal, result.figures)}")
    return "\n".join(lines)


def _judged(goal: Goal, figures: Mapping[str, Figure]) -> str:
    reached = goal.reached(figures)
    if reached is None:
        return "not measured here"
    return f"{'REACHED' if reached else 'MISSED'} with {_spread(figures[goal.key])}"


def _spread(figure: Figure) -> str:
    if figure.least == figure.most:
        return _number(figure.median)
    return f"{_number(figure.median)} ({_number(figure.least)} – {_number(figure.most)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 20 else f"{value:.2f}"


def as_json(result: Result, goals: Sequence[Goal], rounds: int) -> dict[str, object]:
    """What is kept: every sample, every figure, every goal."""
    return {
        "rounds": rounds,
        "figures": {key: asdict(figure) for key, figure in result.figures.items()},
        "goals": [{**asdict(goal), "reached": goal.reached(result.figures)} for goal in goals],
        "notes": result.notes,
        "samples": {name: [asdict(s) for s in each] for name, each in result.samples.items()},
    }
