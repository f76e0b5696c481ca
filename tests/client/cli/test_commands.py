"""The command netmind-client."""

import json

import pytest
import requests
from click.testing import CliRunner

from netmind_client import exceptions
from netmind_client.cli import commands, group, output

URL = "https://api.netmind.ai/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"


def sent(api):
    return json.loads(api.calls[0].request.body)


def test_create_prints_the_generation(run, api, generation):
    api.post(URL, json=generation())
    result = run("create", "--model", "m", "--prompt", "coffee")
    assert (result.exit_code, result.output) == (0, f"{ID}  pending       2025-09-18 09:14:20\n")
    assert sent(api) == {"model": "m", "config": {"prompt": "coffee"}}


def test_options_come_from_file_pairs_and_prompt(run, api, generation, tmp_path):
    (tmp_path / "c.json").write_text('{"prompt": "a", "seed": 1, "size": "x"}')
    api.post(URL, json=generation())
    run("create", "--model", "m", "--config-file", "c.json", "--config", "seed=2", "--config", "style=oil paint",
        "--config", 'size={"width": 8}', "--prompt", "b")  # fmt: skip
    assert sent(api)["config"] == {"prompt": "b", "seed": 2, "size": {"width": 8}, "style": "oil paint"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--config", "seed"], "--config seed: expected KEY=VALUE"),
        (["--config", "=1"], "--config =1: expected KEY=VALUE"),
        (["--config-file", "list.json"], "list.json: expected a JSON object"),
        (["--config-file", "broken.json"], "broken.json: not a JSON file: "),
        (["--config-file", "nowhere.json"], "does not exist"),
    ],
)
def test_a_usage_error_exits_with_2(run, tmp_path, arguments, sentence):
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    result = run("create", "--model", "m", *arguments)
    assert result.exit_code == 2
    assert sentence in result.output


def test_get_shows_results_and_failures(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation("completed"))
    api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"text": "spoken"}]}))
    api.get(f"{URL}/{ID}", json=generation("failed", logs=[{"text": "out of memory"}]))
    assert run("get", ID).output.splitlines()[1] == "    image: https://files.example/a/cup.png?sig=s3cret"
    assert run("get", ID).output.splitlines()[1] == "    text: spoken"
    assert run("get", ID).output.splitlines()[1] == "    out of memory"


def test_json_is_the_complete_response(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation(extra=1))
    api.get(URL, json={"generation_list": [generation()]})
    assert json.loads(run("get", ID, "--json").output) == generation(extra=1)
    assert json.loads(run("list", "--json").output) == [generation()]


def test_list_prints_a_line_per_generation(run, api, generation):
    api.get(URL, json={"generation_list": [generation(), generation("failed", id="b")]})
    assert [line.split()[:2] for line in run("list").output.splitlines()] == [
        [ID, "pending"],
        ["b", "failed"],
    ]


def test_delete_says_what_it_deleted(run, api):
    api.delete(f"{URL}/{ID}", json={"message": "Generation deleted"})
    assert run("delete", ID).output == f"deleted {ID}\n"
    assert json.loads(run("delete", ID, "--json").output) == {"deleted": ID}


def test_wait_prints_the_completed_generation(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation())
    api.get(f"{URL}/{ID}", json=generation("completed"))
    assert run("wait", ID).output.splitlines()[0].split()[:2] == [ID, "completed"]


def test_download_prints_the_paths(run, api, generation, tmp_path):
    api.get(f"{URL}/{ID}", json=generation("completed"))
    api.get("https://files.example/a/cup.png", body=b"picture")
    result = run("download", ID, "-o", "out")
    assert result.output == "out/6347623b2fce4998b0e842f7e935ccb0-cup.png\n"
    assert (tmp_path / "out" / "6347623b2fce4998b0e842f7e935ccb0-cup.png").read_bytes() == b"picture"
    assert json.loads(run("download", ID, "-o", "out", "--overwrite", "--json").output) == [
        "out/6347623b2fce4998b0e842f7e935ccb0-cup.png"
    ]


def test_a_download_whose_generation_cannot_be_requested_says_how_to_continue(run, api):
    api.get(f"{URL}/{ID}", status=401)
    result = run("download", ID, "-o", "out")
    assert result.exit_code == 1
    assert result.output.endswith(f"\nTo continue: netmind-client download {ID} -o out\n")


def test_generate_creates_waits_and_saves(run, api, generation):
    api.post(URL, json=generation())
    api.get(f"{URL}/{ID}", json=generation("completed"))
    api.get("https://files.example/a/cup.png", body=b"picture")
    result = run("generate", "--model", "m", "--prompt", "coffee", "-o", "out")
    assert (result.exit_code, result.output) == (0, "out/6347623b2fce4998b0e842f7e935ccb0-cup.png\n")


CASES = {
    "a rejected request": (
        {"status": 401, "json": {"message": "Invalid API key"}},
        1,
        "returned 401: Invalid API key",
    ),
    "a failed generation": ("failed", 3, "ended as failed: the logs give no reason"),
    "a generation that does not end": ("pending", 4, "did not end within 0.01 s"),
}


