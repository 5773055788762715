"""TC310 and TC311 where they stand: the place, the cycle in words, what is left alone, and the function below them."""

import gc
import time

import pytest
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.waiting import Waiter, wait_cycles, waits_for_itself

HEAD = "".join(f'source S{i} {{ files = "/s{i}" }}\n' for i in range(1, 4)) + "".join(
    f'drive R{i} {{ volumes = "r{i}" }}\n' for i in range(1, 6)
)
OBJECT = 'order = "object" '


def errors_of(text: str) -> tuple[Compilation, list[str]]:
    compilation = compile_program("p.tc", MemoryWorld(files={"p.tc": HEAD + text}))
    return compilation, [d.code for d in compilation.diagnostics if d.severity == "error"]


def two(first: str, second: str, *, how: str = OBJECT, mirror: str = "") -> str:
    return (
        f"backup group g {{\n agent A1 -> R1 {{ {OBJECT}{first} }}\n agent A2 -> R2 {{ {how}{second} }}\n}}\n" + mirror
    )


def test_the_place_is_the_later_agent_and_both_hops_are_shown() -> None:
    compilation, codes = errors_of(two("X <- S1  Y <- S2", "X <- S2  Y <- S1"))
    assert codes == ["TC310"]
    (found,) = [d for d in compilation.diagnostics if d.code == "TC310"]
    lines = (HEAD + two("X <- S1  Y <- S2", "X <- S2  Y <- S1")).split("\n")
    assert lines[found.span.line - 1][found.span.column - 1 : found.span.end_column - 1] == "S1"
    assert "agent A2" in lines[found.span.line - 1]
    assert "S2 waits in A1 until S1 is whole there, S1 waits in A2 until S2 is whole there" in found.message
    assert [r.message for r in found.related] == ["A1 takes Y only when X is whole", "A2 takes Y only when X is whole"]
    assert [lines[r.span.line - 1].split()[1] for r in found.related] == ["A1", "A2"]


@pytest.mark.parametrize(
    "text",
    [
        two("X <- S1  Y <- S2", "X <- S1  Y <- S2"),  # one order
        two("X <- S1  Y <- S2", "X <- S2  Y <- S1", how=""),  # one of them interleaves
        two("X <- S1  Y <- S2", "X <- S2  Y <- S1", how=OBJECT + 'spool = "/spool" '),  # one of them has room to wait
        two("X <- S1  Y <- S2", "X <- S2  Y <- S3"),  # no way back
        two("X <- S1", "X <- S2", mirror="mirror group m of g { agent A3 -> R3 { " + OBJECT + "* <- A1 } }"),
    ],
)
def test_what_cannot_stand_still_is_left_alone(text: str) -> None:
    assert errors_of(text)[1] == []


def test_a_mirror_waits_as_well_as_the_backup() -> None:
    mirror = "mirror group m of g { agent A3 -> R3 { " + OBJECT + "X <- A1.Y  Y <- A1.X } }"
    compilation, codes = errors_of(two("X <- S1  Y <- S2", "X <- S3", mirror=mirror))
    assert codes == ["TC310"]
    (found,) = [d for d in compilation.diagnostics if d.code == "TC310"]
    assert "the agents A1 and A3 wait for each other" in found.message


def test_mirrors_on_another_host_are_one_object_with_what_feeds_them() -> None:
    text = "host far { }\n" + two(
        "X <- S1  Y <- S2",
        "X <- S3",
        mirror="mirror group m of g { agent A3 -> R3 { host = far " + OBJECT + "X <- A1.Y  Y <- A1.X } }",
    )
    assert errors_of(text)[1] == ["TC310"]


def test_the_cycle_is_told_without_detours() -> None:
    text = two("X <- S1  Y <- S2  Z <- S3", "X <- S3  Y <- S1")
    compilation, codes = errors_of(text)
    assert codes == ["TC310"]
    (found,) = [d for d in compilation.diagnostics if d.code == "TC310"]
    assert "S3 waits in A1 until S1 is whole there, S1 waits in A2 until S3 is whole there" in found.message


def test_two_knots_are_two_diagnostics() -> None:
    many = "".join(f'source T{i} {{ files = "/t{i}" }}\n' for i in (1, 2))
    text = (
        many
        + two("X <- S1  Y <- S2", "X <- S2  Y <- S1")
        + (
            f"backup group h {{\n agent A3 -> R3 {{ {OBJECT}X <- T1  Y <- T2 }}\n"
            f" agent A4 -> R4 {{ {OBJECT}X <- T2  Y <- T1 }} }}"
        )
    )
    assert errors_of(text)[1] == ["TC310", "TC310"]


