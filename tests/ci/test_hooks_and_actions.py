"""The hooks of pre-commit, the GitHub action and the GitLab snippet, run as they stand."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GUIDE = (ROOT / "docs" / "ci.md").read_text()
EXAMPLES = sorted((ROOT / "examples").rglob("*.tc"))

GOOD = """plan night

source s { files = "/s" }

drive R { volumes = "m/R" }
drive Q { volumes = "m/Q" }

backup group g {
  agent A -> R { B <- s }
}

mirror group m of g {
  agent C -> Q { * <- A }
}
"""
UGLY = GOOD.replace("drive R {", "drive   R  {")
WARNS = GOOD.partition("mirror")[0].replace('drive Q { volumes = "m/Q" }\n', "").rstrip() + "\n"
WRONG = GOOD.replace("<- s", "<- t")


def block(heading: str) -> Any:
    text = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (found,) = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
    return yaml.safe_load(found)


def run(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=100)


# ---------------------------------------------------------------- our own plans


def test_our_examples_pass_the_hooks_themselves() -> None:
    for hook in HOOKS:
        words = [*hook["entry"].split(), *(["--check"] if hook["id"] == "tcc-fmt" else [])]
        if hook["id"] == "tcc-check":
            words.remove("--strict")  # the patent's figures have sources with a single copy
        done = run(*words, *map(str, EXAMPLES), cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
    assert run("tcc", "fmt", "--check", "examples/", cwd=ROOT).returncode == 0


# ---------------------------------------------------------------- pre-commit


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with plans in it, and its own cache of pre-commit."""
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine")
    here = tmp_path / "repository"
    (here / "plans").mkdir(parents=True)
    run("git", "init", "-q", cwd=here)
    (here / "plans" / "night.tc").write_text(GOOD)
    (here / "notes.txt").write_text("drive   R  {")
    return here


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PRE_COMMIT_HOME": str(folder / "cache"), "NO_COLOR": "1", "PRE_COMMIT_COLOR": "never"}


