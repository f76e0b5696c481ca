"""Results are saved completely or not at all, and every error names the generation."""

import hashlib
import json
from typing import ClassVar

import pytest
from scripted import CUT, CUT_IN_BODY

from netmind_client.exceptions import (
    AuthenticationError,
    ConfigurationError,
    DownloadError,
    GenerationFailedError,
)

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"
CONFIG = {"prompt": "Generate a cup of coffee"}


class TestDownload:
    FILE = "https://files.example/a/cup.png"

    @pytest.fixture
    def done(self, api, client, generation):
        api.get(f"{URL}/{ID}", json=generation("completed"))
        return client.get(ID)

    def test_saves_every_result_under_a_safe_name(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"picture", content_type="image/png")
        paths = client.download(done, tmp_path / "new")
        assert [(path.name, path.read_bytes()) for path in paths] == [
            ("6347623b2fce4998b0e842f7e935ccb0-cup.png", b"picture")
        ]

    def test_sends_no_api_key_to_the_host_of_the_file(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert "Authorization" not in api.calls[-1].headers

    def test_a_text_result_is_saved_as_text(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"text": "hällo"}]}))
        paths = client.download(client.get(ID), tmp_path)
        assert [(path.name, path.read_text("utf-8")) for path in paths] == [
            ("6347623b2fce4998b0e842f7e935ccb0-output.txt", "hällo")
        ]

    def test_files_with_the_same_name_are_numbered(self, api, client, generation, tmp_path):
        files = [{"url": f"https://files.example/{n}", "file_name": "output_image.png"} for n in (1, 2)]
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": files}))
        for number in (1, 2):
            api.get(f"https://files.example/{number}", body=b"%d" % number)
        paths = client.download(client.get(ID), tmp_path)
        assert [(path.name, path.read_bytes()) for path in paths] == [
            ("6347623b2fce4998b0e842f7e935ccb0-output_image-1.png", b"1"),
            ("6347623b2fce4998b0e842f7e935ccb0-output_image-2.png", b"2"),
        ]

    def test_an_existing_file_is_kept_unless_overwrite_is_set(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"new")
        (tmp_path / "6347623b2fce4998b0e842f7e935ccb0-cup.png").write_bytes(b"old")
        with pytest.raises(
            DownloadError,
            match=r"6347623b2fce4998b0e842f7e935ccb0-cup\.png exists already; to replace it, pass overwrite=True",
        ):
            client.download(done, tmp_path)
        assert (tmp_path / "6347623b2fce4998b0e842f7e935ccb0-cup.png").read_bytes() == b"old"
        client.download(done, tmp_path, overwrite=True)
        assert (tmp_path / "6347623b2fce4998b0e842f7e935ccb0-cup.png").read_bytes() == b"new"

    def test_an_existing_file_with_the_same_bytes_is_accepted(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"picture")
        assert client.download(done, tmp_path) == client.download(done, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["6347623b2fce4998b0e842f7e935ccb0-cup.png"]

    def test_a_file_that_stays_incomplete_raises_and_leaves_no_file(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"half", headers={"Content-Length": "8"}, length=False)
        with pytest.raises(DownloadError, match="expected 8 bytes, got 4"):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_too_long_raises_and_leaves_no_file(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"too much", headers={"Content-Length": "4"}, length=False)
        with pytest.raises(DownloadError, match="expected 4 bytes, got 8"):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    def test_an_expired_link_is_renewed_from_the_generation(
        self, api, client, done, generation, tmp_path, status
    ):
        renewed = {"url": "https://files.example/b/cup.png?sig=new", "file_name": "cup.png"}
        api.get(self.FILE, status=status)
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [renewed]}))
        api._responses["GET", f"{URL}/{ID}"].pop(0)
        api.get("https://files.example/b/cup.png", body=b"picture")
        (path,) = client.download(done, tmp_path)
        assert path.read_bytes() == b"picture"
        assert {call.method for call in api.calls} == {"GET"}

    def test_a_generation_without_a_valid_link_is_reported_without_the_signature(
        self, api, client, done, tmp_path
    ):
        api.get(self.FILE, status=403)
        with pytest.raises(DownloadError, match="returned 403; the generation has no valid link") as caught:
            client.download(done, tmp_path)
        assert (caught.value.generation_id, len(api.calls)) == (ID, 6)  # a get, then 3 links and 2 more gets
        assert caught.value.resume == f"netmind-client download {ID} -o {tmp_path}"
        assert "s3cret" not in str(caught.value)

    def test_results_that_disappear_meanwhile_are_reported(self, api, client, done, generation, tmp_path):
        api.get(self.FILE, status=403)
        api.get(f"{URL}/{ID}", json=generation("completed", result={}))
        api._responses["GET", f"{URL}/{ID}"].pop(0)
        with pytest.raises(DownloadError, match="no longer has its results"):
            client.download(done, tmp_path)

    def test_a_connection_that_breaks_is_tried_five_times(self, api, client, done, tmp_path, time):
        api.get(self.FILE, body=CUT)
        with pytest.raises(DownloadError, match="the download failed, nothing was saved: gone"):
            client.download(done, tmp_path)
        assert time.pauses == [0.5, 1.0, 2.0, 4.0]
        assert list(tmp_path.iterdir()) == []

    def test_a_busy_server_gets_another_request_after_retry_after(self, api, client, done, tmp_path, time):
        api.get(self.FILE, status=503, headers={"Retry-After": "9"})
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert time.pauses == [9.0]

    @pytest.mark.parametrize("status", [204, 400, 418, 501])
    def test_another_status_is_reported(self, api, client, done, tmp_path, status):
        api.get(self.FILE, status=status)
        with pytest.raises(DownloadError, match=f"returned {status}, but a file was expected"):
            client.download(done, tmp_path)

    def test_progress_is_reported_in_bytes(self, api, client, done, tmp_path):
        api.get(self.FILE, body=[b"pic", b"ture"], headers={"Content-Length": "7"})
        seen = []
        client.download(done, tmp_path, on_progress=seen.append)
        assert [tuple(one) for one in seen] == [(ID, 1, 1, 3, 7), (ID, 1, 1, 7, 7)]

    @pytest.mark.parametrize(
        ("headers", "name"), [({"Content-Length": "8"}, "announced"), ({}, "not announced")]
    )
    def test_a_file_larger_than_max_bytes_is_not_saved(self, api, client, done, tmp_path, headers, name):
        assert name
        api.get(self.FILE, body=[b"more", b"more"], headers=headers)
        with pytest.raises(
            DownloadError, match="has at least 8 bytes, but max_bytes is 7; nothing was saved"
        ):
            client.download(done, tmp_path, max_bytes=7)
        assert list(tmp_path.iterdir()) == []

    def test_an_invalid_max_bytes_is_rejected(self, client, done, tmp_path):
        with pytest.raises(ConfigurationError, match="expected max_bytes"):
            client.download(done, tmp_path, max_bytes=0)

    def test_an_exception_of_the_callback_is_raised_and_leaves_no_file(self, api, client, done, tmp_path):
        def fail(_):
            raise ValueError("mine")

        api.get(self.FILE, body=b"picture")
        with pytest.raises(ValueError, match="mine") as caught:
            client.download(done, tmp_path, on_progress=fail)
        assert caught.value.__notes__ == [f"To continue: netmind-client download {ID} -o {tmp_path}"]
        assert list(tmp_path.iterdir()) == []

    def test_a_generation_without_results_is_reported(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation())
        with pytest.raises(
            DownloadError, match=rf"generation {ID} has no results \(status: pending\); wait for it first"
        ):
            client.download(client.get(ID), tmp_path)

    def test_a_netrc_file_adds_no_credentials_for_the_host_of_the_file(
        self, api, client, done, tmp_path, monkeypatch
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine files.example login somebody password else")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert "Authorization" not in api.calls[-1].headers

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "/relative", "", None])
    def test_only_http_urls_are_fetched(self, api, client, generation, tmp_path, url):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"url": url}]}))
        with pytest.raises(DownloadError, match="result 1 has no HTTP URL"):
            client.download(client.get(ID), tmp_path)


