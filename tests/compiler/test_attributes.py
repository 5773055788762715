"""Types, units and ranges of every attribute of language.md (TC206, TC207), and the units of what comes out."""

import pytest
from tapechain.compiler.attributes import ATTRIBUTES

B = "backup group g { agent A -> R1 { B1 <- D1 } }\n"
KEY = '"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"'
QUIET = " # tcc: ignore TC901, TC902, TC906\n"

#: statement → (what it needs beside the attribute)
HEADS = {
    "plan": "plan p { @ }\n" + B,
    "source": 'source X { stream = "-" @ }' + QUIET + B,
    "files": "source X { @ }" + QUIET + B,
    "drive": "drive X { discard = true @ }" + QUIET + B,
    "what": "drive X { @ }" + QUIET + B,
    "pool": "pool X { @ }\n" + B,
    "target": "target X { @ } # tcc: ignore TC909\n" + B,
    "host": "host X { @ }\n" + B,
    "agent": "backup group g { agent A -> R1 { @ B1 <- D1 } }",
    "coupling": "backup group g { agent A -> R1 { B1 <- D1 { @ } } }",
    "selector": "restore group o { agent A <- R1 { B1 <- D1 { @ } } }",
}

TC206 = [
    ("plan", "record = «8»"),
    ("plan", 'record = «"1MiB"»'),
    ("plan", "record = «1MiB/s»"),
    ("plan", "depth = «8MiB»"),
    ("plan", "depth = «8.5»"),
    ("plan", "memory = «64»"),
    ("plan", "window = «6»"),
    ("plan", "window = «6GiB»"),
    ("plan", "schedule = «6h»"),
    ("plan", "state = «1»"),
    ("plan", "catalog = «true»"),
    ("plan", "on_failure = «true»"),
    ("files", "files = «3»"),
    ("files", 'files = ["/a", «3»]'),
    ("source", "exclude = «3»"),
    ("source", 'one_file_system = «"yes"»'),
    ("source", "one_file_system = «1»"),
    ("source", "compress = «19»"),
    ("source", "encrypt = «" + KEY + "»"),
    ("source", "level = «0»"),
    ("source", "rate = «30MB»"),
    ("source", "rate = «30MB/s..60MB/s»"),
    ("source", "size = «30MB/s»"),
    ("source", "tags = «1»"),
    ("files", 'command = «"pg_dump -Fc shop"»'),
    ("files", 'command = ["pg_dump", «8»]'),
    ("files", "chain = «8»"),
    ("what", "volumes = «1»"),
    ("what", 'volumes = «["a", "b"]»'),
    ("what", "tape = «0»"),
    ("what", "bucket = «true»"),
    ("what", 'discard = «"yes"»'),
    ("drive", "site = «1»"),
    ("drive", "media = «1»"),
    ("drive", "capacity = «800»"),
    ("drive", "rate = «30MB»"),
    ("drive", "rate = «30MB»..60MB/s"),
    ("drive", "slot = «1MiB»"),
    ("drive", "pool = «1»"),
    ("drive", "host = «1»"),
    ("pool", "retention = «7»"),
    ("pool", "sessions = «7d»"),
    ("pool", "capacity = «7»"),
    ("target", "files = «1»"),
    ("target", 'command = «"cat"»'),
    ("host", "address = «1»"),
    ("agent", "order = «1»"),
    ("agent", "depth = «8KiB»"),
    ("agent", "spool = «1»"),
    ("agent", "spool_size = «1»"),
    ("agent", "on_failure = «false»"),
    ("coupling", "depth = «1.5»"),
    ("selector", "as_of = «2»"),
]

