"""A minimal client for NetMind's asynchronous generation API (unofficial).

::

    from netmind_client import GenerationClient

    client = GenerationClient()  # NETMIND_API_KEY and NETMIND_BASE_URL from the environment
    generated = client.generate("Qwen/Qwen-Image", {"prompt": "A cup of coffee"}, directory="pictures")
    print(generated.paths)

A create is sent again only if it certainly created no generation. Every call ends within its timeout.

``netmind_client.exceptions`` has the exceptions, ``netmind_client.batch`` the values of ``generate_many``.
"""

import importlib.util as _util
import typing as _typing

from netmind_client._api import DEFAULT_BASE_URL
from netmind_client._client import GenerationClient
from netmind_client._clock import use_clock
from netmind_client._flows.generate import Generated
from netmind_client._flows.saving import DownloadProgress
from netmind_client._models import Generation, Result
from netmind_client.exceptions import ConfigurationError, NetMindError

if _typing.TYPE_CHECKING:
    from netmind_client._async_client import AsyncGenerationClient

__all__ = [
    "DEFAULT_BASE_URL",
    "AsyncGenerationClient",
    "ConfigurationError",
    "DownloadProgress",
    "Generated",
    "Generation",
    "GenerationClient",
    "NetMindError",
    "Result",
    "use_clock",
]

if _util.find_spec("httpx2") is None:
    globals()["__all__"].remove("AsyncGenerationClient")  # so that ``import *`` works without httpx2


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> _typing.Any:
    """Import ``AsyncGenerationClient``, which needs httpx2, on first use."""
    if name != "AsyncGenerationClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from netmind_client._async_client import AsyncGenerationClient  # noqa: PLC0415 - imports httpx2
    except ModuleNotFoundError as error:
        if error.name not in ("httpx2", "anyio"):
            raise
        message = "AsyncGenerationClient needs httpx2: pip install 'netmind-testkit[async]'"
        raise ModuleNotFoundError(message, name=error.name) from error
    return AsyncGenerationClient
