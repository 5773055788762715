"""Targets of restore and copy plans get plain bytes, and whole chains."""

import random
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.timeout(60)

RESTORE = """
plan back
drive R1 { volumes = "media/R1" }
restore group old { agent A <- R1 { %s } }
%s
"""


def restore_plan(bench, couplings: str, targets: str, *, code: int = 0, more: tuple[str, ...] = ()) -> str:
    (bench.folder / "restore.tc").write_text(RESTORE % (couplings, targets))
    state = ("--catalog", f"sqlite:///{bench.folder}/state/catalog.sqlite")
    got, _, said = bench.tcc("run", "restore.tc", *state, *more)
    assert got == code, said
    return said


def test_a_chain_goes_into_a_folder_with_its_deletions(bench, seen) -> None:
    for name in ("gone", "stays", "d/f"):
        (bench.tree / name).parent.mkdir(exist_ok=True)
        (bench.tree / name).write_text(name)
    bench.run()
    (bench.tree / "gone").unlink()
    (bench.tree / "d").rename(bench.tree / "e")
    assert bench.run()["level"] == "incremental"
    restore_plan(bench, "B1 <- chain(T)", 'target D { files = "to" }\nchain A.B1 -> D')
    assert seen(bench.restored("to")) == seen(bench.tree)


def test_an_incremental_without_its_parent_is_refused_and_named(bench) -> None:
    first = bench.run()
    bench.run()
    said = restore_plan(bench, "B1 <- T", 'target D { files = "to" }\nchain A.B1 -> D', code=1)
    assert f"follows {first['object']}" in said and "chain(T)" in said
    assert list((bench.folder / "to").iterdir()) == []


def test_a_chain_is_not_put_over_what_a_folder_holds(bench) -> None:
    bench.run()
    bench.run()
    (bench.folder / "to").mkdir()
    (bench.folder / "to" / "foreign").write_text("kept")
    target = 'target D { files = "to" }\nchain A.B1 -> D'
    said = restore_plan(bench, "B1 <- chain(T)", target, code=3, more=("--overwrite",))
    assert "held something before" in said and (bench.folder / "to" / "foreign").read_text() == "kept"


@pytest.mark.parametrize(
    "target", ['files = "to"', 'stream = "to/S"', 'command = ["sh", "-c", "mkdir to; cat > to/S"]']
)
def test_what_is_restored_is_decrypted_and_decompressed(bench, target) -> None:
    if shutil.which("age-keygen") is None:
        pytest.skip("no age-keygen here")
    subprocess.run(["age-keygen", "-o", "key"], check=True, capture_output=True)
    subprocess.run(["age-keygen", "-o", "other"], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", "key"], check=True, capture_output=True, text=True).stdout.strip()
    data = random.Random(1).randbytes(200_000)
    (bench.folder / "data").write_bytes(data)
    (bench.folder / "plan.tc").write_text(
        f'source S {{ stream = "data" compress = "zstd" encrypt = ["{recipient}"] }}\n'
        'drive R1 { volumes = "media/R1" }\nbackup group g { agent A -> R1 { B <- S } }\n'
    )
    assert bench.tcc("run", "plan.tc")[0] == 0
    goes = f"target D {{ {target} }}\nchain A.B1 -> D"
    assert "--identity" in restore_plan(bench, "B1 <- S", goes, code=1)
    assert "none of the identities given opens it" in restore_plan(
        bench, "B1 <- S", goes, code=1, more=("--identity", "other", "--overwrite")
    )
    shutil.rmtree(bench.folder / "to", ignore_errors=True)
    restore_plan(bench, "B1 <- S", goes, more=("--identity", "key", "--overwrite"))
    assert (bench.folder / "to" / "S").read_bytes() == data
