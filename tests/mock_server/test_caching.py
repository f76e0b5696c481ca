"""Caches keep short texts only, so that a client cannot fill them."""

from netmind_mock.caching import cache_short


def test_short_texts_are_cached_and_long_ones_are_not():
    calls = []

    @cache_short(2, longest=5)
    def measured(text, number):
        """Return the length."""
        calls.append(text)
        return len(text) + number

    for text in ("short", "short", "longer", "longer", b"longer", b"longer"):
        assert measured(text, 1) == len(text) + 1
    assert calls == ["short", "longer", "longer", b"longer", b"longer"]
    assert measured.__doc__ == "Return the length."
