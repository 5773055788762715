"""``tcc schema``: JSON Schema (draft 2020-12) of the documents that tcc writes for other programs.

Made from the dataclasses that write and read them, so that it cannot drift. Keys may be added to a document without a
new ``version`` (cli.md): a schema allows keys that it does not know.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import click

from ..runtime import kinds
from ..runtime.faults import EXIT_OK

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

EPILOG = """\b
Examples:
  tcc schema plan > plan.schema.json       of the compiled plan (tcc compile)
  tcc schema report                        of the report of a run (tcc run --report)
  tcc schema check                         of tcc check --format json
  tcc schema                               one schema that any of the three documents meets
"""

#: What a type alone does not say: class → field → keywords. Numbers are those that the reader of plans insists on.
_LIMITS: Final[Mapping[str, Mapping[str, Schema]]] = {
    "CompiledPlan": {
        "record": {
            "minimum": kinds.RECORD_BYTES_MIN,
            "maximum": kinds.RECORD_BYTES_MAX,
            "multipleOf": kinds.RECORD_BYTES_MULTIPLE,
        },
        "memory": {"minimum": 0},
    },
    "Ring": {"depth": {"minimum": kinds.DEPTH_MIN, "maximum": kinds.DEPTH_MAX}},
    "ObjectReport": {"bytes": {"minimum": 0}, "records": {"minimum": 0}, "unread": {"minimum": 0}},
    "RunReport": {"seconds": {"minimum": 0}},
}
#: Keys of a report that never change (cli.md), whatever the dataclass has as defaults.
_ALWAYS_REPORTED: Final[Mapping[str, frozenset[str]]] = {
    "RunReport": frozenset({"version"}),
    "ObjectReport": frozenset({"warnings", "copies"}),
    "CopyReport": frozenset({"volumes", "error"}),
}


def plan_schema() -> Schema:
    """Of the compiled plan: each document that ``runtime.plan.loads`` reads meets it.

    What one part says of another (names, rings, the sum of memory) is beyond a schema; ``loads`` checks it.
    """
    from ..runtime.plan import VERSION, CompiledPlan

    definitions: dict[str, Schema] = {}
    schema = _object(CompiledPlan, definitions)
    schema["properties"]["version"] = {"const": VERSION}
    definitions["Source"]["allOf"] = [_said_by_kind(kind, (None, [], "")) for kind in kinds.PLAN_SOURCE_KINDS]
    definitions["Drive"]["allOf"] = [_said_by_kind(kind, (None,)) for kind in kinds.DRIVE_KINDS if kind != "discard"]
    return _whole("plan", "The compiled plan of tcc compile", schema, definitions)


def report_schema() -> Schema:
    """Of the report that ``tcc run --report`` writes."""
    from ..runtime.model import RunReport

    definitions: dict[str, Schema] = {}
    schema = _object(RunReport, definitions)
    version = next(field.default for field in dataclasses.fields(RunReport) if field.name == "version")
    schema["properties"]["version"] = {"const": version}
    return _whole("report", "The report of tcc run --report", schema, definitions)


def check_schema() -> Schema:
    """Of what ``tcc check --format json`` writes: a diagnostic's place stands among its own keys."""
    from ..dsl.diagnostics import Diagnostic, Related
    from .formats.structured import VERSION

    definitions: dict[str, Schema] = {}
    diagnostic, related = _flat(Diagnostic, definitions), _flat(Related, definitions)
    diagnostic["properties"]["code"]["pattern"] = "^TC[0-9]{3}$"
    diagnostic["properties"]["related"] = {"type": "array", "items": {"$ref": "#/$defs/Related"}}
    count = {"type": "integer", "minimum": 0}
    keys = ("errors", "warnings", "files")
    schema = {
        "type": "object",
        "description": "The diagnostics in the order of their places. Lines and columns count from 1, columns in code "
        "points; the end is exclusive.",
        "properties": {
            "version": {"const": VERSION},
            "diagnostics": {"type": "array", "items": {"$ref": "#/$defs/Diagnostic"}},
            "summary": {"type": "object", "properties": dict.fromkeys(keys, count), "required": list(keys)},
        },
        "required": ["version", "diagnostics", "summary"],
    }
    definitions = {"Diagnostic": diagnostic, "Related": related}
    return _whole("check", "The report of tcc check --format json", schema, definitions)


