"""Result files can be downloaded without an API key and in ranges, once their job is completed."""

import hashlib
import io
import threading

import pytest
from PIL import Image
from support import AUTHORIZED, PAGE_IMAGE

from netmind_mock.jobs.ids import file_id


@pytest.fixture
def url(client, completed):
    """The result URL of the vendor documentation's example, completed."""
    return completed(client)["result"]["data"][0]["url"]


def test_the_documented_image_is_a_png_of_1024_by_768(client, url):
    response = client.get(url)
    with Image.open(io.BytesIO(response.data)) as picture:
        assert (response.status_code, picture.format, picture.size) == (200, "PNG", (1024, 768))


def test_the_headers_describe_the_file(client, url):
    response = client.get(url)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert int(response.headers["Content-Length"]) == len(response.data)
    assert response.headers["ETag"] == f'"{hashlib.md5(response.data, usedforsecurity=False).hexdigest()}"'


def test_head_has_the_same_headers_and_no_body(client, url):
    head, got = client.head(url), client.get(url)
    for name in ("Content-Type", "Content-Length", "ETag"):
        assert head.headers[name] == got.headers[name]
    assert (head.status_code, head.data) == (200, b"")


def test_two_downloads_are_the_same_bytes(client, url):
    assert client.get(url).data == client.get(url).data


@pytest.mark.parametrize(
    ("requested", "content_range", "part"),
    [
        ("bytes=0-9", "bytes 0-9/{size}", slice(0, 10)),
        ("bytes=100-", "bytes 100-{last}/{size}", slice(100, None)),
        ("bytes=-7", "bytes {seventh}-{last}/{size}", slice(-7, None)),
    ],
)
def test_a_range_gets_206(client, url, requested, content_range, part):
    whole = client.get(url).data
    response = client.get(url, headers={"Range": requested})
    sizes = {"size": len(whole), "last": len(whole) - 1, "seventh": len(whole) - 7}
    assert (response.status_code, response.headers["Content-Range"]) == (206, content_range.format(**sizes))
    assert response.data == whole[part]


