"""Tests of the threat model in SECURITY.md: API keys, foreign pages, paths."""

import base64
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from canary import CANARY, ENCODED, assert_no_canary, send_canary
from support import ROOT

import netmind_mock
from netmind_mock import SimulatedClock, create_app
from netmind_mock.control.operations import OPERATIONS_BY_NAME
from netmind_mock.journal import access_log
from netmind_mock.stores import open_store

pytestmark = pytest.mark.slow

OTHER = {"Authorization": "Bearer a-token-of-another"}
BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "Seventeen herons at dusk"}}

GETS = sorted(one.path for one in OPERATIONS_BY_NAME.values() if one.method == "GET")
PAGES = ["", "pages/journal", "pages/simulation", "pages/jobs/{id}", "metrics", "openapi.json"]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Yield everything that the fake outputs for such requests, by its place."""
    folder = tmp_path_factory.mktemp("jobs")
    lines = []
    with closing(open_store(f"sqlite:///{folder}/jobs.db")) as store:
        clock = SimulatedClock()
        app = create_app(
            store=store,
            clock=clock,
            duration=0,
            log=lambda note: lines.extend(access_log.line_of(note, form) for form in ("text", "json")),
        )
        client = app.test_client()
        job, responses = send_canary(client)
        outputs = {
            "responses": "\n".join(f"{one.headers}{one.text}" for one in responses),
            "log": "\n".join(lines),
        }
        for path in [*GETS, *PAGES]:
            response = client.get(f"/__mock/{path.replace('{id}', job['id'])}")
            assert response.status_code == 200, path
            outputs[path] = f"{response.headers}{response.text}"
        outputs["database"] = b"".join(path.read_bytes() for path in folder.iterdir()).decode("latin-1")
        yield outputs


class TestToken:
    """The API key is sent wherever a client could put it, in seven spellings, and searched for in seven."""

    @pytest.mark.parametrize("place", ["responses", "log", "database", *GETS, *PAGES])
    def test_the_api_key_is_in_no_output(self, outputs, place):
        assert outputs[place]
        assert_no_canary(outputs[place], place)

    def test_the_search_finds_every_spelling(self):
        for spellings in ENCODED.values():
            for spelling in spellings:
                with pytest.raises(AssertionError, match="contains the API key"):
                    assert_no_canary(f"before{spelling}after", "a text")
        for before in ("", "x", "xy"):
            with pytest.raises(AssertionError, match="base64"):
                assert_no_canary(base64.b64encode(f"{before}{CANARY}, etc".encode()), "base64")


ROUTES = sorted(
    {(one.method, one.path.replace("{id}", "0" * 32)) for one in OPERATIONS_BY_NAME.values()}
    | {("GET", path.replace("{id}", "0" * 32)) for path in PAGES}
    | {
        ("POST", "pages/do"),
        ("POST", "pages/key"),
        ("GET", "nothing-here"),
        ("GET", "pages/static/page.js"),
        ("GET", "pages/files/file-0"),
    }
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
PATHS = sorted({path for _, path in ROUTES})
FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "evil.example:80@127.0.0.1:8000",
    "127.0.0.1.nip.io",
    "127.0.0.1.evil.example.",
    "EVIL.EXAMPLE",
    "localhost.localdomain",
    "notlocalhost",
    "10.0.0.1",
    "192.168.0.10:8000",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - not an address to listen on
    "127.1",
    "2130706433",
    "0177.0.0.1",
    "127.0.0.1:0",
    "127.0.0.1:99999",
    "127.0.0.1, evil.example",
    "localhost/evil.example",
    "localhost#evil.example",
    "localhost\\evil.example",
    "[::]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "[2001:db8::1]",
    "0x7f.evil",
    "",
    "a b",
]
FOREIGN_ORIGINS = [
    "http://evil.example",
    "https://evil.example",
    "http://localhost:8001",
    "http://localhost.evil.example",
    "http://127.0.0.1.evil.example",
    "http://localhost@evil.example",
    "http://evil.example@localhost",
    "http://evil.example#localhost",
    "http://127.0.0.1",
    "capacitor://localhost",
    "moz-extension://localhost",
    "//localhost",
    "localhost",
    "http://localhost/",
    "http://localhost, http://evil.example",
    "null",
    "",
    "file://",
]
# How browsers spell this machine. No DNS server can resolve these names to another address.
OWN_HOSTS = ["localhost", "LOCALHOST:8000", "localhost.:8000", "127.0.0.1", "127.0.0.53:80", "[::1]:8000"]
OWN_HOSTS += ["[::ffff:127.0.0.1]", "fake.localhost:8000"]


@pytest.fixture(scope="module")
def client():
    return create_app().test_client()


class TestForeignPages:
    """A foreign web page must not read or change the fake, even with DNS rebinding."""

    @pytest.mark.parametrize("host", FOREIGN_HOSTS)
    def test_a_foreign_host_is_refused_on_every_route(self, client, host):
        for path in PATHS:
            for method in METHODS:
                sent = {"json": {}} if method == "POST" else {}
                response = client.open(f"/__mock/{path}", method=method, headers={"Host": host}, **sent)
                assert response.status_code == 403, (method, path)

    @pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
    def test_an_unusual_spelling_of_the_path_does_not_bypass_the_guard(self, client, headers):
        for path in (
            "/__mock",
            "/__mock/%63lock",
            "/__mock/clock/",
            "/__mock/../__mock/clock",
            "/__mock/./clock",
        ):
            assert client.get(path, headers=headers).status_code == 403, path
        for path in (
            "//__mock/clock",
            "/__mock//clock",
            "/__mock%2fclock",
            "/__MOCK/clock",
            "/v1/../__mock/clock",
        ):
            assert client.get(path, headers=headers).status_code in (403, 404), path

    @pytest.mark.parametrize("host", OWN_HOSTS)
    def test_the_fakes_own_names_and_origins_are_accepted(self, client, host):
        for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
            assert client.get("/__mock/clock", headers=headers).status_code == 200

    @pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
    def test_a_foreign_origin_is_refused_on_every_route(self, client, origin):
        for path in PATHS:
            for method in METHODS:
                sent = {"json": {}} if method == "POST" else {}
                response = client.open(f"/__mock/{path}", method=method, headers={"Origin": origin}, **sent)
                assert response.status_code == 403, (method, path)

    def test_a_form_of_another_page_is_refused_on_every_route(self, client):
        for method, path in ROUTES:
            if method == "POST":
                response = client.post(f"/__mock/{path}", data={"operation": "reset"})
                assert response.status_code in (403, 415), path

    def test_no_response_allows_other_origins_to_read_it(self, client):
        for method, path in ROUTES:
            with client.open(f"/__mock/{path}", method=method) as response:
                assert not [name for name, _ in response.headers if name.startswith("Access-Control")], path


TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%252f..%252fetc%252fpasswd",
    "....//....//etc/passwd",
    "..;/..;/etc/passwd",
    "..\\..\\windows\\win.ini",
    "%5c..%5c..%5cwindows",
    "/etc/passwd",
    "//etc/passwd",
    "file:///etc/passwd",
    "C:\\windows\\win.ini",
    "%00",
    "a%00.png",
    "%c0%ae%c0%ae/etc/passwd",
    "\uff0e\uff0e/etc/passwd",
    "~root/.ssh/id_rsa",
    "$(cat /etc/passwd)",
    "{{7*7}}",
    "a" * 5000,
    "..%0d%0aX-Injected:%20yes",
]
PLACES = [
    "/v1/generation/{}",
    "/v1/{}",
    "/files/{}",
    "/files/{}/{}",
    "/{}",
    "/__mock/jobs/{}/complete",
    "/__mock/jobs/{}/expire-links",
    "/__mock/polling/{}",
    "/__mock/pages/jobs/{}",
    "/__mock/pages/files/{}",
    "/__mock/pages/{}",
    "/__mock/{}",
]
_OPENED = []
_WATCHED = [False]


def _note_opened(event, arguments):
    if event == "open" and _WATCHED[0]:
        _OPENED.append(str(arguments[0]))


sys.addaudithook(_note_opened)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("observed", ["documented", "observed"])
def test_no_path_reads_a_file_outside_the_fake(place, observed):
    fake = create_app(profile=observed).test_client()
    ours = (str(Path(netmind_mock.__file__).parent), sys.prefix, sys.base_prefix)
    for text in TRAVERSALS:
        for method in ("GET", "POST", "DELETE"):
            _OPENED.clear()
            _WATCHED[0] = True
            try:
                response = fake.open(place.replace("{}", text), method=method, headers=OTHER)
                content = response.get_data()
            finally:
                _WATCHED[0] = False
            assert response.status_code < 500, (method, text)
            assert b"root:" not in content
            assert "X-Injected" not in response.headers
            assert [path for path in _OPENED if not path.startswith(ours)] == [], (method, text)


@pytest.mark.parametrize("observed", ["documented", "observed"])
def test_no_part_of_a_result_url_reads_a_file_outside_the_fake(observed):
    """Replace each part of the URL of an existing file by a traversal."""
    fake = create_app(profile=observed, duration=0).test_client()
    job = fake.post("/v1/generation", json=BODY, headers=OTHER).json
    result = fake.get(f"/v1/generation/{job['id']}", headers=OTHER).json["result"]["data"][0]
    address = urlsplit(result["url"]).path
    assert fake.get(address).status_code == 200
    parts = [number for number, part in enumerate(address.split("/")) if part]
    ours = (str(Path(netmind_mock.__file__).parent), sys.prefix, sys.base_prefix)
    for text in TRAVERSALS:
        for number in parts:
            for replaced in (text, None):
                pieces = address.split("/")
                pieces[number] = text if replaced else pieces[number] + text
                _OPENED.clear()
                _WATCHED[0] = True
                try:
                    response = fake.get("/".join(pieces))
                    content = response.get_data()
                finally:
                    _WATCHED[0] = False
                assert 400 <= response.status_code < 500, pieces
                assert b"root:" not in content
                assert [path for path in _OPENED if not path.startswith(ours)] == [], pieces


def test_the_list_of_hazards_names_existing_tests():
    listed = tomllib.loads((ROOT / "tests" / "hazards.toml").read_text())["hazard"]
    assert len({hazard["id"] for hazard in listed}) == len(listed) == 8
    model = (ROOT / "SECURITY.md").read_text().partition("## Threat model")[2]
    assert model.count("\n- **") == len(listed)
    for hazard in listed:
        for test in hazard["tests"]:
            path, _, name = test.partition(" ")[0].partition("::")
            defined = [f"class {name}", f"def {name}("] if name else [""]
            assert any(one in (ROOT / path).read_text() for one in defined), test
