"""GNU tar as the place where a ``files`` object goes, behind a walker of its members."""

from __future__ import annotations

import fcntl
import os
import subprocess
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import IO, cast

from ..faults import RestoreFault
from ..kinds import MIB
from ..sources.children import signal_name
from .changes import Changes
from .folder import TargetFolder
from .headers import BLOCK, Unsound, normal
from .members import NAMED_MAX, Walker
from .sinks import Outcome

_F_SETPIPE_SZ = 1031
_ORDERLY_SECONDS = 60
_MESSAGES_MAX = 200
_FILLER = bytes(64 * 1024)
#: What is put behind the name of a file that lacks some of its content, where it is kept at all.
DAMAGED = b".damaged"
_MESSAGE_BYTES_MAX = 1000
#: Headers of folders that are kept in memory; beyond that they wait in a temporary file.
_ASIDE_BYTES = 8 * MIB


class TarSink:
    """GNU tar, extracting into the folder; every member passes a :class:`~.members.Walker` first.

    *changes* applies what an incremental took away. Folders of archives of incremental sources are made last, by a
    second tar; they then get times and modes of the archive, those too that were there before (*folders*). *acls*:
    whether any member may have an access control list.
    """

    def __init__(
        self,
        folder: TargetFolder,
        *,
        keep_damaged: bool = False,
        changes: Changes | None = None,
        folders: bool = False,
        acls: bool = True,
    ) -> None:
        self._folder = folder
        self._keep_damaged = keep_damaged
        self._changes = changes
        self._aside: IO[bytes] | None = None
        root = os.geteuid() == 0
        self.walker = Walker(None if folder.fresh else folder, privileged=root, lists=changes)
        command = ["tar", "--extract", "-b", "2048", "-f", "-", "-C", str(folder.path.absolute())]
        command += [] if folders else ["--no-overwrite-dir"]
        command += ["--numeric-owner", "-p", *(o for o in _supported(root) if acls or o != "--acls")]
        command += ["--same-owner"] if root else ["--no-same-owner"]
        environment = {k: v for k, v in os.environ.items() if k not in {"TAR_OPTIONS", "TAPE"}} | {"LC_ALL": "C"}
        try:
            # In a session of its own: Ctrl-C stops us, and we end tar in order.
            self._tar = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
                restore_signals=False,  # a file that grows too large for its limit is an error of that file alone
            )
        except OSError as error:
            raise RestoreFault(f"tar cannot be started: {error.strerror}", todo="install GNU tar") from None
        assert self._tar.stdin is not None
        self._pipe = self._tar.stdin.fileno()
        try:
            fcntl.fcntl(self._pipe, _F_SETPIPE_SZ, MIB)
        except OSError:
            pass  # the limit for users; only slower
        self._messages: list[str] = []
        self._unsound: str | None = None
        self._gone = False
        self._sending = False
        self._listener = threading.Thread(target=self._listen, name="tar's messages", daemon=True)
        self._listener.start()

    def write(self, payload: memoryview) -> bool:
        """Pass on what the walker lets through; False once nothing more can be."""
        if self._unsound is not None:
            return False
        try:
            pieces = self.walker.feed(payload)
        except Unsound as error:
            self._unsound = str(error)
            pieces = self.walker.rescued
        for piece in pieces:
            self._send(memoryview(piece))
        if self.walker.folders:
            self._set_aside()
        return self._unsound is None and not self._gone

    @property
    def ended_early(self) -> bool:
        """Whether the archive could not be used to its end."""
        return self._unsound is not None or (self._gone and not self.walker.ended)

    def _set_aside(self) -> None:
        """Keep the folders for the end, in a file where they are many."""
        if self._aside is None:
            from tempfile import SpooledTemporaryFile

            self._aside = cast("IO[bytes]", SpooledTemporaryFile(_ASIDE_BYTES))  # noqa: SIM115 - see _make_folders
        try:
            self._aside.writelines(self.walker.folders)
        except OSError as error:
            raise RestoreFault(f"the temporary file for folders cannot be written: {error.strerror}") from None
        self.walker.folders.clear()

    def _make_folders(self) -> Outcome:
        """The folders that were set aside, now that all that belongs into them is there."""
        if self._aside is None:
            return Outcome(False)
        made = TarSink(TargetFolder(self._folder.path, self._folder.fd, fresh=False), folders=True)
        made.walker.plain_folders = True
        try:
            with self._aside as aside:
                aside.seek(0)
                while piece := aside.read(MIB):
                    made.write(memoryview(bytearray(piece)))
            made.write(memoryview(bytearray(2 * BLOCK)))
        except BaseException:
            made.abandon()
            raise
        return made.finish()

    def _send(self, piece: memoryview) -> None:
        self._sending = True
        while piece and not self._gone:
            try:
                piece = piece[os.write(self._pipe, piece) :]
            except BrokenPipeError:
                self._gone = True
            except OSError as error:
                raise RestoreFault(f"tar takes no more: {error.strerror}") from None
        self._sending = False

    def finish(self) -> Outcome:
        """Wait for tar, and judge."""
        walker = self.walker
        problems: list[str] = []
        if self._unsound is not None:
            problems.append(f"the archive is not sound behind its member {walker.members}: {self._unsound}")
        elif self._gone and not walker.ended:
            problems.append("tar ended before the archive did")
        elif not walker.ended:
            problems.append("the archive has no end")
        cut = walker.open_member
        return self._end(problems, cut)

    def can_go_on(self) -> bool:
        """As long as tar and the archive's sense hold."""
        return self._unsound is None and not self._gone

    def gap(self, size: int) -> None:
        """What is lost of a member's content goes to tar as zeros, so that it finds the next header."""
        left = self.walker.gap(size)
        while left:
            step = min(left, len(_FILLER))
            self._send(memoryview(_FILLER)[:step])
            left -= step

    def in_step(self) -> bool:
        """Whether the walker knows what the next byte belongs to."""
        return self.walker.in_step

    def resume(self, lost: Sequence[bytes]) -> None:
        """The next byte is the first one of a member's headers."""
        self.walker.resume(lost)

    def cut(self, why: str) -> Outcome:
        """As :meth:`cut_off`."""
        return self.cut_off([why])

    def cut_off(self, why: Sequence[str]) -> Outcome:
        """Let tar complete what it has; members that lack content are removed, as they are not what they were."""
        return self._end(list(why), self.walker.open_member)

    def _end(self, problems: list[str], cut: bytes | None) -> Outcome:
        walker = self.walker
        if cut is None and not walker.ended and not self._gone:
            self._send(memoryview(bytes(2 * BLOCK)))
        status = self._wait()
        if self._changes is not None and walker.ended and cut is None:
            self._changes.finish()
        made = self._make_folders()
        problems += self._changes.problems if self._changes is not None else ()
        problems += made.problems
        complete = walker.members - walker.refused
        if problems and not walker.ended:
            problems.append(_came_back(walker, cut))
        incomplete = dict(walker.damaged)
        if cut is not None:
            incomplete[normal(cut)] = None
        for n, name in enumerate(incomplete):
            complete -= 1
            done = self._put_away(name)
            if n < NAMED_MAX:
                problems.append(f"{os.fsdecode(name)} is incomplete{done}")
        if len(incomplete) > NAMED_MAX:
            problems.append(f"{len(incomplete) - NAMED_MAX} more members are incomplete{done}")
        problems += [f"{os.fsdecode(member)} was not restored: {why}" for member, why in walker.refusals]
        if walker.refused > len(walker.refusals):
            problems.append(f"{walker.refused - len(walker.refusals)} more members were not restored")
        messages = [m for m in self._messages if "Exiting with failure" not in m and "not recoverable" not in m]
        if cut is not None:
            messages = [m for m in messages if "Unexpected EOF" not in m]
        notes: list[str] = list(made.notes)
        if status not in (0, None) and (messages or cut is None):
            problems += messages or [_ended(status)]
        else:
            notes += messages
        if walker.device_nodes and os.geteuid() == 0:
            count = walker.device_nodes
            notes.append(f"{count} device node{'s were' if count != 1 else ' was'} made, as the backup has them")
        if walker.set_id_files:
            kept = (
                "as the backup has them" if os.geteuid() == 0 else "without those bits, as only root may restore them"
            )
            count = walker.set_id_files
            notes.append(f"{count} setuid or setgid file{'s were' if count != 1 else ' was'} made, {kept}")
        return Outcome(complete > 0, tuple(problems), tuple(notes))

    def _put_away(self, name: bytes) -> str:
        """An incomplete file must not bear its name; what became of it, in words."""
        if self._keep_damaged and self._folder.rename_file(name, name + DAMAGED):
            return f": what is left of it is in {os.fsdecode(name + DAMAGED)}, with zeros for what is lost"
        return " and was removed" if self._folder.remove_file(name) else ""

    def _pipe_end(self) -> None:
        assert self._tar.stdin is not None
        try:
            self._tar.stdin.close()
        except OSError:
            pass

    def _wait(self) -> int:
        self._pipe_end()
        status = self._tar.wait()
        self._listener.join()
        return status

    def abandon(self) -> None:
        """End tar: in order where it stands between two pieces, and then without the member that is cut."""
        cut = self.walker.open_member
        if self._sending:
            # What tar has got of this piece is not known, so neither is which member is cut.
            self._tar.kill()
        else:
            try:
                self._pipe_end()
                self._tar.wait(timeout=_ORDERLY_SECONDS)
            except subprocess.TimeoutExpired:
                self._tar.kill()
        self._wait()
        if cut is not None:
            self._folder.remove_file(cut)

    def _listen(self) -> None:
        assert self._tar.stderr is not None
        left = 0
        with self._tar.stderr as stream:
            while line := stream.readline(_MESSAGE_BYTES_MAX):
                if len(self._messages) < _MESSAGES_MAX:
                    self._messages.append(os.fsdecode(line).rstrip("\n"))
                else:
                    left += 1
        if left:
            self._messages.append(f"{left} more messages of tar")


