"""Part files: those of killed processes are removed by the next download to their folder, and no others."""

import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import time as clock

import pytest
from raw_server import RawServer, raw_response

from netmind_client import GenerationClient, _files
from netmind_client._files import NameTaken, partial, prepare

URL = "https://api.netmind.ai/v1/generation"
HERE = _files._MACHINE
ELSEWHERE = "0" * 8
DAY = 86_400


def left_over(folder, machine=HERE, age=0.0):
    """Create the part file of a process that was killed."""
    path = folder / f".netmind-{machine}-0123456789abcdef.part"
    path.write_bytes(b"half")
    os.utime(path, (clock.time() - age,) * 2)
    return path


DOWNLOAD = """
import sys
from netmind_client import GenerationClient
GenerationClient("k3y", sys.argv[1]).download("a", sys.argv[2], on_progress=lambda _: print("receiving", flush=True))
"""


@pytest.mark.slow
def test_the_part_file_of_a_killed_process_is_removed_and_that_of_a_running_one_is_not(tmp_path):
    def respond(request):
        if request.path == "/slow":
            return raw_response(b"half", length=8)
        name = "slow" if request.path.endswith("/a") else "cup"
        url = {"url": f"{server.base_url}/{name}"}
        generation = {"id": request.path[-1], "status": "completed", "result": {"data": [url]}}
        return raw_response(b"picture" if request.path == "/cup" else generation)

    def names():
        return sorted(path.name for path in tmp_path.iterdir())

    with RawServer(respond) as server, GenerationClient("k3y", server.base_url) as client:
        command = [sys.executable, "-c", DOWNLOAD, server.base_url, tmp_path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "receiving\n"
            [part] = names()
            client.download("b", tmp_path)
            assert names() == [part, "b-cup"]
            process.kill()
        assert names() == [part, "b-cup"]
        client.download("c", tmp_path)
        assert names() == ["b-cup", "c-cup"]


@pytest.mark.parametrize("method", ["download", "generate", "generate_many"])
def test_each_method_that_saves_results_removes_a_left_over_file(client, api, generation, tmp_path, method):
    done = generation("completed")
    api.post(URL, json=done)
    api.get(f"{URL}/{done['id']}", json=done)
    api.get("https://files.example/a/cup.png", body=b"picture")
    left_over(tmp_path)
    arguments = {
        "download": (done["id"], tmp_path),
        "generate": ("m", {}, tmp_path),
        "generate_many": ([("m", {})], tmp_path),
    }
    getattr(client, method)(*arguments[method])
    assert [path.name for path in tmp_path.iterdir()] == [f"{done['id']}-cup.png"]


def test_a_file_that_another_thread_of_this_process_writes_is_kept(tmp_path):
    with partial(tmp_path) as file:
        file.write(b"pic")
        prepare(tmp_path)
        file.write(b"ture")
        file.finish(tmp_path / "cup", overwrite=False)
    assert (tmp_path / "cup").read_bytes() == b"picture"


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("rename", ["os.replace", "os.link"])
def test_a_file_is_kept_until_it_is_renamed(tmp_path, monkeypatch, overwrite, rename):
    original = getattr(os, rename.removeprefix("os."))

    def after_prepare(*arguments, **options):
        prepare(tmp_path)
        return original(*arguments, **options)

    monkeypatch.setattr(rename, after_prepare)
    with partial(tmp_path) as file:
        file.write(b"picture")
        file.finish(tmp_path / "cup", overwrite=overwrite)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("cup", b"picture")]


def test_a_file_that_is_removed_before_it_is_locked_is_created_again(tmp_path, monkeypatch):
    flock, removed = _files.fcntl.flock, []

    def flock_late(*arguments):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        flock(*arguments)

    monkeypatch.setattr(_files.fcntl, "flock", flock_late)
    with partial(tmp_path) as file:
        file.write(b"picture")
        file.finish(tmp_path / "cup", overwrite=False)
    assert (len(removed), (tmp_path / "cup").read_bytes()) == (1, b"picture")


