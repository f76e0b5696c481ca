"""Tests of the public names, and of what an import loads."""

import importlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PACKAGES = ["netmind_client", "netmind_contracts", "netmind_mock"]


def isort_order(name):
    """Return a sort key for constants, then classes, then functions, as in ruff."""
    return (not name.isupper(), not name[0].isupper(), name)


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_sorted_and_complete(name):
    package = importlib.import_module(name)
    public = {
        key
        for key, value in vars(package).items()
        if not key.startswith("_")
        and getattr(value, "__module__", name).startswith(name)
        and not isinstance(value, type(sys))
    }
    assert list(package.__all__) == sorted(package.__all__, key=isort_order)
    assert public <= set(package.__all__)
    assert all(hasattr(package, key) for key in package.__all__)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_object_has_a_docstring(name):
    package = importlib.import_module(name)
    assert [
        key
        for key in package.__all__
        if not isinstance(getattr(package, key), str) and not getattr(package, key).__doc__
    ] == []


@pytest.mark.parametrize(
    ("module", "not_imported"),
    [
        (
            "netmind_client",
            ["flask", "jsonschema", "PIL", "netmind_contracts", "netmind_mock", "click", "httpx2", "anyio"],
        ),
        ("netmind_contracts", ["flask", "jsonschema", "requests", "netmind_client", "netmind_mock"]),
        (
            "netmind_mock",
            ["jsonschema", "PIL", "uvicorn", "av", "requests", "netmind_client", "hypothesis", "pytest"],
        ),
        ("netmind_mock.cli", ["uvicorn", "jsonschema", "PIL", "av"]),
        (
            "netmind_mock.pytest_plugin",
            ["flask", "requests", "responses", "httpx", "httpx2", "msgspec", "netmind_mock.app"],
        ),
    ],
)
def test_an_import_loads_no_heavy_module(module, not_imported):
    script = f"import sys, {module}; print([name for name in {not_imported!r} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert ended.stdout == "[]\n", ended.stderr


def test_the_async_client_without_httpx2_names_the_extra_to_install():
    script = "import sys; sys.modules['httpx2'] = None\nfrom netmind_client import AsyncGenerationClient"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    needed = "ModuleNotFoundError: AsyncGenerationClient needs httpx2: pip install 'netmind-testkit[async]'"
    assert ended.stderr.splitlines()[-1] == needed


def test_a_star_import_does_not_need_httpx2():
    """Simulate that httpx2 is not installed."""
    script = """if True:
        import importlib.util, sys
        sys.modules["httpx2"], importlib.util.find_spec = None, lambda name: None
        from netmind_client import *
        print(GenerationClient.__name__, "AsyncGenerationClient" in dir())
    """
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert ended.stdout == "GenerationClient False\n", ended.stderr


def test_an_unknown_name_raises_the_usual_attribute_error():
    client = importlib.import_module("netmind_client")
    with pytest.raises(AttributeError, match="module 'netmind_client' has no attribute 'Generation_Client'"):
        client.Generation_Client  # noqa: B018 - the access raises
