"""Live progress of a run on stderr: a table on a terminal, plain lines in CI, JSON lines on request.

All of them are observers (``runtime.events.Observer``): the run's control thread hands them a snapshot now and
then, and nothing in the hot path knows of them.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Literal

from ..runtime.events import NoObserver, Snapshot
from ..runtime.model import RunReport, Session
from ..runtime.report import to_json
from .console import harmless, say, wants_colour
from .summary import duration, lines, size

if TYPE_CHECKING:
    from rich.console import RenderableType

Mode = Literal["auto", "rich", "plain", "json", "none"]
_STYLES = {"ok": "1;32", "degraded": "1;33", "failed": "1;31"}


def observer_for(mode: Mode) -> Progress:
    """The observer that *mode* means. ``auto``: a table on a terminal, plain lines in CI, else only what matters."""
    if mode == "auto":
        ci = bool(os.environ.get("CI"))
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        mode = "rich" if terminal and not ci else "plain" if ci or sys.stderr.isatty() else "none"
    if mode == "rich":
        return RichProgress()
    return {"plain": PlainProgress, "json": JsonProgress, "none": Quiet}[mode]()


def print_summary(report: RunReport) -> None:
    """The end of the run on stderr, its status in colour where there are colours."""
    first, *rest = lines(report)
    say(first, style=_STYLES[report.status])
    for line in rest:
        say(line)


class Rates:
    """Bytes per second of everything that counts bytes, smoothed over the last few samples."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, int]] = {}
        self._rate: dict[str, float] = {}

    def update(self, key: str, seconds: float, count: int) -> float:
        """The rate of *key*, now that it stands at *count* bytes at *seconds* of the run."""
        before, old = self._last.get(key, (0.0, 0))
        if seconds > before:
            rate = (count - old) / (seconds - before)
            self._rate[key] = rate if key not in self._rate else 0.6 * self._rate[key] + 0.4 * rate
            self._last[key] = (seconds, count)
        return self._rate.get(key, 0.0)


class Progress(NoObserver):
    """An observer of the command line."""

    def held(self, text: str) -> None:
        """A note."""
        self.note(text)

    def close(self) -> None:
        """Give the terminal back, whatever happened. Idempotent."""


class Quiet(Progress):
    """Says nothing while it runs but what may hold it for ever; what went wrong is said at the end."""

    def __init__(self) -> None:
        self._said: list[str] = []

    def held(self, text: str) -> None:
        """At once: there may be no end."""
        self._said.append(text)
        say(f"warning: {text}", style="1;33")

    def finished(self, report: RunReport) -> None:
        """The summary, or what is worth knowing although all is well."""
        if report.status != "ok" or report.signal is not None:
            print_summary(report)
        else:
            for note in report.notes:
                if note not in self._said:
                    say(f"note: {note}")


class PlainProgress(Progress):
    """A line every few seconds, for logs."""

    interval_seconds = 5.0

    def __init__(self) -> None:
        self._rates = Rates()

    def started(self, session: Session, snapshot: Snapshot) -> None:
        """What begins."""
        say(f"run: plan {session.plan}, session {session.number} ({session.id})")

    def sample(self, snapshot: Snapshot) -> None:
        """How it stands, in one line."""
        parts = []
        for source in snapshot.sources:
            rate = self._rates.update(f"source {source.name}", snapshot.seconds, source.bytes)
            if source.state == "reading":
                parts.append(
                    f"{source.name} {size(source.bytes)} ({size(rate)}/s{_left(source.size, source.bytes, rate)})"
                )
        for drive in snapshot.drives:
            rate = self._rates.update(f"drive {drive.name}", snapshot.seconds, drive.bytes)
            if drive.state in ("writing", "closing"):
                waits = f" ({size(drive.spooled)} in its spool)" if drive.spooled else ""
                parts.append(f"-> {drive.name} {size(rate)}/s{waits}")
        for target in snapshot.targets:
            rate = self._rates.update(f"target {target.name}", snapshot.seconds, target.bytes)
            if target.state == "restoring":
                parts.append(f"-> {target.name} {size(rate)}/s")
        if parts:
            say(f"run: {duration(snapshot.seconds)}: " + ", ".join(parts))

    def note(self, text: str) -> None:
        """At once."""
        say(f"run: {text}")

    def finished(self, report: RunReport) -> None:
        """The summary."""
        print_summary(report)