@pytest.mark.parametrize(("response", "code", "sentence"), CASES.values(), ids=CASES.keys())
def test_each_kind_of_failure_has_its_exit_code(run, api, generation, response, code, sentence):
    api.get(f"{URL}/{ID}", **(response if isinstance(response, dict) else {"json": generation(response)}))
    result = run("wait", ID, "--timeout", "0.01")
    assert result.exit_code == code
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_a_create_without_a_response_exits_with_5(run, api):
    api.post(URL, body=requests.ReadTimeout("timed out"))
    result = run("create", "--model", "m", "--prompt", "a")
    assert result.exit_code == 5
    assert "A generation may have been created and charged" in result.output


def test_a_download_that_fails_says_how_to_fetch_it_again(run, api, generation):
    api.post(URL, json=generation("completed"))
    api.get(f"{URL}/{ID}", json=generation("completed"))
    api.get("https://files.example/a/cup.png", status=403)
    result = run("generate", "--model", "m", "--prompt", "a")
    assert result.exit_code == 1
    assert result.output.endswith(f"\nTo continue: netmind-client wait {ID} -o .\n")


def press_ctrl_c(_request):
    raise KeyboardInterrupt


class TestCtrlC:
    def test_during_a_wait_it_says_how_to_continue(self, run, api):
        api.add_callback("GET", f"{URL}/{ID}", press_ctrl_c)
        result = run("wait", ID)
        assert (result.exit_code, result.output) == (
            130,
            f"\nInterrupted.\nTo continue: netmind-client wait {ID}\n",
        )

    def test_after_a_create_it_says_how_to_continue(self, run, api, generation):
        api.post(URL, json=generation())
        api.add_callback("GET", f"{URL}/{ID}", press_ctrl_c)
        result = run("generate", "--model", "m", "--prompt", "a", "-o", "my pictures")
        assert result.output == f"\nInterrupted.\nTo continue: netmind-client wait {ID} -o 'my pictures'\n"

    @pytest.mark.parametrize("command", ["create", "generate"])
    def test_during_a_create_it_says_how_to_find_the_generation(self, run, api, command):
        api.add_callback("POST", URL, press_ctrl_c)
        result = run(command, "--model", "m", "--prompt", "a")
        assert result.exit_code == 130
        assert "\nTo continue: netmind-client find-created --sent-at '20" in result.output

    def test_during_many_it_prints_the_same_command(self, run, api, generation, tmp_path):
        (tmp_path / "r.jsonl").write_text('{"model": "m", "config": {}}\n')
        api.post(URL, json=generation())
        api.add_callback("GET", f"{URL}/{ID}", press_ctrl_c)
        result = run("--api-key", "s3cret", "generate-many", "r.jsonl", "-o", "out", "--concurrency=2")
        assert result.exit_code == 130
        assert result.output.endswith(
            "\nTo continue: netmind-client generate-many r.jsonl -o out --concurrency=2\n"
        )
        assert '"created"' in (tmp_path / "out" / "jobs.jsonl").read_text()

    def test_during_a_list_it_only_ends(self, run, api):
        api.add_callback("GET", URL, press_ctrl_c)
        assert run("list").output == "\nInterrupted.\n"


def test_a_generation_marked_as_deleted_is_shown_as_deleted(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation(is_deleted=True))
    assert run("get", ID).output.endswith("  deleted\n")


def test_without_a_key_it_exits_with_2():
    result = CliRunner().invoke(commands.main, ["list"])
    assert (result.exit_code, result.output) == (
        2,
        "Error: no API key: pass api_key (--api-key), or set the environment variable NETMIND_API_KEY\n",
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["generate", "--help"], ["generate-many", "--help"], ["wait", "--help"]]
)
def test_every_exit_code_is_documented(arguments):
    helped = CliRunner().invoke(commands.main, arguments).output
    for code in {0, 1, 2, 130, 143, group.SOME_FAILED, *group.EXIT_CODES.values()}:
        assert f"\n    {code}  " in helped
    assert all(issubclass(kind, exceptions.NetMindError) for kind in group.EXIT_CODES)


class TestFindCreated:
    def test_prints_the_matching_generations(self, run, api, generation):
        api.get(
            URL,
            json={"generation_list": [generation(), generation(id="b", created_at="2025-09-18 10:00:00")]},
        )
        result = run("find-created", "--sent-at", "2025-09-18 09:14:19", "--model", "m")
        assert (result.exit_code, result.output) == (0, f"{ID}  pending       2025-09-18 09:14:20\n")

    def test_says_when_nothing_is_found(self, run, api):
        api.get(URL, json={"generation_list": []})
        result = run("find-created", "--sent-at", "2025-09-18 09:14:19", "--timeout", "0.01")
        assert (result.exit_code, result.output) == (1, "The list has no generation created at that time.\n")


def test_wait_saves_the_results_if_a_folder_is_given(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation("completed"))
    api.get("https://files.example/a/cup.png", body=b"picture")
    assert run("wait", ID, "-o", "out").output == "out/6347623b2fce4998b0e842f7e935ccb0-cup.png\n"


