"""Units of the client: models, polling, file names, files, and the exception classes."""

import contextlib
import copy
import dataclasses
import inspect
import json
import os
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netmind_client
from netmind_client import NetMindError, Result, exceptions
from netmind_client._files import LineFile, NameTaken, partial
from netmind_client._flows.download import name_for, safe_name
from netmind_client._flows.waiting import delay_after, has_ended
from netmind_client._models import read_generation
from netmind_client.exceptions import GenerationFailedError, ResultMissingError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["id", "status", "result", "data", "url", "logs", "text"]), inner)
    ),
    max_leaves=12,
)


def pickled(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - what was written just now


class TestModels:
    def test_unknown_fields_are_kept(self):
        document = {"id": "x", "status": "pending", "queue_position": 3}
        assert read_generation(document).raw["queue_position"] == 3

    @pytest.mark.parametrize("again", [copy.deepcopy, pickled])
    def test_a_generation_can_be_copied_and_pickled(self, again):
        document = {"id": "x", "status": "completed", "result": {"data": [{"text": "a"}]}}
        read = read_generation(document)
        copied = again(read)
        assert (copied, copied.raw) == (read, document)
        assert json.loads(json.dumps(dataclasses.asdict(read)))["raw"] == document

    def test_fields_may_be_missing(self):
        generation = read_generation({"id": "x", "status": "s"})
        assert (generation.created_at, generation.results, generation.logs, generation.failure) == (
            None,
            (),
            (),
            None,
        )

    @given(json_values)
    def test_reads_any_json_without_an_error(self, document):
        read_generation(document)

    @given(json_values)
    def test_reads_any_result_and_logs_without_an_error(self, value):
        generation = read_generation({"id": "x", "status": "failed", "result": value, "logs": value})
        with pytest.raises(GenerationFailedError):
            has_ended(generation, 0.0)


class TestPolling:
    @pytest.mark.parametrize(
        ("waited", "delay"), [(0, 1.0), (4, 1.0), (10, 2.2), (30, 6.5), (100, 6.5), (200, 10.0), (900, 45.0)]
    )
    def test_pauses_grow_with_the_time_that_was_waited(self, waited, delay):
        assert delay_after(waited) == pytest.approx(delay)

    @given(st.floats(0, 3600))
    def test_an_end_is_noticed_within_a_second_or_22_percent_and_later_within_5(self, ends):
        polled, waited = 0, 0.0
        while waited < ends:
            waited += delay_after(waited)
            polled += 1
        assert waited - ends <= max(1.0, (0.05 if ends > 130 else 0.22) * ends) + 1e-9
        assert polled <= 19 or ends > 60 - 1e-9

    @pytest.mark.parametrize(
        ("status", "result", "expected"),
        [
            ("pending", {}, False),
            ("whatever", {}, False),
            ("success", {}, False),
            ("completed", {"data": [{"text": ""}]}, True),
            ("completed", {}, False),
        ],
    )
    def test_a_generation_has_ended_once_it_has_its_results(self, status, result, expected):
        assert has_ended(read_generation({"id": "x", "status": status, "result": result}), 14.9) is expected

    @pytest.mark.parametrize("result", [{}, {"data": [{"text": ""}]}])
    @pytest.mark.parametrize("status", ["failed", "error", "cancelled"])
    def test_a_generation_that_failed_raises(self, status, result):
        with pytest.raises(GenerationFailedError, match=f"generation x ended as {status}"):
            has_ended(read_generation({"id": "x", "status": status, "result": result}), 0.0)

    def test_a_result_that_stays_empty_raises_after_15_seconds(self):
        with pytest.raises(ResultMissingError):
            has_ended(read_generation({"id": "x", "status": "completed"}), 15.0)

    @pytest.mark.parametrize("status", ["pending", "completed"])
    def test_a_generation_marked_as_deleted_raises(self, status):
        tombstone = read_generation({"id": "x", "status": status, "is_deleted": True})
        assert tombstone.is_deleted
        with pytest.raises(GenerationFailedError, match="generation x was deleted"):
            has_ended(tombstone, 0.0)


class TestNames:
    @pytest.mark.parametrize(
        ("result", "content_type", "name"),
        [
            (Result(file_name="a.png"), "", "a.png"),
            (Result(file_name="", url="https://x/y/b.png?sig=1"), "", "b.png"),
            (Result(file_name="", url="https://x/y/", file_id="file-1"), "image/png", "file-1.png"),
            (Result(url="https://x/file-2"), "audio/wav; a=b", "file-2.wav"),
            (Result(url="https://x/file-2"), "image/jpeg", "file-2.jpg"),
            (Result(url="https://x/file-2"), "application/x-nobody-knows", "file-2"),
            (Result(), "", "result"),
            (Result(file_name="../../etc/passwd"), "", "passwd"),
            (Result(file_name="..\\..\\boot.ini"), "", "boot.ini"),
            (Result(file_name="/etc/cron.d/x"), "", "x"),
            (Result(file_name=".bashrc"), "text/plain", "result.bashrc"),
            (Result(file_name="a\x00b\n.png"), "", "a_b.png"),
            (Result(file_name="CON.png"), "", "_CON.png"),
            (Result(url="https://x/%2e%2e%2fpasswd"), "", "passwd"),
            (Result(file_name="ü.png"), "", "result.png"),
            (Result(file_name="猫.mp4", url="https://x/cat"), "", "cat.mp4"),
        ],
    )
    def test_a_name_is_never_a_path(self, result, content_type, name):
        assert name_for(result, "6347623b2fce", content_type, 1, 1) == f"6347623b2fce-{name}"

    def test_long_names_keep_their_suffix(self):
        assert name_for(Result(file_name="x" * 500 + ".png"), "a", "", 1, 1) == "a-" + "x" * 100 + ".png"
        assert safe_name("x" * 500) == "x" * 100

    @given(st.text(min_size=1, max_size=100), st.text(min_size=1, max_size=100))
    def test_two_generations_never_share_a_name(self, one, other):
        names = {name_for(Result(file_name="a.png"), job, "", 1, 1).lower() for job in (one, other)}
        assert len(names) == (1 if one == other else 2)

    @given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=30))
    def test_the_file_is_always_in_the_folder(self, file_name, url, content_type):
        name = name_for(Result(file_name=file_name, url="https://x/" + url), file_name, content_type, 1, 2)
        assert Path("/folder", name).resolve().parent == Path("/folder")
        assert name == name.strip()
        assert not name.startswith(".")
        assert len(name) < 200


