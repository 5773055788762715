"""Analyses while one types: one at a time in a thread of its own, never one for a text that is not the newest.

What changes while an analysis runs is taken together into the next one, so that typing never queues up work: there is
at most one analysis under way and one to come. All state is the event loop's; the thread gets snapshots.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from ...compiler.program import Compilation, compile_program
from ...dsl.diagnostics import Diagnostic
from ...dsl.pieces import Memory
from ..language.book import Book, Page, page
from ..language.overlay import OverlayWorld, Paths, is_inside
from ..language.positions import Encoding
from ..language.projects import Projects
from .documents import Document

T = TypeVar("T")

#: Keys that are pressed together are analysed together. Seconds.
GATHER_SECONDS = 0.02


@dataclass(frozen=True)
class Analysis:
    """What an analysis found for the program that *main* begins; ``trouble`` says why there is no compilation."""

    main: str
    compilation: Compilation | None
    trouble: Exception | None = None


@dataclass(frozen=True)
class Round:
    """One turn of the worker: the documents as they were, the mains of each, and an analysis for each main."""

    documents: Mapping[str, Document]
    mains: Mapping[str, tuple[str, ...]]
    analyses: tuple[Analysis, ...]


@dataclass
class Analyst:
    """Keeps the newest analysis of each program that an open document belongs to.

    *publish* is called in the event loop with each finished round, *report* with what went wrong inside of us.
    """

    publish: Callable[[Round], None]
    report: Callable[[Exception], None]
    defines: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    encoding: Encoding = "utf-16"
    documents: dict[str, Document] = field(default_factory=dict)
    analyses: dict[str, Analysis] = field(default_factory=dict)
    mains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _dirty: set[str] = field(default_factory=set)
    _stale: bool = False
    _task: asyncio.Task[None] | None = None
    _turn: asyncio.Condition = field(default_factory=asyncio.Condition)
    _projects: Projects = field(default_factory=Projects)
    _paths: Paths = field(default_factory=Paths)
    _memory: Memory = field(default_factory=Memory)
    _pages: dict[str, Page] = field(default_factory=dict)
    _pages_memory: Memory = field(default_factory=Memory)
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "tcc-analysis"))
    _asker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "tcc-request"))

    # ------------------------------------------------------------ what the editor says

    def put(self, document: Document) -> None:
        """A document was opened or changed."""
        self.documents[document.key] = document
        self._touch(document.key)

    def drop(self, key: str) -> None:
        """A document was closed: from here on the file on disk counts."""
        self.documents.pop(key, None)
        for other in self.documents:
            if set(self.mains.get(key, ())) & set(self.mains.get(other, ())):
                self._touch(other)
        self.mains.pop(key, None)
        self._touch("")

    def refresh(self) -> None:
        """Files on disk have changed."""
        self._stale = True
        for key in self.documents:
            self._touch(key)

    def _touch(self, key: str) -> None:
        self._dirty.add(key)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    # ------------------------------------------------------------ rounds

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._dirty:
            await asyncio.sleep(GATHER_SECONDS)
            dirty, self._dirty = self._dirty, set()
            stale, self._stale = self._stale, False
            snapshot = dict(self.documents)
            wanted = sorted(key for key in dirty if key in snapshot)
            try:
                done = await loop.run_in_executor(self._worker, self._round, snapshot, wanted, stale)
            except Exception as error:  # noqa: BLE001 - said in the editor's log; the next text gets its turn
                self.report(error)
                done = Round(snapshot, {key: (key,) for key in wanted}, ())
            self.mains |= {key: mains for key, mains in done.mains.items() if key in self.documents}
            needed = {main for mains in self.mains.values() for main in mains}
            self.analyses |= {one.main: one for one in done.analyses}
            for main in [main for main in self.analyses if main not in needed]:
                del self.analyses[main]
            self.publish(done)
            async with self._turn:
                self._turn.notify_all()

    def _round(self, snapshot: Mapping[str, Document], wanted: list[str], stale: bool) -> Round:
        """In the worker's thread."""
        if stale:
            self._projects.forget()
            self._paths.forget()
        collecting = gc.isenabled()
        gc.disable()  # what an analysis makes is mostly kept until the next one: looking for garbage in it is in vain
        try:
            written = {key: document.includes for key, document in snapshot.items()}
            mains: dict[str, tuple[str, ...]] = {}
            for key in wanted:
                self._look_around(key)
                mains[key] = self._projects.mains(key, written) if key.startswith("/") else (key,)
            needed = dict.fromkeys(main for own in mains.values() for main in own)
            texts = {key: document.text.text for key, document in snapshot.items()}
            return Round(snapshot, mains, tuple(self.analysed(main, texts, self._memory) for main in needed))
        finally:
            if collecting:
                gc.enable()

    def _look_around(self, key: str) -> None:
        if key.startswith("/"):
            inside = [folder for folder in self.folders if is_inside(key, (folder,))]
            for folder in inside:
                self._projects.look_through(folder, below=True)
            if not inside:
                self._projects.look_through(key.rpartition("/")[0] or "/", below=False)

    def world(self, main: str, texts: Mapping[str, str]) -> OverlayWorld:
        """The world of a program: the project's folders, or its own folder where the editor opened none around it."""
        inside = tuple(folder for folder in self.folders if is_inside(main, (folder,)))
        own = (main.rpartition("/")[0] or "/",) if main.startswith("/") else ()
        return OverlayWorld(texts, inside or own, self._paths)

    def analysed(self, main: str, texts: Mapping[str, str], memory: Memory | None = None) -> Analysis:
        """Compile the program that *main* begins; with the worker's *memory* only check it, as fast as can be.

        Never raises: a fault of ours must not end the server.
        """
        try:
            world = self.world(main, texts)
            known = compile_program(main, world, self.defines, memory=memory, lowered=memory is None)
        except Exception as error:  # noqa: BLE001 - the server reports it, and goes on
            return Analysis(main, None, error)
        return Analysis(main, known)

    # ------------------------------------------------------------ what requests ask

    async def settled(self, seconds: float = 10.0) -> None:
        """Wait until the newest texts are analysed, at most *seconds*."""
        if self._task is not None and not self._task.done():
            try:
                await asyncio.wait_for(asyncio.shield(self._task), seconds)
            except TimeoutError:
                pass

    async def known(self, key: str, seconds: float = 10.0) -> None:
        """Wait until there is an analysis, of whatever age, for the document; at most *seconds*."""
        if key in self.mains:
            return
        try:
            async with asyncio.timeout(seconds):
                async with self._turn:
                    await self._turn.wait_for(lambda: key in self.mains or key not in self.documents)
        except TimeoutError:
            pass

    async def ask(self, question: Callable[[], T]) -> T:
        """Run *question* in the requests' thread."""
        return await asyncio.get_running_loop().run_in_executor(self._asker, question)

    def analyses_of(self, key: str) -> list[Analysis]:
        """The newest analyses of the document's programs."""
        return [self.analyses[main] for main in self.mains.get(key, ()) if main in self.analyses]

    def texts(self, key: str, snapshot: Mapping[str, Document]) -> dict[str, str]:
        """Path → newest text of all files of the document's programs, its own first."""
        out = {key: snapshot[key].text.text} if key in snapshot else {}
        for analysis in self.analyses_of(key):
            if analysis.compilation is not None:
                for path, text in analysis.compilation.texts.items():
                    document = snapshot.get(self._paths.resolved.get(path, path))
                    if document is None or document.key != key or path == key:
                        out[path] = document.text.text if document is not None else text
        return out

    def book(self, texts: Mapping[str, str]) -> Book:
        """The book of these files; what has not changed is not parsed again. For the requests' thread alone."""
        pages = {}
        for path, text in texts.items():
            known = self._pages.get(path)
            if known is None or known.text.text != text:
                known = page(path, text, self.encoding, self._pages_memory)
            pages[path] = known
        self._pages = pages
        return Book(pages)

    def diagnostics(self, key: str) -> tuple[Diagnostic, ...]:
        """The newest diagnostics for one open document."""
        return tuple(
            d
            for analysis in self.analyses_of(key)
            if analysis.compilation is not None
            for d in analysis.compilation.diagnostics
            if self._paths.resolved.get(d.span.file, d.span.file) == key
        )

    def plans_near(self, key: str) -> list[str]:
        """The plans of the project that *key* lies in."""
        return self._projects.known(self.world(key, {}).folders)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._worker.shutdown(wait=False, cancel_futures=True)
        self._asker.shutdown(wait=False, cancel_futures=True)
