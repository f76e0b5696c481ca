"""From a request to a plan: what will become of a job, decided once, when it is created.

A plan depends on the request, the profile, the duration and what was ordered for the job. A config that its
worker would not take makes the job fail, where the profile says that workers reject bad input.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_mock.catalogue import Model, catalogue, unknown_model
from netmind_mock.jobs import Output, Plan, Stage, Status
from netmind_mock.plans.outputs import outputs_of
from netmind_mock.plans.scenarios import planned

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

    from netmind_mock.plans.scenarios import Order
    from netmind_mock.profile import Profile, Share

__all__ = ["Request", "plan_for", "rejection"]

_SHOWN_CHARACTERS = 300


class Request(NamedTuple):
    """What a client asked for."""

    model: str
    config: dict[str, Any]


def plan_for(request: Request, profile: Profile, duration: float, order: Order | None = None) -> Plan:
    """What will become of a job that is created by this request.

    Args:
        request: What a client asked for.
        profile: How the imitated API behaves.
        duration: How long the job takes, in seconds, unless the order says otherwise.
        order: What was ordered for this job.
    """
    if order is not None:
        after = order.arguments.get("after")
        usual = _usual(request, profile, duration if after is None else after, judged=False)
        return planned(order, usual, profile)
    return _usual(request, profile, duration, judged=profile.rejects_bad_input)


def _usual(request: Request, profile: Profile, duration: float, *, judged: bool) -> Plan:
    known = catalogue().get(request.model)
    outputs = outputs_of(known or unknown_model(), request.config)
    if judged and known and (detail := rejection(known, request.config)):
        failure = profile.worker_error.replace("{detail}", detail)
        return _plan(profile.stages, duration, profile.empty_for, outputs, failure)
    return _plan(profile.stages, duration, profile.empty_for, outputs, None)


@lru_cache(maxsize=4096)  # plans are shared: a hundred thousand like jobs hold one
def _plan(
    shares: tuple[Share, ...],
    duration: float,
    empty_for: float,
    outputs: tuple[Output, ...],
    failure: str | None,
) -> Plan:
    stages = []
    begins = 0.0
    for status, share in shares:
        stages.append(Stage(status, begins))
        begins += share * duration
    stages.append(Stage(Status.COMPLETED if failure is None else Status.FAILED, float(duration)))
    return Plan(tuple(stages), outputs, failure, empty_for=empty_for)


def rejection(model: Model, config: dict[str, Any]) -> str | None:
    """What the model's worker first finds wrong with a config, as JSON in the FastAPI style, or None.

    Workers reject bad input late, and in this style (observed); which values they reject is assumed.
    """
    error = next(_validator(model.name).iter_errors(config), None)
    if error is None:
        return None
    ours = error.schema.get("x-message") if isinstance(error.schema, dict) else None
    detail = {
        "loc": ["body", *error.absolute_path],
        "msg": (ours or error.message)[:_SHOWN_CHARACTERS],
        "type": f"value_error.{error.validator}",
    }
    return json.dumps({"detail": [detail]})


@cache
def _validator(name: str) -> Draft202012Validator:
    # jsonschema takes 100 ms to import, and only some profiles judge a config.
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    schema = dict(catalogue()[name].config_schema)
    return Draft202012Validator({**schema, "properties": dict(schema["properties"])})
