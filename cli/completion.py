"""``tcc completion``: the scripts with which a shell asks ``tcc`` itself (``completing`` has the answers)."""

from __future__ import annotations

from typing import Final

import click

from ..runtime.faults import EXIT_OK

SHELLS: Final = ("bash", "zsh", "fish")

#: Both names of the command.
PROGRAMS: Final = ("tcc", "tapechain")

EPILOG = """\b
Install, for example:
  bash   tcc completion bash > ~/.local/share/bash-completion/completions/tcc
  zsh    tcc completion zsh > ~/.zfunc/_tcc      (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  fish   tcc completion fish > ~/.config/fish/completions/tcc.fish

\b
or, for the shell that runs:
  eval "$(tcc completion bash)"
  tcc completion fish | source

The script asks tcc itself, so it needs no renewal when tcc is updated. bash must be 4.4 or later."""


@click.command("completion", epilog=EPILOG)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(SHELLS))
def completion_command(shell: str) -> int:
    """Print the script that makes a shell complete the commands, options, files and codes of tcc and tapechain."""
    click.echo(script(shell), nl=False)
    return EXIT_OK


def script(shell: str) -> str:
    """The completion script of *shell* for both names of the command."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    asks = kind(click.Group(), {}, PROGRAMS[0], "_TCC_COMPLETE")
    # Not the class's own `source`: bash's starts a bash to learn its version, and the script may be for elsewhere.
    text = ShellComplete.source(asks)
    function, second = asks.func_name, PROGRAMS[1]
    if shell == "bash":
        return text.rstrip() + f"\ncomplete -o nosort -F {function} {second}\n"
    if shell == "zsh":
        # Of `--option=FILE` the file alone is what the folder's names are compared with.
        own = 'elif [[ "$type" == "{}" ]]; then\n            _path_files -{}\n'
        for kind_of_path, flag in (("dir", "/"), ("file", "f")):
            line = own.format(kind_of_path, flag)
            cut = line.replace("_path_files", """[[ "${words[CURRENT]}" == --*=* ]] && compset -P '*='; _path_files""")
            text = text.replace(line, cut, 1)
        text = text.replace(f"#compdef {PROGRAMS[0]}", f"#compdef {' '.join(PROGRAMS)}", 1)
        return text.replace(f"compdef {function} {PROGRAMS[0]}\n", f"compdef {function} {' '.join(PROGRAMS)}\n")
    # What is behind an answer's first comma may hold others.
    text = text.replace('string split ","', 'string split -m 1 ","')
    return text.rstrip() + f'\ncomplete --no-files --command {second} --arguments "({function})";\n'
