"""A fake on which every claim holds, and the run that shows it."""

from pathlib import Path

from probing import fake, probe_of

from netmind_contracts.plan import JobRequest

PROFILE = Path(__file__).with_name("baseline.toml")

# What the kit's own three jobs leave open.
REQUESTS = (
    JobRequest("speech", "minimax/speech-02-hd", {"text": "Hello", "voice_setting": {}, "output_format": "hex"}),
    JobRequest("a transcription", "openai/whisper", {"audio_url": "https://files.example/a.wav", "task": "transcribe"}),
    JobRequest("a film", "google/veo3.1-fast", {"prompt": "netmind-testkit", "duration": 1}),
    JobRequest(
        "an image at once", "google/nano-banana-pro",
        {"prompt": "netmind-testkit", "sync_mode": True, "num_images": 1, "output_format": "png"},
    ),
    JobRequest("a model that is not there", "hunyuanvideo-community/HunyuanVideo", {"prompt": "netmind-testkit"}),
)  # fmt: skip


def baseline_run(wrap=lambda app: app):
    """A run over the fake, behind what ``wrap`` makes of it."""
    app, clock = fake(profile=str(PROFILE), strict_models=True)
    return probe_of(wrap(app), clock, budget=9, requests=REQUESTS).run()
