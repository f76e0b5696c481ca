"""Whether what several clients saw could have happened one call after the other.

Each call takes effect at one moment between when it was sent and when it was answered; a history is linearizable
if there are such moments for all of its calls (Herlihy and Wing). They are looked for by trying, with what was
tried kept, as Wing and Gong do.
"""

import itertools
import random
import threading
import time
from typing import Any, NamedTuple

CONFIG = {"prompt": "a cup", "image_size": "square"}
CREATE = {"model": "Qwen/Qwen-Image", "config": CONFIG}
ASKED = ["create"] * 4 + ["get"] * 5 + ["list"] * 2 + ["complete"] * 2 + ["delete"] * 2 + ["order a fault"]


class Call(NamedTuple):
    """What a client asked and was answered, and when, by one clock for all."""

    client: int
    began: float
    ended: float
    asked: tuple[str, str]
    answered: Any

    def __str__(self):
        return f"client {self.client}, {self.began:.6f} to {self.ended:.6f}: {self.asked} -> {self.answered}"


def jobs_after(jobs, asked, answered):
    """An account's jobs, as pairs of id and status, after a call; None if it cannot be answered so."""
    what, job_id = asked
    status = dict(jobs).get(job_id, "gone")
    seen = jobs  # what it leaves
    match what:
        case "create":
            possible, seen = answered not in dict(jobs), jobs | {(answered, "pending")}
        case "get":
            possible = answered == status
        case "list":
            possible = answered == jobs
        case "delete":
            possible, seen = answered == (status != "gone"), jobs - {(job_id, status)}
        case "complete":
            possible = answered == (status == "pending")
            seen = jobs - {(job_id, "pending")} | {(job_id, "completed")} if answered else jobs
        case _:
            raise ValueError(what)
    return seen if possible else None


def faults_after(faults, asked, answered):
    """How many faults are still to strike a create after a call; None if it cannot be answered so."""
    if asked[0] == "order a fault":
        return faults + 1
    if answered == "refused":
        return faults - 1 if faults else None
    return None if faults else 0


def objects_of(history):
    """The histories of the account's jobs and of its faults, each with its beginning and its model.

    A fault strikes on the way: a request meets it at one moment, and is carried out at a later one.
    """
    on_jobs = [call for call in history if call.asked[0] != "order a fault" and call.answered != "refused"]
    on_faults = [call for call in history if call.asked[0] in ("create", "order a fault")]
    return (on_jobs, frozenset(), jobs_after), (on_faults, 0, faults_after)


def is_linearizable(history):
    """Whether each of its objects is; then the whole is as well."""
    return all(order_of(*one) is not None for one in objects_of(history))


def order_of(calls, initial, step):
    """The calls in an order in which they could have taken effect one after the other; None if there is none."""
    calls = sorted(calls, key=lambda call: call.began)
    all_done = (1 << len(calls)) - 1
    tried = set()
    # What is done, the state then, and the order so far; the next to be tried is at the end.
    open_ends = [(0, initial, ())]
    while open_ends:
        done, state, order = open_ends.pop()
        if done == all_done:
            return [calls[number] for number in order]
        if (done, state) in tried:
            continue
        tried.add((done, state))
        left = [number for number in range(len(calls)) if not done >> number & 1]
        first_end = min(calls[number].ended for number in left)
        for number in reversed(left):
            if calls[number].began > first_end:
                continue  # another had ended before this one began
            reached = step(state, calls[number].asked, calls[number].answered)
            if reached is not None:
                open_ends.append((done | 1 << number, reached, (*order, number)))
    return None


class Account:
    """Makes calls, and says what was answered in the words of the model.

    ``send(method, path, body)`` returns a status and JSON.
    """

    def __init__(self, send):
        self.send = send

    def begin(self):
        """Let the account's clock stand, so that no job completes by itself."""
        assert self.send("POST", "/__mock/clock", {"freeze": True})[0] == 200

    def call(self, what, job_id):
        """What was answered."""
        one = f"/v1/generation/{job_id}"
        match what:
            case "create":
                status, response = self.send("POST", "/v1/generation", CREATE)
                return {200: response.get("id"), 503: "refused"}[status]
            case "get":
                status, response = self.send("GET", one, None)
                return {200: response.get("status"), 404: "gone"}[status]
            case "list":
                status, response = self.send("GET", "/v1/generation", None)
                assert status == 200, response
                return frozenset((job["id"], job["status"]) for job in response["generation_list"])
            case "delete":
                return {200: True, 404: False}[self.send("DELETE", one, None)[0]]
            case "complete":
                path = f"/__mock/jobs/{job_id}/complete"
                return {200: True, 422: False, 404: False}[self.send("POST", path, {})[0]]
            case "order a fault":
                fault = {"operation": "create", "kind": "status", "code": 503}
                status, response = self.send("POST", "/__mock/faults", fault)
                assert status == 200, response
                return None
        raise ValueError(what)


def history_of(accounts, calls_each, seed):
    """What clients see that call at the same time, each an ``Account`` of the same account."""
    accounts[0].begin()
    first = accounts[0].call("create", "")
    began = time.perf_counter()
    history = [Call(-1, began, began, ("create", ""), first)]
    known, failed = [first], []
    start = threading.Barrier(len(accounts))

    def act(number, account):
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - not a secret
        start.wait()
        try:
            for _ in range(calls_each):
                what = chance.choice(ASKED)
                job_id = chance.choice(known) if what in ("get", "delete", "complete") else ""
                began = time.perf_counter()
                answered = account.call(what, job_id)
                history.append(Call(number, began, time.perf_counter(), (what, job_id), answered))
                if what == "create" and answered != "refused":
                    known.append(answered)
        except Exception as error:  # noqa: BLE001 - raised again, on the caller's thread
            failed.append(error)

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate(accounts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return history


def told(history):
    """A history, a line a call, for whoever is to find out what went wrong."""
    return "\n".join(
        itertools.chain(["not linearizable:"], map(str, sorted(history, key=lambda one: one.began)))
    )
