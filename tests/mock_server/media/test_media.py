"""Result files open in other programs, are as requested, and are the same for the same job."""

import io
import sys
import wave

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image, ImageChops, ImageDraw

from netmind_mock.jobs.job import Job, MediaKind, Output, Plan, Stage, Status
from netmind_mock.media import caption, render, video
from netmind_mock.media.images import draw, printable

pytestmark = pytest.mark.slow

ID = "6347623b2fce4998b0e842f7e935ccb0"


def job(*outputs, config=b'{"prompt":"Generate a cup of coffee"}'):
    return Job(ID, "1" * 32, "Qwen/Qwen-Image", config, 0.0, Plan((Stage(Status.PENDING, 0.0),), outputs))


def image(extension="png", width=320, height=240):
    return Output(MediaKind.IMAGE, extension, width, height)


@pytest.mark.parametrize(("extension", "format_name"), [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")])
class TestImages:
    def test_have_the_requested_format_and_size(self, extension, format_name):
        with Image.open(io.BytesIO(render(job(image(extension)), 0))) as opened:
            opened.load()
            assert (opened.format, opened.size) == (format_name, (320, 240))

    def test_have_many_colours(self, extension, format_name):
        with Image.open(io.BytesIO(render(job(image(extension)), 0))) as opened:
            assert opened.format == format_name
            assert len(opened.convert("RGB").getcolors(maxcolors=1 << 24)) > 100

    def test_name_the_job_in_their_metadata(self, extension, format_name):
        with Image.open(io.BytesIO(render(job(image(extension)), 0))) as opened:
            comment = opened.info["Comment"] if format_name == "PNG" else opened.getexif()[0x010E]
        assert comment == str(caption(job(image()), 0))
        assert comment.startswith(f"netmind-mock generation={ID} file=1/1 request-sha256=")

    def test_are_the_same_for_the_same_job(self, extension, format_name):
        assert render(job(image(extension)), 0) == render(job(image(extension)), 0), format_name


def test_two_files_of_one_job_differ():
    twice = job(image(), image())
    assert render(twice, 0) != render(twice, 1)


def test_two_prompts_look_different():
    one, other = (caption(job(image(), config=b'{"prompt":"%s"}' % word), 0) for word in (b"tea", b"coffee"))
    assert draw(64, 48, one).tobytes() != draw(64, 48, other).tobytes()


@pytest.mark.parametrize(
    "change", [{"prompt": "tea"}, {"model": "another/model"}, {"number": 2}, {"job_id": "b" * 32}]
)
def test_an_image_shows_its_caption(change):
    words = caption(job(image(width=640, height=480)), 0)
    assert draw(640, 480, words).tobytes() != draw(640, 480, words._replace(**change)).tobytes()


@pytest.mark.parametrize(("prompt", "end"), [("long words " * 30, "…"), ("short", "short")])
def test_a_prompt_that_does_not_fit_ends_in_dots(monkeypatch, prompt, end):
    drawn = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _self, _spot, text, **_: drawn.append(text))
    draw(320, 240, caption(job(image()), 0)._replace(prompt=prompt))
    model, *lines, _foot = drawn
    assert model == "Qwen/Qwen-Image"
    assert lines[-1].endswith(end)


def test_a_job_has_no_more_files_than_outputs():
    with pytest.raises(IndexError):
        render(job(image()), 1)


@pytest.mark.parametrize("config", [b"{}", b'{"prompt":7}', b'{"text":"spoken"}', b'{"prompt":""}'])
def test_a_prompt_may_be_missing(config):
    assert render(job(image(), config=config), 0).startswith(b"\x89PNG")


def test_a_prompt_is_one_line_of_printable_characters():
    assert printable("a\n\tb\x00\x1b[31m \u202ec" + "d" * 1000) == "a b[31m c" + "d" * 391 + "…"


def test_a_prompt_loses_accents_that_the_font_does_not_have():
    assert printable("café \N{EN DASH} über Łódź für 5 €") == "cafe - uber Lodz fur 5 EUR"


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=2000), st.sampled_from([(16, 16), (16, 4096), (4096, 16), (200, 100)]))
def test_any_prompt_can_be_drawn_at_any_size(prompt, size):
    words = caption(job(image()), 0)._replace(prompt=prompt)
    assert draw(*size, words).size == size


