"""``tcc``: finds the command, loads its module when it is called, and turns every kind of failure into an exit code."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..runtime.faults import EXIT_SIGINT, EXIT_UNUSABLE, STARVED_TODO, Fault, starved
from .console import print_fault, say, shown
from .ending import is_ours
from .standard import abandon_stdout, secure_standard_descriptors, stdout_is_lost
from .surroundings import check_folder, code_of, settle

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: command → (module below this package, one line of help). The function is the command's name with ``_command`` behind.
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("check", "Parse, resolve and validate plans."),
    "fmt": ("fmt", "Bring plans into canonical form."),
    "compile": ("compile", "Write the compiled plan."),
    "estimate": ("estimate", "Estimate duration, memory and the load of each drive."),
    "diagram": ("diagram", "Draw a plan as a picture."),
    "run": ("run", "Run a plan: read each source once, write all its copies."),
    "restore": ("restore", "Bring a source back from any surviving copy."),
    "files": ("files", "List the members of a files object."),
    "drill": ("drill", "Prove that what is stored comes back."),
    "verify": ("verify", "Read media, check every record, notice what is missing."),
    "objects": ("objects", "List the objects that the catalog knows."),
    "volumes": ("volumes", "List the volumes that the catalog knows."),
    "sessions": ("sessions", "List the sessions that the catalog knows."),
    "draft": ("draft", "Write a copy or restore plan from what the catalog knows."),
    "catalog": ("catalog", "Rebuild the catalog from volumes alone."),
    "volume": ("volume", "Look at volumes, label the next one, recycle expired ones."),
    "diff": ("diff", "Say what changes between two plans."),
    "explain": ("explain", "Say what a diagnostic's code means."),
    "lsp": ("lsp", "Serve an editor: the language server on standard input and output."),
    "schema": ("schema", "Print the JSON Schema of the compiled plan and of reports."),
    "completion": ("completion", "Print the script of a shell's completion."),
}


#: Commands that read media and are not their own control, as ``run`` is: see ``aside``.
READS_MEDIA = frozenset({"restore", "files", "drill", "verify", "volumes", "catalog", "volume"})


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command (or its help) is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of a backup's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command *cmd_name*, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name][0]}", __package__)
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        if ctx.resilient_parsing:
            from .completing import teach

            return teach(command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The commands and options that begin so, without importing any command."""
        from click.shell_completion import CompletionItem

        items = [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]
        return items + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command named where there is none."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS and not ctx.resilient_parsing:
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean `tcc {near[0]}`?" if near else ""
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="\b\nExamples:\n  tcc check plan.tc\n  tcc run plan.tc\n  tcc restore home --plan plan.tc --to /restored",
)
@click.version_option(__version__, prog_name="tcc")
def tcc() -> None:
    """Compile backup plans, run them, and bring the data back."""
    check_folder()


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``tcc`` and ``tapechain``: never returns, never shows a traceback."""
    # A command makes many objects and few cycles: looking for those at every few hundred takes a tenth of its start.
    gc.set_threshold(20_000, 20, 50)
    secure_standard_descriptors()
    if argv is None:
        is_ours()
        settle()
        if sys.argv[1:2] and sys.argv[1] in READS_MEDIA:
            from .aside import step_aside

            step_aside(sys.argv[2:])
    code = _main(argv)
    if argv is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End the process at once: the kernel frees as a whole what the interpreter would take apart piece by piece."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass  # what matters of it has been flushed, and told where that failed
    if sys.argv[1:2] and sys.argv[1] in READS_MEDIA:
        from .aside import say_code

        say_code(code)
    os._exit(code)


def _main(argv: list[str] | None) -> int:
    try:
        if "_TCC_COMPLETE" in os.environ:
            from .completing import prepare

            prepare()
        result: Any = tcc.main(args=argv, prog_name="tcc", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return EXIT_UNUSABLE
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return EXIT_UNUSABLE
    except (click.Abort, KeyboardInterrupt) as error:
        from .unblocked import last_words

        last_words("stopped\n")
        return code_of(error) or EXIT_SIGINT
    except Fault as fault:
        print_fault(fault, sys.argv[1:] if argv is None else argv)
        return fault.exit_code
    except BrokenPipeError:
        return _unread()
    except SystemExit as ended:
        if ended.code != 1:
            raise
        return _unread()  # click itself ends so for a broken pipe, and for nothing else here
    except OSError as error:
        if (code := code_of(error)) is not None:
            return code  # the words about a signal failed: the terminal is gone
        if error.errno in {errno.ENAMETOOLONG, errno.EACCES} and error.filename is not None:
            say(f"error: {shown(str(error.filename))[:200]}: {error.strerror}")
            return EXIT_UNUSABLE
        if not stdout_is_lost():
            return _internal_error(error)
        say(f"error: standard output cannot be written: {error.strerror or error}")
        abandon_stdout()
        return EXIT_UNUSABLE
    except Exception as error:  # noqa: BLE001 - the one place that turns our own mistakes into words
        if starved(error):
            say("error: the system gives this command no more memory or threads")
            say(f"  do:    {STARVED_TODO}")
            return EXIT_UNUSABLE
        return _internal_error(error)
    return result if isinstance(result, int) else 0


def _unread() -> int:
    """The reader of our output has gone (`tcc objects | head`): no word, and no code that tells of plans or media.

    1 is what ``verify`` says of damage, ``diff`` of a change, ``check`` of errors.
    """
    abandon_stdout()
    return EXIT_UNUSABLE


def _internal_error(error: Exception) -> int:
    """Say that the mistake is ours and how to report it; the traceback goes to a file, never to the user's screen."""
    for line in internal_error_words(error):
        say(line)
    if os.environ.get("TCC_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    return EXIT_UNUSABLE


def internal_error_words(error: Exception) -> list[str]:
    """What to say of a mistake of ours, in lines; its traceback goes to a file that they name."""
    import tempfile
    import traceback

    lines = [f"internal error: {type(error).__name__}: {error}"]
    try:
        with tempfile.NamedTemporaryFile("w", prefix="tcc-internal-error-", suffix=".txt", delete=False) as out:
            out.write(f"tapechain {__version__}, Python {sys.version}\n{sys.argv!r}\n\n")
            traceback.print_exception(error, file=out)
        lines.append(f"This is a fault of tapechain, not of your plan. Please report it with the file {out.name}.")
    except OSError:
        lines.append("This is a fault of tapechain, not of your plan. Please report it.")
    return lines
