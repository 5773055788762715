"""``tcc lsp`` as an editor sees it."""

from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

PLAN = """\
plan night {
  depth = 8
}

source home { files = "/home" }
source shop { command = ["pg_dump", "shop"] }

drive disk { volumes = "/backup/disk"  site = "here" }
drive vault { volumes = "/mnt/vault"  site = "vault" }

backup group nightly {
  agent first -> disk {
    B1 <- home
    B2 <- shop
  }
}

mirror group offsite of nightly {
  agent second -> vault { * <- first }
}

require copies >= 2, sites >= 2 of home
"""


def test_diagnostics_come_while_typing_and_go(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", PLAN)
        assert await editor.diagnostics(uri) == []
        editor.change(uri, ((12, 13), (12, 14), ""))  # home → hom
        (found,) = await editor.diagnostics(uri)
        assert (found.code, found.severity, found.source) == ("TC201", lsp.DiagnosticSeverity.Error, "tcc")
        assert found.range == lsp.Range(lsp.Position(12, 10), lsp.Position(12, 13))
        assert "did you mean `home`?" in found.message
        assert found.code_description.href.endswith("/docs/rules/TC201.md")
        editor.change(uri, ((12, 13), (12, 13), "e"))
        assert await editor.diagnostics(uri) == []

    session(talk)


def test_related_places_severities_and_tags(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        text = PLAN.replace("-> vault", "-> disk").replace(
            "require copies >= 2, sites >= 2 of home", 'drive spare { volumes = "m" }'
        )
        uri = editor.open(tmp_path / "night.tc", text)
        found = {d.code: d for d in await editor.diagnostics(uri)}
        (other,) = found["TC302"].related_information
        assert other.location.uri == uri and other.location.range.start.line == 11
        editor.write(uri, PLAN + 'drive spare { volumes = "m" }\n')
        (unused,) = await editor.diagnostics(uri)
        assert unused.code == "TC902"
        assert unused.severity == lsp.DiagnosticSeverity.Warning
        assert list(unused.tags) == [lsp.DiagnosticTag.Unnecessary]
        assert unused.data["explain"] == "tcc explain TC902"

    session(talk)


def test_an_open_included_file_counts_as_it_is_typed(session: Any, tmp_path: Path) -> None:
    (tmp_path / "sources.tc").write_text('source home { files = "/home" }\n')
    (tmp_path / "night.tc").write_text('include "sources.tc"\n' + PLAN.replace('source home { files = "/home" }\n', ""))

    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        included = editor.open(tmp_path / "sources.tc", 'source home { files = "/home" }\n')
        # It is judged as part of the program that includes it, not as a program whose source nothing reads.
        assert await editor.diagnostics(included) == []
        main = (tmp_path / "night.tc").as_uri()
        editor.write(included, 'source hume { files = "/home" }\n')
        await editor.until(
            lambda: editor.published.get(main), lambda p: [d.code for d in p.diagnostics] == ["TC201"] * 2
        )
        assert await editor.diagnostics(included) == []
        definition = await editor.within(
            editor.text_document_definition_async(lsp.DefinitionParams(**editor.here(included, "hu|me")))
        )
        assert [place.uri for place in definition] == [included]
        editor.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier(included)))
        opened = editor.open(tmp_path / "night.tc", (tmp_path / "night.tc").read_text())
        assert await editor.diagnostics(opened) == []  # the file on disk counts again

    session(talk)


def test_includes_do_not_leave_the_project_and_wait_for_nothing(session: Any, tmp_path: Path) -> None:
    import os

    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "secret.tc").write_text("source secret {}\n")
    os.mkfifo(project / "pipe.tc")
    (project / "link.tc").symlink_to(tmp_path / "secret.tc")

    async def talk(editor: Any) -> None:
        await editor.begin(project)
        hostile = [
            "../secret.tc",
            "link.tc",
            "pipe.tc",
            "/dev/zero",
            "/etc/passwd",
            ".",
            "plan.tc",
            "gone.tc",
            "a\\n.tc",
        ]
        uri = editor.open(project / "plan.tc", "".join(f'include "{path}"\n' for path in hostile))
        found = await editor.diagnostics(uri)
        assert [(d.code, d.range.start.line) for d in found] == [("TC104", i) for i in range(len(hostile))]
        assert "outside of the project" in found[0].message and "outside of the project" in found[1].message
        assert "no regular file" in found[2].message

    session(talk)


async def ask(editor: Any, kind: str, uri: str, marked: str, nth: int = 0, **more: Any) -> Any:
    methods = {
        "hover": (editor.text_document_hover_async, lsp.HoverParams),
        "definition": (editor.text_document_definition_async, lsp.DefinitionParams),
        "completion": (editor.text_document_completion_async, lsp.CompletionParams),
        "references": (editor.text_document_references_async, lsp.ReferenceParams),
        "rename": (editor.text_document_rename_async, lsp.RenameParams),
        "prepare": (editor.text_document_prepare_rename_async, lsp.PrepareRenameParams),
        "highlight": (editor.text_document_document_highlight_async, lsp.DocumentHighlightParams),
    }
    method, params = methods[kind]
    return await editor.within(method(params(**editor.here(uri, marked, nth), **more)))


