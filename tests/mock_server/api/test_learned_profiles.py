"""The fake under profiles that were learned from an endpoint: it behaves as they say."""

import pytest
from support import AUTHORIZED, PAGE_IMAGE

from netmind_contracts import examples, violations

DOCUMENTED = {
    example.name: example.content for example in examples("positive") if example.name.startswith("page")
}
WHISPER = {"model": "openai/whisper", "config": {"audio_url": "https://example.org/a.mp3"}}
OTHER = {"Authorization": "Bearer another-token"}
SYNC = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}


class TestLearnedProfiles:
    """A profile can change every assumption."""

    @pytest.fixture
    def learned(self, make, tmp_path):
        def learned(key, value):
            file = tmp_path / "learned.toml"
            file.write_text(f'[{key}]\nvalue = {value}\nlevel = "observed"\nsource = "learned"')
            return make(profile=str(file))

        return learned

    def test_a_delete_may_leave_a_tombstone(self, learned, create, clock):
        client = learned("delete.leaves", '"tombstone"')
        path = f"/v1/generation/{create(client)['id']}"
        clock.advance(1)
        client.delete(path, headers=AUTHORIZED)
        clock.advance(100)
        left = client.get(path, headers=AUTHORIZED).json
        assert (left["is_deleted"], left["deleted_at"], left["status"]) == (
            True,
            "2025-09-18 09:14:21",
            "pending",
        )
        assert client.get("/v1/generation", headers=AUTHORIZED).json == {"generation_list": [left]}
        assert client.delete(path, headers=AUTHORIZED).status_code == 200
        assert violations("generation", left) == ()

    def test_the_list_may_be_oldest_first(self, learned, create):
        client = learned("list.order", '"oldest_first"')
        ids = [create(client)["id"] for _ in range(2)]
        listed = client.get("/v1/generation", headers=AUTHORIZED).json["generation_list"]
        assert [job["id"] for job in listed] == ids

    def test_a_result_may_stay_empty_for_a_while(self, learned, completed, clock):
        client = learned("result.empty_for", "3")
        done = completed(client)
        assert (done["status"], done["result"]) == ("completed", {})
        clock.advance(3)
        later = client.get(f"/v1/generation/{done['id']}", headers=AUTHORIZED).json
        assert len(later["result"]["data"]) == 1

    def test_an_observed_result_may_stay_empty_and_fits_its_schema(self, make, completed, tmp_path):
        file = tmp_path / "learned.toml"
        file.write_text(
            'extends = "observed"\n[result.empty_for]\nvalue = 3\nlevel = "observed"\nsource = "x"'
        )
        done = completed(make(profile=str(file)))
        assert (done["result"], violations("generation-observed", done, closed=True)) == ({}, ())

    def test_a_status_may_have_another_word(self, learned, create):
        words = '{pending = "QUEUED", initializing = "i", processing = "p", completed = "done", failed = "f"}'
        assert create(learned("statuses.words", words))["status"] == "QUEUED"

    def test_every_success_may_have_another_status(self, learned):
        client = learned("success.status", "201")
        assert client.post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED).status_code == 201

    @pytest.mark.parametrize(
        ("key", "request_"),
        [
            ("missing_token", {"method": "GET", "path": "/v1/generation"}),
            ("unknown_generation", {"method": "GET", "path": "/v1/generation/x", "headers": AUTHORIZED}),
            ("unknown_route", {"method": "GET", "path": "/v2"}),
            ("wrong_method", {"method": "PUT", "path": "/v1/generation"}),
            ("wrong_content_type", {"method": "POST", "path": "/v1/generation", "headers": AUTHORIZED}),
            ("invalid_body", {"method": "POST", "path": "/v1/generation", "headers": AUTHORIZED, "json": []}),
            ("unknown_file", {"method": "GET", "path": "/files/x"}),
        ],
    )
    def test_every_refusal_can_be_changed(self, learned, key, request_):
        client = learned(
            f"errors.{key}", '{status = 418, body = {error = {code = "teapot", n = [1, "{model}"]}}}'
        )
        response = client.open(**request_)
        assert (response.status_code, response.json) == (
            418,
            {"error": {"code": "teapot", "n": [1, "{model}"]}},
        )

    def test_unknown_models_may_be_refused(self, learned):
        response = learned("models.unknown", '"refuse"').post(
            "/v1/generation", json={"model": "no/such", "config": {}}, headers=AUTHORIZED
        )
        assert (response.status_code, response.json) == (400, {"message": "Model name: no/such not exists"})

    def test_a_model_may_be_unavailable(self, learned):
        client = learned("models.unavailable", '["Qwen/Qwen-Image"]')
        response = client.post("/v1/generation", json=PAGE_IMAGE, headers=AUTHORIZED)
        assert (response.status_code, response.json) == (500, {"message": "Service is unavailable"})
