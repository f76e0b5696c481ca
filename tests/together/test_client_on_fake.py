"""The client on the fake: the two agree, under both profiles, through requests' own machinery."""

import io

import pytest
from PIL import Image
from support import PAGE_IMAGE, running_fake

from netmind_client import GenerationClient, GenerationFailed, NotFoundError


@pytest.fixture(scope="module", params=["documented", "observed"])
def client(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fake")
    with (
        running_fake(folder, "--profile", request.param, "--duration", "0.1") as (base_url, _),
        GenerationClient("a-token", base_url) as client,
    ):
        yield client


def test_the_pages_picture_is_generated(client, tmp_path):
    made = client.generate(PAGE_IMAGE["model"], PAGE_IMAGE["config"], tmp_path)
    with Image.open(io.BytesIO(made.paths[0].read_bytes())) as picture:
        assert (picture.format, picture.size) == ("PNG", (1024, 768))
    assert made.generation.id in [generation.id for generation in client.list()]


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
def test_every_kind_of_result_is_saved_under_a_name_that_opens(client, tmp_path, model, config, endings):
    paths = client.generate(model, config, tmp_path).paths
    assert [path.suffix for path in paths] == endings
    assert all(path.stat().st_size > 0 for path in paths)


def test_a_job_that_the_worker_rejects_fails_with_its_reason(tmp_path):
    with (
        running_fake(tmp_path, "--profile", "observed", "--duration", "0.1") as (base_url, _),
        GenerationClient("a-token", base_url) as client,
        pytest.raises(GenerationFailed, match="The file could not be fetched"),
    ):
        client.generate("openai/whisper", {"audio_url": "https://audio.invalid/a.mp3"}, tmp_path)


def test_a_deleted_job_ends_the_wait(client):
    created = client.create("Qwen/Qwen-Image", {"prompt": "x"})
    client.delete(created.id)
    with pytest.raises(NotFoundError, match="Generation not found"):
        client.wait(created)
