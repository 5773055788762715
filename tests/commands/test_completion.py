"""``tcc completion``: the scripts, and what a real bash makes of them."""

import os
import pty
import select
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from tapechain.cli.main import COMMANDS, _main

#: Where the tested tcc lies: the scripts call it by its name.
SCRIPTS = sysconfig.get_path("scripts")
BASH = shutil.which("bash")

needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash on this machine")

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "HOME": str(tmp_path), "TERM": "dumb", "PS1": "$ "}


def completed(environment: dict[str, str], *words: str) -> list[str]:
    """What bash's completion function answers when TAB is pressed behind *words*."""
    script = (
        "set -e; eval \"$(tcc completion bash)\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=();"
        "compopt() { COMPREPLY=(\"<compopt $1 $2>\"); };"  # a builtin that only works while a line is edited
        "$(complete -p \"$1\" | sed 's/.*-F \\([^ ]*\\).*/\\1/') \"$1\"; printf '%s\\n' \"${COMPREPLY[@]}\""
    )  # fmt: skip
    run = subprocess.run(
        [BASH or "bash", "--norc", "-c", script, "bash", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    return run.stdout.split("\n")[:-1]


@needs_bash
def test_bash_completes_commands(environment: dict[str, str]) -> None:
    assert completed(environment, "tcc", "") == list(COMMANDS)
    assert completed(environment, "tcc", "comp") == ["compile", "completion"]
    assert completed(environment, "tapechain", "dia") == ["diagram"]
    assert completed(environment, "tcc", "--ver") == ["--version"]


@needs_bash
def test_bash_completes_options_and_their_values(environment: dict[str, str]) -> None:
    assert {"--format", "--strict", "--help"} <= set(completed(environment, "tcc", "check", "--"))
    assert completed(environment, "tcc", "check", "--format", "j") == ["json", "junit"]
    assert completed(environment, "tcc", "schema", "") == ["plan", "report", "check"]
    assert completed(environment, "tcc", "completion", "z") == ["zsh"]
    assert completed(environment, "tcc", "catalog", "reb") == ["rebuild"]
    assert completed(environment, "tcc", "compile", "--emit", "json,s") == ["json,svg", "json,systemd"]


@needs_bash
def test_bash_completes_a_value_behind_an_equals_sign(environment: dict[str, str]) -> None:
    """What readline makes of ``--format=j``: three words."""
    assert completed(environment, "tcc", "check", "--format", "=", "j") == ["json", "junit"]
    assert completed(environment, "tcc", "check", "--format", "=") == [
        "text", "json", "github", "gitlab", "sarif", "junit",
    ]  # fmt: skip
    assert completed(environment, "tcc", "run", "--report", "=", "o") == ["<compopt -o default>"]
    assert completed(environment, "tcc", "check", "--format", "=", "json", "--stri") == ["--strict"]


@needs_bash
def test_bash_completes_codes(environment: dict[str, str]) -> None:
    assert completed(environment, "tcc", "explain", "TC31") == ["TC310", "TC311", "TC312", "TC313"]
    assert completed(environment, "tcc", "explain", "tc31") == ["TC310", "TC311", "TC312", "TC313"]
    rest = completed(environment, "tcc", "explain", "TC310", "31")
    assert rest == ["TC311", "TC312", "TC313"], "what is there already is not offered again"


@needs_bash
@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("check", ""), "-o default"),
        (("check", "--strict", "pl"), "-o default"),
        (("compile", "-o", ""), "-o default"),
        (("diff", "old.tc", ""), "-o default"),
        (("volume", "show", ""), "-o default"),
        (("restore", "home", "--to", ""), "-o dirnames"),
    ],
)
def test_bash_completes_files_and_folders(environment: dict[str, str], words: tuple[str, ...], option: str) -> None:
    assert completed(environment, "tcc", *words) == [f"<compopt {option}>"]


@needs_bash
def test_a_wrong_line_completes_without_a_word(environment: dict[str, str]) -> None:
    assert completed(environment, "tcc", "chekc", "TC31") == [""]
    assert completed(environment, "tcc", "check", "--no-such-option", "--stri") == ["--strict"]


