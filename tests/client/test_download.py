"""Results are saved whole or not at all, and a generation is not lost."""

import pytest
import requests

from netmind_client import (
    DownloadError,
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
        assert [(path.name, path.read_bytes()) for path in paths] == [("6347623b-cup.png", b"picture")]

    def test_sends_no_token_to_the_files_host(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert "Authorization" not in api.calls[-1].request.headers

    def test_a_text_result_is_saved_as_text(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"text": "hällo"}]}))
        paths = client.download(client.get(ID), tmp_path)
        assert [(path.name, path.read_text("utf-8")) for path in paths] == [("6347623b-output.txt", "hällo")]

    def test_files_of_one_name_are_numbered(self, api, client, generation, tmp_path):
        files = [{"url": f"https://files.example/{n}", "file_name": "output_image.png"} for n in (1, 2)]
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": files}))
        for number in (1, 2):
            api.get(f"https://files.example/{number}", body=b"%d" % number)
        paths = client.download(client.get(ID), tmp_path)
        assert [(path.name, path.read_bytes()) for path in paths] == [
            ("6347623b-output_image-1.png", b"1"),
            ("6347623b-output_image-2.png", b"2"),
        ]

    def test_a_file_that_exists_is_left_alone_unless_asked(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"new")
        (tmp_path / "6347623b-cup.png").write_bytes(b"old")
        with pytest.raises(
            DownloadError, match=r"6347623b-cup\.png exists already; to replace it, pass overwrite=True"
        ):
            client.download(done, tmp_path)
        assert (tmp_path / "6347623b-cup.png").read_bytes() == b"old"
        client.download(done, tmp_path, overwrite=True)
        assert (tmp_path / "6347623b-cup.png").read_bytes() == b"new"

    def test_a_short_file_is_an_error_and_leaves_nothing(self, api, client, done, tmp_path):
        api.get(self.FILE, body=b"half", headers={"Content-Length": "8"}, auto_calculate_content_length=False)
        with pytest.raises(DownloadError):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_expired_link_says_what_to_do_and_hides_its_signature(self, api, client, done, tmp_path):
        api.get(self.FILE, status=403)
        with pytest.raises(
            DownloadError, match="answered 403; the link may have expired: get the generation again"
        ) as caught:
            client.download(done, tmp_path)
        assert caught.value.generation_id == ID
        assert "s3cret" not in str(caught.value)

    def test_a_connection_that_breaks_is_told(self, api, client, done, tmp_path):
        api.get(self.FILE, body=requests.ConnectionError("gone"))
        with pytest.raises(DownloadError, match="the download broke off, nothing was saved: gone"):
            client.download(done, tmp_path)

    def test_a_job_without_results_is_told(self, api, client, generation, tmp_path):
        api.get(f"{URL}/{ID}", json=generation())
        with pytest.raises(
            DownloadError, match=rf"generation {ID} has no results \(status: pending\); wait for it first"
        ):
            client.download(client.get(ID), tmp_path)

    @pytest.mark.parametrize("url", ["http://[", "http://a..b/", "http://h:99999/x"])
    def test_a_url_that_no_host_can_have_is_told_with_the_job(self, client, generation, api, tmp_path, url):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"url": url}]}))
        done = client.get(ID)
        api.add_passthru("http://")
        with pytest.raises(DownloadError) as caught:
            client.download(done, tmp_path)
        assert caught.value.generation_id == ID

    def test_a_download_that_is_cut_says_so(self, api, client, done, tmp_path, monkeypatch):
        def cut(*_):
            yield b"half"
            raise requests.exceptions.ChunkedEncodingError("cut")

        monkeypatch.setattr(requests.Response, "iter_content", cut)
        api.get(self.FILE, body=b"picture")
        with pytest.raises(DownloadError, match="the download broke off, nothing was saved: "):
            client.download(done, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_netrc_file_adds_no_token_for_the_files_host(self, api, client, done, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine files.example login somebody password else")
        monkeypatch.setenv("NETRC", str(netrc))
        api.get(self.FILE, body=b"picture")
        client.download(done, tmp_path)
        assert "Authorization" not in api.calls[-1].request.headers

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "/relative", "", None])
    def test_only_http_urls_are_fetched(self, api, client, generation, tmp_path, url):
        api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"url": url}]}))
        with pytest.raises(DownloadError, match="result 1 has no URL that can be fetched"):
            client.download(client.get(ID), tmp_path)


class TestGenerate:
    def test_creates_waits_and_saves(self, api, client, generation, tmp_path):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("processing"))
        api.get(f"{URL}/{ID}", json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        seen = []
        made = client.generate("m", CONFIG, tmp_path, on_poll=lambda one: seen.append(one.status))
        assert (made.generation.status, [path.name for path in made.paths]) == (
            "completed",
            ["6347623b-cup.png"],
        )
        assert seen == ["pending", "processing", "completed"]

    def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_paid(self, api, client, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(DownloadError, match="nothing can be saved there"):
            client.generate("m", CONFIG, tmp_path / "file")
        assert len(api.calls) == 0

    def test_a_create_that_answers_completed_is_not_polled(self, api, client, generation, tmp_path):
        api.post(URL, json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")
        client.generate("m", {"sync_mode": True}, tmp_path)
        assert [call.request.method for call in api.calls] == ["POST", "GET"]