RESTORE = "restore group o { agent A1 <- R1 { X <- D1  Y <- D2 }  agent A2 <- R2 { X <- D3 } }\n"


@pytest.mark.parametrize(
    ("copy", "codes"),
    [
        ("* <- A1", ["TC311"]),
        ("X <- A1.X  Z <- A2.X  Y <- A1.Y", ["TC311"]),
        ("X <- A1.X  Y <- A2.X", []),
        ("X <- A1.X", []),
        ('spool = "/spool" * <- A1', []),
    ],
)
def test_objects_of_one_pass_over_a_drive_need_a_spool(copy: str, codes: list[str]) -> None:
    assert errors_of(RESTORE + f"copy group c of o {{ agent C -> R3 {{ {OBJECT}{copy} }} }}")[1] == codes


def test_an_interleaving_copy_needs_no_spool() -> None:
    assert errors_of(RESTORE + "copy group c of o { agent C -> R3 { * <- A1 } }")[1] == []


def test_the_place_of_tc311_is_the_order() -> None:
    compilation, _ = errors_of(RESTORE + f"copy group c of o {{\n agent C -> R3 {{ {OBJECT}\n * <- A1 }} }}")
    (found,) = [d for d in compilation.diagnostics if d.code == "TC311"]
    line = (HEAD + RESTORE + f"copy group c of o {{\n agent C -> R3 {{ {OBJECT}").split("\n")[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end_column - 1] == '"object"'


@pytest.mark.parametrize(
    ("selector", "codes"), [("all", ["TC311"]), ("all(D1)", []), ("chain(D1)", []), ("latest(D1)", []), ("D1", [])]
)
def test_a_buffer_of_all_objects_needs_a_spool_too(selector: str, codes: list[str]) -> None:
    text = f"restore group o {{ agent A1 <- R1 {{ X <- {selector} }} }}\n"
    assert errors_of(text + f"copy group c of o {{ agent C -> R3 {{ {OBJECT}* <- A1 }} }}")[1] == codes


def test_two_restore_agents_that_hold_each_other_up_by_way_of_their_other_objects() -> None:
    restore = "restore group o { agent A1 <- R1 { X <- D1  Y <- D2 }  agent A2 <- R2 { X <- D3  Y <- D4 } }\n"
    copies = (
        f"copy group c of o {{ agent C1 -> R3 {{ {OBJECT} P <- A1.X  Q <- A2.X }}"
        f"  agent C2 -> R4 {{ {OBJECT} P <- A2.Y  Q <- A1.Y }} }}"
    )
    compilation, codes = errors_of(restore + copies)
    assert codes == ["TC310"]
    assert "A2.X waits in C1 until A1.X is whole there" in compilation.diagnostics[-1].message


# ---------------------------------------------------------------- the function


def test_a_waiter_whose_buffers_hang_on_one_reader_waits_for_itself() -> None:
    assert waits_for_itself(Waiter("A", ("x", "y", "x"))) == (0, 2)
    assert waits_for_itself(Waiter("A", ("x", "y"))) is None


def test_a_long_circle_is_one_cycle_that_leads_back() -> None:
    waiters = [Waiter(f"A{i}", (i, (i + 1) % 500)) for i in range(500)]
    (cycle,) = wait_cycles(waiters)
    assert len(cycle) == 500
    assert all(wait.first == following.held for wait, following in zip(cycle, cycle[1:] + cycle[:1], strict=True))


@pytest.mark.timeout(60)
def test_large_plans_are_judged_in_linear_time() -> None:
    def seconds(size: int) -> float:
        waiters = [Waiter(f"A{i}", tuple(range(i, i + 5))) for i in range(size)]
        waiters.append(Waiter("Z", (size + 3, size - 1)))
        gc.collect()
        gc.disable()  # else it looks through all that the tests before have left
        try:
            began = time.process_time()
            assert len(wait_cycles(waiters)) == 1
            return time.process_time() - began
        finally:
            gc.enable()

    small, large = min(seconds(4_000) for _ in range(3)), min(seconds(32_000) for _ in range(2))
    assert large < 8 * small * 5, (small, large)  # quadratic would be 64 times