@needs_bash
@pytest.mark.timeout(90)
def test_tab_in_a_real_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "nightly.tc").write_text("")
    terminal, inside = pty.openpty()
    command = [BASH or "bash", "--norc", "--noprofile", "-i"]
    shell = subprocess.Popen(
        command, stdin=inside, stdout=inside, stderr=inside, cwd=tmp_path, env=environment, start_new_session=True
    )
    os.close(inside)
    try:
        os.write(terminal, b'eval "$(tcc completion bash)"; echo re""ady\n')
        expect(terminal, b"ready")
        os.write(terminal, b"tcc diag\t")
        expect(terminal, b"tcc diagram ")
        os.write(terminal, b"nigh\t")
        expect(terminal, b"nightly.tc ")
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


def expect(terminal: int, wanted: bytes) -> None:
    """Read until *wanted* was seen; fails after 30 seconds."""
    seen, until = b"", time.monotonic() + 30
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, until - time.monotonic()))
        assert ready, f"{wanted!r} not in {seen!r}"
        seen += os.read(terminal, 4096)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_for_both_names_and_ask_tcc(shell: str, capsys: Capture) -> None:
    assert _main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert f"_TCC_COMPLETE={shell}_complete" in text
    registered = {
        "bash": ["complete -o nosort -F _tcc_completion tcc", "complete -o nosort -F _tcc_completion tapechain"],
        "zsh": ["#compdef tcc tapechain", "compdef _tcc_completion tcc tapechain"],
        "fish": ["complete --no-files --command tcc ", "complete --no-files --command tapechain "],
    }
    assert all(line in text for line in registered[shell])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_sound_to_their_shells(shell: str, capsys: Capture) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} on this machine")
    assert _main(["completion", shell]) == 0
    script = capsys.readouterr().out
    run = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_fish_completes_commands_and_options(tmp_path: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("there is no fish on this machine")
    tcc = Path(sys.executable).with_name("tcc")
    environment = {**os.environ, "PATH": f"{tcc.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def answers(line: str) -> list[str]:
        script = f"tcc completion fish | source; complete -C {line!r}"
        run = subprocess.run(
            [fish, "-N", "-c", script], capture_output=True, text=True, timeout=60, env=environment, cwd=tmp_path
        )
        assert run.returncode == 0, run.stderr
        return [answer.partition("\t")[0] for answer in run.stdout.splitlines()]

    assert answers("tcc com") == ["compile", "completion"]
    assert answers("tcc check --format=j") == ["--format=json", "--format=junit"]
    assert answers("tcc compile --emit json,sv") == ["json,svg"]
    assert "--dry-run" in answers("tcc run --d")


@pytest.mark.timeout(90)
def test_zsh_keeps_the_option_before_an_equals_sign(environment: dict[str, str], tmp_path: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("there is no zsh on this machine")
    (tmp_path / "out.json").write_text("")
    terminal, inside = pty.openpty()
    shell = subprocess.Popen(
        [zsh, "-f", "-i"], stdin=inside, stdout=inside, stderr=inside, cwd=tmp_path, env=environment,
        start_new_session=True,
    )  # fmt: skip
    os.close(inside)
    try:
        os.write(terminal, b'autoload -U compinit; compinit -u; source <(tcc completion zsh); echo re""ady\n')
        expect(terminal, b"ready")
        os.write(terminal, b"echo tcc check; tcc check --format=s\t")
        expect(terminal, b"--format=sarif")
        os.write(terminal, b"\x15tcc run --report=ou\t")
        expect(terminal, b"--report=out.json")
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


def test_other_shells_are_bad_usage(capsys: Capture) -> None:
    assert _main(["completion", "csh"]) == 2
    assert _main(["completion"]) == 2


def asked(words: str, position: int) -> tuple[list[str], set[str]]:
    """What tcc answers a bash that asks, and the modules that it loaded for that."""
    program = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    run = subprocess.run(
        [sys.executable, "-c", program + "from tapechain.cli.main import main; main()"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "_TCC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(position)},
    )
    assert run.returncode == 0
    return [line.partition(",")[2] for line in run.stdout.splitlines()], set(run.stderr.split())


def test_commands_are_completed_without_loading_any_of_them() -> None:
    answers, loaded = asked("tcc\n", 1)
    assert answers == list(COMMANDS)
    assert not {f"tapechain.cli.{module}" for module, _ in COMMANDS.values()} & loaded


def test_only_the_command_on_the_line_is_loaded_and_nothing_heavy() -> None:
    answers, loaded = asked("tcc\ncheck\n--form", 2)
    assert answers == ["--format"]
    commands = {f"tapechain.cli.{module}" for module, _ in COMMANDS.values()} & loaded
    assert commands == {"tapechain.cli.check"}
    assert not {"lark", "networkx", "sqlalchemy", "rich", "tapechain.dsl.parser"} & loaded
