"""Tests of a client that is killed, interrupted, or blocked: no job is created twice, and the process ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import requests
from support import TOKEN, running_fake

from netmind_client import GenerationClient

REQUESTS = 12


def generate_many(base_url, folder):
    """Start the command ``generate-many`` as a process."""
    command = [sys.executable, "-c", "from netmind_client.cli.commands import main; main()", "--base-url", base_url,
               "--api-key", TOKEN, "generate-many", "requests.jsonl", "-o", "out", "--json"]  # fmt: skip
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def created(folder):
    """Return the number of jobs in the jobs file."""
    jobs = folder / "out" / "jobs.jsonl"
    return jobs.read_text().count('"created"') if jobs.exists() else 0


def wait_until_created(folder, number, process):
    deadline = time.monotonic() + 30
    while created(folder) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def control(base_url, path, **arguments):
    requests.post(f"{base_url}/__mock/{path}", json=arguments, timeout=10).raise_for_status()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("after", [1, 5])
def test_an_interrupted_batch_can_be_continued_and_creates_no_job_twice(tmp_path, how, after):
    config = {"prompt": "a cup", "image_size": "square"}
    lines = [
        json.dumps({"model": "Qwen/Qwen-Image", "config": {**config, "seed": seed}})
        for seed in range(REQUESTS)
    ]
    (tmp_path / "requests.jsonl").write_text("\n".join(lines))
    with running_fake(tmp_path, "--duration", "600") as (
        base_url,
        _,
    ):  # the batch does not end before it is killed
        control(base_url, "next-job", scenario="at_once", times=3)
        first = generate_many(base_url, tmp_path)
        wait_until_created(tmp_path, after, first)
        first.send_signal(how)
        _, stderr = first.communicate(timeout=30)
        if how == signal.SIGINT:
            assert first.returncode == 130
            assert "To continue: netmind-client --base-url" in stderr
        control(base_url, "clock", speed=10_000)
        second = generate_many(base_url, tmp_path)
        outcomes = json.loads(second.communicate(timeout=60)[0])
        unknown = [one for one in outcomes if one["error"] and "a generation may exist" in one["error"]]
        saved = [one for one in outcomes if one["error"] is None]
        with GenerationClient(TOKEN, base_url) as client:
            jobs = {job.id for job in client.list()}
        assert len(saved) + len(unknown) == REQUESTS
        assert {one["generation_id"] for one in saved} <= jobs
        assert len(jobs) <= REQUESTS
        if how == signal.SIGINT:  # the client waits for creates in progress
            assert unknown == []


@pytest.mark.slow
def test_a_process_ends_even_if_a_host_name_is_never_resolved():
    script = """if True:
        import socket, threading
        from netmind_client import GenerationClient
        from netmind_client.exceptions import TransportError
        socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
        try:
            GenerationClient("key", "http://somewhere.example").create("m", {}, timeout=0.2)
        except TransportError as error:
            print(error)
    """
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20)
    assert ended.stdout.startswith("POST http://somewhere.example/v1/generation: not sent: ")


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("how", "code", "word"),
    [(signal.SIGTERM, 143, "Terminated"), (signal.SIGINT, 130, "Interrupted")],
)
def test_a_command_that_is_terminated_or_interrupted_prints_how_to_continue(tmp_path, times, how, code, word):
    with (
        running_fake(tmp_path, "--duration", "60") as (base_url, _),
        GenerationClient(TOKEN, base_url) as client,
    ):
        process = subprocess.Popen(
            [sys.executable, "-c", "from netmind_client.cli.commands import main; main()", "--base-url", base_url,
             "--api-key", TOKEN, "generate", "--model", "m", "--prompt", "a cup"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not client.list():
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        threading.Event().wait(0.3)  # until the client has read the response
        for _ in range(times):
            process.send_signal(how)
        _, stderr = process.communicate(timeout=30)
        [job] = client.list()
    assert (process.returncode, stderr) == (
        code,
        f"\n{word}.\nTo continue: netmind-client --base-url {base_url} wait {job.id} -o .\n",
    )


@pytest.mark.slow
def test_a_job_whose_id_cannot_be_printed_is_named_in_the_error(tmp_path):
    with running_fake(tmp_path) as (base_url, _), open("/dev/full", "w") as full:  # noqa: PTH123
        ended = subprocess.run(
            [sys.executable, "-c", "from netmind_client.cli.commands import main; main()", "--base-url", base_url,
             "--api-key", TOKEN, "create", "--model", "m", "--prompt", "a cup"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=30,
        )  # fmt: skip
        with GenerationClient(TOKEN, base_url) as client:
            [job] = client.list()
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "Error: the result cannot be printed: No space left on device",
        f"To continue: netmind-client --base-url {base_url} wait {job.id}",
    ]


COMMAND = '"$0" -c "from netmind_client.cli.commands import main; main()" --base-url "$1" --api-key "$2" '


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "reason"),
    [
        (COMMAND + "create --model m --prompt 'a cup' | true", "Broken pipe"),
        (COMMAND + "create --model m --prompt 'a cup' >&-", "stdout is closed"),
    ],
)
def test_a_job_whose_id_is_written_to_a_closed_pipe_is_named_in_the_error(tmp_path, shell, reason):
    with running_fake(tmp_path) as (base_url, _):
        ended = subprocess.run(
            ["bash", "-o", "pipefail", "-c", shell, sys.executable, base_url, TOKEN],
            stderr=subprocess.PIPE, text=True, timeout=30,
        )  # fmt: skip
        with GenerationClient(TOKEN, base_url) as client:
            [job] = client.list()
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"Error: the result cannot be printed: {reason}",
        f"To continue: netmind-client --base-url {base_url} wait {job.id}",
    ]


@pytest.mark.slow
def test_a_folder_whose_name_is_not_utf_8_is_printed_as_bytes(tmp_path):
    shell = COMMAND + "generate --model Qwen/Qwen-Image --prompt x -o $'caf\\xe9'"
    with running_fake(tmp_path, "--duration", "0") as (base_url, _):
        ended = subprocess.run(
            ["bash", "-c", shell, sys.executable, base_url, TOKEN], cwd=tmp_path, capture_output=True,
            timeout=30, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.startswith(b"caf\xe9/")


@pytest.mark.slow
def test_a_closed_stdin_is_an_error(tmp_path):
    shell = COMMAND + "generate-many - <&-"
    ended = subprocess.run(
        ["bash", "-c", shell, sys.executable, "http://127.0.0.1:1", TOKEN], cwd=tmp_path, capture_output=True,
        text=True, timeout=30,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "Error: stdin is closed" in ended.stderr


@pytest.mark.slow
def test_a_command_that_ignores_ctrl_c_from_its_start_is_not_interrupted(tmp_path):
    shell = (
        "trap '' INT; exec " + COMMAND + "generate --model m --prompt x"
    )  # as in a script after `command &`
    with (
        running_fake(tmp_path, "--duration", "1") as (base_url, _),
        GenerationClient(TOKEN, base_url) as client,
    ):
        process = subprocess.Popen(["bash", "-c", shell, sys.executable, base_url, TOKEN], cwd=tmp_path,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
        deadline = time.monotonic() + 30
        while not client.list():
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")
