"""Fixtures of the tests of the command."""

import pytest
from click.testing import CliRunner
from support import running_fake

from netmind_contracts.cli import main


@pytest.fixture
def run():
    """Return a function that runs ``netmind-contracts`` with arguments, in this process."""
    return lambda *arguments, **options: CliRunner().invoke(main, arguments, **options)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A fake that accepts one API key."""
    with running_fake(tmp_path_factory.mktemp("fake"), "--duration", "0.3", "--api-key", "a-good-token") as (
        base_url,
        _,
    ):
        yield base_url
