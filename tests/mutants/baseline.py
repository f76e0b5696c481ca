"""The baseline: a fake on which every claim passes, and a run that exercises them all."""

from pathlib import Path

from probing import fake, probe_of

from mutants.wsgi import Mutant
from netmind_contracts.probing.calls import JobRequest

PROFILE = Path(__file__).with_name("baseline.toml")

# Requests for the claims that the three default jobs do not exercise.
REQUESTS = (
    JobRequest("speech", "minimax/speech-02-hd", {"text": "Hello", "voice_setting": {}, "output_format": "hex"}),
    JobRequest("a transcription", "openai/whisper", {"audio_url": "https://files.example/a.wav", "task": "transcribe"}),
    JobRequest("a video", "google/veo3.1-fast", {"prompt": "netmind-testkit", "duration": 1}),
    JobRequest(
        "a synchronous image", "google/nano-banana-pro",
        {"prompt": "netmind-testkit", "sync_mode": True, "num_images": 1, "output_format": "png"},
    ),
    JobRequest("an unavailable model", "hunyuanvideo-community/HunyuanVideo", {"prompt": "netmind-testkit"}),
)  # fmt: skip


def run_over(mutant):
    """Return a run over the fake with a mutant."""
    app, clock = fake(profile=str(PROFILE), strict_models=True, duration=mutant.duration)
    return probe_of(mutant.wrap(app), clock, budget=9, requests=REQUESTS).run()


NO_MUTANT = Mutant("the fake itself", claim="")
