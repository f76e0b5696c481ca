"""What people write is checked, and JSON is read as one would expect of a server."""

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
def test_what_the_standard_library_writes_is_read(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=60))
def test_no_bytes_end_in_another_error(content):
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
def test_bad_json_is_refused_with_its_place(content, message, position):
    with pytest.raises(InvalidJson, match=message) as refused:
        read_json(content)
    assert refused.value.position == position


def test_as_many_levels_as_are_allowed_are_read():
    document = b"[" * MAX_LEVELS + b"]" * MAX_LEVELS
    assert read_json(document) == json.loads(document)
    assert len(read_json(b"[" + b"[]," * 1000 + b"1]")) == 1001


@pytest.mark.parametrize("value", [7, "\ud800", None])
def test_a_text_is_one_that_can_be_written_down(value):
    with pytest.raises(Expected, match="a string"):
        text(value)