def pre_commit(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    run("git", "add", "-A", ".", cwd=here)
    return run(sys.executable, "-m", "pre_commit", *words, cwd=here, env=environment(here.parent))


def test_the_real_pre_commit_runs_the_hooks(repository: Path) -> None:
    """As they are declared, but from this installation instead of one that pre-commit makes."""
    local = {"repos": [{"repo": "local", "hooks": [{**hook, "language": "system"} for hook in HOOKS]}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(local))
    good = pre_commit(repository, "run", "--all-files")
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.count("Passed") == 2

    (repository / "plans" / "night.tc").write_text(UGLY)
    ugly = pre_commit(repository, "run", "--all-files")
    assert ugly.returncode == 1
    assert "files were modified by this hook" in ugly.stdout
    assert (repository / "plans" / "night.tc").read_text() == GOOD
    assert (repository / "notes.txt").read_text() == "drive   R  {"

    for text, said in ((WRONG, "TC201"), (WARNS, "TC903")):
        (repository / "plans" / "night.tc").write_text(text)
        bad = pre_commit(repository, "run", "--all-files")
        assert bad.returncode == 1
        assert said in bad.stdout


def test_the_manifest_is_one_that_pre_commit_takes() -> None:
    done = run(sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml", cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_guides_configuration_names_hooks_that_exist(public_schema: Any) -> None:
    config = block("pre-commit")
    jsonschema.validate(config, public_schema("pre-commit-config"))
    assert {hook["id"] for hook in config["repos"][0]["hooks"]} == {hook["id"] for hook in HOOKS}


@pytest.mark.slow
def test_pre_commit_installs_this_repository_and_runs_it(repository: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone: pre-commit takes hooks from git only")
    done = pre_commit(repository, "try-repo", str(ROOT), "tcc-check", "--all-files", "--verbose")
    if "No matching distribution" in done.stdout + done.stderr or "Connection" in done.stdout + done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout


# ---------------------------------------------------------------- GitHub


def test_the_action_meets_the_schema_of_github(public_schema: Any) -> None:
    jsonschema.Draft7Validator(public_schema("action")).validate(ACTION)


def test_no_input_is_ever_written_into_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"], step["name"]


def test_the_guide_names_the_inputs_and_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`|empty) \|", GUIDE, re.M)
    assert dict(rows) == {name: one["default"] for name, one in ACTION["inputs"].items()}
    workflow = block("GitHub")
    (ours,) = [s for s in workflow["jobs"]["check"]["steps"] if "tapechain" in s["uses"]]
    assert ours["with"].keys() <= ACTION["inputs"].keys()


def act(folder: Path, *, install: Path | None = None, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the action's steps in *folder* as GitHub's runner does; *install*: from this clone of ours, else not."""
    given = {name: one["default"] for name, one in ACTION["inputs"].items()} | inputs
    temp = folder.parent / "runner"
    temp.mkdir(exist_ok=True)
    path_file = temp / "path"
    path_file.touch()
    contexts = {f"inputs.{name}": value for name, value in given.items()} | {"github.action_path": str(install)}
    base = os.environ | {"RUNNER_TEMP": str(temp), "GITHUB_PATH": str(path_file), "GITHUB_ACTIONS": "true", "CI": "1"}
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        if step["name"].startswith("Install") and not install:
            continue
        stated = {key: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: contexts[m[1]], v) for key, v in step["env"].items()}
        added = path_file.read_text().split()
        env = base | stated | {"PATH": os.pathsep.join([*reversed(added), base["PATH"]])}
        script = temp / "step.sh"
        script.write_text(step["run"])
        # The runner's own call for `shell: bash`.
        done = run("bash", "--noprofile", "--norc", "-eo", "pipefail", str(script), cwd=folder, env=env)
        if done.returncode:
            break
    return done


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "plans" / "deep er").mkdir(parents=True)
    (folder / "plans" / "night.tc").write_text(GOOD)
    (folder / "plans" / "deep er" / "-D x.tc").write_text(GOOD)
    return folder


def test_the_action_passes_good_plans_in_silence(checkout: Path) -> None:
    done = act(checkout)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_action_annotates_what_is_wrong(checkout: Path) -> None:
    (checkout / "plans" / "deep er" / "-D x.tc").write_text(WRONG)
    done = act(checkout)
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("::error file=plans/deep er/-D x.tc,line=9,")
    assert "title=TC201::" in line


def test_warnings_fail_unless_they_are_to_pass(checkout: Path) -> None:
    (checkout / "plans" / "night.tc").write_text(WARNS)
    assert act(checkout).returncode == 1
    done = act(checkout, strict="false")
    assert done.returncode == 0
    assert done.stdout.startswith("::warning file=plans/night.tc")


def test_the_action_wants_the_canonical_form(checkout: Path) -> None:
    (checkout / "plans" / "night.tc").write_text(UGLY)
    done = act(checkout)
    assert done.returncode == 1
    assert "::error title=tcc fmt::" in done.stdout
    assert "-drive   R  {" in done.stdout
    assert (checkout / "plans" / "night.tc").read_text() == UGLY
    assert act(checkout, fmt="false").returncode == 0


def test_the_action_writes_sarif_also_when_plans_are_wrong(checkout: Path, public_schema: Any) -> None:
    import json

    (checkout / "plans" / "night.tc").write_text(WRONG)
    assert act(checkout, sarif="out put.sarif", files="plans/night.tc").returncode == 1
    document = json.loads((checkout / "out put.sarif").read_text())
    jsonschema.Draft7Validator(public_schema("sarif")).validate(document)
    assert document["runs"][0]["results"][0]["ruleId"] == "TC201"


@pytest.mark.parametrize(
    "files", ["none/*.tc", "plans/night.tc none.tc", " ", "plans/night.tc $(touch owned) `touch owned`"]
)
def test_what_matches_nothing_fails_and_nothing_in_it_is_run(checkout: Path, files: str) -> None:
    done = act(checkout, files=files)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout.startswith("::error title=tapechain::")
    assert not (checkout / "owned").exists()


def test_several_patterns_on_lines_of_their_own(checkout: Path) -> None:
    (checkout / "plans" / "deep er" / "-D x.tc").write_text(WRONG)
    assert act(checkout, files="plans/*.tc\nplans/n*.tc\n").returncode == 0
    assert act(checkout, files="plans/*.tc\nplans/*/*.tc\n").returncode == 1


@pytest.mark.slow
def test_the_action_installs_this_very_repository(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what it depends on, which takes a minute: the hook's test brings that along from the same package."""
    monkeypatch.setenv("PIP_NO_DEPS", "1")
    clone = checkout.parent / "clone"  # building leaves files behind
    shutil.copytree(ROOT, clone, ignore=shutil.ignore_patterns(".*", "build", "tests", "bench"), symlinks=True)
    done = act(checkout, install=clone, python=sys.executable, files="none.tc")
    if "No matching distribution" in done.stderr or "Connection" in done.stderr:
        pytest.skip("no package index can be reached")
    assert "no plan matches" in done.stdout, done.stderr  # the step behind the installation ran
    place = checkout.parent / "runner" / "tapechain" / "bin"
    assert (checkout.parent / "runner" / "path").read_text() == f"{place}\n"
    shown = run(str(place / "python"), "-m", "pip", "show", "--files", "tapechain", cwd=checkout)
    assert "../../../bin/tapechain" in shown.stdout
    assert "tapechain/docs/rules/TC101.md" in shown.stdout


# ---------------------------------------------------------------- GitLab


def test_the_gitlab_snippet_meets_the_schema_and_does_what_it_says(checkout: Path, public_schema: Any) -> None:
    import json

    job = block("GitLab")
    jsonschema.Draft7Validator(public_schema("gitlab-ci")).validate(job)
    install, *script = job["plans"]["script"]
    assert install.startswith("pip install")
    reports = job["plans"]["artifacts"]["reports"]
    for text, expected in ((GOOD, 0), (WRONG, 1), (UGLY, 1), (WARNS, 1)):
        (checkout / "plans" / "night.tc").write_text(text)
        (checkout / "plans" / "deep er" / "-D x.tc").unlink(missing_ok=True)
        done = run("bash", "-e", "-c", "\n".join(script), cwd=checkout)
        assert done.returncode == expected, done.stdout + done.stderr
        quality = json.loads((checkout / reports["codequality"]).read_text())
        assert bool(quality) == (text in (WRONG, WARNS))
        assert ("<failure" in (checkout / reports["junit"]).read_text()) == (text in (WRONG, WARNS))
