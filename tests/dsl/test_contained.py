"""A syntax error looked at by itself says the same as the whole text does, tree, places, comments and all."""

import random
from pathlib import Path

import pytest
from tapechain.dsl import contained, pieces
from tapechain.dsl.parser import parse
from tapechain.dsl.pieces import Memory

ROOT = Path(__file__).resolve().parents[2]
LONG = """plan p { depth = 8 }
# remarks
source a { files = "/a" }   # one
source b { command = ["x", "y"] }
drive R1 { volumes = "m" }
backup group g {   # head
  # above
  agent A1 -> R1 {
    B1 <- a   # in
    B2 <- b
  }
  agent A2 -> R2 { B1 <- a }
  agent A3 -> R3 {
    B1 <- "${x}" { depth = 8kiB }
  }
}  # tail
mirror group m of g {
  agent A4 -> R4 { * <- A1 }
  for i in 1..3 { agent "A5${i}" -> "R${i}" { B1 <- A2.B1 } }
}
chain a -> A1.B1
require copies >= 2 of a, b
"""
TEXTS = [LONG, *(path.read_text() for path in sorted((ROOT / "examples").glob("*.tc")))]
BITS = [
    "",
    "{",
    "}",
    "[",
    "]",
    '"',
    "=>",
    ":",
    "<-",
    "->",
    ",",
    "=",
    " x ",
    "agent ",
    "source ",
    "\n",
    "}\n}\n",
    "§",
    "8x",
    "# ",
    "(",
]


@pytest.mark.parametrize("seed", range(6))
def test_contained_or_whole_the_result_is_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_LONG_GROUP", 60)
    served = 0
    real = contained.contained

    def counted(*arguments: object) -> object:
        nonlocal served
        found = real(*arguments)  # type: ignore[arg-type]
        served += found is not None
        return found

    monkeypatch.setattr(contained, "contained", counted)
    chance = random.Random(seed)
    wrong = 0
    for _ in range(60):
        text = chance.choice(TEXTS)
        memory = Memory()
        parse(text, "p.tc", memory)
        for _ in range(chance.choice([1, 1, 1, 2])):
            start = chance.randrange(len(text))
            end = start + chance.choice([0, 0, 1, 1, 2, 9])
            text = text[:start] + chance.choice(BITS) + text[end:]
        file, found = parse(text, "p.tc", memory)
        plain_file, plain_found = parse(text, "p.tc")
        assert found == plain_found, text
        assert repr(file) == repr(plain_file), text  # places and comments, which are no part of equality, too
        wrong += bool(found)
    assert served >= wrong // 3, (served, wrong)
