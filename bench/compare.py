"""Two results of the bench: what differs between two commits beyond the spread.

    python bench/run.py --out A.json        # on the one commit
    python bench/run.py --out B.json        # on the other
    python bench/compare.py A.json B.json [--all]

Ratios to peers are compared, not seconds: a machine's own speed moves from hour to hour, and its peers' with it. A
figure differs when the two sets of rounds do not overlap: every round of the one is above every round of the other.
With five rounds each that happens once in 126 times by chance alone, with three once in ten: more rounds, more
certainty. Memory is looked at once a run: 5 % apart is a difference. Rounds of one run are alike in what that hour
brought: before a difference is believed, run the first again.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Fewer values than this say nothing about spread.
LEAST_ROUNDS = 3
#: Figures of which more is better; of all others less is.
_MORE_IS_BETTER = ("records/s",)
#: What one day's machine and its other work make of a run: kept for the reader, not compared.
_NOT_COMPARED = ("cpu seconds", "cores")
#: Looked at once a run; values further apart than this differ.
_ONE_VALUE = ("peak MiB", "memory/")
_APART = 0.05
_MACHINE = ("processors", "processor", "memory_bytes", "system", "python")


def compared(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, str]:
    """How one figure moved: ``less``, ``more``, ``same`` or ``?``; and a word on how sure that is."""
    a, b = before["each"], after["each"]
    if key.startswith(_ONE_VALUE):
        apart = after["median"] - before["median"]
        if abs(apart) <= _APART * before["median"]:
            return "same", f"within {_APART:.0%}"
        return "more" if apart > 0 else "less", f"more than {_APART:.0%} apart"
    if min(len(a), len(b)) < LEAST_ROUNDS:
        return "?", f"{min(len(a), len(b))} rounds: too few to tell"
    chance = f"1 in {math.comb(len(a) + len(b), len(a)) // 2} by chance"
    if max(b) < min(a):
        return "less", chance
    if min(b) > max(a):
        return "more", chance
    return "same", "within the spread"


def verdicts(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Figure → verdict and certainty, of one work in two results."""
    found = {}
    for key, figure in before["figures"].items():
        if key not in after["figures"] or key in _NOT_COMPARED:
            continue
        moved, sure = compared(key, figure, after["figures"][key])
        if moved in ("less", "more"):
            better = (moved == "more") == key.startswith(_MORE_IS_BETTER)
            moved = "better" if better else "worse"
        found[key] = (moved, sure)
    return found


def doubts(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Why the two should not be compared, or with care."""
    a, b = before["machine"], after["machine"]
    found = [f"{key} differs: {a.get(key)} and {b.get(key)}" for key in _MACHINE if a.get(key) != b.get(key)]
    found += [
        f"{peer} differs: {a['peers'].get(peer)} and {b['peers'].get(peer)}"
        for peer in sorted(a["peers"].keys() | b["peers"].keys())
        if a["peers"].get(peer) != b["peers"].get(peer)
    ]
    for name, machine in (("the first", a), ("the second", b)):
        if machine["load_at_start"] > 0.25 * machine["processors"]:
            found.append(f"{name} began at load {machine['load_at_start']:.2f}: other work was in the way")
        if machine["changed_since"]:
            found.append(f"{name} is of {machine['commit']} with changes that are in no commit")
    if before.get("part") != after.get("part"):
        found.append("one of them measured another part of the amounts (--part)")
    if before["small"] or after["small"]:
        found.append("tiny amounts (--small) say nothing about speed")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--all", action="store_true", help="show the figures that do not differ, too")
    options = parser.parse_args()
    before, after = (_read(path) for path in (options.before, options.after))
    print(f"{before['machine']['commit']} ({options.before}) → {after['machine']['commit']} ({options.after})")
    for doubt in doubts(before, after):
        print(f"  beware: {doubt}")
    for work in before["works"]:
        if work not in after["works"]:
            print(f"{work}: only in {options.before}")
    for work, found in after["works"].items():
        if work not in before["works"]:
            print(f"{work}: only in {options.after}")
            continue
        _show(work, before["works"][work], found, everything=options.all)


def _show(work: str, before: Mapping[str, Any], after: Mapping[str, Any], *, everything: bool) -> None:
    each = verdicts(before, after)
    moved = [verdict for verdict, _ in each.values()]
    counts = [f"{moved.count(word)} {word}" for word in ("better", "worse") if word in moved]
    if not counts:
        counts = ["too few rounds to tell" if set(moved) == {"?"} else "no difference beyond the spread"]
    print(f"{work}: {', '.join(counts)}")
    for key, (verdict, sure) in each.items():
        if everything or verdict in ("better", "worse"):
            print(f"  {verdict:7}{key:28}{_text(before, key)} → {_text(after, key)}   {sure}")


def _text(work: Mapping[str, Any], key: str) -> str:
    figure = work["figures"][key]
    return f"{figure['median']:.3g} ({figure['least']:.3g} – {figure['most']:.3g})"


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict) or found.get("version") != 1:
        raise SystemExit(f"{path} is no result of bench/run.py")
    return found


if __name__ == "__main__":
    main()
