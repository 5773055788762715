"""The copying runtime and docs/deadlock.md: whatever passes the check of ``runtime.preflight`` comes to its end.

Drawn plans read two drives, interleaved by sessions of several sources, through rings of the least depth, with agents
of both orders, with and without spools, in two stages and to targets. What the check refuses is not run.
"""

import random
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.runtime.faults import UsageFault

SECONDS = 40


def text(turns: random.Random) -> str:
    selectors = ["a", "b", "all(a)", "all(b)", "all", "chain(a)"]
    lines = ["plan drawn { record = 64KiB  depth = 2 }"]
    lines += [f'drive {d} {{ volumes = "media/{d}" }}' for d in ("R1", "R2")]
    buffers: list[str] = []
    lines.append("restore group old {")
    for n, drive in enumerate(turns.choice([("R1",), ("R1", "R2"), ("R1", "R1", "R2")])):
        own = turns.sample(selectors, turns.randint(1, 2))
        lines.append(f"  agent A{n} <- {drive} {{ {' '.join(f'B{i} <- {s}' for i, s in enumerate(own))} }}")
        buffers += [f"A{n}.B{i}" for i in range(len(own))]
    lines.append("}")
    before, first = "old", buffers
    for stage in range(turns.randint(1, 2)):
        lines.append(f"copy group g{stage} of {before} {{")
        made: list[str] = []
        for n in range(turns.randint(1, 2)):
            agent = f"C{stage}{n}"
            own = turns.sample(buffers, turns.randint(1, min(3, len(buffers))))
            order = turns.choice(["", 'order = "object" ', 'order = "object" spool = "spool" ', 'spool = "spool" '])
            lines.append(
                f"  agent {agent} -> N{stage}{n} {{ {order}{' '.join(f'B{i} <- {f}' for i, f in enumerate(own))} }}"
            )
            made += [f"{agent}.B{i}" for i in range(len(own))]
        lines.append("}")
        lines += [
            f'drive N{stage}{n} {{ volumes = "fresh/N{stage}{n}" }}'
            for n in range(2)
            if f"N{stage}{n}" in lines[-2] + lines[-3]
        ]
        before, buffers = f"g{stage}", made
    if turns.random() < 0.4:
        lines += ['target T { command = ["sh", "-c", "cat >/dev/null"] }', f"chain {turns.choice(first)} -> T"]
    return "\n".join(lines)


@pytest.mark.timeout(120)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_passes_the_check_comes_to_its_end(tmp_path_factory, support, copying_in, unchecked, seed: int) -> None:
    turns = random.Random(seed)
    plan = unchecked(text(turns))
    if plan is None:
        return
    world = support.World(tmp_path_factory.mktemp("still"))
    for session in range(2):
        world.run({name: bytes([session]) * turns.randrange(1, 700_000) for name in "abc"}, ("R1", "R2"))
    ended: list[object] = []

    def job() -> None:
        try:
            ended.append(copying_in(world).run_plan(plan))
        except UsageFault as fault:
            ended.append(fault)

    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), f"stands still:\n{text(random.Random(seed))}"
    (report,) = ended
    if isinstance(report, UsageFault):
        assert "wait for ever" in report.message, report
    else:
        assert report.status == "ok", report  # type: ignore[attr-defined]
