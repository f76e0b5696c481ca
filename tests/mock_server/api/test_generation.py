"""The four operations, as a client of the API sees them."""

import json
import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import AUTHORIZED, PAGE_IMAGE

from netmind_contracts import examples, violations
from netmind_mock import MemoryStore, SimulatedClock, create_app
from netmind_mock.jobs.job import deleted

DOCUMENTED = {
    example.name: example.content for example in examples("positive") if example.name.startswith("page")
}
WHISPER = {"model": "openai/whisper", "config": {"audio_url": "https://example.org/a.mp3"}}
OTHER = {"Authorization": "Bearer another-token"}
SYNC = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}


def as_documented(document):
    """Return JSON formatted as in the vendor documentation, with its values for what differs between jobs."""
    text = json.dumps(document, indent=4)
    for field, value in [
        ("id", "6347623b2fce4998b0e842f7e935ccb0"),
        ("user_id", "...."),
        ("url", "https://netmind-files-prod.s3.amazonaws.com/...."),
        ("file_id", "file-srcf4srhx..."),
    ]:
        text = re.sub(rf'"{field}": "[^"]*"', f'"{field}": "{value}"', text)
    return text


class TestVendorDocumentation:
    """With the documented profile, each response equals the one in the vendor documentation byte for byte."""

    def test_create(self, documented, create):
        assert as_documented(create(documented)) == textwrap.dedent(
            """\
            {
                "id": "6347623b2fce4998b0e842f7e935ccb0",
                "user_id": "....",
                "status": "pending",
                "created_at": "2025-09-18 09:14:20",
                "updated_at": "2025-09-18 09:14:20",
                "deleted_at": null,
                "is_deleted": false,
                "result": {}
            }"""
        )

    def test_get(self, make, create, clock):
        client = make(duration=791)
        clock.advance(1)  # the two examples in the vendor documentation are a second apart
        job = create(client)
        clock.advance(791)
        response = client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED)
        assert as_documented(response.json) == as_documented(DOCUMENTED["page-completed"])

    def test_list(self, make, create, clock):
        client = make(duration=791)
        clock.advance(1)
        create(client)
        clock.advance(791)
        response = client.get("/v1/generation", headers=AUTHORIZED)
        expected = {"generation_list": [DOCUMENTED["page-completed"]]}
        assert as_documented(response.json) == as_documented(expected)

    def test_delete(self, documented, create):
        response = documented.delete(f"/v1/generation/{create(documented)['id']}", headers=AUTHORIZED)
        assert response.text == '{"message":"Generation deleted"}'

    @pytest.mark.parametrize(
        "authorization", ["a-token", "Bearer a-token", "bearer a-token", " Bearer  a-token "]
    )
    def test_both_authorization_forms_are_one_account(self, documented, create, authorization):
        job = create(documented)
        response = documented.get(f"/v1/generation/{job['id']}", headers={"Authorization": authorization})
        assert response.status_code == 200


