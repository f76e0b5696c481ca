"""Hypothesis strategies of the API's messages, to fuzz your own client with. Needs the extra ``[contracts]``.

Written by hand over the schemas: what the valid ones draw fits its schema, and shrinks to something that
reads like the vendor's page. Each is named by what it yields: documents that the ``json`` module writes.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

Document = dict[str, Any]
History = list[Document]

# Words that people reported (observed), in the order in which a job passes through them.
PASSING_STATUSES = ("pending", "initializing", "processing")
# What nobody reported, and a client has to survive.
UNKNOWN_STATUSES = ("queued", "warming_up", "PENDING", "success", "")

_EPOCH = datetime(2025, 9, 18, 9, 14, 20)  # noqa: DTZ001 - the API's own timestamps have no zone
_FORM = "%Y-%m-%d %H:%M:%S"
_SIZES = ("square_hd", "square", "landscape_4_3", "landscape_16_9", "portrait_4_3", "portrait_16_9")


class AdverseHistory(NamedTuple):
    """A job's history that should undo no client: what is wrong with it, and what each poll answers."""

    adversity: str
    history: History


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


def _timestamp(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime(_FORM)


def _seconds(timestamp: str) -> float:
    return (datetime.strptime(timestamp, _FORM) - _EPOCH).total_seconds()  # noqa: DTZ007 - as above


def json_values() -> st.SearchStrategy[Any]:
    """Any JSON value, small."""
    leaves = (
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=20)
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )


def configs() -> st.SearchStrategy[Document]:
    """Model options: a prompt, and some of those that the page and people's reports show."""
    return st.fixed_dictionaries(
        {"prompt": st.text(max_size=50)},
        optional={
            "image_size": st.sampled_from(_SIZES),
            "num_images": st.integers(1, 4),
            "num_inference_steps": st.integers(1, 50),
            "guidance_scale": st.sampled_from([2.5, 1.0, 7.5]),
            "output_format": st.sampled_from(["png", "jpeg", "webp"]),
            "duration": st.integers(1, 100),
            "seed": st.integers(0, 2**32 - 1),
        },
    )


def create_requests() -> st.SearchStrategy[Document]:
    """Bodies that ``POST /v1/generation`` takes."""
    models = st.sampled_from(["Qwen/Qwen-Image", "hkchengrex/MMAudio", "google/veo3.1-fast"])
    return st.fixed_dictionaries({"model": models, "config": configs()})


def invalid_create_requests() -> st.SearchStrategy[Any]:
    """JSON documents that are no create request: a part is missing or of another type, or no object."""
    not_text = json_values().filter(lambda value: not isinstance(value, str))
    not_object = json_values().filter(lambda value: not isinstance(value, dict))
    return st.one_of(
        st.fixed_dictionaries({"model": st.just("Qwen/Qwen-Image")}),
        st.fixed_dictionaries({"config": configs()}),
        st.fixed_dictionaries({"model": not_text, "config": configs()}),
        st.fixed_dictionaries({"model": st.just("Qwen/Qwen-Image"), "config": not_object}),
        not_object,
    )


def result_files() -> st.SearchStrategy[Document]:
    """Entries of ``result.data``: in the page's form and in the one that people have seen."""

    def build(user: str, number: int, kind: tuple[str, str], named: bool) -> Document:
        file_type, name = kind
        file_id = f"file-{number:016d}"
        path = f"{user}/inference/{file_id}/{name}" if named else file_id
        url = f"https://files.netmind.ai/{path}"
        return {"url": url, "file_id": file_id, "file_name": name if named else "", "file_type": file_type}

    kinds = [("image", "output_image.png"), ("video", "output_video.mp4"), ("audio", "output_audio.wav")]
    return st.builds(build, _hex(32), st.integers(0, 10**16 - 1), st.sampled_from(kinds), st.booleans())