def test_the_global_options_may_follow_the_command(run, api):
    api.get("http://other.example/v1/generation", json={"generation_list": []})
    result = run("list", "--base-url", "http://other.example", "--api-key", "another")
    assert (result.exit_code, api.calls[0].request.headers["Authorization"]) == (0, "Bearer another")


def test_with_json_an_error_is_also_json(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation("failed"))
    error = json.loads(run("wait", ID, "--json").stdout)
    assert (error["error"], error["generation_id"], error["resume"]) == (
        "GenerationFailedError",
        ID,
        f"netmind-client get {ID}",
    )


@pytest.mark.parametrize("command", ["create", "generate"])
def test_a_missing_prompt_and_config_are_reported_before_anything_is_sent(run, api, command):
    result = run(command, "--model", "m")
    assert result.exit_code == 2
    assert "no prompt or config: pass --prompt, --config or --config-file" in result.output
    assert len(api.calls) == 0


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--config", "seed=1", "--config", "seed=2"], "--config seed=2: seed is given twice"),
        (["--prompt", "a", "--config", "prompt=b"], "--config prompt=b: prompt is given twice"),
    ],
)
def test_an_option_of_the_model_cannot_be_given_twice(run, api, given, reason):
    assert reason in run("create", "--model", "m", *given).output
    assert len(api.calls) == 0


@pytest.mark.parametrize(
    ("response", "arguments", "ending"),
    [
        ({"status": 404}, ("wait",), "returned 404: \n"),
        ({"file": b"other"}, ("download",), f"To continue: netmind-client download {ID} -o . --overwrite\n"),
        (
            {"file": b"x" * 50},
            ("download", "--max-bytes", "9"),
            f"To continue: netmind-client download {ID} -o . --max-bytes 50\n",
        ),
        ({"status": "pending"}, ("download",), f"To continue: netmind-client wait {ID} -o .\n"),
    ],
)
def test_the_hint_at_the_end_is_a_useful_command(run, api, generation, tmp_path, response, arguments, ending):
    (tmp_path / f"{ID}-cup.png").write_bytes(b"picture")
    if response.get("status") == 404:
        api.get(f"{URL}/{ID}", status=404)
    else:
        api.get(f"{URL}/{ID}", json=generation(response.get("status", "completed")))
    api.get("https://files.example/a/cup.png", body=response.get("file", b""))
    result = run(arguments[0], ID, *arguments[1:])
    assert result.exit_code == 1
    assert result.output.endswith(ending)


def test_text_of_the_api_cannot_control_the_terminal(run, api, generation):
    said = {"data": [{"text": "\x1b]0;title\x07a\nb\ud800"}]}
    api.get(f"{URL}/{ID}", json=generation("completed", result=said))
    assert run("get", ID).output.splitlines()[1] == "    text: �]0;title�a b�"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_reads(shell):
    result = CliRunner().invoke(commands.main, ["completion", shell])
    assert result.exit_code == 0
    assert "_NETMIND_CLIENT_COMPLETE" in result.output


@pytest.mark.parametrize(("arguments", "variable"), [((), ""), ((), " "), (("--base-url", ""), "http://h")])
def test_an_empty_url_is_not_the_real_api(run, api, arguments, variable):
    result = run(*arguments, "create", "--model", "m", "--prompt", "x", NETMIND_BASE_URL=variable)
    assert result.exit_code == 2
    assert "the base URL is empty" in result.output
    assert len(api.calls) == 0


@pytest.mark.parametrize(
    ("is_terminal", "url", "is_said"), [(True, None, True), (False, None, False), (True, "http://h", False)]
)
def test_a_person_reads_that_a_create_is_billed(run, api, monkeypatch, generation, is_terminal, url, is_said):
    api.post((url or "https://api.netmind.ai") + "/v1/generation", json=generation())
    monkeypatch.setattr(output, "_is_terminal", lambda: is_terminal)
    result = run(*([] if url is None else ["--base-url", url]), "create", "--model", "m", "--prompt", "x")
    said = "Creating at https://api.netmind.ai, where generations are billed.\n"
    assert result.stderr == (said if is_said else "")


def test_control_characters_of_a_server_are_not_printed(run, api, generation):
    api.get(f"{URL}/{ID}", json=generation("failed", logs=[{"text": "\x1b]0;title\x07"}]))
    result = run("wait", ID)
    assert result.exit_code == 3
    assert "ended as failed: \N{REPLACEMENT CHARACTER}]0;title" in result.stderr
    assert "\x1b" not in result.output


def test_text_that_the_terminal_cannot_show_is_escaped(api, generation):
    api.get(f"{URL}/{ID}", json=generation("completed", result={"data": [{"text": "日本"}]}))
    environment = {"NETMIND_API_KEY": "k3y"}
    result = CliRunner(charset="latin-1").invoke(commands.main, ["get", ID], env=environment)
    assert result.exit_code == 0
    assert "\\u65e5\\u672c" in result.output
