"""The ids of jobs, files and accounts. A file's id contains the id of its job.

A job has a key of 74 random bits. Its id is 32 hexadecimal digits: 54 bits of a hash of the key, then the
key. The id of its n-th file is ``file-`` and 16 characters of a-z and 0-9: the key and n, scrambled by a
multiplication that can be reversed. So the job of a file is found without an index, and nothing but the job
is stored. The id of an account is a hash of its API key.
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
from functools import lru_cache

KEY_BITS = 74
INDEX_BITS = 8
MAX_FILES = 1 << INDEX_BITS

_FILE_BITS = KEY_BITS + INDEX_BITS
_FILE_MASK = (1 << _FILE_BITS) - 1
_KEY_MASK = (1 << KEY_BITS) - 1
_SCRAMBLE = 0x9E3779B97F4A7C15F39CD
_UNSCRAMBLE = pow(_SCRAMBLE, -1, 1 << _FILE_BITS)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_FILE_PAIRS = 8
_JOB_ID = re.compile(r"[0-9a-f]{32}")
_FILE_ID = re.compile(r"file-[0-9a-z]{16}")


class JobIds:
    """A source of job ids: from the operating system, or the same sequence for the same seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311 - not a secret
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return a new job id."""
        with self._lock:
            return job_id(self._random.getrandbits(KEY_BITS))


def job_id(key: int) -> str:
    """Return the id of the job with this key."""
    digest = hashlib.blake2b(key.to_bytes(10, "big"), digest_size=7).digest()
    check = int.from_bytes(digest, "big") >> 2
    return f"{check << KEY_BITS | key:032x}"


def is_job_id(text: str) -> bool:
    """Return whether ``text`` has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None


@lru_cache(maxsize=4096)  # the same job is in many responses
def file_id(job: str, index: int) -> str:
    """Return the id of the job's file number ``index``, from 0 to 255."""
    key = int(job, 16) & _KEY_MASK
    number = (key << INDEX_BITS | index) * _SCRAMBLE & _FILE_MASK
    pairs = []
    for _ in range(_FILE_PAIRS):
        number, pair = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[pair])
    return "file-" + "".join(reversed(pairs))


def file_of(text: str) -> tuple[str, int] | None:
    """Return the job's id and the file's index; None if ``text`` is not a file id of this form."""
    if _FILE_ID.fullmatch(text) is None:
        return None
    number = int(text.removeprefix("file-"), 36)
    if number > _FILE_MASK:
        return None
    number = number * _UNSCRAMBLE & _FILE_MASK
    return job_id(number >> INDEX_BITS), number & (MAX_FILES - 1)


def user_id_of(token: str) -> str:
    """Return the id of an API key's account: 32 hexadecimal digits, a hash of the key."""
    return hashlib.blake2b(token.encode(), digest_size=16, person=b"netmind-mock").hexdigest()