def ranged(content, *, cut_after, headers):
    """Return a function that responds with ranges of a file, and breaks after ``cut_after`` bytes each time."""

    def response(request):
        start = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        part = content[start : start + cut_after]
        more = [] if start + cut_after >= len(content) else [CUT_IN_BODY]
        sent = {**headers, "Content-Length": str(len(content) - start)}
        if start:
            sent["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return (206 if start else 200), sent, [part, *more]

    return response


class TestResuming:
    FILE = "https://files.example/a/cup.png"
    ETAG: ClassVar = {"ETag": '"v1"'}

    @pytest.fixture
    def done(self, api, client, generation):
        api.get(f"{URL}/{ID}", json=generation("completed"))
        done = client.get(ID)
        api.calls.clear()
        return done

    def ranges(self, api):
        return [(call.headers.get("Range"), call.headers.get("If-Range")) for call in api.calls]

    def test_an_interrupted_download_is_resumed(self, api, client, done, tmp_path):
        api.get(self.FILE, body=ranged(b"0123456789", cut_after=4, headers=self.ETAG))
        (path,) = client.download(done, tmp_path)
        assert path.read_bytes() == b"0123456789"
        assert self.ranges(api) == [(None, None), ("bytes=4-", '"v1"'), ("bytes=8-", '"v1"')]

    def test_a_download_continues_while_new_bytes_arrive(self, api, client, done, tmp_path):
        api.get(self.FILE, body=ranged(bytes(range(20)), cut_after=1, headers=self.ETAG))
        (path,) = client.download(done, tmp_path)
        assert path.read_bytes() == bytes(range(20))

    def test_a_date_is_used_without_a_strong_etag(self, api, client, done, tmp_path):
        date = "Wed, 25 Nov 2026 04:00:00 GMT"
        api.get(
            self.FILE,
            body=ranged(b"0123456789", cut_after=6, headers={"ETag": 'W/"v1"', "Last-Modified": date}),
        )
        client.download(done, tmp_path)
        assert self.ranges(api) == [(None, None), ("bytes=6-", date)]

    def test_without_an_etag_or_date_it_starts_again(self, api, client, done, tmp_path):
        api.get(self.FILE, body=[b"0123", CUT_IN_BODY], headers={"Content-Length": "10"})
        api.get(self.FILE, body=b"abcdefghij")
        (path,) = client.download(done, tmp_path)
        assert path.read_bytes() == b"abcdefghij"
        assert self.ranges(api) == [(None, None), (None, None)]

    def test_a_file_that_has_changed_is_fetched_from_the_start(self, api, client, done, tmp_path):
        api.get(self.FILE, body=[b"0123", CUT_IN_BODY], headers={"Content-Length": "10", **self.ETAG})
        api.get(self.FILE, body=b"abcdefghij", headers={"ETag": '"v2"'})
        (path,) = client.download(done, tmp_path)
        assert path.read_bytes() == b"abcdefghij"

    @pytest.mark.parametrize(
        ("status", "headers"),
        [
            (206, {"Content-Range": "bytes 2-9/10", "ETag": '"v1"'}),
            (206, {"Content-Range": "bytes 4-9/10", "ETag": '"v2"'}),
            (206, {"Content-Range": "junk", "ETag": '"v1"'}),
            (206, {"ETag": '"v1"'}),
            (416, {"Content-Range": "bytes */3"}),
        ],
    )
    def test_a_rest_that_does_not_match_is_not_appended(self, api, client, done, tmp_path, status, headers):
        api.get(self.FILE, body=[b"0123", CUT_IN_BODY], headers={"Content-Length": "10", **self.ETAG})
        api.get(self.FILE, status=status, body=b"xxxxxx", headers=headers)
        api.get(self.FILE, body=b"abcdefghij", headers=self.ETAG)
        (path,) = client.download(done, tmp_path)
        assert path.read_bytes() == b"abcdefghij"
        assert self.ranges(api)[2] == (None, None)

    def test_an_unrequested_part_is_reported(self, api, client, done, tmp_path):
        api.get(self.FILE, status=206, body=b"xxx", headers={"Content-Range": "bytes 0-2/10"})
        with pytest.raises(DownloadError, match="returned 206, but a file was expected"):
            client.download(done, tmp_path)


class TestEtag:
    FILE = "https://files.example/a/cup.png"

    @pytest.fixture
    def done(self, api, client, generation):
        api.get(f"{URL}/{ID}", json=generation("completed"))
        return client.get(ID)

    @pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
    def test_content_that_does_not_match_its_etag_is_fetched_again(
        self, api, client, done, tmp_path, algorithm
    ):
        etag = f'"{hashlib.new(algorithm, b"picture", usedforsecurity=False).hexdigest()}"'
        api.get(self.FILE, body=b"p1cture", headers={"ETag": etag})
        api.get(self.FILE, body=b"picture", headers={"ETag": etag})
        (path,) = client.download(done, tmp_path)
        assert (path.read_bytes(), len(api.calls)) == (b"picture", 3)

    def test_two_equal_transfers_are_accepted_despite_an_etag_that_looks_like_another_hash(
        self, api, client, done, tmp_path
    ):
        api.get(self.FILE, body=b"picture", headers={"ETag": '"' + "0" * 32 + '"'})
        (path,) = client.download(done, tmp_path)
        assert (path.read_bytes(), len(api.calls)) == (b"picture", 3)

    def test_content_that_is_different_each_time_is_not_saved(self, api, client, done, tmp_path):
        for number in range(6):
            api.get(self.FILE, body=b"picture%d" % number, headers={"ETag": '"' + "0" * 32 + '"'})
        with pytest.raises(DownloadError, match=r"expected the md5 0{32} of the ETag, got [0-9a-f]{32}"):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("etag", ['W/"' + "0" * 32 + '"', '"5f2-1a"', '"' + "0" * 32 + '-2"', "0" * 32])
    def test_another_etag_is_not_taken_for_a_hash(self, api, client, done, tmp_path, etag):
        api.get(self.FILE, body=b"picture", headers={"ETag": etag})
        client.download(done, tmp_path)
        assert len(api.calls) == 2


class TestGenerate:
    def test_creates_waits_and_saves(self, api, client, generation, tmp_path):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("processing"))
        api.get(f"{URL}/{ID}", json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        seen = []
        generated = client.generate("m", CONFIG, tmp_path, on_poll=lambda one: seen.append(one.status))
        assert (generated.generation.status, [path.name for path in generated.paths]) == (
            "completed",
            ["6347623b2fce4998b0e842f7e935ccb0-cup.png"],
        )
        assert seen == ["pending", "processing", "completed"]

    def test_a_folder_that_cannot_be_written_to_is_reported_before_the_create(self, api, client, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DownloadError, match="nothing can be saved there"):
            client.generate("m", CONFIG, tmp_path / "file")
        assert len(api.calls) == 0

    def test_a_create_that_returns_completed_is_not_polled(self, api, client, generation, tmp_path):
        api.post(URL, json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        client.generate("m", {"sync_mode": True}, tmp_path)
        assert [call.method for call in api.calls] == ["POST", "GET"]

    def test_a_create_that_returns_failed_is_not_polled(self, api, client, generation, tmp_path):
        api.post(URL, json=generation("failed", logs=[{"text": "out of memory"}]))
        with pytest.raises(GenerationFailedError, match="out of memory") as caught:
            client.generate("m", CONFIG, tmp_path)
        assert (caught.value.resume, len(api.calls)) == (f"netmind-client get {ID}", 1)

    def test_its_errors_say_how_to_continue(self, api, client, generation, tmp_path):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", status=401)
        with pytest.raises(AuthenticationError) as caught:
            client.generate("m", CONFIG, tmp_path / "my pictures")
        assert caught.value.resume == f"netmind-client wait {ID} -o '{tmp_path}/my pictures'"
        assert caught.value.attempts == 2

    def test_a_failed_generation_can_only_be_requested(self, api, client, generation, tmp_path):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("failed"))
        with pytest.raises(GenerationFailedError) as caught:
            client.generate("m", CONFIG, tmp_path)
        assert str(caught.value) == (
            f"generation {ID} ended as failed: the logs give no reason\nTo continue: netmind-client get {ID}"
        )

    def test_the_whole_call_has_one_timeout(self, api, client, generation, tmp_path, time):
        def slow(request):
            time.now += 20
            return 200, {}, json.dumps(generation("completed" if request.method == "GET" else "pending"))

        api.post(URL, body=slow)
        api.get(f"{URL}/{ID}", body=slow)
        api.get("https://files.example/a/cup.png", body=[CUT])
        with pytest.raises(DownloadError, match="the download failed"):
            client.generate("m", CONFIG, tmp_path, timeout=42)
        assert time.now <= 1042