@st.composite
def generations(draw: st.DrawFn, *, status: str | None = None) -> Document:
    """Generations as get answers them, in the given status or in any that was reported.

    Args:
        draw: Handed in by Hypothesis.
        status: Such as ``completed``; None for any of pending, initializing, processing, completed, failed.
    """
    if status is None:
        status = draw(st.sampled_from([*PASSING_STATUSES, "completed", "failed"]))
    began = draw(st.integers(0, 10**7))
    took = 0 if status == "pending" else draw(st.integers(1, 900))
    document: Document = {
        "id": draw(_hex(32)),
        "user_id": draw(_hex(32)),
        "status": status,
        "created_at": _timestamp(began),
        "updated_at": _timestamp(began + took),
        "deleted_at": None,
        "is_deleted": False,
        "result": {"data": draw(st.lists(result_files(), min_size=1, max_size=3))}
        if status == "completed"
        else {},
    }
    if draw(st.booleans()):  # the fields that people have seen
        document["logs"] = [{"text": draw(st.text(max_size=30))}] if status == "failed" else []
        if status == "completed":
            pending = draw(st.integers(0, took))
            document |= {"pending_duration": pending, "processing_duration": took - pending}
    return document


def generation_lists() -> st.SearchStrategy[Document]:
    """Answers to list, each generation in it once."""
    unique = st.lists(generations(), max_size=4, unique_by=lambda generation: generation["id"])
    return st.fixed_dictionaries({"generation_list": unique})


@st.composite
def job_histories(draw: st.DrawFn, *, end: str | None = None) -> History:
    """What the polls of one job answer, from pending to its end, as the API is known to behave.

    Args:
        draw: Handed in by Hypothesis.
        end: ``completed`` or ``failed``; None for either.
    """
    final = draw(generations(status=end or draw(st.sampled_from(["completed", "failed"]))))
    began = _seconds(final["created_at"])
    took = _seconds(final["updated_at"]) - began
    passing = ["pending", *(status for status in PASSING_STATUSES[1:] if draw(st.booleans()))]
    history: History = []
    for place, status in enumerate(passing):
        waiting = {key: final[key] for key in final if key not in ("pending_duration", "processing_duration")}
        updated = _timestamp(began + place * took // len(passing))
        waiting |= {"status": status, "updated_at": updated, "result": {}}
        if "logs" in waiting:
            waiting["logs"] = []
        history += [waiting] * draw(st.integers(1, 3))
    return copy.deepcopy(history + [final] * draw(st.integers(1, 2)))


# What may be wrong with a history.
ADVERSITIES = (
    "another job",
    "completed, then failed",
    "empty result",
    "fields gone",
    "goes back",
    "unknown status",
    "updated_at goes back",
    "wedged",
)


@st.composite
def adverse_job_histories(draw: st.DrawFn, *, adversity: str | None = None) -> AdverseHistory:
    """Histories with one thing wrong, which a careful client survives.

    Args:
        draw: Handed in by Hypothesis.
        adversity: One of ``ADVERSITIES``; None for any. wedged: the job never ends. unknown status: a word
            that nobody reported, on the way. goes back: a status that was left comes again. empty result:
            completed without a result, for some polls or for ever. fields gone: all but id and status.
            another job: the id changes.
    """
    name = adversity or draw(st.sampled_from(ADVERSITIES))
    history = draw(job_histories(end="completed"))
    first, last = history[0], history[-1]
    match name:
        case "wedged":
            history = [first] * draw(st.integers(5, 20))
        case "unknown status":
            history = [first, {**first, "status": draw(st.sampled_from(UNKNOWN_STATUSES))}, last]
        case "goes back":
            history = [first, {**first, "status": "processing"}, first, last]
        case "empty result":
            empty = [{**last, "result": {}}] * draw(st.integers(1, 3))
            history = [first, *empty, *draw(st.sampled_from([[last], []]))]
        case "completed, then failed":
            history = [first, last, {**last, "status": "failed", "result": {}}]
        case "updated_at goes back":
            history = [*history, {**last, "updated_at": last["created_at"]}]
        case "fields gone":
            history = [{"id": document["id"], "status": document["status"]} for document in history]
        case "another job":
            history = [first, {**last, "id": draw(_hex(32).filter(lambda drawn: drawn != last["id"]))}]
        case _:
            raise ValueError(f"no adversity {name!r}; there are {', '.join(ADVERSITIES)}")
    return AdverseHistory(name, copy.deepcopy(history))
