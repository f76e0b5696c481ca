"""A link that the API returned is requested as it is spelled, since its signature may be over its text."""

import pytest
from client_kinds import KINDS, real_client
from raw_server import RawServer, raw_response

from netmind_client.exceptions import DownloadError

LINKS = [
    "/f/a.png?sig=abc%2Bdef%3D&x=1", "/f/a%20b.png?sig=%7Efoo", "/f/a.png?s=%c3%a9", "/f/a.png?s=a|b", "/f/a.png?",
    "?sig=%7e", "/%2e%2e/a.png",
]  # fmt: skip


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("netmind_client._flows.retry.FIRST_PAUSE", 0.01)


@pytest.fixture(params=KINDS)
def downloaded(request, tmp_path):
    """Return a function that downloads a link, and returns the path that the server received."""

    def download(link, base_url=None):
        def respond(received):
            if not received.path.startswith("/v1/"):
                return raw_response(b"\x89PNG\r\n\x1a\n" + bytes(100), Content_Type="image/png")
            data = [{"url": (base_url or server.base_url) + link, "file_type": "image"}]
            return raw_response({"id": "a", "status": "completed", "result": {"data": data}})

        with RawServer(respond) as server:
            clients = real_client(request.param, base_url=server.base_url, request_timeout=5)
            try:
                next(clients).download("a", tmp_path, timeout=5)
            finally:
                next(clients, None)
            return server.requests[-1].path

    return download


@pytest.mark.parametrize("link", LINKS)
def test_it_is_not_respelled(downloaded, link):
    assert downloaded(link).removeprefix("/") == link.removeprefix("/")


@pytest.mark.parametrize("link", ["/f/a b.png", "/f/é.png", "/f/a.png\r\nX-Evil: 1"])
def test_a_link_that_a_request_cannot_contain_is_escaped_or_refused(downloaded, link):
    try:
        path = downloaded(link)
    except DownloadError:
        return
    assert path.isascii()
    assert not {" ", "\r", "\n"} & set(path)


def test_a_port_that_does_not_exist_is_a_download_error(downloaded):
    with pytest.raises(DownloadError) as raised:
        downloaded("/a.png", "http://127.0.0.1:99999")
    assert "ExceptionGroup" not in str(raised.value)
    assert "TaskGroup" not in str(raised.value)
