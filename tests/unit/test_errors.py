"""What is shown to a person does nothing to a terminal, and tells no secret."""

from __future__ import annotations

import pytest

from cgan_dist.errors import UserError, has_control, printable, without_secrets


def test_names_of_others_do_nothing_to_a_terminal() -> None:
    error = UserError("class \x1b[2J\x1b]0;title\x07 and \u202etxt.exe\x9b1m\r:\n\tsecond line, é, 猫, 👩\u200d🔬")
    assert str(error) == (
        "class \\x1b[2J\\x1b]0;title\\x07 and \\u202etxt.exe\\x9b1m\\r:\n\tsecond line, é, 猫, 👩\u200d🔬"
    )
    assert str(UserError(str(error))) == str(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ada:pass@word@host/set: cannot read", "https://***@host/set: cannot read"),
        ("https://token@host/set", "https://***@host/set"),
        ("sftp://ada:secret@host/x", "sftp://ada:***@host/x"),
        ("s3://b/x?X-Amz-Signature=abc&part=2", "s3://b/x?X-Amz-Signature=***&part=2"),
        ("http://h/x?api_key=abc", "http://h/x?api_key=***"),
        (
            "pipe:curl -H 'Authorization: Bearer abc' http://h/%s",
            "pipe:curl -H 'Authorization: Bearer ***' http://h/%s",
        ),
    ],
)
def test_secrets_of_urls_are_left_out(text: str, shown: str) -> None:
    assert without_secrets(text) == shown
    assert str(UserError(text)) == shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize("text", ["sftp://ada@host/x", "http://h:80/x@2", "http://h/x?count=3", "a:b@c"])
def test_what_is_no_secret_stays(text: str) -> None:
    assert printable(text) == text


def test_a_name_has_no_control_character() -> None:
    assert [has_control(name) for name in ("a\nb", "\x1b", "\x7f", "\x85", "a\tb", "猫")] == [True] * 4 + [False] * 2