TC207 = [
    ("plan", "record = «63KiB»"),
    ("plan", "record = «17MiB»"),
    ("plan", "record = «100kB»"),
    ("plan", "depth = «1»"),
    ("plan", "depth = «1025»"),
    ("plan", "memory = «0MiB»"),
    ("plan", "window = «0s»"),
    ("plan", 'schedule = «""»'),
    ("plan", 'schedule = «" "»'),
    ("plan", 'state = «""»'),
    ("plan", 'catalog = «"catalog.db"»'),
    ("plan", 'on_failure = «"stop"»'),
    ("files", 'files = «""»'),
    ("files", "files = «[]»"),
    ("files", 'files = ["/a", «""»]'),
    ("files", 'stream = «""»'),
    ("files", "command = «[]»"),
    ("files", 'command = [«""»]'),
    ("source", 'exclude = ["a", «""»]'),
    ("source", 'compress = «"gzip"»'),
    ("source", 'compress = «"zstd:0"»'),
    ("source", 'compress = «"zstd:23"»'),
    ("source", 'compress = «"zstd:"»'),
    ("source", "encrypt = «[]»"),
    ("source", 'encrypt = [«"bob"»]'),
    ("source", 'encrypt = [«"AGE-SECRET-KEY-1QQ"»]'),
    ("source", 'level = «"differential"»'),
    ("source", "rate = «0kB/s»"),
    ("what", 'volumes = «""»'),
    ("what", 'tape = «""»'),
    ("what", 'bucket = «"mybucket"»'),
    ("what", 'bucket = «"s3://"»'),
    ("what", "discard = «false»"),
    ("drive", 'site = «""»'),
    ("drive", 'media = «""»'),
    ("drive", "capacity = «0kB»"),
    ("drive", "capacity = «1MiB»"),
    ("drive", "rate = «160MB/s..30MB/s»"),
    ("drive", "rate = «0MB/s»..30MB/s"),
    ("pool", "retention = «0d»"),
    ("pool", "sessions = «0»"),
    ("pool", "capacity = «1MiB»"),
    ("target", 'files = «""»'),
    ("host", 'address = «""»'),
    ("agent", 'order = «"objects"»'),
    ("agent", "depth = «0»"),
    ("agent", 'spool = «""»'),
    ("agent", "spool_size = «0MiB»"),
    ("agent", 'on_failure = «"Abort"»'),
    ("coupling", "depth = «2000»"),
    ("selector", 'as_of = «"yesterday"»'),
]

FINE = [
    ("plan", 'record = 64KiB depth = 2 memory = 1TiB window = 0.5h schedule = "daily" state = "s"'),
    ("plan", 'record = 16MiB depth = 1024 catalog = "sqlite:///c.db" on_failure = "abort"'),
    ("plan", 'catalog = "postgresql+psycopg://u:p@h/db"'),
    ("files", 'files = "/x" exclude = [] one_file_system = true level = "incremental" tags = ["a"]'),
    ("files", 'files = ["/x",] exclude = "*.tmp" compress = "zstd" rate = 1kB/s size = 0kB'),
    ("source", f'compress = "zstd:22" encrypt = [{KEY}, "ssh-ed25519 AAAAC3Nza bob"]'),
    ("files", 'command = ["x", "", " "]'),
    ("files", 'chain = "night/home" object = "0197a2c4-0000-7000-8000-000000000000" compress = "zstd"'),
    ("what", 'tape = "/dev/nst7" changer = "/dev/sg3" slot = 0 rate = 30MB/s..160MB/s capacity = 6TB'),
    ("what", 'bucket = "s3://b/some/prefix" site = "x" media = "object"'),
    ("drive", "capacity = 1114112kB rate = 30MB/s"),
    ("pool", "retention = 30d sessions = 3 capacity = 1GiB"),
    ("target", 'command = ["tar", "-x"]'),
    ("host", 'address = "root@10.0.0.1"'),
    ("agent", 'order = "object" depth = 16 spool = "/s" spool_size = 1GiB on_failure = "abort"'),
    ("coupling", "depth = 32"),
    ("selector", 'as_of = "2026-11-20T02:00" depth = 2'),
]


@pytest.mark.parametrize(("head", "text"), TC206)
def test_a_value_of_the_wrong_type_or_unit(check, head, text) -> None:
    checked = check(HEADS[head].replace("@", text))
    assert checked.codes == ["TC206"], checked.messages
    assert checked.places == checked.marks


@pytest.mark.parametrize(("head", "text"), TC207)
def test_a_value_out_of_its_range(check, head, text) -> None:
    checked = check(HEADS[head].replace("@", text))
    assert checked.codes == ["TC207"], checked.messages
    assert checked.places == checked.marks


