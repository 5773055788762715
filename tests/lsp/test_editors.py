"""What lies in editors/: the TextMate grammar knows the language, and editors work with ``tcc lsp``."""

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from tapechain.cli.language.attribute_words import DURATIONS, METRICS, SIZES
from tapechain.cli.main import tcc

EDITORS = Path(__file__).resolve().parents[2] / "editors"
GRAMMAR = json.loads((EDITORS / "vscode" / "syntaxes" / "tapechain.tmLanguage.json").read_text())


def words() -> set[str]:
    """The language's words, from grammar.lark: terminals that are one word."""
    text = (EDITORS.parent / "grammar.lark").read_text()
    return set(re.findall(r'^[A-Z]+: [/"]([a-z]+)(?:\\b/|")$', text, re.M))


def patterns(rule: str) -> list[str]:
    found = GRAMMAR["repository"][rule]
    return [one["match"] for one in found.get("patterns", [found])]


def test_the_grammar_colours_every_word_of_the_language_and_no_other() -> None:
    assert {"plan", "require", "of", "latest", "true"} <= words()
    coloured = set()
    for rule in ("group", "statement", "word"):
        for pattern in patterns(rule):
            coloured |= set(
                re.findall(r"(?<![\\a-z])[a-z]{2,}(?![a-z])", pattern.replace("\\b", " ").replace("\\s", " "))
            )
    assert coloured == words() | set(METRICS)


def test_the_grammar_knows_every_unit() -> None:
    (pattern,) = patterns("quantity")
    for unit in (*SIZES, *DURATIONS, *(f"{size}/s" for size in SIZES)):
        match = re.fullmatch(pattern, f"12{unit}")
        assert match is not None and match[2] == unit


def test_the_extension_names_what_there_is() -> None:
    package = json.loads((EDITORS / "vscode" / "package.json").read_text())
    (language,), (grammar,) = package["contributes"]["languages"], package["contributes"]["grammars"]
    assert language["id"] == grammar["language"] == "tapechain" and language["extensions"] == [".tc"]
    for path in (language["configuration"], grammar["path"], package["main"]):
        assert (EDITORS / "vscode" / path).is_file()
    assert grammar["scopeName"] == GRAMMAR["scopeName"]
    project = tomllib.loads((EDITORS.parent / "pyproject.toml").read_text())["project"]
    assert package["version"] == project["version"]


@pytest.mark.slow
def test_the_extension_in_node(tmp_path: Path) -> None:
    """Its own tests: VS Code's grammar engine, a stand-in of its API, and the client's protocol against ``tcc lsp``."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("there is no node and npm on this machine")
    project = tmp_path / "editors" / "vscode"
    shutil.copytree(EDITORS / "vscode", project, ignore=shutil.ignore_patterns("node_modules", "*.vsix"))
    shutil.copytree(EDITORS.parent / "examples", tmp_path / "examples")
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    got = subprocess.run(install, cwd=project, capture_output=True, text=True, timeout=100)
    if got.returncode:
        pytest.skip(f"npm install did not go: {got.stderr.strip()[-300:]}")
    run = subprocess.run(["npm", "test"], cwd=project, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^# pass 11$", run.stdout, re.M), run.stdout
    assert re.search(r"^# skipped 0$", run.stdout, re.M), run.stdout


NEOVIM = """
local deadline = {seconds} * 1000
vim.cmd("edit " .. vim.fn.fnameescape("{plan}"))
local function codes()
  local found = {{}}
  for _, one in ipairs(vim.diagnostic.get(0)) do table.insert(found, tostring(one.code or one.user_data.lsp.code)) end
  return table.concat(found, ",")
end
local function report(label, ok) io.stdout:write(label .. " " .. tostring(ok) .. " " .. codes() .. "\\n") end
report("filetype " .. vim.bo.filetype, true)
report("opened", vim.wait(deadline, function() return codes() == "TC201" end, 20))
local line = vim.api.nvim_buf_get_lines(0, 3, 4, false)[1]
vim.api.nvim_buf_set_lines(0, 3, 4, false, {{ (line:gsub("hom ", "home ")) }})
report("mended", vim.wait(deadline, function() return codes() == "TC903" end, 20))
vim.lsp.buf_request_sync(0, "textDocument/formatting", vim.lsp.util.make_formatting_params(), deadline)
local answers = vim.lsp.buf_request_sync(0, "textDocument/hover", {{
  textDocument = vim.lsp.util.make_text_document_params(), position = {{ line = 1, character = 8 }} }}, deadline)
for _, answer in pairs(answers or {{}}) do
  report("hover", answer.result ~= nil and answer.result.contents.value:find("first.B1", 1, true) ~= nil)
end
vim.cmd("qall!")
"""


@pytest.mark.slow
def test_neovim_with_the_config(tmp_path: Path) -> None:
    nvim = shutil.which("nvim")
    if nvim is None:
        pytest.skip("there is no nvim on this machine")
    plan = tmp_path / "night.tc"
    plan.write_text(
        'plan night\nsource home { files = "/home" }\ndrive disk { volumes = "d" }\n'
        "backup group g { agent first -> disk { B1 <- hom } }\n"
    )
    script = tmp_path / "drive.lua"
    script.write_text(NEOVIM.format(plan=plan, seconds=15))
    command = [
        nvim,
        "--headless",
        "--clean",
        "-n",
        "-u",
        str(EDITORS / "neovim" / "tcc.lua"),
        "-c",
        f"luafile {script}",
        "-c",
        "qall!",
    ]
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    import os

    run = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, env=os.environ | environment
    )
    said = run.stdout + run.stderr
    assert "filetype tapechain true" in said, said
    assert "opened true TC201" in said and "mended true TC903" in said and "hover true" in said, said


def test_helix_starts_the_server_that_there_is() -> None:
    config = tomllib.loads((EDITORS / "helix" / "languages.toml").read_text())
    (language,) = config["language"]
    server = config["language-server"][language["language-servers"][0]]
    assert server["command"] == "tcc" and server["args"] == ["lsp"] and "lsp" in tcc.list_commands(None)  # type: ignore[arg-type]
    assert language["file-types"] == ["tc"] and language["comment-token"] == "#"
    assert "tree-sitter" in (EDITORS / "helix" / "languages.toml").read_text()
