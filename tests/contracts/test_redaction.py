"""Redaction of the API key in any encoding, and of the query values of URLs."""

import base64
import html
import json
import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_contracts.redaction import REDACTED, Redactor, redact_path, redact_url

pytestmark = pytest.mark.slow

KEY = 'nm-K3y/with+odd="chars'

ENCODINGS = {
    "plain": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded whole": lambda text: "".join(f"%{ord(character):02X}" for character in text),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 after a user name": lambda text: base64.b64encode(b"user:" + text.encode() + b"!").decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"a" + text.encode()).decode(),
    "JSON": json.dumps,
    "JSON, escaped whole": lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
    "HTML": html.escape,
    "HTML, escaped whole": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "in capitals": str.upper,
}

# What is left around the key: quotes, neighbouring characters, and the bits that base64 shares with them.
AROUND = {
    "base64": f"{REDACTED}w==",
    "base64 after a user name": f"dXNlcjp{REDACTED}IQ==",
    "base64 for URLs": f"YW{REDACTED}M=",
    "JSON": f'"{REDACTED}"',
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_key_is_redacted(encoding):
    redacted = Redactor(KEY).text(f"<<{ENCODINGS[encoding](KEY)}>>")
    assert redacted == f"<<{AROUND.get(encoding, REDACTED)}>>"


WHOLE = [
    "plain",
    "percent-encoded",
    "percent-encoded twice",
    "hexadecimal",
    "base64",
    "JSON",
    "HTML",
    "in capitals",
]


@pytest.mark.parametrize("encoding", WHOLE)
@pytest.mark.parametrize(
    "token", ["nm%25%2525&amp;1", 'nm\\\\\\"\\u005c1', "\\" * 12 + "1", "&&amp;&#38;&#x26;"]
)
def test_a_key_that_looks_like_an_escape_is_redacted_completely(token, encoding):
    text = ENCODINGS[encoding](token)
    redacted = Redactor(token).text(f"<<{text}>>")
    begins, _, ends = redacted.partition(REDACTED)
    assert len(begins + ends) <= len("<<>>") + (4 if encoding == "base64" else 2)


@pytest.mark.parametrize("length", [64, 65, 2048])
@pytest.mark.parametrize("encoding", [encoding for encoding in ENCODINGS if encoding not in AROUND])
def test_a_long_key_is_redacted_to_its_end(encoding, length):
    token = ("nm-K3y_with/more+" * 130)[:length]
    assert Redactor(token).text(f"<<{ENCODINGS[encoding](token)}>>") == f"<<{REDACTED}>>"


def test_the_first_48_characters_of_a_truncated_long_key_are_redacted():
    token = "".join(f"{number:03d}-" for number in range(100))
    redacted = Redactor(token).text(f"no such model as '{token[:60]}")
    assert redacted == f"no such model as '{REDACTED}{token[48:60]}"


@pytest.mark.parametrize("encoding", WHOLE)
@pytest.mark.parametrize("length", [47, 48, 49, 100, 256])
def test_a_long_key_that_ends_in_an_escape_is_redacted_completely(encoding, length):
    token = ("nm_K3y-with.more" * 16)[: length - 4] + "%2&\\"
    text = ENCODINGS[encoding](token)
    begins, _, ends = Redactor(token).text(f"<<{text}>>").partition(REDACTED)
    assert len(begins + ends) <= len("<<>>") + (4 if encoding == "base64" else 2)


# Keys and texts for which a regular expression that backtracks would take minutes, or practically forever.
HOSTILE = {
    "backslashes": ("\\" * 60 + "1", "\\" * 120),
    "quotes after backslashes": ('\\"' * 60 + "1", '\\\\"' * 60),
    "a run of backslashes": ("canary-0a1B2c3D", "\\" * 200_000),
    "one letter": ("a" * 2047 + "1", "a" * 200_000),
    "one letter, and an escape": ("a" * 255 + "%", "a" * 200_000),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_keys_and_texts_are_searched_in_a_short_time(case):
    token, text = HOSTILE[case]
    # In a separate process, since a running regular expression cannot be stopped otherwise.
    program = (
        "import json, sys; from netmind_contracts.redaction import Redactor; "
        "token, text = json.load(sys.stdin); sys.exit(Redactor(token).text(text) == '')"
    )
    subprocess.run(
        [sys.executable, "-c", program], input=json.dumps([token, text]), text=True, timeout=120, check=True
    )


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=120))
def test_no_plain_or_percent_encoded_key_is_left(token):
    text = Redactor(token).text(f" {token} {quote(token, safe='')} {token.encode().hex()} ")
    assert text == f" {REDACTED} {REDACTED} {REDACTED} "


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=20),
    st.sampled_from(sorted(set(ENCODINGS) - set(AROUND))),
    st.text(st.sampled_from("ab \u017f\u212a="), max_size=5),
)
def test_no_encoded_key_is_left_in_other_text(token, encoding, around):
    text = around + ENCODINGS[encoding](token) + around
    redacted = Redactor(token).without_token(text)
    assert redacted.startswith(around)
    assert REDACTED in redacted
    assert len(redacted) <= 2 * len(around) + len(REDACTED)


def test_characters_that_are_escaped_in_different_ways_are_recognised():
    assert Redactor("key-A1B2C3").text("<k%65y-\\u0041&#49;%2542\\\\u0032&amp;#67;3>") == f"<{REDACTED}>"


def test_several_keys_are_removed():
    assert Redactor("first-key", "second-key").text("first-key second%2Dkey") == f"{REDACTED} {REDACTED}"


def test_other_text_stays_as_it_is():
    text = '{"id": "6347623b2fce4998b0e842f7e935ccb0", "status": "pending"}'
    assert Redactor(KEY).text(text) == text


def test_a_key_of_less_than_8_characters_is_not_redacted():
    assert Redactor("pending").text('{"status": "pending"}') == '{"status": "pending"}'


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        ("https://f.example/a.png", "https://f.example/a.png"),
        (
            "https://f.example/a.png?X-Amz-Signature=0af&e=9",
            "https://f.example/a.png?X-Amz-Signature=[redacted]&e=[redacted]",
        ),
        ("https://f.example/a.png?0af", "https://f.example/a.png?[redacted]"),
        ("https://me:word@f.example/a.png#0af", "https://f.example/a.png"),
        ("https://[f.example/a?s=0af", "https://[f.example/a"),
    ],
)
def test_the_query_values_of_a_url_are_redacted(url, redacted):
    assert redact_url(url) == redacted


def test_urls_in_json_text_are_redacted():
    text = '{"url": "https:\\/\\/f.example\\/a.png?s=0af\\u0026t=1"}'
    assert Redactor(KEY).json_text(text) == '{"url": "https://f.example/a.png?s=[redacted]&t=[redacted]"}'


@pytest.mark.parametrize(
    ("url", "redacted"),
    [("https://me:word@f.example/a.png?s=0af", "https://f.example/[redacted]"), ("https://[f", "[redacted]")],
)
def test_only_the_host_of_a_url_is_left_by_redact_path(url, redacted):
    assert redact_path(url) == redacted
