"""The token is masked in whatever spelling it comes back; so is what signs a URL."""

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

TOKEN = 'nm-K3y/with+odd="chars'

SPELLINGS = {
    "plain": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded whole": lambda text: "".join(f"%{ord(character):02X}" for character in text),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind a user's name": lambda text: base64.b64encode(b"user:" + text.encode() + b"!").decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"a" + text.encode()).decode(),
    "JSON": json.dumps,
    "JSON, escaped whole": lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
    "HTML": html.escape,
    "HTML, escaped whole": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "in capitals": str.upper,
}

# What else stands there: quotes, neighbours, and the few bits that base64 mixes with them.
AROUND = {
    "base64": f"{REDACTED}w==",
    "base64 behind a user's name": f"dXNlcjp{REDACTED}IQ==",
    "base64 for URLs": f"YW{REDACTED}M=",
    "JSON": f'"{REDACTED}"',
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_token_is_masked_as(spelling):
    masked = Redactor(TOKEN).text(f"<<{SPELLINGS[spelling](TOKEN)}>>")
    assert masked == f"<<{AROUND.get(spelling, REDACTED)}>>"


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


@pytest.mark.parametrize("spelling", WHOLE)
@pytest.mark.parametrize(
    "token", ["nm%25%2525&amp;1", 'nm\\\\\\"\\u005c1', "\\" * 12 + "1", "&&amp;&#38;&#x26;"]
)
def test_a_token_that_looks_like_an_escape_is_masked_whole(token, spelling):
    told = SPELLINGS[spelling](token)
    masked = Redactor(token).text(f"<<{told}>>")
    begins, _, ends = masked.partition(REDACTED)
    assert len(begins + ends) <= len("<<>>") + (4 if spelling == "base64" else 2)


@pytest.mark.parametrize("length", [64, 65, 2048])
@pytest.mark.parametrize("spelling", [spelling for spelling in SPELLINGS if spelling not in AROUND])
def test_a_long_token_is_masked_to_its_end(spelling, length):
    token = ("nm-K3y_with/more+" * 130)[:length]
    assert Redactor(token).text(f"<<{SPELLINGS[spelling](token)}>>") == f"<<{REDACTED}>>"


def test_of_a_long_token_that_was_cut_the_first_48_characters_are_masked():
    token = "".join(f"{number:03d}-" for number in range(100))
    masked = Redactor(token).text(f"no such model as '{token[:60]}")
    assert masked == f"no such model as '{REDACTED}{token[48:60]}"


@pytest.mark.parametrize("spelling", WHOLE)
@pytest.mark.parametrize("length", [47, 48, 49, 100, 256])
def test_a_long_token_that_ends_in_an_escape_is_masked_whole(spelling, length):
    token = ("nm_K3y-with.more" * 16)[: length - 4] + "%2&\\"
    told = SPELLINGS[spelling](token)
    begins, _, ends = Redactor(token).text(f"<<{told}>>").partition(REDACTED)
    assert len(begins + ends) <= len("<<>>") + (4 if spelling == "base64" else 2)


# Each would take longer than the universe is old, or minutes, if it were looked for in every way at every place.
HOSTILE = {
    "backslashes": ("\\" * 60 + "1", "\\" * 120),
    "quotes behind backslashes": ('\\"' * 60 + "1", '\\\\"' * 60),
    "a run of backslashes": ("canary-0a1B2c3D", "\\" * 200_000),
    "one letter": ("a" * 2047 + "1", "a" * 200_000),
    "one letter, and an escape": ("a" * 255 + "%", "a" * 200_000),
}


@pytest.mark.parametrize("about", HOSTILE)
def test_no_token_and_no_text_is_looked_through_in_every_way(about):
    token, text = HOSTILE[about]
    # In a process of its own, for nothing else could stop it.
    program = (
        "import json, sys; from netmind_contracts.redaction import Redactor; "
        "token, text = json.load(sys.stdin); sys.exit(Redactor(token).text(text) == '')"
    )
    subprocess.run(
        [sys.executable, "-c", program], input=json.dumps([token, text]), text=True, timeout=120, check=True
    )


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=120))
def test_no_token_is_left_in_plain_or_percent_encoded(token):
    text = Redactor(token).text(f" {token} {quote(token, safe='')} {token.encode().hex()} ")
    assert text == f" {REDACTED} {REDACTED} {REDACTED} "


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), min_size=8, max_size=20),
    st.sampled_from(sorted(SPELLINGS)),
    st.text(st.sampled_from("ab%\\&;\u017f\u212a =") | st.characters(max_codepoint=300), max_size=5),
)
def test_a_quick_look_never_leaves_what_a_close_one_finds(token, spelling, around):
    redactor = Redactor(token)
    text = around + SPELLINGS[spelling](token) + around
    assert redactor.without_token(text) == redactor._spellings.sub(REDACTED, text)


def test_other_text_stays_as_it_is():
    text = '{"id": "6347623b2fce4998b0e842f7e935ccb0", "status": "pending"}'
    assert Redactor(TOKEN).text(text) == text


def test_a_token_of_less_than_8_characters_is_a_word_and_stays():
    assert Redactor("pending").text('{"status": "pending"}') == '{"status": "pending"}'


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://f.example/a.png", "https://f.example/a.png"),
        (
            "https://f.example/a.png?X-Amz-Signature=0af&e=9",
            "https://f.example/a.png?X-Amz-Signature=[masked]&e=[masked]",
        ),
        ("https://f.example/a.png?0af", "https://f.example/a.png?[masked]"),
        ("https://me:word@f.example/a.png#0af", "https://f.example/a.png"),
        ("https://[f.example/a?s=0af", "https://[f.example/a"),
    ],
)
def test_what_signs_a_url_is_masked(url, masked):
    assert redact_url(url) == masked


def test_urls_are_masked_wherever_they_stand_in_a_json_text():
    text = '{"url": "https:\\/\\/f.example\\/a.png?s=0af\\u0026t=1"}'
    assert Redactor(TOKEN).json_text(text) == '{"url": "https://f.example/a.png?s=[masked]&t=[masked]"}'


@pytest.mark.parametrize(
    ("url", "masked"),
    [("https://me:word@f.example/a.png?s=0af", "https://f.example/[masked]"), ("https://[f", "[masked]")],
)
def test_of_anothers_url_nothing_but_its_host_is_left(url, masked):
    assert redact_path(url) == masked
