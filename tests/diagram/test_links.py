"""Links: what a template may be, and that no name in a plan can make one that leads elsewhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from diagram_plans import HOSTILE, files, sketch, volumes
from diagram_texts import FAULTY, HOSTS, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.cli.drawing import render
from tapechain.compiler.emit.dot import to_dot
from tapechain.compiler.emit.links import FIELDS, SCHEMES, read_template
from tapechain.compiler.emit.mermaid import to_mermaid
from tapechain.compiler.emit.picture import picture_of

HREF = "{http://www.w3.org/1999/xlink}href"


def hrefs(svg: bytes) -> set[str]:
    return {e.attrib[HREF] for e in ElementTree.fromstring(svg).iter() if e.attrib.get(HREF)}


def test_every_part_leads_to_its_line() -> None:
    found = picture(HOSTS, link="https://git.example/plans/{file}?a=1&b=2#L{line}")
    assert found.links["drive", "R1"] == "https://git.example/plans/night.tc?a=1&b=2#L10"
    assert found.links["buffer", "M2", "B2"].endswith("#L22")
    assert {"source", "agent", "drive", "buffer", "group", "host"} == {key[0] for key in found.links}
    assert 'href "https://git.example/plans/night.tc?a=1&b=2#L10" _blank' in to_mermaid(found)


def test_the_svg_holds_the_links_as_they_are() -> None:
    pytest.importorskip("pygraphviz", reason="nothing may draw here: pygraphviz's wheel is not installed")
    found = picture(HOSTS, link="https://git.example/plans/{file}?a=1&b=2&lt;#L{line}")
    assert hrefs(render(to_dot(found), "svg")) == set(found.links.values())


def test_marks_lead_to_the_place_of_the_fault() -> None:
    found = picture(FAULTY, annotate=True, link="vscode://file/{path}:{line}:{column}")
    note = next(n for n in found.notes if n.head == "TC302")
    assert re.fullmatch(r"vscode://file/.*/night\.tc:17:18", note.link)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("javascript:alert(1)", "scheme"),
        ("JavaScript:alert({line})", "scheme"),
        ("data:text/html,{name}", "scheme"),
        ("vbscript:x", "scheme"),
        ("{name}:alert(1)", "scheme"),
        ("{file}{name}://x", "scheme"),
        ("java\tscript:alert(1)", "cannot hold"),
        (" https://x/{line}", "cannot hold"),
        ('https://x/" onclick="alert(1)', "cannot hold"),
        ("https://x/<b>", "cannot hold"),
        ("https://x/\x1b[31m", "cannot hold"),
        ("https:\\\\x", "cannot hold"),
        ("https://x/{who}", "none of"),
        ("https://x/{line", "brace"),
        ("https://x/{line!r}", "none of"),
        ("https://x/{line.__class__}", "none of"),
        ("", "empty"),
    ],
)
def test_templates_that_could_do_harm_are_refused(template: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_template(template)


@pytest.mark.parametrize(
    "template",
    ["{file}#L{line}", "../plans/{file}", "/plans/{file}", "#{name}", "HTTPS://x/{path}", "?at={line}:{column}"],
)
def test_relative_templates_and_any_case_are_fine(template: str) -> None:
    assert read_template(template).text == template


@given(
    name=st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec=None), max_size=20)),
    field=st.sampled_from(FIELDS),
)
@settings(max_examples=200, deadline=None)
def test_no_name_changes_where_a_link_leads(name: str, field: str) -> None:
    url = read_template(f"https://git.example/plans/{{{field}}}#L1").url({field: name})
    assert url is not None
    filled = url.removeprefix("https://git.example/plans/").removesuffix("#L1")
    assert re.fullmatch(r"[A-Za-z0-9_.~/%-]*", filled)


def test_a_link_that_no_browser_takes_is_left_out() -> None:
    assert read_template("https://x/{name}").url({"name": "x" * 3000}) is None


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_links_of_hostile_names_stay_what_they_are(name: str) -> None:
    pytest.importorskip("pygraphviz", reason="nothing may draw here: pygraphviz's wheel is not installed")
    from dataclasses import replace

    from tapechain.compiler.emit.focus import names_of

    plan = sketch(name, (files(name),), (volumes(name),), ((name, "backup", None, ((name, name, ((name, name),)),)),))
    whole = picture_of(plan)
    template = read_template("https://git.example/{kind}/{name}")
    links = {key: template.url({"kind": key[0], "name": name}) or "" for key in names_of(whole).values()}
    found = hrefs(render(to_dot(replace(whole, links=links)), "svg"))
    assert found <= set(links.values()) and found
    assert all(url.startswith("https://git.example/") for url in found)


def test_the_schemes_are_those_that_run_nothing() -> None:
    assert not {"javascript", "data", "vbscript", "blob", "about"} & set(SCHEMES)
