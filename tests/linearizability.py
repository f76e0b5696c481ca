"""Check that a history of concurrent calls is linearizable: that it is explained by some sequential order.

Each call takes effect at one moment between its request and its response. A history is linearizable if there are
such moments for all of its calls (Herlihy and Wing). They are found by a depth-first search that remembers the
states it has already tried (Wing and Gong).
"""

import itertools
import random
import threading
import time
from typing import Any, NamedTuple

CONFIG = {"prompt": "a cup", "image_size": "square"}
CREATE = {"model": "Qwen/Qwen-Image", "config": CONFIG}
OPERATIONS = ["create"] * 4 + ["get"] * 5 + ["list"] * 2 + ["complete"] * 2 + ["delete"] * 2 + ["add a fault"]


class Call(NamedTuple):
    """A call of a client with its request and its response, and their times by a shared clock."""

    client: int
    began: float
    ended: float
    request: tuple[str, str]
    response: Any

    def __str__(self):
        return (
            f"client {self.client}, {self.began:.6f} to {self.ended:.6f}: {self.request} -> {self.response}"
        )


def jobs_after(jobs, request, response):
    """Return an account's jobs after a call, as pairs of id and status; None if the response is impossible."""
    operation, job_id = request
    status = dict(jobs).get(job_id, "gone")
    after = jobs
    match operation:
        case "create":
            possible, after = response not in dict(jobs), jobs | {(response, "pending")}
        case "get":
            possible = response == status
        case "list":
            possible = response == jobs
        case "delete":
            possible, after = response == (status != "gone"), jobs - {(job_id, status)}
        case "complete":
            possible = response == (status == "pending")
            after = jobs - {(job_id, "pending")} | {(job_id, "completed")} if response else jobs
        case _:
            raise ValueError(operation)
    return after if possible else None


def faults_after(faults, request, response):
    """Return how many faults for a create are left after a call; None if the response is impossible."""
    if request[0] == "add a fault":
        return faults + 1
    if response == "refused":
        return faults - 1 if faults else None
    return None if faults else 0


def objects_of(history):
    """Return the histories of the account's jobs and of its faults, each with its initial state and its model.

    They are separate objects: a fault is applied to a request at one moment, and the request takes effect later.
    """
    on_jobs = [call for call in history if call.request[0] != "add a fault" and call.response != "refused"]
    on_faults = [call for call in history if call.request[0] in ("create", "add a fault")]
    return (on_jobs, frozenset(), jobs_after), (on_faults, 0, faults_after)


def is_linearizable(history):
    """Return whether the history of each object is linearizable; then the whole history is linearizable, too."""
    return all(order_of(*one) is not None for one in objects_of(history))


def order_of(calls, initial, step):
    """Return the calls in a sequential order that explains their responses; None if no order does."""
    calls = sorted(calls, key=lambda call: call.began)
    all_done = (1 << len(calls)) - 1
    tried = set()
    # A stack of partial orders: the set of its calls (a bit mask), the state after them, and the calls in order.
    stack = [(0, initial, ())]
    while stack:
        done, state, order = stack.pop()
        if done == all_done:
            return [calls[number] for number in order]
        if (done, state) in tried:
            continue
        tried.add((done, state))
        left = [number for number in range(len(calls)) if not done >> number & 1]
        first_end = min(calls[number].ended for number in left)
        for number in reversed(left):
            if calls[number].began > first_end:
                continue  # another call ended before this one began, so it comes first
            reached = step(state, calls[number].request, calls[number].response)
            if reached is not None:
                stack.append((done | 1 << number, reached, (*order, number)))
    return None


class Account:
    """Makes calls, and returns their responses as values of the model.

    ``send(method, path, body)`` returns a status and JSON.
    """

    def __init__(self, send):
        self.send = send

    def begin(self):
        """Freeze the account's clock, so that no job completes by itself."""
        assert self.send("POST", "/__mock/clock", {"freeze": True})[0] == 200

    def call(self, operation, job_id):
        """Make a call and return its response."""
        one = f"/v1/generation/{job_id}"
        match operation:
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
            case "add a fault":
                fault = {"operation": "create", "kind": "status", "code": 503}
                status, response = self.send("POST", "/__mock/faults", fault)
                assert status == 200, response
                return None
        raise ValueError(operation)


def history_of(accounts, calls_each, seed):
    """Return the history of concurrent clients, each an ``Account`` for the same account."""
    accounts[0].begin()
    first = accounts[0].call("create", "")
    began = time.perf_counter()
    history = [Call(-1, began, began, ("create", ""), first)]
    known, failed = [first], []
    start = threading.Barrier(len(accounts))

    def act(number, account):
        rng = random.Random(f"{seed} {number}")  # noqa: S311 - not a secret
        start.wait()
        try:
            for _ in range(calls_each):
                operation = rng.choice(OPERATIONS)
                job_id = rng.choice(known) if operation in ("get", "delete", "complete") else ""
                began = time.perf_counter()
                response = account.call(operation, job_id)
                history.append(Call(number, began, time.perf_counter(), (operation, job_id), response))
                if operation == "create" and response != "refused":
                    known.append(response)
        except Exception as error:  # noqa: BLE001 - raised again in the thread of the caller
            failed.append(error)

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate(accounts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return history


def report(history):
    """Return a history as text, one call per line."""
    return "\n".join(
        itertools.chain(["not linearizable:"], map(str, sorted(history, key=lambda one: one.began)))
    )
