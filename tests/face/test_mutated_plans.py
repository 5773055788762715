"""Plans that were cut, doubled, swapped and sown with evil: every command answers in order, whatever comes.

``TCC_FUZZ_SECONDS=600 pytest tests/face/test_mutated_plans.py`` runs long, from a seed that it prints.
"""

import os
import random
import re
import time
from pathlib import Path

import pytest
from tapechain.cli.main import _main
from tapechain.cli.world import KnownWorld
from tapechain.compiler.program import compile_program

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "rules").glob("*.md"))
SEEDS = [path.read_text() for path in sorted((ROOT / "examples").glob("*.tc"))] + [
    text for page in PAGES for text in re.findall(r"^```tc[^\n]*\n(.*?)^```", page.read_text(), re.M | re.S)
]
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[A-Za-z_]\w*|\d[\w./]*|[^\w\s]|\s+')
VOCABULARY = sorted({token for seed in SEEDS for token in TOKEN.findall(seed)})
EVIL = [
    '"\x1b[2J"', '"${x}"', r'"a\nb"', '""', '"../../x"', "1..10000000", "9" * 50 + "TiB", "-1", '"\u202e"', "\\",
    '"' + "a" * 300 + '"', "for i in 1..3 {", "}", "{", "[", "]", '"%n"', '"-"', 'schedule = "daily"', "window = 1s",
    '"|`<b>"', "all", 'object("x")', "chain(D1)", '"\ud800"', "-> T1", "require copies >= 99", "0B", "1e9", r'"\x"',
    'level = "incremental"', 'encrypt = ["age1x"]', '"\U0001f600"', "host = h", "let x = x", "param p = p",
    'as_of = "x"', 'include "plan.tc"', 'include "/etc/passwd"', "\0", "\r\n", "\ufeff",
]  # fmt: skip
FORMATS = ["text", "json", "github", "gitlab", "sarif", "junit"]
#: CPU seconds that no command may take for a plan of a few hundred tokens; far above what the slowest machine needs.
SECONDS_MAX = 10.0


def mutated(chance: random.Random) -> str:
    tokens = TOKEN.findall(chance.choice(SEEDS))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 12])):
        at, other = chance.randrange(len(tokens) + 1), chance.randrange(len(tokens) + 1)
        match chance.randrange(7):
            case 0:
                del tokens[at : at + 1]
            case 1:
                tokens[at : at + 1] = [chance.choice(VOCABULARY)]
            case 2:
                tokens.insert(at, chance.choice(VOCABULARY))
            case 3:
                tokens[at : at + 1], tokens[other : other + 1] = tokens[other : other + 1], tokens[at : at + 1]
            case 4:
                tokens[at:at] = tokens[at : at + chance.randrange(40)]
            case 5:
                tokens.insert(at, chance.choice(EVIL))
            case _:
                tokens[at : at + 1] = [chance.choice(EVIL)]
    return "".join(tokens)


def test_every_diagnostic_has_help() -> None:
    """The language's contract: a code, the exact span, a message, and help."""
    chance = random.Random(11)
    for _ in range(250):
        text = mutated(chance).encode("utf-8", "surrogatepass")
        compilation = compile_program("plan.tc", KnownWorld("plan.tc", text), {})
        for found in compilation.diagnostics:
            assert found.help and found.message, (found, text)


@pytest.mark.timeout(0)
def test_every_command_answers_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seconds = float(os.environ.get("TCC_FUZZ_SECONDS", "0"))
    seed = random.SystemRandom().randrange(10**9) if seconds else 3
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    Path("old.tc").write_text(SEEDS[0])
    left, compiled = 70, 0
    while left > 0 or time.monotonic() < end:
        left -= 1
        text = mutated(chance).encode("utf-8", "surrogatepass")
        Path("plan.tc").write_bytes(text)
        commands = [
            ["check", "--strict", "--format", chance.choice(FORMATS), "plan.tc"],
            ["fmt", "--check", "--diff", "plan.tc"],
            ["estimate", "plan.tc"],
            ["diff", "old.tc", "plan.tc"],
            ["compile", "plan.tc", "--emit", "json,dot,mermaid,markdown", "-o", "out"],
            ["compile", "plan.tc", "--emit", "systemd", "-o", "out"],
        ]
        for words in commands:
            began = time.process_time()
            code = _main(words)
            said = "".join(capsys.readouterr())
            about = f"seed {seed}: {words}\n{text!r}\n{said}"
            assert code in ((0, 1) if words[0] in ("check", "fmt") else (0, 1, 2)), about
            assert "internal error" not in said and "root:x:" not in said, about
            assert all(c.isprintable() or c in "\n\t" for c in said), about
            assert time.process_time() - began < SECONDS_MAX, about
            if words[0] == "compile" and code == 0:
                compiled += 1
                for made in Path("out").iterdir():
                    content = made.read_text("utf-8", "replace")
                    assert made.suffix == ".json" or all(c.isprintable() or c in "\n\t" for c in content), about
    assert compiled > 5
