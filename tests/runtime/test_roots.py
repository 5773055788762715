"""Which names tar gets, and what it leaves out: tried on real trees with the real tar."""

import os
import subprocess
from pathlib import Path

import pytest
from tapechain.runtime.own import own_paths
from tapechain.runtime.sources.patterns import excludes, left_out
from tapechain.runtime.sources.roots import OwnPath, absolute, choose, own_excludes

pytestmark = pytest.mark.timeout(30)


def make(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return root


def archived(names: tuple[str, ...], options: list[str]) -> set[str]:
    """The files that tar takes, absolute."""
    argv = ["tar", "-c", "--no-unquote", *options, "-f", "-", "-C", "/", "--", *names]
    archive = subprocess.run(argv, capture_output=True, check=True).stdout
    listing = subprocess.run(["tar", "-t", "--quoting-style=literal"], input=archive, capture_output=True, check=True)
    found = {"/" + line.removeprefix("./") for line in listing.stdout.decode().splitlines()}
    return {name for name in found if not name.endswith("/")}


def below(root: Path, found: set[str]) -> set[str]:
    return {os.path.relpath(name, root) for name in found}


def test_paths_are_relative_to_the_plan_and_dots_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/deep")
    base = str(tmp_path)
    assert absolute("a/./b//c/", base) == f"{base}/a/b/c"
    assert absolute("/etc/", base) == "/etc"
    assert absolute("link/../x", base) == f"{os.path.realpath(base)}/real/x"
    assert absolute("/", base) == "/"


def test_overlapping_roots_are_taken_once(tmp_path: Path) -> None:
    make(tmp_path, "a/b/one", "a/two", "ab/three")
    chosen = choose(["a", "a/b", "ab", "a/", str(tmp_path / "a")], str(tmp_path), one_file_system=False)
    assert len(chosen.names) == 2 and not chosen.missing
    assert below(tmp_path, archived(chosen.names, [])) == {"a/b/one", "a/two", "ab/three"}


def test_root_behind_a_link_of_another_root_is_kept(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/in/file", "a/own")
    (tmp_path / "a" / "link").symlink_to("../elsewhere")
    chosen = choose(["a", "a/link/in"], str(tmp_path), one_file_system=False)
    # Not behind the link: an archive with the link and something below it does not come back.
    assert below(tmp_path, archived(chosen.names, [])) == {"elsewhere/in/file", "a/own", "a/link"}


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["link/"], {"link/."}),
        (["link/", "b"], {"link/.", "b"}),
        (["link/", "link/in"], {"link/."}),
        (["link/in"], {"link/in"}),
        (["link/", "elsewhere"], {"link", "elsewhere"}),
        (["link/", "elsewhere/in"], {"link", "elsewhere"}),
        (["link/", "link"], {"link/."}),
        (["link/in", "link"], {"link", "elsewhere/in"}),
        (["link/", "again/"], {"link", "again", "elsewhere"}),
        (["deep/"], {"deep/."}),
        (["deep/", "elsewhere"], {"deep", "elsewhere"}),
        (["deep/", "link/"], {"deep", "link", "elsewhere"}),
        (["b/out", "b"], {"b"}),
        (["b/out/", "b"], {"b", "elsewhere"}),
        (["b/out/in", "b/"], {"b", "elsewhere/in"}),
        (["b/out/", "b", "elsewhere/in/"], {"b", "elsewhere"}),
        (["tob/out/", "b"], {"tob/out/.", "b"}),
        (["tob/out", "tob/"], {"tob/."}),
        (["tob/out/", "tob/"], {"tob/.", "elsewhere"}),
    ],
)
def test_paths_through_links_that_the_source_stores_bear_their_real_names(
    tmp_path: Path, paths: list[str], names: set[str]
) -> None:
    make(tmp_path, "elsewhere/in/file", "b/file")
    for link, target in (
        ("link", "elsewhere"),
        ("again", "elsewhere/"),
        ("deep", "link"),
        ("b/out", "../elsewhere"),
        ("tob", "b"),
    ):
        (tmp_path / link).symlink_to(target)
    for order in (paths, paths[::-1]):
        chosen = choose(order, str(tmp_path), one_file_system=False)
        assert {"/" + name for name in chosen.names} == {f"{tmp_path}/{name}" for name in names}
        assert not chosen.missing


