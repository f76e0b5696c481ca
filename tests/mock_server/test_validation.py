"""Values are checked, and JSON is decoded strictly."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netmind_mock.validation import MAX_LEVELS, Expected, InvalidJson, read_json, text

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_json_of_the_standard_library_is_decoded(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_no_bytes_cause_another_error(content):
    position = 0
    try:
        read_json(content)
    except InvalidJson as error:
        position = error.position
    assert 0 <= position <= len(content)


@pytest.mark.parametrize(
    ("content", "message", "position"),
    [
        (b"[NaN]", "invalid character", 1),
        (b'"\\ud800"', "Input data was truncated", 8),
        (b'"\xff"', "not valid UTF-8", 0),
        (b'{"a": ', "Input data was truncated", 6),
        (b"{} x", "trailing characters", 4),
        (b"9" * 5000, "Integer value out of range", 5000),
        (b"[" * 100_000, f"nested deeper than {MAX_LEVELS} levels", 0),
        (b"[" * 300 + b"]" * 300, f"nested deeper than {MAX_LEVELS} levels", 0),
    ],
)
def test_invalid_json_is_refused_with_its_position(content, message, position):
    with pytest.raises(InvalidJson, match=message) as refused:
        read_json(content)
    assert refused.value.position == position


def test_the_maximum_number_of_levels_is_accepted():
    document = b"[" * MAX_LEVELS + b"]" * MAX_LEVELS
    assert read_json(document) == json.loads(document)
    assert len(read_json(b"[" + b"[]," * 1000 + b"1]")) == 1001


@pytest.mark.parametrize("value", [7, "\ud800", None])
def test_a_text_is_a_string_that_utf_8_can_encode(value):
    with pytest.raises(Expected, match="a string"):
        text(value)
