"""A value of the wrong type is answered with what was probably meant, ready to be copied."""

import pytest

B = "backup group g { agent A -> R1 { B1 <- D1   B2 <- D2 } }\n"


@pytest.mark.parametrize(
    ("attribute", "mend"),
    [
        ('record = "1MiB"', "write `1MiB`, without quotes"),
        ('depth = "8"', "write `8`, without quotes"),
        ('window = "6h"', "write `6h`, without quotes"),
        ("memory = 5MB/s", "write `5MB`"),
        ('state = ["st"]', 'write `"st"`, without brackets'),
        ("on_failure = abort", 'write "abort" in quotes if it is a text, or declare `let abort = …`'),
        ('record = "8"', "write it without quotes, like 1MiB"),
        ('depth = "1MiB"', "write it without quotes, like 8"),
        ('state = ["a", "b"]', "write a path in quotes"),
    ],
)
def test_an_attribute_of_the_plan(check, attribute, mend) -> None:
    checked = check(f"plan p {{ {attribute} }}\n{B}")
    (found,) = checked.compilation.diagnostics
    assert found.help == mend


@pytest.mark.parametrize(
    ("attribute", "mend"),
    [
        ("rate = 5MB", "write `5MB/s`"),
        ("rate = 5MB..9MB/s", "write `5MB/s`"),
        ('slot = "5"', "write `5`, without quotes"),
        ('capacity = "5GB"', "write `5GB`, without quotes"),
        ("capacity = 5GB/s", "write `5GB`"),
    ],
)
def test_an_attribute_of_a_drive(check, attribute, mend) -> None:
    checked = check(f'drive X {{ volumes = "x" {attribute} }} # tcc: ignore TC902\n{B}')
    (found,) = checked.compilation.diagnostics
    assert (found.code, found.help) == ("TC206", mend)


@pytest.mark.parametrize(
    ("promise", "mend"),
    [
        ('memory <= "64MiB"', "write `64MiB`, without quotes"),
        ('copies >= "2"', "write `2`, without quotes"),
        ('encrypted == "true"', "write `true`, without quotes"),
        ("copies >= 2MiB", "write it like `copies >= 2`"),
    ],
)
def test_a_promise(check, promise, mend) -> None:
    (found,) = check(f"{B}require {promise}\n").compilation.diagnostics
    assert (found.code, found.help) == ("TC206", mend)


def test_a_recipient_is_put_into_a_list(check) -> None:
    (found,) = check('source D3 { files = "/x" encrypt = "age1abc" } # tcc: ignore TC901\n' + B).compilation.diagnostics
    assert found.help == 'write `["age1abc"]`'