def test_missing_roots_are_told(tmp_path: Path) -> None:
    make(tmp_path, "here/file", "plain")
    chosen = choose(["here", "gone", "plain/below"], str(tmp_path), one_file_system=False)
    assert chosen.names == (str(tmp_path / "here")[1:],)
    assert [path for path, _ in chosen.missing] == [f"{tmp_path}/gone", f"{tmp_path}/plain/below"]


def test_root_that_is_a_link_is_told_and_followed_on_request(tmp_path: Path) -> None:
    make(tmp_path, "real/file", "real/x/file")
    (tmp_path / "link").symlink_to("real")
    plain = choose(["link"], str(tmp_path), one_file_system=False)
    assert "symbolic link" in plain.warnings[0]
    followed = choose(["link/"], str(tmp_path), one_file_system=False)
    assert not followed.warnings
    assert below(tmp_path, archived(followed.names, [])) == {"link/file", "link/x/file"}
    assert below(tmp_path, archived(followed.names, excludes(["/x"], followed.names))) == {"link/file"}
    inside = excludes([f"{tmp_path}/link/x"], followed.names)
    assert below(tmp_path, archived(followed.names, inside)) == {"link/file"}
    own = own_excludes([OwnPath(str(tmp_path / "real" / "x"))], followed.names)
    assert below(tmp_path, archived(followed.names, own)) == {"link/file"}


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.tmp"], {"src/keep", "src/cache/x", "src/sub/cache/y", "src/a?b"}),
        (["cache/"], {"src/keep", "src/k.tmp", "src/sub/k.tmp", "src/a?b"}),
        (["/cache"], {"src/keep", "src/k.tmp", "src/sub/k.tmp", "src/sub/cache/y", "src/a?b"}),
        (["{root}/src/sub"], {"src/keep", "src/k.tmp", "src/cache/x", "src/a?b"}),
        (["sub/*"], {"src/keep", "src/k.tmp", "src/cache/x", "src/a?b"}),
        (["src/*.tmp"], {"src/keep", "src/sub/k.tmp", "src/cache/x", "src/sub/cache/y", "src/a?b"}),
        (["a[?]b"], {"src/keep", "src/k.tmp", "src/sub/k.tmp", "src/cache/x", "src/sub/cache/y"}),
        (["/"], {"src/keep", "src/k.tmp", "src/sub/k.tmp", "src/cache/x", "src/sub/cache/y", "src/a?b"}),
    ],
)
def test_excludes(tmp_path: Path, patterns: list[str], left: set[str]) -> None:
    make(tmp_path, "src/keep", "src/k.tmp", "src/sub/k.tmp", "src/cache/x", "src/sub/cache/y", "src/a?b")
    names = choose(["src"], str(tmp_path), one_file_system=False).names
    options = excludes([p.format(root=tmp_path) for p in patterns], names)
    assert below(tmp_path, archived(names, options)) == left


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["cache/"], {"keep", "a.d/x", "sub/a.d/x", "sub/k.tmp"}),
        (["*"], set()),
        (["[!x]*.d", "ca?he"], {"keep", "sub/k.tmp"}),
        (["*.tmp", "var.d"], {"keep", "cache/x", "sub/cache/y", "a.d/x", "sub/a.d/x"}),
        (["v*r*", "*.d"], {"keep", "cache/x", "sub/cache/y", "sub/k.tmp"}),
        (["cache/var.d", "sub/cache"], {"keep", "cache/x", "a.d/x", "sub/a.d/x", "sub/k.tmp"}),
    ],
)
def test_a_pattern_that_fits_the_way_to_the_source_leaves_out_what_fits_below(
    tmp_path: Path, patterns: list[str], left: set[str]
) -> None:
    """tar matches the whole name: ``cache`` would leave out all of ``/var/cache/app``, and the run would be well."""
    root = tmp_path / "cache" / "var.d"
    make(root, "keep", "cache/x", "sub/cache/y", "a.d/x", "sub/a.d/x", "sub/k.tmp")
    chosen = choose(["cache/var.d"], str(tmp_path), one_file_system=False)
    assert below(root, archived(chosen.names, excludes(patterns, chosen.names))) == left
    assert not list(left_out(patterns, chosen.names, chosen.inside))