@pytest.mark.parametrize(("age", "is_kept"), [(0, True), (DAY - 60, True), (DAY + 60, False)])
def test_a_file_of_another_machine_is_kept_for_a_day(tmp_path, age, is_kept):
    path = left_over(tmp_path, ELSEWHERE, age)
    prepare(tmp_path)
    assert path.exists() == is_kept


def test_an_old_file_of_another_machine_is_kept_while_it_is_locked(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "_MACHINE", ELSEWHERE)
    with partial(tmp_path):
        [path] = tmp_path.iterdir()
        os.utime(path, (0, 0))
        monkeypatch.setattr(_files, "_MACHINE", HERE)
        prepare(tmp_path)
        assert path.exists()


@pytest.mark.parametrize(("age", "is_kept"), [(0, True), (DAY - 60, True), (DAY + 60, False)])
def test_on_windows_a_file_is_kept_for_a_day(tmp_path, monkeypatch, age, is_kept):
    monkeypatch.setattr(_files, "fcntl", None)
    path = left_over(tmp_path, HERE, age)
    prepare(tmp_path)
    assert path.exists() == is_kept


def test_on_a_file_system_without_locks_files_are_saved_and_left_over_ones_are_kept(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(_files.fcntl, "flock", no_locks)
    path = left_over(tmp_path, HERE, 2 * DAY)
    prepare(tmp_path)
    with partial(tmp_path) as file:
        file.write(b"picture")
        file.finish(tmp_path / "cup", overwrite=False)
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "cup"]


@pytest.mark.parametrize(
    "name",
    [
        "cup.part",
        ".netmind-.part",
        f".netmind-{HERE}-0123456789abcdef.part.png",
        f".netmind-{HERE}-0123456789ABCDEF.part",
        f"x.netmind-{HERE}-0123456789abcdef.part",
        f".netmind-{HERE}-0123456789abcdef.part\n",
    ],
)
def test_a_file_with_another_name_is_kept(tmp_path, name):
    path = left_over(tmp_path, HERE, 2 * DAY).rename(tmp_path / name)
    prepare(tmp_path)
    assert path.exists()


def test_a_folder_or_a_link_or_a_pipe_is_kept_even_with_the_name_of_a_part_file(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    names = [f".netmind-{HERE}-{digit * 16}.part" for digit in "123"]
    (tmp_path / names[0]).mkdir()
    (tmp_path / names[1]).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / names[2])
    prepare(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names, "elsewhere"]


def test_a_left_over_file_that_cannot_be_removed_does_not_stop_a_download(tmp_path, monkeypatch):
    def not_permitted(_):
        raise PermissionError

    path = left_over(tmp_path)
    monkeypatch.setattr(type(path), "unlink", not_permitted)
    prepare(tmp_path)
    assert path.exists()


@pytest.mark.parametrize("has_locks", [True, False])
def test_the_same_bytes_need_not_be_saved_again(tmp_path, monkeypatch, has_locks):
    if not has_locks:
        monkeypatch.setattr(_files, "fcntl", None)
    (tmp_path / "cup").write_bytes(b"picture")
    for content, error in ((b"picture", None), (b"another", NameTaken), (b"longer than that", NameTaken)):
        with pytest.raises(error) if error else contextlib.nullcontext(), partial(tmp_path) as file:
            file.write(content)
            file.finish(tmp_path / "cup", overwrite=False)
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("cup", b"picture")]


def test_a_hash_is_read_by_the_handle_that_holds_the_lock(tmp_path, monkeypatch):
    with partial(tmp_path) as file:
        file.write(b"pic")
        with monkeypatch.context() as locked:
            locked.setattr(type(tmp_path), "open", None)  # as if the lock kept others from reading
            assert file.digest("md5") == hashlib.md5(b"pic", usedforsecurity=False).hexdigest()
        file.write(b"ture")
        file.finish(tmp_path / "cup", overwrite=False)
    assert (tmp_path / "cup").read_bytes() == b"picture"


def test_a_folder_that_cannot_be_listed_is_used_all_the_same(tmp_path, monkeypatch):
    def not_permitted(_):
        raise PermissionError

    path = left_over(tmp_path)
    monkeypatch.setattr(type(path), "iterdir", not_permitted)
    prepare(tmp_path)
    assert path.exists()