def _came_back(walker: Walker, cut: bytes | None) -> str:
    """Of an archive that was cut off: which members came before that."""
    whole = walker.members - (cut is not None)
    if not whole:
        return "no member came back"
    where = f"before {os.fsdecode(cut)}" if cut is not None else f"up to {os.fsdecode(walker.last_name)}"
    return f"what came back are the {whole} members {where}; all behind them is lost"


@lru_cache(maxsize=2)
def _supported(root: bool) -> tuple[str, ...]:
    """The options for ACLs and attributes that the local tar can do; as a user, only attributes that a user may set."""
    wanted = [("--acls",), ("--xattrs", "--xattrs-include=*" if root else "--xattrs-include=user.*")]
    if root:
        wanted.append(("--selinux",))
    found: list[str] = []
    # Nearly always all of them go, and one question is enough.
    everything = tuple(option for options in wanted for option in options)
    for options in (everything, *wanted):
        if found == list(everything):
            break
        try:
            tried = subprocess.run(
                ["tar", "--extract", *options, "-f", "-"],
                input=bytes(20 * BLOCK),
                capture_output=True,
                check=False,
                env=os.environ | {"LC_ALL": "C"},
            )
        except OSError as error:
            raise RestoreFault(f"tar cannot be started: {error.strerror}", todo="install GNU tar") from None
        if tried.returncode == 0 and not tried.stderr:
            found += options
    return tuple(found)


def _ended(status: int) -> str:
    """What a tar that said nothing itself ended with."""
    if status < 0:
        return f"tar was killed by {signal_name(-status)}: the member that it was at is incomplete, all behind it lack"
    return f"tar ended with status {status}"
