"""A minimal client of NetMind's asynchronous generation API (unofficial).

::

    from netmind_client import GenerationClient

    client = GenerationClient()  # NETMIND_API_KEY and NETMIND_BASE_URL from the environment
    made = client.generate("Qwen/Qwen-Image", {"prompt": "A cup of coffee"}, directory="pictures")
    print(made.paths)

A create is sent once and never again by itself, and every wait has an end.
"""

from netmind_client._client import Generated, GenerationClient
from netmind_client._models import Generation, Result
from netmind_client._timing import use_clock
from netmind_client._transport import DEFAULT_BASE_URL
from netmind_client.exceptions import (
    ApiError,
    AuthenticationError,
    ConfigurationError,
    CreateOutcomeUnknown,
    DownloadError,
    GenerationFailed,
    InvalidRequestError,
    NetMindError,
    NotFoundError,
    RateLimitedError,
    ResultMissing,
    ServerError,
    TransportError,
    UnexpectedAnswer,
    WaitTimeout,
)

__all__ = [
    "DEFAULT_BASE_URL",
    "ApiError",
    "AuthenticationError",
    "ConfigurationError",
    "CreateOutcomeUnknown",
    "DownloadError",
    "Generated",
    "Generation",
    "GenerationClient",
    "GenerationFailed",
    "InvalidRequestError",
    "NetMindError",
    "NotFoundError",
    "RateLimitedError",
    "Result",
    "ResultMissing",
    "ServerError",
    "TransportError",
    "UnexpectedAnswer",
    "WaitTimeout",
    "use_clock",
]
