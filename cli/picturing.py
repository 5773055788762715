"""From a plan to its picture as the options ask: places and links, marks, focus, collapse."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, UsageFault
from .console import say
from .plans import compile_file, is_json, load_plan, print_diagnostics, read_content

if TYPE_CHECKING:
    from ..compiler.emit.links import LinkTemplate
    from ..compiler.emit.picture import PartKey, Picture
    from ..compiler.program import Compilation
    from ..dsl.diagnostics import Diagnostic
    from ..dsl.spans import Span

AUTO: Final = "auto"
NEVER: Final = "never"
ALL: Final = "all"

#: ``theme: ThemeName``.
theme_option = click.option(
    "--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True, help="Its colours."
)

#: ``focus: tuple[str, ...]``: names of parts.
focus_option = click.option(
    "--focus",
    metavar="NAME",
    multiple=True,
    help="Only this source, agent, drive, buffer (A124.B2), target, group or host, and what it hangs on "
    "(may be repeated).",
)

#: ``collapse: tuple[str, ...]``: ``auto``, ``never``, ``all``, or names of groups.
collapse_option = click.option(
    "--collapse",
    metavar="auto|never|all|GROUP",
    multiple=True,
    default=(AUTO,),
    show_default=True,
    shell_complete=lambda ctx, option, begun: [word for word in (AUTO, NEVER, ALL) if word.startswith(begun)],
    help="Groups to be drawn as one card each: the large ones of a plan that is too large to be read, none, all, "
    "or those that are named (may be repeated).",
)


#: ``annotate: bool``.
annotate_option = click.option(
    "--annotate",
    is_flag=True,
    help="Mark errors, warnings and requirements that are not met at the parts at fault; a plan with errors is drawn.",
)


def _read_link(ctx: click.Context, option: click.Parameter, given: str | None) -> LinkTemplate | None:
    if given is None:
        return None
    from ..compiler.emit.links import read_template

    try:
        return read_template(given)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=option) from None


#: ``link: LinkTemplate | None``.
link_option = click.option(
    "--link",
    metavar="URL",
    callback=_read_link,
    help="Make each part a link; {file}, {line}, {column}, {path}, {name} and {kind} are filled in.",
)


def read_picture(
    file: str, defines: Mapping[str, str], *, annotate: bool = False, link: LinkTemplate | None = None
) -> tuple[Picture, int]:
    """The picture of the plan *file*, whole, and the exit code that its diagnostics ask for.

    Diagnostics go to stderr. A plan with errors raises ``click.exceptions.Exit(1)`` unless *annotate* asks for them to
    be drawn. Raises :class:`UsageFault` for what the options ask of a compiled plan and only a ``.tc`` has.
    """
    from ..compiler.emit.picture import picture_of

    content = read_content(file)
    if is_json(content):
        plan, _ = load_plan(file, defines, content=content)
        picture = picture_of(plan)
        if annotate:
            raise UsageFault(f"{file} is a compiled plan: it has no errors to mark", todo="draw the .tc")
        if link is not None:
            from ..compiler.emit.links import PLACE_FIELDS

            missing = sorted(link.fields & PLACE_FIELDS)
            if missing:
                raise UsageFault(
                    f"--link: {file} is a compiled plan, which has no {{{missing[0]}}}",
                    todo="draw the .tc, or use {name} and {kind} alone",
                )
            picture = dataclasses.replace(picture, links=_links(picture, link, {}))
        return picture, EXIT_OK
    if file == "-" and link is not None and link.fields & {"file", "path"}:
        raise UsageFault("--link: standard input has no {file} and no {path}", todo="name the plan's file")
    compilation = compile_file(file, defines, content=content)
    print_diagnostics(compilation)
    if compilation.plan is None and not annotate:
        raise click.exceptions.Exit(EXIT_FAILED)
    return picture_of_program(compilation, annotate=annotate, link=link)


def picture_of_program(
    compilation: Compilation, *, annotate: bool = False, link: LinkTemplate | None = None
) -> tuple[Picture, int]:
    """The picture of a compiled program with its places, and the exit code that its diagnostics ask for.

    With errors in it, it is drawn as far as it can be read.
    """
    from ..compiler.emit.annotate import annotated
    from ..compiler.emit.picture import picture_of
    from ..compiler.emit.rough import rough
    from ..compiler.emit.whereabouts import shown_file, whereabouts_of

    main = compilation.graph.model.main_file
    shown = {name: shown_file(name, main) for name in compilation.texts}
    where = whereabouts_of(compilation.graph, compilation.texts)
    if compilation.plan is not None:
        picture = picture_of(compilation.plan)
    else:
        plan, more = rough(compilation.graph, compilation.layout)
        picture = picture_of(plan)
        picture = dataclasses.replace(picture, couplings=(*picture.couplings, *more))
    places = {key: f"{shown.get(span.file, span.file)}:{span.line}" for key, span in where.declared.items()}
    picture = dataclasses.replace(picture, places=places)
    absolute = {name: str(Path(name).absolute()).lstrip("/") for name in compilation.texts}

    def place_values(span: Span) -> dict[str, str]:
        file = shown.get(span.file, span.file)
        path = absolute.get(span.file, span.file)
        return {"file": file, "path": path, "line": str(span.line), "column": str(span.column)}

    def link_of(diagnostic: Diagnostic) -> str:
        if link is None:
            return ""
        values = {**place_values(diagnostic.span), "name": diagnostic.code, "kind": "diagnostic"}
        return link.url(values) or ""

    if annotate:
        picture = annotated(picture, compilation.diagnostics, where, shown, link_of)
    if link is not None:
        values = {key: place_values(span) for key, span in where.declared.items()}
        picture = dataclasses.replace(picture, links=_links(picture, link, values))
    return picture, EXIT_OK if compilation.plan is not None else EXIT_FAILED


def _links(picture: Picture, link: LinkTemplate, values: Mapping[PartKey, Mapping[str, str]]) -> dict[PartKey, str]:
    """A link for every part that has all that the template asks for."""
    from ..compiler.emit.focus import names_of
    from ..compiler.emit.links import PLACE_FIELDS

    out = {}
    for key in names_of(picture).values():
        known = values.get(key, {})
        if link.fields & PLACE_FIELDS and not known:
            continue
        url = link.url({**known, "name": ".".join(key[1:]), "kind": key[0]})
        if url is not None:
            out[key] = url
    return out


def focus_on(picture: Picture, names: Sequence[str]) -> Picture:
    """*picture* reduced to what *names* name. Raises :class:`UsageFault` for a name that it does not have."""
    if not names:
        return picture
    from ..compiler.emit.focus import focused, names_of
    from ..compiler.names import nearest

    known = names_of(picture)
    for name in names:
        if name not in known:
            near = nearest(name, known)
            raise UsageFault(
                f"--focus {name}: the plan {picture.whole.plan} has no part of that name",
                todo=f"did you mean {near}?" if near else "name a source, agent, drive, buffer, target, group or host",
            )
    return focused(picture, [known[name] for name in dict.fromkeys(names)])


def collapse_groups(picture: Picture, how: Sequence[str], *, quiet: bool = False) -> Picture:
    """*picture* with the groups that *how* asks for as cards; says so on stderr where that is its own choice.

    Raises :class:`UsageFault` for a group that is not there.
    """
    from ..compiler.emit.collapse import collapsed, groups_of, large, worth_collapsing
    from ..compiler.emit.compare import unchanged_groups

    words = {AUTO, NEVER, ALL} & set(how)
    if len(words) > 1:
        raise UsageFault(f"--collapse: {' and '.join(sorted(words))} exclude each other")
    groups = groups_of(picture)
    chosen = {name for name in how if name not in words}
    missing = sorted(chosen - set(groups))
    if missing:
        raise UsageFault(
            f"--collapse {missing[0]}: no group of that name is drawn",
            todo=f"one of {', '.join(groups[:12])}" if groups else "",
        )
    if ALL in words:
        return collapsed(picture, set(groups))
    if AUTO in words and large(picture):
        same = unchanged_groups(picture) if picture.compared else set()
        without = collapsed(picture, same)
        chosen |= same if same and not large(without) else worth_collapsing(picture)
        if not quiet and chosen:
            say(
                f"{len(picture.plan.agents)} agents are too many for one picture: large groups are drawn as cards "
                "(--collapse never draws all out, --focus NAME shows one part)"
            )
    return collapsed(picture, chosen)