SCHEMAS: Final[Mapping[str, Callable[[], Schema]]] = {
    "plan": plan_schema,
    "report": report_schema,
    "check": check_schema,
}


@click.command("schema", epilog=EPILOG)
@click.argument("document", metavar="[plan|report|check]", type=click.Choice(list(SCHEMAS)), required=False)
def schema_command(document: str | None) -> int:
    """Print the JSON Schema (draft 2020-12) of the compiled plan, of a run's report, or of check's JSON."""
    from .console import print_json

    print_json(SCHEMAS[document]() if document else any_schema())
    return EXIT_OK


def any_schema() -> Schema:
    """A schema that each of the documents meets, and nothing else does; it holds the others whole, by their names."""
    parts = {name: make() for name, make in SCHEMAS.items()}
    choices = [{"$ref": part["$id"]} for part in parts.values()]
    return {"$schema": DIALECT, "title": "Documents of tapechain", "oneOf": choices, "$defs": parts}


def _whole(name: str, title: str, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    head = {"$schema": DIALECT, "$id": f"urn:tapechain:schema:{name}:1", "title": title}
    return {**head, **schema, "$defs": dict(sorted(definitions.items()))}


def _object(cls: Any, definitions: dict[str, Schema]) -> Schema:
    """The dataclass or named tuple *cls* as an object; the classes of its parts are added to *definitions*."""
    hints = typing.get_type_hints(cls)
    if dataclasses.is_dataclass(cls):
        names = {field.name: _has_no_default(field) for field in dataclasses.fields(cls)}
    else:
        names = {name: name not in cls._field_defaults for name in cls._fields}
    properties = {}
    for name in names:
        properties[name] = _type(hints[name], definitions) | _LIMITS.get(cls.__name__, {}).get(name, {})
    required = [n for n, always in names.items() if always or n in _ALWAYS_REPORTED.get(cls.__name__, ())]
    return {"type": "object", "description": _words(cls), "properties": properties, "required": required}


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _type(hint: Any, definitions: dict[str, Schema]) -> Schema:
    """What a type of a dataclass's field allows. Raises TypeError for a type that no document has (ours to mend)."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        return _either([_type(argument, definitions) for argument in arguments])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is Ellipsis:
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if origin is tuple:
        items = [_type(argument, definitions) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if dataclasses.is_dataclass(hint) or hasattr(hint, "_fields"):
        name = typing.cast(type, hint).__name__
        if name not in definitions:
            definitions[name] = {}
            definitions[name] = _object(hint, definitions)
        return {"$ref": f"#/$defs/{name}"}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    raise TypeError(f"no JSON Schema for {hint!r}")


_PLAIN: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}


def _either(choices: list[Schema]) -> Schema:
    """Any of *choices*, in the shortest way to say it."""
    if all(set(choice) == {"type"} for choice in choices):
        names = list(dict.fromkeys(choice["type"] for choice in choices))
        return {"type": [name for name in names if name != "integer" or "number" not in names]}
    return {"anyOf": choices}


def _said_by_kind(kind: str, nothing: Sequence[Any]) -> Schema:
    """A part gives the attribute that its *kind* is named for when, and only when, it is of that kind."""
    absent = {"properties": {kind: {"enum": list(nothing)}}}
    given = {"required": [kind], "properties": {kind: {"not": {"enum": list(nothing)}}}}
    return {"if": {"properties": {"kind": {"const": kind}}}, "then": given, "else": absent}


def _flat(cls: Any, definitions: dict[str, Schema]) -> Schema:
    """*cls* with the keys of its span in the place of the span."""
    from ..dsl.spans import Span

    schema = _object(cls, definitions)
    place = _object(Span, definitions)["properties"]
    for key, value in place.items():
        place[key] = value | ({"minimum": 1} if value["type"] == "integer" else {})
    properties = _replaced(schema["properties"].items(), "span", place)
    return {**schema, "properties": properties, "required": list(properties)}


def _replaced(items: Iterable[tuple[str, Schema]], name: str, others: Mapping[str, Schema]) -> dict[str, Schema]:
    out: dict[str, Schema] = {}
    for key, value in items:
        out |= others if key == name else {key: value}
    return out


def _words(cls: Any) -> str:
    """The class's docstring as one paragraph of plain words."""
    text = inspect.getdoc(cls) or ""
    return " ".join(text.replace("``", "`").split())