class TestPartial:
    def save(self, folder, content=b"abc", name="a", **options):
        with partial(folder) as file:
            file.write(content)
            file.finish(folder / name, **{"overwrite": False, **options})

    def test_an_interrupted_write_leaves_no_file(self, tmp_path):
        def write():
            with partial(tmp_path) as file:
                file.write(b"abc")
                raise RuntimeError("cut")

        with pytest.raises(RuntimeError):
            write()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_created_is_reported(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(netmind_client.exceptions.DownloadError, match="nothing can be saved there: "):
            self.save(tmp_path / "file" / "a")

    def test_a_full_disk_is_reported(self, tmp_path):
        with partial(tmp_path) as file, Path("/dev/full").open("wb", buffering=0) as full:
            file._file.close()
            file._file = full
            with pytest.raises(netmind_client.exceptions.DownloadError, match="No space left on device"):
                file.write(b"abc")

    def test_an_oserror_of_the_caller_is_not_converted(self, tmp_path):
        with pytest.raises(OSError, match="mine"), partial(tmp_path):
            raise OSError("mine")

    def test_a_file_system_without_hard_links_is_supported(self, tmp_path, monkeypatch):
        def no_links(*_):
            raise PermissionError

        monkeypatch.setattr(Path, "hardlink_to", no_links)
        self.save(tmp_path)
        assert (tmp_path / "a").read_bytes() == b"abc"
        with pytest.raises(NameTaken):
            self.save(tmp_path, b"other")

    def test_a_symbolic_link_is_not_followed(self, tmp_path):
        (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(NameTaken):
            self.save(tmp_path)
        self.save(tmp_path, overwrite=True)
        assert not (tmp_path / "elsewhere").exists()

    def test_permissions_are_those_of_other_new_files(self, tmp_path):
        (tmp_path / "other").write_bytes(b"")
        self.save(tmp_path)
        assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


class TestLineFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "new" / "lines"

    @pytest.fixture
    def opened(self):
        with contextlib.ExitStack() as stack:
            yield lambda path: stack.enter_context(contextlib.closing(LineFile(path)))

    def test_lines_are_added_and_read(self, path, opened):
        with contextlib.closing(LineFile(path)) as lines:
            lines.add("a")
            lines.add("b")
        assert (opened(path).complete, path.read_bytes()) == (b"a\nb\n", b"a\nb\n")

    def test_an_incomplete_line_is_kept_until_another_is_added(self, tmp_path, opened):
        path = tmp_path / "lines"
        path.write_bytes(b"a\nb")
        lines = opened(path)
        assert (lines.complete, lines.incomplete, path.read_bytes()) == (b"a\n", b"b", b"a\nb")
        lines.add("c")
        assert path.read_bytes() == b"a\nc\n"

    def test_a_line_cut_short_by_a_full_disk_is_reported_and_removed(self, path, opened, monkeypatch):
        lines, write = opened(path), os.write
        lines.add("a")
        with monkeypatch.context() as full:
            full.setattr("os.write", lambda file, content: write(file, content[:2]))
            with pytest.raises(
                netmind_client.exceptions.DownloadError, match="cannot be written: No space left on device"
            ):
                lines.add("bcd")
        lines.add("e")
        assert path.read_bytes() == b"a\ne\n"

    def test_a_closed_file_does_not_write_to_a_reused_descriptor(self, path, tmp_path):
        lines = LineFile(path)
        lines.close()
        with (tmp_path / "other").open("w+b") as other:
            other.write(b"x" * 100)
            other.flush()
            with pytest.raises(
                netmind_client.exceptions.DownloadError, match="the run that wrote to it has ended"
            ):
                lines.add("a")
        assert (tmp_path / "other").read_bytes() == b"x" * 100

    def test_a_file_that_was_deleted_or_replaced_is_not_written_to(self, path, opened):
        lines = opened(path)
        lines.add("a")
        path.unlink()
        with pytest.raises(netmind_client.exceptions.DownloadError, match="cannot be written: No such file"):
            lines.add("b")
        path.write_bytes(b"other")
        with pytest.raises(netmind_client.exceptions.DownloadError, match="was replaced by another file"):
            lines.add("b")
        assert path.read_bytes() == b"other"

    def test_a_change_of_the_working_directory_does_not_change_the_file(self, tmp_path, opened, monkeypatch):
        monkeypatch.chdir(tmp_path)
        lines = opened(Path("lines"))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        lines.add("a")
        assert (tmp_path / "lines").read_bytes() == b"a\n"

    def test_a_folder_is_rejected(self, tmp_path, opened):
        with pytest.raises(
            netmind_client.exceptions.DownloadError, match="cannot be written: Is a directory"
        ):
            opened(tmp_path)

    def test_a_pipe_is_rejected(self, tmp_path, opened):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(
            netmind_client.exceptions.ConfigurationError, match="expected a file, got a device or a pipe"
        ):
            opened(tmp_path / "pipe")


class TestErrors:
    def test_the_documented_tree_lists_all_exceptions(self):
        drawn = re.findall(r"^[ │├└─]*(\w+)", exceptions.__doc__.split("::")[1], re.MULTILINE)
        real = {
            name
            for name, member in inspect.getmembers(exceptions, inspect.isclass)
            if issubclass(member, NetMindError)
        }
        assert set(drawn) == real

    def test_every_error_ends_in_error(self):
        errors = [
            error.__name__
            for error in [*NetMindError.__subclasses__(), *exceptions.ApiError.__subclasses__()]
        ]
        assert len(errors) >= 13
        assert [name for name in errors if not name.endswith("Error")] == []

    @pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
    def test_an_error_can_be_copied_and_pickled(self, again):
        facts = {"model": "m", "config": {"n": 1}, "sent_at": 1.5}
        error = netmind_client.exceptions.CreateOutcomeUnknownError("no response", **facts, find=lambda _: [])
        error.attempts, error.resume = 2, "netmind-client find-created"
        copied = again(error)
        assert (str(copied), copied.config, copied.sent_at) == (str(error), {"n": 1}, 1.5)
        with pytest.raises(LookupError):
            copied.find_created()
        failed = netmind_client.exceptions.GenerationFailedError(
            "x", generation=read_generation({"id": "a", "status": "failed"})
        )
        assert again(failed).generation == failed.generation
