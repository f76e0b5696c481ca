"""The plan of a job follows from the request and the profile."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import PAGE_IMAGE

from netmind_mock import load_profile
from netmind_mock.jobs.catalogue import catalogue
from netmind_mock.jobs.job import MediaKind, Output, Stage
from netmind_mock.jobs.plan import IMAGE_SIZES, CreateRequest, image_size
from netmind_mock.simulation.scenarios import plan_for

DOCUMENTED, OBSERVED = load_profile("documented"), load_profile("observed")
QWEN = "Qwen/Qwen-Image"
BANANA = "google/nano-banana-pro"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
option_names = sorted(
    {option for model in catalogue().values() for option in model.config_schema["properties"]}
)
configs = st.dictionaries(st.sampled_from([*option_names, "width"]), json_values, max_size=6)


def plan(model, config, profile=DOCUMENTED, duration=10.0):
    return plan_for(CreateRequest(model, config), profile, duration)


def test_the_documented_image_is_one_png_of_1024_by_768():
    assert plan(QWEN, PAGE_IMAGE["config"]).outputs == (Output(MediaKind.IMAGE, "png", 1024, 768),)


def test_the_documented_audio_has_the_requested_100_seconds():
    assert plan("hkchengrex/MMAudio", {"prompt": "wind", "duration": 100}).outputs == (
        Output(MediaKind.AUDIO, "wav", duration=100),
    )


def test_a_documented_job_goes_from_pending_to_completed():
    assert plan(QWEN, {}).stages == (Stage("pending", 0.0), Stage("completed", 10.0))


def test_the_stages_of_an_observed_job_have_their_shares():
    begins = [(stage.status, round(stage.begins, 9)) for stage in plan(QWEN, {"prompt": ""}, OBSERVED).stages]
    assert begins == [("pending", 0.0), ("initializing", 3.5), ("processing", 4.0), ("completed", 10.0)]


def test_similar_jobs_share_one_plan():
    assert plan(QWEN, {"prompt": "a"}) is plan(QWEN, {"prompt": "b"})


@pytest.mark.parametrize(("word", "size"), IMAGE_SIZES.items())
def test_image_size_may_be_a_word(word, size):
    assert image_size({"image_size": word}) == size


def test_image_size_may_be_in_pixels():
    assert image_size({"image_size": {"width": 640, "height": 360}}) == (640, 360)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"aspect_ratio": "1:1", "resolution": "1K"}, (1024, 1024)),
        ({"aspect_ratio": "16:9", "resolution": "1K"}, (1368, 768)),
        ({"aspect_ratio": "9:16", "resolution": "1K"}, (768, 1368)),
        ({"aspect_ratio": "auto", "resolution": "2K"}, (2048, 2048)),
        ({"aspect_ratio": "1:1", "resolution": "4K"}, (4096, 4096)),
        ({"resolution": "8K"}, (1024, 1024)),
        ({"aspect_ratio": "0:1"}, (1024, 1024)),
        ({"aspect_ratio": "9" * 5000 + ":1"}, (1024, 1024)),
        ({"aspect_ratio": "\u0661:\u0661"}, (1024, 1024)),
    ],
)
def test_aspect_ratio_and_resolution_give_a_size(options, size):
    assert image_size(options) == size


@pytest.mark.parametrize(
    ("config", "outputs"),
    [
        ({"num_images": 3}, 3),
        ({"num_images": 0}, 1),
        ({"num_images": 9999}, 16),
        ({"num_images": "two"}, 1),
        ({"num_images": 10**400}, 16),
        ({"num_images": -(10**400)}, 1),
    ],
)
def test_num_images_is_limited_to_valid_numbers(config, outputs):
    assert len(plan(QWEN, config).outputs) == outputs


@pytest.mark.parametrize(
    ("requested", "extension"),
    [("png", "png"), ("jpeg", "jpg"), ("jpg", "jpg"), ("webp", "webp"), ("gif", "png"), (7, "png")],
)
def test_the_output_format_gives_the_extension(requested, extension):
    assert plan(QWEN, {"output_format": requested}).outputs[0].extension == extension


@pytest.mark.parametrize(("requested", "seconds"), [(3, 3), (-1, 8), ("long", 8), (1e9, 600)])
def test_a_duration_is_limited_to_valid_numbers(requested, seconds):
    assert plan("hkchengrex/MMAudio", {"duration": requested}).outputs[0].duration == seconds


def test_an_unknown_model_is_treated_as_an_image_model():
    assert plan("no/such", {}).outputs[0].kind is MediaKind.IMAGE


@pytest.mark.parametrize("name", catalogue())
def test_every_model_of_the_catalogue_has_results_of_its_kind(name):
    model = catalogue()[name]
    assert {output.kind for output in plan(name, {}).outputs} == {model.kind}


@pytest.mark.parametrize("name", catalogue())
def test_every_models_defaults_are_valid_options(name):
    model = catalogue()[name]
    needed = dict.fromkeys(model.config_schema["required"], "https://example.org/a.mp3")
    assert plan(name, {**model.defaults, **needed}, OBSERVED).failure is None


class TestBadWorkerInput:
    def test_a_job_fails_late_if_workers_reject_bad_input(self):
        failed = plan(BANANA, {"prompt": "x", "aspect_ratio": "7:5"}, OBSERVED)
        assert failed.stages[-1].status == "failed"
        assert failed.failure.startswith('Something error: 422: {"detail": [{"loc": ["body", "aspect_ratio"]')

    @pytest.mark.parametrize(
        "url", ["not a url", "ftp://example.org/a.mp3", "https://audio.invalid/a.mp3", "http://a b", ""]
    )
    def test_an_audio_url_that_cannot_be_fetched_fails(self, url):
        assert "The file could not be fetched" in plan("openai/whisper", {"audio_url": url}, OBSERVED).failure

    def test_a_missing_option_fails(self):
        detail = json.loads(
            plan("openai/whisper", {}, OBSERVED).failure.removeprefix("Something error: 422: ")
        )
        assert detail["detail"][0]["msg"] == "'audio_url' is a required property"

    def test_only_the_first_error_is_reported_and_shortened(self):
        failure = plan(BANANA, {"prompt": ["x" * 10_000], "num_images": "two"}, OBSERVED).failure
        assert len(json.loads(failure.removeprefix("Something error: 422: "))["detail"]) == 1
        assert len(failure) < 500

    def test_a_long_list_is_not_checked_item_by_item(self):
        config = {"prompt": "x", "image_urls": ["https://example.org/a.png"] * 100_000}
        assert '"value_error.maxItems"' in plan(BANANA, config, OBSERVED).failure

    def test_a_valid_config_does_not_fail(self):
        assert plan("openai/whisper", {"audio_url": "https://example.org/a.mp3"}, OBSERVED).failure is None

    def test_the_config_of_an_unknown_model_is_not_checked(self):
        assert plan("no/such", {"aspect_ratio": "7:5"}, OBSERVED).failure is None

    def test_the_documented_profile_does_not_reject_bad_input(self):
        assert plan(BANANA, {"aspect_ratio": "7:5"}, DOCUMENTED).failure is None


@given(st.sampled_from([*catalogue(), "no/such"]), configs, st.sampled_from([DOCUMENTED, OBSERVED]))
def test_every_request_has_a_plan_that_can_be_rendered(model, config, profile):
    actual = plan(model, config, profile)
    assert actual.stages[-1].status.is_final
    for output in actual.outputs:
        assert 0 <= output.width <= 4096
        assert 0 <= output.height <= 4096
        assert 0 <= output.duration <= 600
