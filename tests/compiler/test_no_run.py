"""What the run would refuse is told when the plan is checked (TC908), with nothing else in between."""

import pytest
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.preflight import refuse_unrunnable

DRIVES = 'drive V { volumes = "v" }\ndrive W { volumes = "w" }\n'
BACKUP = "backup group g { agent A -> V { %s } }\n"
READ = "restore group r { agent A <- V { B1 <- s } }\ncopy group c of r { agent B -> W { * <- A } }\n"

#: (plan, whether no run can do it)
PLANS = [
    ('source s { stream = "f" level = "incremental" }\n' + DRIVES + BACKUP % "B1 <- s", True),
    ('source s { command = ["x"] level = "incremental" }\n' + DRIVES + BACKUP % "B1 <- s", True),
    ('source s { command = ["x"] level = "full" }\n' + DRIVES + BACKUP % "B1 <- s", False),
    ('source s { files = "f" level = "incremental" }\n' + DRIVES + BACKUP % "B1 <- s", False),
    ('source s { stream = "-" }\nsource t { stream = "-" }\n' + DRIVES + BACKUP % "B1 <- s B2 <- t", True),
    ('source s { stream = "-" }\nsource t { stream = "f" }\n' + DRIVES + BACKUP % "B1 <- s B2 <- t", False),
    ('source s { stream = "f" }\n' + DRIVES + BACKUP % "spool_size = 1GiB B1 <- s", True),
    ('source s { stream = "f" }\n' + DRIVES + BACKUP % 'spool_size = 1GiB spool = "p" B1 <- s', False),
    ("drive V { discard = true }\n" + 'drive W { volumes = "w" }\n' + READ, True),
    (DRIVES + READ, False),
    ('source s { chain = "home" }\n' + DRIVES + BACKUP % "B1 <- s", False),
    (DRIVES + READ + 'target T { files = "t" }\n', False),
    (DRIVES + READ + 'target T { files = "t" }\nchain A.B1 -> T\n', False),
]


@pytest.mark.parametrize(("text", "refused"), PLANS)
def test_check_tells_what_the_run_would_refuse(text: str, refused: bool) -> None:
    compilation = compile_program("p.tc", MemoryWorld(files={"p.tc": text}))
    codes = [d.code for d in compilation.diagnostics]
    assert compilation.plan is not None, codes
    assert ("TC908" in codes) == refused
    if refused:
        with pytest.raises(UsageFault):
            refuse_unrunnable(compilation.plan)
    else:
        refuse_unrunnable(compilation.plan)


def test_a_target_that_nothing_feeds_is_told_and_hinders_no_run() -> None:
    for more, told in (("", True), ("chain A.B1 -> T", False)):
        text = DRIVES + READ + 'target T { files = "t" }\n' + more
        codes = [d.code for d in compile_program("p.tc", MemoryWorld(files={"p.tc": text})).diagnostics]
        assert ("TC909" in codes) == told