def test_hover_tells_the_whole_way_of_a_source(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", PLAN)
        said = (await ask(editor, "hover", uri, "B1 <- ho|me")).contents.value
        assert "`first.B1` on drive `disk`, site here" in said
        assert "`second.B1` on drive `vault`, site vault" in said
        assert "2 copies (`disk` and `vault`) on 2 sites" in said
        assert "Ring 0: 8 records of 1MiB = 8MiB, shared by 2 buffers" in said
        said = (await ask(editor, "hover", uri, "de|pth = 8")).contents.value
        assert "2..1024" in said and "a whole number" in said
        said = (await ask(editor, "hover", uri, "drive va|ult")).contents.value
        assert "Written by `second`" in said and "`home` and `shop`" in said
        said = (await ask(editor, "hover", uri, "require co|pies")).contents.value
        assert "Drives that each source's objects reach" in said
        assert await ask(editor, "hover", uri, "|\nrequire") is None

    session(talk)


def test_completion_offers_what_fits(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", PLAN)

        async def offered(text: str, marked: str) -> list[str]:
            editor.write(uri, text)
            return [item.label for item in (await ask(editor, "completion", uri, marked)).items]

        assert await offered(PLAN, "B1 <- |home") == ["home", "shop"]
        assert await offered(PLAN, "agent second -> |vault") == ["disk", "vault"]
        assert await offered(PLAN, "offsite of |nightly") == ["nightly"]
        assert await offered(PLAN, "* <- |first") == ["first"]
        text = PLAN.replace("* <- first", "B1 <- ")
        assert await offered(text, "{ B1 <- | }") == ["first.B1", "first.B2"]
        text = PLAN.replace("* <- first", "B1 <- first.")
        assert await offered(text, "first.| }") == ["B1", "B2"]
        text = PLAN + "drive more { vol"
        assert await offered(text, "vol|") == ["volumes"]
        text = PLAN + 'drive more { volumes = "a"  '
        offers = await offered(text, 'more { volumes = "a"  |')
        assert "site" in offers and "tape" not in offers and "volumes" not in offers
        assert "chain" in await offered(PLAN + "ch", "\nch|")
        assert await offered(PLAN.replace("depth = 8", "record = 1"), "record = 1|") == [
            "1KiB",
            "1MiB",
            "1GiB",
            "1TiB",
            "1kB",
            "1MB",
            "1GB",
            "1TB",
        ]
        text = PLAN.replace("B1 <- home", 'order = "')
        assert await offered(text, 'order = "|') == ["interleave", "object"]
        text = 'let place = "x"\n' + PLAN.replace('"/home"', '"/${"')
        assert await offered(text, '"/${|') == ["place"]
        assert await offered(PLAN + "# cha", "# cha|") == []
        assert await offered(PLAN + "require mem", "require mem|") == ["memory"]

    session(talk)


def test_definition_references_and_highlights(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", PLAN + "chain shop -> first.B2 -> second.B2\n")
        (place,) = await ask(editor, "definition", uri, "first.B|2")
        assert place.range.start.line == 13
        (place,) = await ask(editor, "definition", uri, "of ho|me")
        assert (place.range.start.line, place.range.start.character) == (4, 7)
        places = await ask(editor, "references", uri, "source sh|op", context=lsp.ReferenceContext(True))
        assert sorted(p.range.start.line for p in places) == [5, 13, 22]
        places = await ask(editor, "highlight", uri, "agent fi|rst")
        assert [p.kind for p in places].count(lsp.DocumentHighlightKind.Write) == 1 and len(places) == 3

    session(talk)


def test_rename_reaches_every_place_and_refuses_what_would_harm(session: Any, applied: Any, tmp_path: Path) -> None:
    text = PLAN + "chain home -> first.B1 -> second.B1\n"

    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", text)

        async def renamed(marked: str, new: str) -> str:
            edit = await ask(editor, "rename", uri, marked, new_name=new)
            return applied(text, edit.changes[uri])

        assert await renamed("source ho|me", "people") == text.replace("home", "people").replace('"/people"', '"/home"')
        assert await renamed("source ho|me", "web-01") == text.replace("home", '"web-01"').replace(
            '"/"web-01""', '"/home"'
        )
        # A buffer keeps its name through `* <- first`, so all buffers of that name go along.
        assert await renamed("B|1 <- home", "P1") == text.replace("B1", "P1")
        for marked, new, why in (
            ("source ho|me", "shop", "taken"),
            ("source ho|me", "vault", "taken"),
            ("B|1 <- home", "B2", "taken"),
            ("source ho|me", "", "empty"),
            ("source ho|me", "a${b}", "variable"),
            ("source ho|me", "x" * 300, "too long"),
            ("de|pth", "x", "no name here"),
        ):
            with pytest.raises(JsonRpcException, match=why):
                await ask(editor, "rename", uri, marked, new_name=new)
        editor.write(uri, text + "source {\n")
        with pytest.raises(JsonRpcException, match="syntax errors"):
            await ask(editor, "rename", uri, "source ho|me", new_name="people")

    session(talk)


def test_rename_across_files_variables_and_patterns(session: Any, applied: Any, tmp_path: Path) -> None:
    shared = 'let place = "/srv"\nsource home { files = "${place}/home" }\n'
    main = (
        'include "shared.tc"\ndrive R1 { volumes = "${place}/R1" }\ndrive R2 { volumes = "m/R2" }\n'
        'for i in 1..2 { source "S${i}" { files = "/s/${i}" } }\n'
        'backup group g { agent A -> R1 { B1 <- home  B2 <- S1  for i in 2..2 { "B${i}x" <- "S${i}" } } }\n'
        "mirror group m of g { agent M -> R2 { * <- A } }\n"
    )
    (tmp_path / "shared.tc").write_text(shared)
    (tmp_path / "main.tc").write_text(main)

    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path, document_changes=True)
        uri = editor.open(tmp_path / "shared.tc", shared)
        assert await editor.diagnostics(uri) == []
        edit = await ask(editor, "rename", uri, "let pla|ce", new_name="base")
        after = {change.text_document.uri: change for change in edit.document_changes}
        other = (tmp_path / "main.tc").as_uri()
        assert set(after) == {uri, other}
        assert after[uri].text_document.version == 1 and after[other].text_document.version is None
        assert applied(shared, after[uri].edits) == shared.replace("place", "base")
        assert applied(main, after[other].edits) == main.replace("place", "base")
        opened = editor.open(tmp_path / "main.tc", main)
        for marked, new, why in (
            ("B2 <- S|1", "T1", "by hand"),
            ('source "S|${i}"', "T", "put together"),
            ("for |i in 1..2", "place", "taken"),
            ("for |i in 1..2", "a-b", "no name of a variable"),
        ):
            with pytest.raises(JsonRpcException, match=why):
                await ask(editor, "rename", opened, marked, new_name=new)
        edit = await ask(editor, "rename", opened, "for |i in 1..2", new_name="number")
        (change,) = edit.document_changes
        expected = main.replace(
            'for i in 1..2 { source "S${i}" { files = "/s/${i}" } }',
            'for number in 1..2 { source "S${number}" { files = "/s/${number}" } }',
        )
        assert applied(main, change.edits) == expected

    session(talk)


def test_outline_folds_tokens_and_formatting(session: Any, applied: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", PLAN)
        identifier = lsp.TextDocumentIdentifier(uri)
        symbols = await editor.within(editor.text_document_document_symbol_async(lsp.DocumentSymbolParams(identifier)))
        assert [s.name for s in symbols] == [
            "night",
            "home",
            "shop",
            "disk",
            "vault",
            "nightly",
            "offsite",
            "copies >= 2, sites >= 2",
        ]
        assert [b.name for b in symbols[5].children[0].children] == ["B1", "B2"]
        folds = await editor.within(editor.text_document_folding_range_async(lsp.FoldingRangeParams(identifier)))
        assert [(f.start_line, f.end_line) for f in folds] == [(0, 2), (10, 15), (11, 14), (17, 19)]
        tokens = await editor.within(
            editor.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(identifier))
        )
        assert list(tokens.data[:5]) == [0, 5, 5, 0, 1] and len(tokens.data) % 5 == 0
        ugly = PLAN.replace("  depth = 8", "   depth=8")
        editor.write(uri, ugly)
        options = lsp.FormattingOptions(tab_size=2, insert_spaces=True)
        edits = await editor.within(
            editor.text_document_formatting_async(lsp.DocumentFormattingParams(identifier, options))
        )
        assert applied(ugly, edits) == PLAN
        assert edits[0].range == lsp.Range(lsp.Position(1, 0), lsp.Position(2, 0))
        editor.write(uri, PLAN + "source {")
        edits = await editor.within(
            editor.text_document_formatting_async(lsp.DocumentFormattingParams(identifier, options))
        )
        assert edits is None

    session(talk)


def test_code_actions_mend(session: Any, applied: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "night.tc", PLAN.replace("B1 <- home", "B1 <- hom"))
        (found,) = await editor.diagnostics(uri)
        params = lsp.CodeActionParams(lsp.TextDocumentIdentifier(uri), found.range, lsp.CodeActionContext([found]))
        (action,) = await editor.within(editor.text_document_code_action_async(params))
        assert action.title == "Change to home" and action.is_preferred
        assert applied(editor.texts[uri], action.edit.changes[uri]) == PLAN

    session(talk)


def test_params_get_values_and_leave_is_taken_in_order(session: Any, tmp_path: Path) -> None:
    text = PLAN.replace("depth = 8", "depth = deep") + "param deep = 8\n"

    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path, "-D", "deep=1", options={"defines": {"deep": 4}})
        uri = editor.open(tmp_path / "night.tc", text)
        assert [d.code for d in await editor.diagnostics(uri)] == ["TC207"]

    session(talk)


def test_a_document_that_is_no_file_is_served(session: Any) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(None)
        uri = editor.open("untitled:Untitled-1", PLAN + 'include "x.tc"\n')
        assert [d.code for d in await editor.diagnostics(uri)] == ["TC104"]

    session(talk)
