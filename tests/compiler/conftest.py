"""Plans in memory, with the place that a diagnostic must have marked in them: ``agent A2 -> «R1»``."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld

_MARK = re.compile("«(.*?)»", re.DOTALL)

#: Two sources and enough drives, as a head for short plans; its own warnings are silenced.
HEAD = """source D1 { files = "/d1" } # tcc: ignore TC901, TC903
source D2 { files = "/d2" } # tcc: ignore TC901, TC903
drive R1 { volumes = "m/R1" } # tcc: ignore TC902
drive R2 { volumes = "m/R2" } # tcc: ignore TC902
drive R3 { volumes = "m/R3" } # tcc: ignore TC902
"""


@dataclass(frozen=True)
class Checked:
    """A compilation beside the places that were marked in its text, as (line, column, end column)."""

    compilation: Compilation
    marks: list[tuple[int, int, int]]

    @property
    def codes(self) -> list[str]:
        return [d.code for d in self.compilation.diagnostics]

    @property
    def places(self) -> list[tuple[int, int, int]]:
        return [(d.span.line, d.span.column, d.span.end_column) for d in self.compilation.diagnostics]

    @property
    def messages(self) -> str:
        return "\n".join(f"{d.message} | {d.help}" for d in self.compilation.diagnostics)


Check = Callable[..., Checked]


@pytest.fixture
def check() -> Check:
    """``check(text, head=True, files={}, links={}, defines={})``: compile *text* behind :data:`HEAD`."""

    def run(
        text: str,
        *,
        head: bool = True,
        files: Mapping[str, str | bytes] | None = None,
        links: Mapping[str, str] | None = None,
        same: Mapping[str, str] | None = None,
        defines: Mapping[str, str] | None = None,
        path: str = "plan.tc",
    ) -> Checked:
        whole = (HEAD if head else "") + text
        marks = []
        for number, line in enumerate(whole.split("\n"), 1):
            taken = 0
            for match in _MARK.finditer(line):
                start = match.start() - taken + 1
                marks.append((number, start, start + len(match[1])))
                taken += 2
        plain = _MARK.sub(r"\1", whole)
        world = MemoryWorld(files={path: plain, **(files or {})}, links=links or {}, same=same or {})
        return Checked(compile_program(path, world, defines), marks)

    return run