class TestEveryProfile:
    def test_every_success_is_200_and_json(self, client, create):
        job = create(client)
        for method, path in [("get", ""), ("get", f"/{job['id']}"), ("delete", f"/{job['id']}")]:
            response = getattr(client, method)(f"/v1/generation{path}", headers=AUTHORIZED)
            assert (response.status_code, response.content_type) == (200, "application/json")

    def test_a_job_is_pending_until_its_time_has_passed(self, client, create, clock):
        job = create(client)
        clock.advance(0.5)
        assert client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json["status"] == "pending"
        clock.advance(1.5)
        assert client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json["status"] == "completed"

    def test_only_the_expected_fields_change(self, client, create, completed):
        done = completed(client)
        for field in ("user_id", "deleted_at", "is_deleted"):
            assert done[field] == create(client)[field]
        assert done["updated_at"] == "2025-09-18 09:14:22"

    @pytest.mark.parametrize("duration", [0, 0.01, 0.99])
    def test_updated_at_is_later_even_if_the_job_took_less_than_a_second(self, make, create, clock, duration):
        client = make(duration=duration)
        job = create(client)
        clock.advance(duration)
        done = client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json
        assert (job["status"], done["status"]) == ("pending", "completed")
        assert (job["updated_at"], done["updated_at"]) == ("2025-09-18 09:14:20", "2025-09-18 09:14:21")

    def test_num_images_files_are_listed(self, client, completed):
        body = {**PAGE_IMAGE, "config": {**PAGE_IMAGE["config"], "num_images": 3}}
        files = completed(client, body)["result"]["data"]
        assert len({file["file_id"] for file in files}) == len({file["url"] for file in files}) == 3

    def test_two_creates_give_two_jobs(self, client, create):
        assert create(client)["id"] != create(client)["id"]

    def test_the_list_is_newest_first_and_agrees_with_get(self, client, create, clock):
        ids = [create(client)["id"] for _ in range(3)]
        clock.advance(1)
        listed = client.get("/v1/generation", headers=AUTHORIZED).json["generation_list"]
        assert [job["id"] for job in listed] == ids[::-1]
        assert listed == [client.get(f"/v1/generation/{name}", headers=AUTHORIZED).json for name in ids[::-1]]

    def test_a_new_account_has_an_empty_list(self, client):
        assert client.get("/v1/generation", headers=AUTHORIZED).json == {"generation_list": []}

    def test_a_deleted_job_no_longer_exists(self, client, create):
        path = f"/v1/generation/{create(client)['id']}"
        client.delete(path, headers=AUTHORIZED)
        for response in (client.get(path, headers=AUTHORIZED), client.delete(path, headers=AUTHORIZED)):
            assert (response.status_code, response.json) == (404, {"message": "Generation not found"})
        assert client.get("/v1/generation", headers=AUTHORIZED).json == {"generation_list": []}

    def test_a_head_request_gets_the_headers_of_get(self, client, create):
        path = f"/v1/generation/{create(client)['id']}"
        head, got = client.head(path, headers=AUTHORIZED), client.get(path, headers=AUTHORIZED)
        assert (head.status_code, head.data, head.content_length) == (200, b"", got.content_length)


class TestObserved:
    def test_logs_are_empty_without_a_failure(self, observed, create):
        assert create(observed)["logs"] == []

    def test_statuses_have_the_reported_order(self, observed, create, clock):
        path = f"/v1/generation/{create(observed)['id']}"
        seen = []
        for _ in range(20):
            seen.append(observed.get(path, headers=AUTHORIZED).json["status"])
            clock.advance(0.1)
        assert list(dict.fromkeys(seen)) == ["pending", "initializing", "processing"]

    def test_a_completed_job_has_durations(self, make, create, clock):
        client = make(profile="observed", duration=20)
        job = create(client)
        clock.advance(20)
        done = client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).json
        assert "pending_duration" not in job
        assert (done["pending_duration"], done["processing_duration"]) == (8, 12)

    def test_files_are_named(self, observed, completed):
        file = completed(observed)["result"]["data"][0]
        assert file["file_name"] == "output_image.png"
        assert re.fullmatch(
            r"http://localhost/files/[0-9a-f]{32}/inference/file-[a-z0-9]{16}/output_image\.png", file["url"]
        )

    def test_a_transcript_is_text_and_not_a_file(self, observed, completed):
        done = completed(observed, WHISPER)
        assert done["result"] == {
            "data": [{"text": f"This is a made-up transcript by openai/whisper for generation {done['id']}."}]
        }

    def test_bad_worker_input_is_accepted_and_fails_later(self, observed, completed):
        body = {"model": "openai/whisper", "config": {"audio_url": "https://audio.invalid/a.mp3"}}
        failed = completed(observed, body)
        assert (failed["status"], failed["result"]) == ("failed", {})
        assert "The file could not be fetched" in failed["logs"][-1]["text"]

    def test_sync_mode_waits_and_returns_the_completed_job(self, make):
        client = make(profile="observed", clock=None, duration=0.05)
        response = client.post("/v1/generation", json=SYNC, headers=AUTHORIZED)
        assert (response.status_code, response.json["status"]) == (200, "completed")
        assert client.get(response.json["result"]["data"][0]["url"]).status_code == 200

    def test_sync_mode_works_only_for_the_models_of_the_profile(self, observed, create):
        body = {"model": "Qwen/Qwen-Image", "config": {"prompt": "x", "sync_mode": True}}
        assert create(observed, body)["status"] == "pending"

    def test_the_documented_profile_has_no_sync_mode(self, documented, create):
        assert create(documented, SYNC)["status"] == "pending"


@pytest.mark.parametrize(
    "body", [PAGE_IMAGE, WHISPER, {"model": "google/veo3.1-fast", "config": {"prompt": "x"}}]
)
@pytest.mark.parametrize(
    ("profile", "schema"), [("documented", "generation"), ("observed", "generation-observed")]
)
def test_every_response_fits_its_schema_without_extra_fields(make, create, completed, profile, schema, body):
    client = make(profile=profile)
    for response in (create(client, body), completed(client, body)):
        assert violations(schema, response, closed=True) == ()