def test_a_range_beyond_the_end_gets_416_with_the_size(client, url):
    size = len(client.get(url).data)
    response = client.get(url, headers={"Range": f"bytes={size}-"})
    assert (response.status_code, response.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert response.json == {"message": "Requested Range Not Satisfiable"}


def test_a_range_of_a_changed_file_gets_the_whole_file(client, url):
    response = client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert response.status_code == 200


def test_a_known_etag_gets_304(client, url):
    etag = client.get(url).headers["ETag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_a_job_that_is_not_completed_has_no_file(client, create):
    job = create(client)
    for path in (
        f"/files/{file_id(job['id'], 0)}",
        f"/files/{job['user_id']}/inference/{file_id(job['id'], 0)}/output_image.png",
    ):
        assert client.get(path).status_code in (403, 404)


def test_a_deleted_job_has_no_file(client, completed):
    job = completed(client)
    client.delete(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
    assert client.get(job["result"]["data"][0]["url"]).json == {"message": "File not found"}


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
def test_a_date_out_of_range_is_ignored(client, url, name):
    response = client.get(url, headers={name: "Sun, 06 Nov 9999999999 08:49:37 GMT", "Range": "bytes=0-"})
    assert response.status_code in (200, 206)


def test_simultaneous_requests_for_a_file_render_it_once(completed, make, monkeypatch):
    client, rendered = make(), []

    def render(_job, index):
        rendered.append(index)
        return b"picture"

    monkeypatch.setattr("netmind_mock.media.render", render)
    url = completed(client)["result"]["data"][0]["url"]
    responses = []

    def download():
        responses.append(client.application.test_client().get(url).data)

    threads = [threading.Thread(target=download) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (responses, rendered) == ([b"picture"] * 8, [0])


def test_a_file_number_beyond_the_jobs_files_gets_404(documented, completed):
    job = completed(documented)
    assert documented.get(f"/files/{file_id(job['id'], 1)}").status_code == 404


def test_a_file_has_exactly_one_url(observed, completed):
    url = completed(observed)["result"]["data"][0]["url"]
    for other in (url.replace("output_image", "other"), url.replace("/files/", "/files/0")):
        assert (observed.get(other).status_code, observed.get(other).json) == (
            404,
            {"message": "File not found"},
        )


@pytest.mark.parametrize(
    "name", ["x", "file-zzzzzzzzzzzzzzzz", "..%2f..%2fetc%2fpasswd", "%00", "file-0000000000000000", "%ff%fe"]
)
def test_an_invalid_file_id_gets_404(documented, name):
    assert documented.get(f"/files/{name}").status_code == 404


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        ({"model": "hkchengrex/MMAudio", "config": {"prompt": "wind", "duration": 1}}, "audio/wav", "audio"),
        ({"model": "google/veo3.1-fast", "config": {"prompt": "wind", "duration": 1}}, "video/mp4", "video"),
        ({**PAGE_IMAGE, "config": {"prompt": "x", "output_format": "jpeg"}}, "image/jpeg", "image"),
        ({**PAGE_IMAGE, "config": {"prompt": "x", "output_format": "webp"}}, "image/webp", "image"),
    ],
)
def test_every_kind_of_file_has_its_content_type(client, completed, body, content_type, kind):
    file = completed(client, body)["result"]["data"][0]
    assert (client.get(file["url"]).content_type, file["file_type"]) == (content_type, kind)


def test_a_text_is_a_file_if_the_profile_has_no_text_results(documented, completed):
    body = {"model": "openai/whisper", "config": {"audio_url": "https://example.org/a.mp3"}}
    file = completed(documented, body)["result"]["data"][0]
    response = documented.get(file["url"])
    assert (file["file_type"], response.content_type) == ("text", "text/plain; charset=utf-8")


def test_a_text_result_has_no_file(observed, completed):
    body = {"model": "openai/whisper", "config": {"audio_url": "https://example.org/a.mp3"}}
    job = completed(observed, body)
    path = f"/files/{job['user_id']}/inference/{file_id(job['id'], 0)}/output_text.txt"
    assert observed.get(path).status_code == 404


class TestUrls:
    @pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1:8000", "[::1]:8000", "api.localhost"])
    def test_begin_with_the_host_that_the_client_used(self, documented, clock, create, host):
        job = create(documented)
        clock.advance(2)
        response = documented.get(
            f"/v1/generation/{job['id']}", headers=AUTHORIZED, base_url=f"http://{host}"
        )
        assert response.json["result"]["data"][0]["url"].startswith(f"http://{host}/files/")

    @pytest.mark.parametrize(
        "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "a b", "", "x" * 500]
    )
    def test_never_begin_with_a_hostile_host(self, make, create, clock, host):
        client = make(public_url="https://mock.example/")
        job = create(client)
        clock.advance(2)
        response = client.get(
            f"/v1/generation/{job['id']}", environ_overrides={"HTTP_HOST": host}, headers=AUTHORIZED
        )
        assert response.json["result"]["data"][0]["url"].startswith("https://mock.example/files/")

    def test_may_begin_with_an_allowed_host(self, make, create, clock):
        client = make(allowed_host=["mock.internal"])
        job = create(client)
        clock.advance(2)
        response = client.get(
            f"/v1/generation/{job['id']}", headers=AUTHORIZED, base_url="http://mock.internal:81"
        )
        assert response.json["result"]["data"][0]["url"].startswith("http://mock.internal:81/files/")


def test_a_file_larger_than_the_cache_is_sent(documented, completed, monkeypatch):
    monkeypatch.setattr("netmind_mock.media.render", lambda *_: bytes(70_000_000))
    url = completed(documented)["result"]["data"][0]["url"]
    assert len(documented.get(url).data) == 70_000_000


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-3"}])
def test_a_file_has_one_date_header(client, url, headers):
    assert len(client.get(url, headers=headers).headers.getlist("Date")) == 1
