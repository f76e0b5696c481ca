"""The command netmind-contracts."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from recordings import har, session
from support import running_fake

from netmind_mock.jobs.profile import load_profile

pytestmark = pytest.mark.slow


def test_claims_are_listed_with_level_cost_source_and_date(run):
    result = run("claims")
    assert (
        "create.pending  [documented; paid; vendor documentation, Create generation; 2025-09-18]"
        in result.output
    )
    assert "    Create returns a generation with status pending." in result.output


def test_claims_can_be_listed_by_level(run):
    lines = [line for line in run("claims", "--level", "assumed").output.splitlines() if "[" in line]
    assert len(lines) == 18
    assert all("[assumed; " in line for line in lines)


def test_the_names_of_the_schemas_are_listed(run):
    assert "create-request\ndeleted\nerror\n" in run("schema").output


def test_a_schema_is_printed(run):
    assert json.loads(run("schema", "deleted").output)["title"] == "Deleted"


def test_the_openapi_document_is_printed(run):
    assert json.loads(run("openapi").output)["openapi"] == "3.1.0"


def test_a_valid_message_exits_with_0(run):
    result = run("validate", "deleted", "-", input='{"message": "Generation deleted"}')
    assert (result.exit_code, result.output) == (0, "valid: deleted\n")


def test_an_invalid_message_exits_with_1_and_says_why(run, tmp_path):
    file = tmp_path / "message.json"
    file.write_text('{"message": "gone"}')
    result = run("validate", "deleted", str(file))
    assert (result.exit_code, result.output) == (
        1,
        'message: expected the string "Generation deleted", got the string "gone"\n',
    )


def test_closed_reports_unknown_fields(run):
    result = run("validate", "--closed", "deleted", "-", input='{"message": "Generation deleted", "x": 1}')
    assert (result.exit_code, result.output) == (
        1,
        "x: expected only the fields message, got the integer 1\n",
    )


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\udc80"])
def test_invalid_json_exits_with_2_and_no_traceback(run, text, tmp_path):
    file = tmp_path / "message.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    result = run("validate", "deleted", str(file))
    assert result.exit_code == 2
    assert "message.json: expected a JSON document:" in result.output


class TestVerify:
    def test_a_run_and_its_file_give_the_same_table(self, run, url, tmp_path):
        file = tmp_path / "run.json"
        verified = run("verify", "--base-url", url, "--api-key", "a-good-token", "--save", str(file))
        again = run("judge", str(file))
        assert (verified.exit_code, again.exit_code) == (0, 0), verified.output
        assert "passed         documented  create.pending" in verified.stdout
        assert verified.stdout.endswith(": no drift\n")
        assert again.stdout == verified.stdout
        assert "a-good-token" not in verified.output + file.read_text()

    def test_a_rejected_key_exits_with_2(self, run, url):
        result = run("verify", "--base-url", url, "--api-key", "a-bad-token")
        assert result.exit_code == 2
        assert "/v1/generation rejects the API key (401: " in result.output

    def test_a_small_budget_exits_with_2(self, run, url):
        result = run("verify", "--base-url", url, "--api-key", "a-good-token", "--max-creates", "1")
        assert result.exit_code == 2
        assert (
            "Not created: the documented audio, deleted while it is pending, because the limit of 1 was reached."
            in result.output
        )

    def test_free_only_exits_with_0(self, run, url):
        assert run("verify", "--base-url", url, "--api-key", "a-good-token", "--free-only").exit_code == 0

    def test_a_file_that_cannot_be_written_exits_with_2(self, run, url, tmp_path):
        file = tmp_path / "none" / "run.json"
        result = run(
            "verify", "--base-url", url, "--api-key", "a-good-token", "--free-only", "--save", str(file)
        )
        assert result.exit_code == 2
        assert "cannot be written: the folder" in result.output

    @pytest.mark.parametrize("option", ["--save", "--report", "--json", "--junit", "--baseline"])
    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda folder: folder / "none" / "file", "the folder {folder}/none does not exist"),
            (lambda folder: folder, "it is a folder"),
            (lambda _: Path("/proc/file"), "No such file or directory"),
        ],
        ids=["a missing folder", "a folder", "a folder that is read-only"],
    )
    def test_a_file_that_cannot_be_written_is_reported_before_the_first_request(
        self, run, tmp_path, option, make, reason
    ):
        file = make(tmp_path)
        update = ["--baseline-update"] if option == "--baseline" else []
        result = run(
            "verify", "--base-url", "http://127.0.0.1:9", "--api-key", "k", option, str(file), *update
        )
        assert result.exit_code == 2
        words = " ".join(result.output.split())
        assert (
            f"{option}: {file}: cannot be written: {reason.format(folder=tmp_path)}; nothing was sent"
            in words
        )
        assert list(tmp_path.iterdir()) in ([], [file])

    def test_the_same_file_for_two_reports_is_reported_before_the_first_request(self, run, tmp_path):
        file = str(tmp_path / "report")
        result = run(
            "verify", "--base-url", "http://127.0.0.1:9", "--api-key", "k", "--json", file, "--report", file
        )
        assert result.exit_code == 2
        assert "expected another file than that of --report" in " ".join(result.output.split())

    def test_a_run_that_cannot_be_saved_after_all_still_prints_the_table(self, run, url):
        result = run(
            "verify", "--base-url", url, "--api-key", "a-good-token", "--free-only", "--save", "/dev/full"
        )
        assert result.exit_code == 2
        assert "/dev/full: cannot be written: No space left on device" in result.stderr
        assert "passed         documented  auth.bearer-token" in result.stdout

    def test_an_endpoint_that_is_missing_is_named_with_its_variable(self, run):
        result = run("verify", "--api-key", "k", env={"NETMIND_BASE_URL": None})
        assert result.exit_code == 2
        assert "Missing option '--base-url' (environment variable NETMIND_BASE_URL)." in result.output

    def test_a_dry_run_lists_what_each_request_may_cost_and_what_the_limit_leaves_out(self, run):
        result = run(
            "verify",
            "--base-url",
            "https://api.netmind.ai",
            "--api-key",
            "key",
            "--dry-run",
            "--max-creates",
            "1",
        )
        lines = [line for line in result.output.splitlines() if line.startswith("POST")]
        assert [line.split("  ")[-1].split(":")[0] for line in lines] == [
            *["free if the API rejects it"] * 5,
            "at most 1 generation",
            *["left out, unless the API rejects an earlier create (the limit is 1)"] * 3,
        ]

    def test_a_dry_run_sends_nothing(self, run):
        result = run("verify", "--base-url", "https://api.netmind.ai", "--api-key", "key", "--dry-run")
        assert result.exit_code == 0
        assert result.output.endswith("At most 3 generations would be created; nothing was sent.\n")

    @pytest.mark.parametrize(
        ("address", "key", "message"),
        [
            ("ftp://h", "key", "expected a base URL such as http://127.0.0.1:8000, got 'ftp://h'"),
            ("https://api.netmind.ai", "key", "is not on this machine, and may charge for generations"),
            (
                "http://127.0.0.1:9",
                "key",
                "Connection refused; check the URL, and that the endpoint is running",
            ),
            (
                "http://127.0.0.1:9",
                "k\ney",
                "the API key is empty, or has characters that are not allowed in an HTTP header",
            ),
        ],
    )
    def test_an_endpoint_that_cannot_be_probed_exits_with_2_and_one_sentence(
        self, run, address, key, message
    ):
        result = run("verify", "--base-url", address, "--api-key", key)
        assert (result.exit_code, message in " ".join(result.output.split())) == (2, True), result.output

    def test_terminal_control_characters_are_escaped(self, run, tmp_path):
        exchange = {
            "request": {"method": "GET", "url": "http://h/v1/generation", "authorization": "bearer", "content_type": "", "body": "", "padding": 0},
            "response": {"status": 200, "headers": {}, "body": "\x1b[2J\x9b7m", "head": "", "size": 8, "complete": True},
            "failure": "", "sent": True, "at": 0, "seconds": 0,
        }  # fmt: skip
        saved = {
            "format": 1,
            "base_url": "http://h",
            "started": "",
            "scope": "full",
            "exchanges": [exchange],
            "notes": [],
        }
        (tmp_path / "run.json").write_text(json.dumps(saved))
        result = run("judge", str(tmp_path / "run.json"))
        assert result.exit_code == 1
        assert r"got 200 \x1b[2J\x9b7m" in result.output
        assert "\x1b" not in result.output

    def test_an_invalid_run_exits_with_2(self, run, tmp_path):
        (tmp_path / "run.json").write_text("{}")
        result = run("judge", str(tmp_path / "run.json"))
        assert result.exit_code == 2
        assert "run.json: expected a run that netmind-contracts verify --save wrote" in result.output

    def test_an_additional_request_is_created(self, run, url, tmp_path):
        file = tmp_path / "speech.json"
        file.write_text('{"model": "minimax/speech-02-hd", "config": {"text": "Hello"}}')
        result = run("verify", "--base-url", url, "--api-key", "a-good-token", "--request", str(file))
        assert result.exit_code == 0, result.output
        assert "passed         observed    models.speech-02-hd" in result.output

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("[]", "expected a create request; (the whole body): expected an object, got an empty array"),
            ("{", "expected JSON"),
        ],
    )
    def test_an_invalid_request_exits_with_2(self, run, tmp_path, content, message):
        file = tmp_path / "mine.json"
        file.write_text(content)
        result = run("verify", "--base-url", "http://127.0.0.1:9", "--api-key", "k", "--request", str(file))
        assert (result.exit_code, f"mine.json: {message}" in result.output) == (2, True), result.output

    def test_a_request_that_cannot_be_read_exits_with_2(self, run, tmp_path):
        for file, reason in (
            (tmp_path, "Is a directory"),
            (tmp_path / "none.json", "No such file or directory"),
        ):
            result = run(
                "verify", "--base-url", "http://127.0.0.1:9", "--api-key", "k", "--request", str(file)
            )
            assert result.exit_code == 2
            assert f"cannot be read: {reason}" in " ".join(result.output.split())

    @pytest.mark.slow
    def test_an_interrupt_deletes_says_so_and_saves(self, tmp_path):
        file = tmp_path / "run.json"
        with running_fake(tmp_path, "--duration", "600") as (url, _):
            command = [sys.executable, "-c", "from netmind_contracts.cli import main; main()", "verify"]
            with subprocess.Popen(
                [*command, "--base-url", url, "--api-key", "a-good-token", "--save", str(file)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
            ) as process:  # fmt: skip
                for line in process.stderr:
                    if line.startswith("the documented image: "):
                        process.send_signal(signal.SIGINT)
                        break
                rest = process.stderr.read()
                process.wait(20)
            listed = requests.get(
                f"{url}/v1/generation", headers={"Authorization": "a-good-token"}, timeout=5
            ).json()
        assert (process.returncode, listed) == (130, {"generation_list": []})
        assert "Interrupted; all created generations were deleted" in rest
        assert len(json.loads(file.read_text())["exchanges"]) > 13


class TestLearn:
    def test_a_profile_is_written_that_the_fake_accepts(self, run, url, tmp_path):
        file = tmp_path / "mine.toml"
        result = run("learn", "--base-url", url, "--api-key", "a-good-token", "-o", str(file))
        assert result.exit_code == 0, result.output
        assert f"facts; try netmind-mock serve --profile {file}" in result.output
        assert load_profile(str(file)).delete_leaves == "gone"
        assert "a-good-token" not in file.read_text()

    def test_a_saved_run_gives_the_same_profile_and_nothing_is_sent(self, run, url, tmp_path):
        saved, first, again = tmp_path / "run.json", tmp_path / "first.toml", tmp_path / "again.toml"
        arguments = ["--base-url", url, "--api-key", "a-good-token", "--free-only"]
        assert run("learn", *arguments, "--save", str(saved), "-o", str(first)).exit_code == 0
        result = run("learn", str(saved), "-o", str(again), env={"NETMIND_BASE_URL": "http://127.0.0.1:9"})
        assert result.exit_code == 0, result.output
        assert again.read_text() == first.read_text()

    def test_a_har_file_gives_a_profile(self, run, tmp_path):
        (tmp_path / "session.har").write_text(json.dumps(har(session())))
        file = tmp_path / "mine.toml"
        result = run("learn", str(tmp_path / "session.har"), "-o", str(file))
        assert result.exit_code == 0, result.output
        assert load_profile(str(file)).delete_message == "Generation deleted"

    def test_a_file_and_an_endpoint_are_rejected_together(self, run, tmp_path):
        result = run("learn", "run.json", "--base-url", "http://h", "-o", str(tmp_path / "a.toml"))
        assert (result.exit_code, "expected FILE or --base-url, got both" in result.output) == (2, True)

    def test_without_a_file_an_endpoint_is_needed(self, run, tmp_path):
        result = run("learn", "-o", str(tmp_path / "a.toml"), env={"NETMIND_BASE_URL": None})
        assert (result.exit_code, "Missing option '--base-url'" in result.output) == (2, True)

    def test_a_missing_folder_is_reported_before_anything_is_sent(self, run, tmp_path):
        file = tmp_path / "none" / "mine.toml"
        result = run("learn", "--base-url", "http://127.0.0.1:9", "--api-key", "k", "-o", str(file))
        assert (result.exit_code, "; nothing was sent" in result.output) == (2, True)

    def test_a_profile_that_cannot_be_written_is_printed(self, run, url):
        result = run(
            "learn", "--base-url", url, "--api-key", "a-good-token", "--free-only", "-o", "/dev/full"
        )
        assert (result.exit_code, "[errors.missing_token]" in result.stdout) == (2, True)


def test_a_missing_dependency_is_named_with_the_command_to_install_it():
    script = "import sys; sys.modules['puremagic'] = None; import netmind_contracts.cli"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr) == (
        1,
        "netmind-contracts needs puremagic: pip install 'netmind-testkit[contracts]'\n",
    )
