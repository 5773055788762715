"""TC906: warning: a source that holds this plan's own volumes, state, spool or targets.

Why: the backup would back up itself, and grow while it does. The run leaves them out; the warning says so.

    source D1 { files = "/" }
    drive R1 { volumes = "/srv/volumes" }

Mend: narrow the source, let the plan write elsewhere, or silence the warning.
"""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Iterator

from ...dsl.diagnostics import Diagnostic, Related
from ...dsl.spans import Span
from ..model import Model, Statement
from ..names import as_written, listed
from ..rule import Rule

RULE = Rule("TC906", "a source that holds this plan's own volumes, state, spool or targets", "warning")


def check(model: Model) -> Iterator[Diagnostic]:
    """Every path of a ``files`` source at or above a folder or file that this plan writes, on the same host."""
    sources = [e.statement for e in model.of_kind("source") if "files" in e.statement.settings]
    if not sources:
        return
    own: dict[str | None, list[tuple[str, int, Related]]] = {}
    for i, (what, host, path, span) in enumerate(_own(model)):
        own.setdefault(host, []).append((_real(model, path, span), i, Related(what, span)))
    for written in own.values():
        written.sort(key=lambda one: one[:2])
    places = {host: [real for real, _, _ in written] for host, written in own.items()}
    for source in sources:
        files = source.settings["files"]
        for path, span in zip(source.texts("files"), files.items, strict=True):
            host = source.text("host")
            if host not in own:
                continue
            held = _held(own[host], places[host], _real(model, path, files.name_span))
            if held:
                yield RULE.at(
                    span,
                    f"the source {as_written(source.name)} holds {listed(r.message for r in held)} of this plan",
                    help="the run leaves them out: narrow the source, or let the plan write elsewhere",
                    related=held,
                )


def _held(written: list[tuple[str, int, Related]], places: list[str], top: str) -> list[Related]:
    """What lies at *top* or below it, in the order of the program; *written* is sorted by path, *places* are those."""
    inside = top.rstrip("/") + "/"
    found = []
    for start in (top, inside):
        for place in range(bisect_left(places, start), len(written)):
            real, i, related = written[place]
            if real != top and not real.startswith(inside):
                break
            if real == top or start is inside:
                found.append((i, related))
    return [related for _, related in sorted(dict(found).items())]


def _real(model: Model, path: str, span: Span) -> str:
    return model.world.resolve(posixpath.join(model.main_folder, model.path_of(path, span)))


def _own(model: Model) -> Iterator[tuple[str, str | None, str, Span]]:
    """What this plan writes: what it is, on which host, its path and its place."""
    for entity in model.of_kind("drive"):
        yield from _one(entity.statement, "volumes", f"the volumes of {as_written(entity.name)}")
    if model.plan is not None:
        yield from _one(model.plan, "state", "the state")
    for agent in model.all_agents:
        yield from _one(agent.statement, "spool", f"the spool of {as_written(agent.name)}")
    for entity in model.of_kind("target"):
        for kind in ("files", "stream"):
            yield from _one(entity.statement, kind, f"the target {as_written(entity.name)}")


def _one(statement: Statement, name: str, what: str) -> Iterator[tuple[str, str | None, str, Span]]:
    setting = statement.settings.get(name)
    if setting is not None and isinstance(setting.value, str):
        yield what, statement.text("host"), setting.value, setting.span