class JsonProgress(Progress):
    """One JSON object a line: ``{"event": "started" | "sample" | "note" | "finished", …}``."""

    interval_seconds = 1.0

    def started(self, session: Session, snapshot: Snapshot) -> None:
        """The session."""
        self._print("started", session=session.id, number=session.number, plan=session.plan, started=session.started)

    def sample(self, snapshot: Snapshot) -> None:
        """The snapshot as it is."""
        import dataclasses

        self._print("sample", **dataclasses.asdict(snapshot))

    def note(self, text: str) -> None:
        """The note."""
        self._print("note", text=text)

    def finished(self, report: RunReport) -> None:
        """The report, as ``--report`` writes it."""
        self._print("finished", report=to_json(report))

    def _print(self, event: str, **words: Any) -> None:
        sys.stderr.write(json.dumps({"event": event, **words}) + "\n")
        sys.stderr.flush()


class RichProgress(Progress):
    """A live table: each source's bytes, rate and time left, each ring's fill, each drive's bytes and rate."""

    interval_seconds = 0.2

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._rates = Rates()
        self._console = Console(
            file=sys.stderr, highlight=False, color_system="auto" if wants_colour(sys.stderr) else None
        )
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)

    def started(self, session: Session, snapshot: Snapshot) -> None:
        """Open the live display."""
        self._live.start()
        self.sample(snapshot)

    def sample(self, snapshot: Snapshot) -> None:
        """Draw it anew."""
        self._live.update(self._table(snapshot), refresh=True)

    def note(self, text: str) -> None:
        """Above the table, to stay."""
        from rich.text import Text

        self._console.print(Text(harmless(text), style="yellow"))

    def finished(self, report: RunReport) -> None:
        """Take the display away; the summary stays."""
        self.close()
        print_summary(report)

    def close(self) -> None:
        """Take the table away and show the cursor."""
        self._live.stop()

    def _table(self, snapshot: Snapshot) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        rings = {ring.feed: ring for ring in snapshot.rings}
        room = max(3, (self._console.height - 6) // 2)
        sources = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("source", "", "read", "rate", "left", "buffer"):
            sources.add_column(name, justify="right" if name in ("read", "rate", "left") else "left", no_wrap=True)
        rates = [self._rates.update(f"source {s.name}", snapshot.seconds, s.bytes) for s in snapshot.sources]
        ordered = sorted(zip(snapshot.sources, rates, strict=True), key=lambda pair: pair[0].state != "reading")
        for source, rate in ordered[:room]:
            reading = source.state == "reading"
            ring = rings[source.name]
            sources.add_row(
                Text(harmless(source.name), overflow="ellipsis"),
                Text(source.state, style=_colour(source.state)),
                size(source.bytes),
                f"{size(rate)}/s" if reading else "",
                _left(source.size, source.bytes, rate).removeprefix(", ").removesuffix(" left") if reading else "",
                Text("█" * _cells(ring.fill, ring.depth) + "░" * (8 - _cells(ring.fill, ring.depth)), style="cyan")
                + f" {ring.fill}/{ring.depth}",
            )
        drives = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("drive", "", "agent", "written", "rate"):
            drives.add_column(name, justify="right" if name in ("written", "rate") else "left", no_wrap=True)
        for drive in snapshot.drives[:room]:
            rate = self._rates.update(f"drive {drive.name}", snapshot.seconds, drive.bytes)
            drives.add_row(
                Text(harmless(drive.name), overflow="ellipsis"),
                Text(drive.state, style=_colour(drive.state)),
                Text(harmless(drive.agent), overflow="ellipsis"),
                size(drive.bytes),
                (f"{size(rate)}/s" if drive.state == "writing" else "")
                + (f" ({size(drive.spooled)} spooled)" if drive.spooled else ""),
            )
        for target in snapshot.targets[:room]:
            rate = self._rates.update(f"target {target.name}", snapshot.seconds, target.bytes)
            drives.add_row(
                Text(harmless(target.name), overflow="ellipsis"),
                Text(target.state, style=_colour(target.state)),
                "target",
                size(target.bytes),
                f"{size(rate)}/s" if target.state == "restoring" else "",
            )
        total = sum(source.bytes for source in snapshot.sources)
        hidden = max(0, len(ordered) - room) + max(0, len(snapshot.drives) - room)
        more = f" (and {hidden} more lines)" if hidden else ""
        return Group(
            sources, Text(), drives, Text(f"{duration(snapshot.seconds)}, {size(total)} read{more}", style="dim")
        )


def _cells(fill: int, depth: int) -> int:
    """Cells of eight that show *fill* of *depth*; one at least where there is anything."""
    return -(-8 * fill // depth)


def _colour(state: str) -> str:
    return {"whole": "green", "done": "green", "failed": "red", "cut-off": "red", "closing": "yellow"}.get(state, "")


def _left(expected: int | None, done: int, rate: float) -> str:
    """``, 3 min 20 s left`` where the size is known and something moves."""
    if expected is None or rate <= 0 or expected <= done:
        return ""
    return f", {duration((expected - done) / rate)} left"
