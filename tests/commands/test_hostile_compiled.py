"""Compiled plans that somebody made by hand: a fault or an answer, never an escape or a traceback."""

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.plan import loads

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EVIL = [
    None, True, 0, -1, 10**30, 1.5, "", "x", "A124.B2", "../../etc", "\x1b[2J", "\ud800", "\udcff", "a\0b", [], {},
    [1],
    "a" * 5000, '"', "latest(D1)", "all", 'object("x")',
    "${x}", "night", "write", "read", "restore", "object", "\u202e",
]  # fmt: skip
COMMANDS = [
    ["diff", "figure2.json", "plan.json"],
    ["diff", "plan.json", "figure5.json", "--json"],
    ["diagram", "plan.json", "-o", "-"],
    ["diagram", "plan.json", "-o", "x.mmd"],
    ["run", "plan.json", "--dry-run"],
    ["objects", "--plan", "plan.json"],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, inner in items for place in places(inner, (*path, key))]


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def mutated(chance: random.Random, document: Any) -> Any:
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        known = places(document)
        *where, key = chance.choice(known)
        other = copy.deepcopy(at(document, chance.choice(known)))
        inside = at(document, tuple(where))
        if chance.random() < 0.2:
            del inside[key]
        else:
            inside[key] = copy.deepcopy(chance.choice(EVIL)) if chance.random() < 0.75 else other
    return document


@pytest.mark.timeout(0 if os.environ.get("TCC_FUZZ_SECONDS") else 120)
def test_every_command_answers_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import time

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))
    names = ("figure2", "figure5", "everyday")
    for name in names:
        assert _main(["compile", str(EXAMPLES / f"{name}.tc"), "-o", f"{name}.json"]) == 0
    seeds = [json.loads(Path(f"{name}.json").read_text()) for name in names]
    seconds = float(os.environ.get("TCC_FUZZ_SECONDS", "0"))
    seed = random.SystemRandom().randrange(10**9) if seconds else 1
    chance, end, left, answered = random.Random(seed), time.monotonic() + seconds, 150, 0
    capsys.readouterr()
    while left > 0 or time.monotonic() < end:
        left -= 1
        text = json.dumps(mutated(chance, copy.deepcopy(chance.choice(seeds))))
        Path("plan.json").write_text(text)
        for words in COMMANDS:
            code = _main(words)
            said = "".join(capsys.readouterr())
            about = f"seed {seed}: {words}\n{text}\n{said}"
            assert code in (0, 1, 2), about
            assert "internal error" not in said, about
            assert all(c.isprintable() or c in "\n\t" for c in said), about
            answered += code == 0
    assert answered > 20


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x\udfff"])
def test_what_no_name_and_no_path_can_hold_is_refused(text: str) -> None:
    document = {
        "version": 1, "plan": text, "fingerprint": "", "base": ".", "record": 1 << 20, "memory": 0,
        "sources": [], "rings": [], "agents": [], "drives": [], "targets": [],
    }  # fmt: skip
    with pytest.raises(UsageFault, match=r"plan\.plan holds what no text"):
        loads(json.dumps(document))
    assert loads(json.dumps(document | {"plan": "byte \udcff"})).plan == "byte \udcff"
