"""`tcc check` from outside: reports on stdout, the rest on stderr, exit codes of cli.md."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from tapechain.cli.main import _main

GOOD = """\
source home { files = "/home" }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group nightly {
  agent A1 -> R1 { B1 <- home }
  agent A2 -> R2 { B1 <- home }
}
"""
#: One warning (TC902), no error.
WARNED = GOOD + 'drive R3 { volumes = "media/R3" }\n'
#: One error (TC201) in line 5.
WRONG = GOOD.replace("A1 -> R1 { B1 <- home }", "A1 -> R1 { B1 <- hmoe }")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"good.tc": GOOD, "warned.tc": WARNED, "wrong.tc": WRONG}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_clean_plan_is_silent_and_clean(capsys: Capture) -> None:
    assert _main(["check", "good.tc"]) == 0
    assert capsys.readouterr() == ("", "")


def test_errors_are_reported_on_stdout_with_exit_code_1(capsys: Capture) -> None:
    assert _main(["check", "wrong.tc"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert "error[TC201]: " in out
    assert "--> wrong.tc:5:26" in out
    assert out.endswith("1 error in wrong.tc\n")


def test_warnings_alone_pass_unless_strict(capsys: Capture) -> None:
    assert _main(["check", "warned.tc"]) == 0
    assert "warning[TC902]" in capsys.readouterr().out
    assert _main(["check", "--strict", "warned.tc"]) == 1
    assert "warning[TC902]" in capsys.readouterr().out
    assert _main(["check", "--strict", "good.tc"]) == 0


def test_several_files_are_several_programs(capsys: Capture) -> None:
    assert _main(["check", "good.tc", "warned.tc", "wrong.tc"]) == 1
    out = capsys.readouterr().out
    assert out.endswith("1 error, 1 warning in 3 files\n")
    assert _main(["check", "good.tc", "./good.tc", "good.tc"]) == 0


@pytest.mark.parametrize("form", ["text", "json", "github", "gitlab", "sarif", "junit"])
def test_an_unreadable_file_does_not_hide_the_others(form: str, capsys: Capture) -> None:
    assert _main(["check", "--format", form, "gone.tc", "wrong.tc"]) == 2
    out, err = capsys.readouterr()
    assert "gone.tc cannot be read: No such file or directory" in err
    assert "TC201" in out


def test_a_folder_is_no_plan(folder: Path, capsys: Capture) -> None:
    assert _main(["check", str(folder)]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(folder: Path, capsys: Capture) -> None:
    (folder / "good.tc").chmod(0)
    assert _main(["check", "good.tc"]) == 2
    assert "Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        ["check"],
        ["check", "--format", "xml", "good.tc"],
        ["check", "--no-such-option", "good.tc"],
        ["check", "-D", "nonsense", "good.tc"],
        ["check", "-D", "site=vault", "good.tc"],
    ],
)
def test_bad_usage(argv: list[str], capsys: Capture) -> None:
    assert _main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "rror: " in err


def test_a_param_needs_to_be_known_to_one_of_the_plans_only(folder: Path, capsys: Capture) -> None:
    (folder / "param.tc").write_text('param top = "/home"\n' + GOOD.replace('"/home"', '"${top}"'))
    assert _main(["check", "-D", "top=/srv", "param.tc", "good.tc"]) == 0
    assert capsys.readouterr() == ("", "")


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    assert _main(["check", "-"]) == 1
    out = capsys.readouterr().out
    assert "--> <stdin>:5:26" in out
    assert "5 |   agent A1 -> R1 { B1 <- hmoe }" in out
    assert out.endswith("1 error in <stdin>\n")


def test_an_include_is_reported_in_its_own_file(folder: Path, capsys: Capture) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "drives.tc").write_text('drive R3 { volumes = "m/R3"  colour = "red" }\n')
    (folder / "all.tc").write_text(
        'include "sub/drives.tc"\n' + GOOD + "mirror group m of nightly { agent A3 -> R3 { * <- A1 } }\n"
    )
    assert _main(["check", "all.tc"]) == 1
    out = capsys.readouterr().out
    assert "--> sub/drives.tc:1:30" in out
    assert 'drive R3 { volumes = "m/R3"  colour = "red" }' in out
    assert out.endswith("1 error in all.tc\n")


def test_json(capsys: Capture) -> None:
    assert _main(["check", "--format", "json", "wrong.tc", "warned.tc"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["summary"] == {"errors": 1, "warnings": 1, "files": 2}
    by_file = {d["file"]: d for d in document["diagnostics"]}
    wrong = by_file["wrong.tc"]
    assert (wrong["code"], wrong["line"], wrong["column"], wrong["end_line"], wrong["end_column"]) == (
        "TC201",
        5,
        26,
        5,
        30,
    )
    assert "home" in wrong["help"]


def test_github_prints_annotation_lines_only(capsys: Capture) -> None:
    assert _main(["check", "--format", "github", "good.tc"]) == 0
    assert capsys.readouterr() == ("", "")
    assert _main(["check", "--format", "github", "wrong.tc", "warned.tc"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::warning", "::error"]


def test_junit_with_strict(capsys: Capture) -> None:
    assert _main(["check", "--strict", "--format", "junit", "warned.tc"]) == 1
    assert ET.fromstring(capsys.readouterr().out).get("failures") == "1"


def test_help_has_examples(capsys: Capture) -> None:
    assert _main(["check", "--help"]) == 0
    out = capsys.readouterr().out
    assert "tcc check --strict" in out
    assert "Exit codes" in out


# ---------------------------------------------------------------- as a process

HEAVY = ("jinja2", "graphviz", "pygraphviz", "sqlalchemy", "rich", "xxhash")


def python(*argv: str, **options: str) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "CI"}} | options
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, encoding="utf-8", env=environment, timeout=60, check=False
    )


def test_a_check_loads_nothing_heavy() -> None:
    program = (
        "import sys; from tapechain.cli.main import _main; code = _main(['check', 'wrong.tc']);"
        f"print([name for name in {HEAVY} if name in sys.modules], code)"
    )
    result = python("-c", program)
    assert result.stdout.splitlines()[-1] == "[] 1", result.stderr


def test_only_a_process_of_its_own_puts_the_collector_to_rest() -> None:
    program = (
        "import gc; from tapechain.cli import ending, main; codes = [main._main(['check', 'wrong.tc'])];"
        "on = gc.isenabled(); ending.is_ours(); codes.append(main._main(['check', 'wrong.tc', 'good.tc']));"
        "print(codes, on, gc.isenabled())"
    )
    assert python("-c", program).stdout.splitlines()[-1] == "[1, 1] True False"


def test_the_command_as_a_process() -> None:
    result = python("-m", "tapechain", "check", "wrong.tc")
    assert result.returncode == 1
    assert result.stderr == ""
    assert result.stdout.startswith("error[TC201]: ")


def test_a_locale_without_unicode_gets_escapes_and_documents_stay_utf_8(folder: Path) -> None:
    (folder / "wide.tc").write_text(GOOD + 'drive "日本😀" { volumes = "media/日本" }\n', encoding="utf-8")
    for form, shown in {"text": "\\u65e5\\u672c", "json": "日本😀", "junit": "日本😀", "github": "日本😀"}.items():
        result = python("-m", "tapechain", "check", "--format", form, "wide.tc", PYTHONIOENCODING="ascii")
        assert result.returncode == 0, result.stderr
        assert shown in result.stdout
