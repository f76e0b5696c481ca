"""Tests of the client with the fake, for both profiles, with requests and httpx."""

import io
import threading

import anyio
import pytest
from client_kinds import KINDS, real_client
from PIL import Image
from support import PAGE_IMAGE, running_fake

import netmind_mock
from netmind_client import AsyncGenerationClient, GenerationClient
from netmind_client.exceptions import CreateOutcomeUnknownError, GenerationFailedError, NotFoundError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["documented", "observed"])
def base_url(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fake")
    with running_fake(folder, "--profile", request.param, "--duration", "0.1") as (base_url, _):
        yield base_url


@pytest.fixture(scope="module", params=KINDS)
def client(request, base_url):
    yield from real_client(request.param, base_url, poll_interval=0.1)


def test_the_image_of_the_vendor_documentation_is_generated(client, tmp_path):
    generated = client.generate(PAGE_IMAGE["model"], PAGE_IMAGE["config"], tmp_path)
    with Image.open(io.BytesIO(generated.paths[0].read_bytes())) as picture:
        assert (picture.format, picture.size) == ("PNG", (1024, 768))
    assert generated.generation.id in [generation.id for generation in client.list()]


@pytest.mark.parametrize(
    ("model", "config", "endings"),
    [
        ("Qwen/Qwen-Image", {"prompt": "x", "num_images": 3, "output_format": "webp"}, [".webp"] * 3),
        ("hkchengrex/MMAudio", {"prompt": "x", "duration": 1}, [".wav"]),
        ("google/veo3.1-fast", {"prompt": "x", "duration": 1}, [".mp4"]),
        ("openai/whisper", {"audio_url": "https://example.org/a.mp3"}, [".txt"]),
        ("google/nano-banana-pro", {"prompt": "x", "sync_mode": True}, [".png"]),
    ],
)
def test_every_kind_of_result_is_saved_with_its_file_extension(client, tmp_path, model, config, endings):
    paths = client.generate(model, config, tmp_path).paths
    assert [path.suffix for path in paths] == endings
    assert all(path.stat().st_size > 0 for path in paths)


def test_a_job_that_the_worker_rejects_fails_with_its_reason(tmp_path):
    with (
        running_fake(tmp_path, "--profile", "observed", "--duration", "0.1") as (base_url, _),
        GenerationClient("a-token", base_url) as client,
        pytest.raises(GenerationFailedError, match="The file could not be fetched"),
    ):
        client.generate("openai/whisper", {"audio_url": "https://audio.invalid/a.mp3"}, tmp_path)


def test_a_deleted_job_ends_the_wait(client):
    created = client.create("Qwen/Qwen-Image", {"prompt": "x"})
    client.delete(created.id)
    with pytest.raises(NotFoundError, match="Generation not found"):
        client.wait(created)


def test_many_generations_run_concurrently(client, tmp_path):
    requests = [
        ("Qwen/Qwen-Image", {"prompt": f"cup {number}", "image_size": "square"}) for number in range(6)
    ]
    outcomes = client.generate_many(requests, tmp_path, concurrency=3, jobs_file=tmp_path / "jobs.jsonl")
    assert [one.error for one in outcomes] == [None] * 6
    assert len({one.paths[0] for one in outcomes}) == 6


class TestInProcess:
    """The client with the in-process fake, on its virtual clock."""

    def test_the_async_client_waits_in_virtual_time(self, tmp_path):
        with netmind_mock.start(duration=780) as mock:

            async def call():
                async with AsyncGenerationClient() as client:
                    return await client.generate("Qwen/Qwen-Image", {"prompt": "x"}, tmp_path)

            assert anyio.run(call).generation.is_completed
            assert 780 <= mock.clock.elapsed <= 1.05 * 780

    def test_a_create_whose_response_was_lost_is_found_an_hour_later(self):
        with netmind_mock.start() as mock:
            mock.clock.advance(86_400)
            client = GenerationClient()
            client.create("m", {"prompt": "another"})
            mock.clock.advance(60)
            mock.next_job("response_lost")
            with pytest.raises(CreateOutcomeUnknownError) as caught:
                client.create("m", {"prompt": "x"})
            mock.clock.advance(3_600)
            assert [one.id for one in caught.value.find_created()] == [mock.jobs[-1].id]

    @pytest.mark.parametrize("concurrency", [1, 4])
    def test_many_generations_run_in_virtual_time(self, tmp_path, concurrency):
        with netmind_mock.start(duration=60) as mock:
            requests = [("m", {"prompt": str(number)}) for number in range(8)]
            outcomes = GenerationClient().generate_many(requests, tmp_path, concurrency=concurrency)
            assert [one.error for one in outcomes] == [None] * 8
            mock.assert_created(times=8)

    def test_after_an_interrupt_no_further_job_is_created(self, tmp_path):
        begun = threading.Event()

        def stop(_):
            begun.set()
            raise KeyboardInterrupt

        with netmind_mock.start(duration=1) as mock:
            requests = [("m", {"prompt": str(number)}) for number in range(50)]
            with pytest.raises(KeyboardInterrupt):
                GenerationClient().generate_many(requests, tmp_path, concurrency=2, on_progress=stop)
            created = len(mock.requests("create"))
            assert begun.is_set()
            threading.Event().wait(0.1)  # a thread that continued would create a job meanwhile
            assert created == len(mock.requests("create")) < 50
