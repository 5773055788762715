"""The result of ``tcc verify`` as text and as JSON: what was found, what is safe, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .console import harmless, print_result, say
from .summary import plural

if TYPE_CHECKING:
    from ..runtime.restore.due import Due
    from ..runtime.restore.findings import Advice, Advised
    from ..runtime.restore.verdicts import Verified


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong beyond volumes and objects that a catalog knows."""

    text: str
    safe: str
    todo: str


def stranger(path: Path, catalog: str) -> Problem:
    """A volume that the catalog does not know."""
    from ..runtime.restore.findings import of_stranger

    advice = of_stranger(path)
    return Problem(f"{path}: the catalog {catalog} does not know this volume", advice.safe, advice.todo)


def advised_of(result: Verified, options: Sequence[tuple[str, str | None]]) -> Advised:
    """What is safe and what to do, with the very command that heals; *options*: those that say which catalog."""
    import shlex

    from ..runtime.restore.findings import advise

    named = [word for option, value in options if value is not None for word in (option, value)]
    draft = shlex.join(["tcc", "verify", *named, "--repair", "-o", "repair.tc"])
    return advise(result, repair=f"`{draft}`, then `tcc run repair.tc --again`")


def _todo_of_absent(plan_path: str | None) -> str:
    return f"see why with `tcc sessions --plan {plan_path}`, then `tcc run {plan_path}`"


_SAFE_OF_ABSENT = "what earlier sessions stored (`tcc objects`)"


def as_document(
    result: Verified, told: list[Problem], lacking: Due, advised: Advised, plan_path: str | None
) -> dict[str, Any]:
    """The document of ``--json`` (docs/cli.md)."""
    todo = [p.todo for p in told if p.todo] + ([_todo_of_absent(plan_path)] if lacking.absent else [])
    return {
        "version": 1,
        "status": _status(result, told, lacking),
        "problems": [problem.text for problem in told],
        "absent": list(lacking.absent),
        "notes": list(lacking.notes),
        "todo": list(dict.fromkeys(todo)),
        "volumes": [
            {
                "name": v.name,
                "uuid": v.id,
                "drive": v.drive,
                "location": v.location,
                "status": v.status,
                "records": v.records,
                "bytes": v.bytes,
                "problems": v.problems,
                "notes": v.notes,
                **_advice_json(advised.volumes.get(v.id)),
            }
            for v in result.volumes
        ],
        "objects": [
            {
                "source": o.source,
                "plan": o.plan,
                "object": o.object,
                "status": o.status,
                "copies": [{"drive": c.drive, "status": c.status} for c in o.copies],
                **_advice_json(advised.objects.get(o.object)),
            }
            for o in result.objects
        ],
    }


def _status(result: Verified, told: list[Problem], lacking: Due) -> str:
    wrong = {v.status for v in result.volumes} | {o.status for o in result.objects}
    wrong -= {"sound", "healed", "known"}
    if told or wrong - {"hanging"}:
        return "damaged"
    return "hanging" if wrong else "absent" if lacking.absent else "sound"


def _advice_json(advice: Advice | None) -> dict[str, str]:
    return {} if advice is None else {"safe": advice.safe, "todo": advice.todo}


#: (status of an object, whether some of its copies were not read) → what that means
_OUTLOOK = {
    ("damaged", False): "damaged, but every record is left",
    ("damaged", True): "damaged; other copies were not read, and hold every record as far as the catalog knows",
    ("hanging", False): "not known: a drive that holds it hangs",
    ("hanging", True): "not known: a drive that holds it hangs; other copies were not read",
    ("lost", False): "LOST: records are nowhere left",
    ("lost", True): "LOST: records are nowhere left, as far as the catalog knows the copies that were not read",
}


class _AdviceLines:
    """The lines below a finding; what was said of the one before is not said again."""

    def __init__(self) -> None:
        self._said: tuple[str, str] = ("", "")

    def show(self, advice: Advice | Problem | None) -> None:
        """What is safe, and what to do."""
        if advice is None:
            return
        before, self._said = self._said, (advice.safe, advice.todo)
        for word, text, earlier in (("safe:", advice.safe, before[0]), ("do:", advice.todo, before[1])):
            if text and text != earlier:
                print_result(harmless(f"         {word:5}  {text}"))


def show(result: Verified, told: list[Problem], lacking: Due, advised: Advised, plan_path: str | None) -> None:
    """Findings on stdout, each with what is safe and what to do; notes and the sum of it on stderr."""
    lines = _AdviceLines()
    for volume in result.volumes:
        if volume.status == "healed":
            what = harmless(volume.problems[0]) if volume.problems else "damaged"
            say(f"note: volume {volume.name} is not sound ({what}), but its drive holds all that belongs there")
            continue
        if volume.status != "sound":
            print_result(harmless(f"{volume.status:8} volume {volume.name} ({volume.location or 'no place known'})"))
        for what in volume.problems:
            print_result(harmless(f"         {what}"))
        if volume.left_out:
            print_result(f"         {volume.left_out} more")
        lines.show(advised.volumes.get(volume.id))
        for note in volume.notes:
            say(f"note: volume {volume.name}: {note}")
    for item in result.objects:
        bad = [f"{c.drive} ({c.status})" for c in item.copies if c.status in {"damaged", "missing", "hanging"}]
        if item.status in {"damaged", "lost", "hanging"}:
            what = _OUTLOOK[item.status, any(c.status == "unread" for c in item.copies)]
            print_result(harmless(f"{item.status:8} {item.plan}/{item.source} {item.object}: {what}; {', '.join(bad)}"))
            lines.show(advised.objects.get(item.object))
    for problem in told:
        print_result(harmless(f"unknown  {problem.text}"))
        lines.show(problem)
    for line in lacking.absent:
        print_result(harmless(f"absent   {line}"))
        lines.show(Problem("", _SAFE_OF_ABSENT, _todo_of_absent(plan_path)))
    for line in lacking.notes:
        say(f"note: {line}")
    records = sum(v.records for v in result.volumes)
    size = sum(v.bytes for v in result.volumes)
    word = "NOT all sound" if told or not result.sound else "all sound" if result.volumes else "nothing was read"
    word += f", {plural(len(lacking.absent), 'thing')} ABSENT" if lacking.absent else ""
    counted = ", ".join((plural(len(result.volumes), "volume"), plural(len(result.objects), "object")))
    say(f"{word}: {counted}, {plural(records, 'record')} of {size} bytes read")