@pytest.mark.parametrize(
    ("files", "patterns", "lost"),
    [
        (["a", "a/b/c"], ["b"], {"a/b/c"}),
        (["a", "a/b/c"], ["[ab]"], {"a/b/c"}),
        (["a", "a/b/c"], ["/b/"], {"a/b/c"}),
        (["a", "a/b/c"], ["{root}/a/b"], {"a/b/c"}),
        (["a", "a/b/c"], ["/?/c"], {"a/b/c"}),
        (["a", "a/b/c"], ["a", "/c", "x", "/a/b", "[[]*", "[!a-z]", "[^[:lower:]]"], set()),
        (["a", "a/b/c"], ["[[:alpha:]]/[a-c]"], {"a/b/c"}),
        (["a", "x"], ["{root}/a"], {"a"}),
        (["a", "x/"], ["{root}/x"], {"x"}),
    ],
)
def test_paths_of_the_source_that_its_own_exclude_leaves_out_are_told(
    tmp_path: Path, files: list[str], patterns: list[str], lost: set[str]
) -> None:
    make(tmp_path, "a/b/c/file", "real/file")
    (tmp_path / "x").symlink_to("real")
    chosen = choose(files, str(tmp_path), one_file_system=False)
    patterns = [pattern.format(root=tmp_path) for pattern in patterns]
    found = {f"/{name.removesuffix('/.')}" for name, _ in left_out(patterns, chosen.names, chosen.inside)}
    assert below(tmp_path, found) == lost
    names = archived(chosen.names, excludes(patterns, chosen.names))
    assert {path for path in lost if any(f"/{path}/" in name for name in names)} == set()


def test_folders_of_the_run_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    own = "we?ird [x]*"
    make(tmp_path, f"{own}/v.tar", "weXird x/file", f"sub/{own}/file", "file")
    names = choose(["."], str(tmp_path), one_file_system=False).names
    options = own_excludes([OwnPath(str(tmp_path / own))], names)
    assert below(tmp_path, archived(names, options)) == {"weXird x/file", f"sub/{own}/file", "file"}


def test_folder_of_the_run_is_found_behind_links(tmp_path: Path) -> None:
    make(tmp_path, "home/media/v.tar", "home/file")
    (tmp_path / "short").symlink_to("home/media")
    names = choose(["home"], str(tmp_path), one_file_system=False).names
    options = own_excludes([OwnPath(str(tmp_path / "short"))], names)
    assert below(tmp_path, archived(names, options)) == {"home/file"}


def test_volumes_beside_the_data_do_not_take_the_data_with_them(tmp_path: Path, plan_of) -> None:
    from tapechain.runtime.plan import Source

    make(tmp_path, "media/R1/R1-000001.tar", "media/R1/photo.jpg", "media/R1/sub/R1-000001.tar", "media/R1/R10.tar")
    plan = plan_of([Source("s", "files", files=("media/R1",))], {"R1": ["s"]})
    names = choose(["media/R1"], str(tmp_path), one_file_system=False).names
    options = own_excludes(own_paths(plan, tmp_path, tmp_path / "state"), names)
    assert below(tmp_path / "media/R1", archived(names, options)) == {"photo.jpg", "sub/R1-000001.tar", "R10.tar"}


def test_excludes_of_the_plan_and_of_the_run_do_not_disturb_each_other(tmp_path: Path) -> None:
    make(tmp_path, "src/media/v", "src/x/media/keep", "src/a.tmp", "src/b.tmp/keep?", "src/state/db")
    names = choose(["src"], str(tmp_path), one_file_system=False).names
    options = own_excludes([OwnPath(str(tmp_path / "src/media")), OwnPath(str(tmp_path / "src/state"))], names)
    options += excludes(["a.*"], names)
    assert below(tmp_path, archived(names, options)) == {"src/x/media/keep", "src/b.tmp/keep?"}