class TestAudio:
    @pytest.fixture
    def sound(self):
        return render(job(Output(MediaKind.AUDIO, "wav", duration=3.5)), 0)

    def test_has_the_requested_duration(self, sound):
        with wave.open(io.BytesIO(sound)) as opened:
            assert opened.getnframes() / opened.getframerate() == 3.5

    def test_is_loud_enough_to_hear(self, sound):
        with wave.open(io.BytesIO(sound)) as opened:
            samples = memoryview(opened.readframes(opened.getnframes())).cast("h")
        assert max(samples) > 8000
        assert sum(abs(sample) > 1000 for sample in samples) > len(samples) // 2

    def test_names_the_job_in_its_metadata(self, sound):
        assert str(caption(job(image()), 0)).encode() in sound

    def test_is_opened_by_another_program(self, sound):
        with av.open(io.BytesIO(sound)) as opened:
            assert opened.duration == 3_500_000
            assert opened.metadata["comment"] == str(caption(job(image()), 0))

    def test_differs_between_requests(self, sound):
        other = job(Output(MediaKind.AUDIO, "wav", duration=3.5), config=b'{"prompt":"tea"}')
        assert render(other, 0)[44:-200] != sound[44:-200]


VIDEO = job(Output(MediaKind.VIDEO, "mp4", 640, 360, 3.0))


class TestVideos:
    def opened(self, content):
        with av.open(io.BytesIO(content)) as opened:
            frames = list(opened.decode(video=0))
            return (
                opened.duration / 1_000_000,
                opened.metadata["comment"],
                frames[0].width,
                frames[0].height,
                len(frames),
            )

    def test_have_the_requested_duration_with_pyav(self):
        assert self.opened(render(VIDEO, 0)) == (3.0, str(caption(VIDEO, 0)), 640, 360, 12)

    @pytest.mark.parametrize(("duration", "frames"), [(0.1, 1), (30.0, 120), (31.5, 120), (600.0, 120)])
    def test_have_a_limited_number_of_frames_however_long_they_are(self, duration, frames):
        content = render(job(Output(MediaKind.VIDEO, "mp4", 64, 36, duration)), 0)
        shown = self.opened(content)
        assert (shown[0], shown[-1]) == (max(duration, 0.25), frames)

    def test_show_the_running_time(self):
        with av.open(io.BytesIO(render(VIDEO, 0))) as opened:
            first, *_, last = (frame.to_image() for frame in opened.decode(video=0))
        foot = 0, 300, 640, 360
        assert ImageChops.difference(first.crop(foot), last.crop(foot)).convert("L").getextrema()[1] > 60

    def test_are_the_same_for_the_same_job(self):
        assert render(VIDEO, 0) == render(VIDEO, 0)

    def test_are_the_shipped_sample_without_pyav(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "av", None)
        content = render(VIDEO, 0)
        monkeypatch.undo()
        assert self.opened(content) == (2.0, str(caption(VIDEO, 0)), 640, 360, 8)

    def test_a_comment_replaces_an_earlier_one(self):
        content = video.with_comment(video.with_comment(render(VIDEO, 0), "one"), "other")
        assert self.opened(content)[1] == "other"
        assert content.count(b"udta") == 1

    def test_a_video_that_does_not_end_with_its_index_is_refused(self):
        with pytest.raises(ValueError, match="expected moov as the video's last box, got free"):
            video.with_comment(render(VIDEO, 0) + b"\x00\x00\x00\x08free", "x")


def test_a_text_file_names_its_job():
    text = render(job(Output(MediaKind.TEXT, "txt")), 0).decode()
    assert text.startswith(f"netmind-mock generation={ID} ")


def test_the_hash_is_of_model_and_config():
    one = caption(job(image()), 0).digest
    assert one != caption(replace(job(image()), model="m"), 0).digest
    assert one != caption(job(image(), config=b"{}"), 0).digest
