"""Hypothesis strategies for the API's messages, to fuzz your own client. Needs the extra ``[contracts]``.

The strategies are written by hand. Valid messages match their schema, and shrink to examples like those in
the vendor documentation. Each strategy generates JSON documents.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

Document = dict[str, Any]
History = list[Document]

# The reported words for a running job (observed), in their order.
PASSING_STATUSES = ("pending", "initializing", "processing")
# Never reported, but a client has to handle them.
UNKNOWN_STATUSES = ("queued", "warming_up", "PENDING", "success", "")

_EPOCH = datetime(2025, 9, 18, 9, 14, 20)  # noqa: DTZ001 - the API's own timestamps have no zone
_FORM = "%Y-%m-%d %H:%M:%S"
_SIZES = ("square_hd", "square", "landscape_4_3", "landscape_16_9", "portrait_4_3", "portrait_16_9")


class AdverseHistory(NamedTuple):
    """An unusual history of a job: what is unusual about it, and the response to each poll."""

    adversity: str
    history: History


def _hex(digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


def _timestamp(seconds: float) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime(_FORM)


def _seconds(timestamp: str) -> float:
    return (datetime.strptime(timestamp, _FORM) - _EPOCH).total_seconds()  # noqa: DTZ007 - the API's own timestamps have no zone


def json_values() -> st.SearchStrategy[Any]:
    """Generate small JSON values of any type."""
    leaves = (
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(max_size=20)
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )


def configs() -> st.SearchStrategy[Document]:
    """Generate configs: a prompt, and some of the documented and reported options."""
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
    """Generate valid bodies of ``POST /v1/generation``."""
    models = st.sampled_from(["Qwen/Qwen-Image", "hkchengrex/MMAudio", "google/veo3.1-fast"])
    return st.fixed_dictionaries({"model": models, "config": configs()})


def invalid_create_requests() -> st.SearchStrategy[Any]:
    """Generate invalid create requests: a part is missing or has the wrong type, or the body is no object."""
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
    """Generate entries of ``result.data``, in the documented and in the observed form."""

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
    """Generate generations as returned by get, in the given status or in any reported one.

    Args:
        draw: Provided by Hypothesis.
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
    if draw(st.booleans()):  # the observed fields
        document["logs"] = [{"text": draw(st.text(max_size=30))}] if status == "failed" else []
        if status == "completed":
            pending = draw(st.integers(0, took))
            document |= {"pending_duration": pending, "processing_duration": took - pending}
    return document


def generation_lists() -> st.SearchStrategy[Document]:
    """Generate responses to list, with each generation once."""
    unique = st.lists(generations(), max_size=4, unique_by=lambda generation: generation["id"])
    return st.fixed_dictionaries({"generation_list": unique})


@st.composite
def job_histories(draw: st.DrawFn, *, end: str | None = None) -> History:
    """Generate the responses to the polls of one job, from pending to its end, as the API is known to behave.

    Args:
        draw: Provided by Hypothesis.
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


# What can be unusual about a history.
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
    """Generate histories with one unusual thing that a robust client handles.

    Args:
        draw: Provided by Hypothesis.
        adversity: One of ``ADVERSITIES``; None for any. wedged: the job never ends. unknown status: a word
            that was never reported, before the end. goes back: an earlier status is returned again. empty
            result: completed without a result, for some polls or forever. fields gone: only id and status
            are left. another job: the id changes.
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
            raise ValueError(f"unknown adversity {name!r}; expected one of {', '.join(ADVERSITIES)}")
    return AdverseHistory(name, copy.deepcopy(history))