class TestModels:
    def test_an_unknown_model_is_accepted_with_a_warning(self, documented, create, caplog):
        create(documented, {"model": "no/such\nmodel", "config": {}})
        assert caplog.messages == [
            r"model 'no/such\nmodel' is not in the catalogue: treated as an image model (--strict-models refuses such models)"
        ]

    def test_strict_models_refuses_it_and_stores_nothing(self, make):
        client = make(strict_models=True)
        response = client.post("/v1/generation", json={"model": "no/such", "config": {}}, headers=AUTHORIZED)
        assert (response.status_code, response.json) == (400, {"message": "Model name: no/such not exists"})
        assert client.get("/v1/generation", headers=AUTHORIZED).json == {"generation_list": []}

    def test_a_known_model_causes_no_warning(self, documented, create, caplog):
        create(documented)
        assert caplog.messages == []


class TestAccounts:
    def test_each_api_key_sees_only_its_own_jobs(self, client, create):
        job = create(client)
        assert client.get("/v1/generation", headers=OTHER).json == {"generation_list": []}
        for method in ("get", "delete"):
            response = getattr(client, method)(f"/v1/generation/{job['id']}", headers=OTHER)
            assert (response.status_code, response.json) == (404, {"message": "Generation not found"})
        assert client.get(f"/v1/generation/{job['id']}", headers=AUTHORIZED).status_code == 200

    def test_each_api_key_has_its_own_user_id(self, client, create):
        mine, theirs = create(client), create(client, headers=OTHER)
        assert re.fullmatch("[0-9a-f]{32}", mine["user_id"])
        assert mine["user_id"] != theirs["user_id"]

    def test_only_given_keys_are_accepted(self, make):
        client = make(api_key=["one", "Bearer two"])
        responses = [
            client.get("/v1/generation", headers={"Authorization": key}).status_code
            for key in ("one", "two", "three")
        ]
        assert responses == [200, 200, 401]


def test_the_second_of_two_simultaneous_deletes_gets_404(make, create):
    class Racing(MemoryStore):
        def get(self, job_id):
            job = super().get(job_id)
            super().change(job_id, lambda before: deleted(before, 1.0))  # by another request, in between
            return job

    client = make(store=Racing())
    response = client.delete(f"/v1/generation/{create(client)['id']}", headers=AUTHORIZED)
    assert (response.status_code, response.json) == (404, {"message": "Generation not found"})


class TestOptions:
    def test_the_same_seed_gives_the_same_jobs(self, make, create):
        assert create(make(seed=3))["id"] == create(make(seed=3))["id"] != create(make(seed=4))["id"]

    @pytest.mark.parametrize("duration", [-1, float("nan"), float("inf")])
    def test_an_invalid_duration_is_refused(self, duration):
        with pytest.raises(
            ValueError, match="create_app: duration: expected a number from 0 to 1e\\+09, got"
        ):
            create_app(duration=duration)

    def test_an_invalid_host_is_refused(self):
        with pytest.raises(ValueError, match=r"expected a host such as .*, got 'http://x'"):
            create_app(allowed_host=["http://x"])


operations = st.lists(
    st.tuples(
        st.sampled_from(["create", "get", "delete", "list", "advance"]),
        st.integers(0, 3),
        st.sampled_from("ab"),
    ),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@given(operations, st.sampled_from(["documented", "observed"]))
def test_the_fake_agrees_with_a_model_of_itself(done, profile):
    """After any operations of several accounts, each sees exactly its own jobs that it did not delete."""
    clock = SimulatedClock()
    clock.freeze()
    client = create_app(profile=profile, clock=clock).test_client()
    alive = {"a": [], "b": []}
    for name, number, account in done:
        headers = {"Authorization": account}
        mine = alive[account]
        if name == "create":
            mine.insert(0, client.post("/v1/generation", json=PAGE_IMAGE, headers=headers).json["id"])
        elif name == "advance":
            clock.advance(number)
        elif name == "list":
            listed = client.get("/v1/generation", headers=headers).json["generation_list"]
            assert [job["id"] for job in listed] == mine
        elif number < len(mine):
            response = client.open(f"/v1/generation/{mine[number]}", method=name.upper(), headers=headers)
            assert response.status_code == 200
            if name == "delete":
                mine.pop(number)