@pytest.mark.parametrize(("head", "text"), FINE)
def test_values_at_the_ends_of_their_range(check, head, text) -> None:
    checked = check(HEADS[head].replace("@", text))
    assert checked.codes == [], checked.messages


def test_every_attribute_of_the_table_is_tried_here() -> None:
    tried = " ".join(text for _, text in [*TC206, *TC207, *FINE])
    for kind, attributes in ATTRIBUTES.items():
        for name in attributes:
            assert f"{name} =" in tried, f"{kind}.{name}"


@pytest.mark.parametrize(
    ("kind", "most", "text"),
    [
        ("source", 52, 'source «"@"» { files = "/x" } # tcc: ignore TC901\n' + B),
        ("drive", 128, 'drive «"@"» { volumes = "x" } # tcc: ignore TC902\n' + B),
        ("pool", 128, 'pool «"@"» { }\n' + B),
        ("plan", 52, 'plan «"@"»\n' + B),
        ("agent", 128, 'backup group g { agent «"@"» -> R1 { B1 <- D1 } }'),
    ],
)
def test_names_have_room_on_the_media(check, kind, most, text) -> None:
    assert check(text.replace("@", "x" * most)).codes == []
    for name in ("x" * (most + 1), "é" * (most // 6 + 1), ""):
        checked = check(text.replace("@", name))
        assert checked.codes == ["TC207"], checked.messages
        assert checked.places == checked.marks


def test_a_file_name_that_is_too_long_for_a_plan_is_said_so(check) -> None:
    checked = check(B, path="x" * 60 + ".tc")
    assert checked.codes == ["TC207"]
    assert checked.places == [(1, 1, 1)]


def test_values_come_out_in_the_units_of_the_compiled_plan(check) -> None:
    plan = check(
        "plan p { record = 128KiB depth = 4 memory = 1GiB window = 6h }\n"
        "pool w { retention = 7d sessions = 2 }\n"
        'drive T { tape = "/dev/nst0" rate = 30MB/s..160MB/s capacity = 6TB pool = w } # tcc: ignore TC902\n'
        'source X { files = "/x" rate = 10MB/s size = 4GiB } # tcc: ignore TC901\n' + B
    ).compilation.plan
    assert plan is not None
    assert (plan.record, plan.rings[0].depth, plan.memory) == (128 * 1024, 4, 512 * 1024)
    assert (plan.memory_limit, plan.window) == (1 << 30, 21600.0)
    assert (plan.pools[0].retention, plan.pools[0].sessions) == (604800.0, 2)
    tape = next(d for d in plan.drives if d.name == "T")
    assert (tape.rate, tape.capacity, tape.pool) == ((30_000_000, 160_000_000), 6_000_000_000_000, "w")
    source = next(s for s in plan.sources if s.name == "X")
    assert (source.rate, source.size) == (10_000_000, 4 << 30)


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("plan p { depth = 4 }\nbackup group g { agent A -> R1 { B1 <- D1 } }", 4),
        ("plan p { depth = 4 }\nbackup group g { agent A -> R1 { depth = 16 B1 <- D1 } }", 16),
        ("backup group g { agent A -> R1 { depth = 16 B1 <- D1 { depth = 32 } } }", 32),
        ("backup group g { agent A -> R1 { depth = 16 B1 <- D1 { depth = 2 } } }", 2),
        ("backup group g { agent A -> R1 { B1 <- D1 } }", 8),
        (B + "mirror group m of g { agent C -> R2 { depth = 64 B1 <- A.B1 } }", 64),
    ],
)
def test_a_ring_is_as_deep_as_the_deepest_of_its_buffers(check, text, depth) -> None:
    plan = check(text).compilation.plan
    assert plan is not None
    assert [ring.depth for ring in plan.rings] == [depth]
    assert plan.memory == depth * plan.record


def test_the_nearest_attribute_comes_first(check) -> None:
    checked = check('source X { files = "/x" exlude = [] }' + QUIET + B)
    assert "did you mean `exclude`?" in checked.messages
    assert checked.messages.index("`exclude`") < checked.messages.index("`tags`")
