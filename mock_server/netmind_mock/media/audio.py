"""Audio files: a tune of eight notes, chosen by the request's hash."""

from __future__ import annotations

import array
import io
import math
import struct
import sys
import wave
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netmind_mock.media import Caption

SAMPLE_RATE = 16_000
_NOTE_SECONDS = 0.25
_NOTES = 8
_LOUDNESS = 0.4 * 32767
_PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16)  # semitones above A3; they sound well in any order
_A3 = 220.0


def render_wav(duration: float, words: Caption) -> bytes:
    """Return a WAV file (16 kHz, mono, 16 bit) of ``duration`` seconds."""
    samples = max(round(duration * SAMPLE_RATE), 1)
    tune = b"".join(_note(int(words.digest[place], 16) % len(_PENTATONIC)) for place in range(_NOTES))
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes((tune * (samples * 2 // len(tune) + 1))[: samples * 2])
    return _with_comment(file.getvalue(), str(words))


def _note(step: int) -> bytes:
    """Return a quarter of a second of a tone, faded in and out so that it does not click."""
    count = int(_NOTE_SECONDS * SAMPLE_RATE)
    turn = 2 * math.pi * _A3 * 2 ** (_PENTATONIC[step] / 12) / SAMPLE_RATE
    fade = count // 10
    samples = array.array(
        "h",
        (round(_LOUDNESS * min(1, n / fade, (count - n) / fade) * math.sin(turn * n)) for n in range(count)),
    )
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _with_comment(riff: bytes, comment: str) -> bytes:
    """Append a LIST INFO chunk, which players show, with a comment (ICMT) and the software (ISFT)."""
    info = b"INFO" + _chunk(b"ICMT", comment.encode() + b"\0") + _chunk(b"ISFT", b"netmind-mock\0")
    body = riff[8:] + _chunk(b"LIST", info)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
