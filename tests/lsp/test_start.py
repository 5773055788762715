"""How ``tcc lsp`` starts: nothing is loaded before it must be, and what is missing is said in words."""

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, input="")


def test_other_commands_and_its_help_load_no_protocol() -> None:
    for words in (["lsp", "--help"], ["check", "--help"], ["--help"]):
        code = f"import sys; from tapechain.cli.main import _main; _main({words}); print('LOADED', *sys.modules)"
        loaded = set(run(code).stdout.rpartition("LOADED")[2].split())
        assert loaded and not {
            name for name in loaded if name.partition(".")[0] in {"pygls", "lsprotocol", "cattrs", "lark"}
        }


def test_without_pygls_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pygls'] = None\n"
        "import importlib.abc, importlib.machinery\n"
        "class Gone(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'pygls':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.modules.pop('pygls'); sys.meta_path.insert(0, Gone())\n"
        "from tapechain.cli.main import main; main(['lsp'])"
    )
    got = run(code)
    assert got.returncode == 2
    assert "needs the Python package pygls" in got.stderr and "pip install pygls" in got.stderr
    assert "Traceback" not in got.stderr and got.stdout == ""


def test_an_editor_that_dies_leaves_no_server_behind() -> None:
    """The end of standard input ends it, with 1: nobody took leave."""
    got = subprocess.run(["tcc", "lsp"], input=b"", capture_output=True, timeout=60)
    assert (got.returncode, got.stdout) == (1, b"")
    assert b"Traceback" not in got.stderr


def test_garbage_on_standard_input_shows_no_traceback() -> None:
    for text in (b"hello\n", b"Content-Length: 5\r\n\r\n{{{{{", b"Content-Length: 9\r\n\r\n{}", b"\0" * 1000):
        got = subprocess.run(["tcc", "lsp"], input=text, capture_output=True, timeout=60)
        assert got.returncode == 1 and b"Traceback" not in got.stderr, (text, got.stderr)
