"""The command generate-many."""

import json

import pytest

URL = "https://api.netmind.ai/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"


class TestGenerateMany:
    @pytest.fixture
    def job_responses(self, api, generation):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("completed"))
        api.get("https://files.example/a/cup.png", body=b"picture")

    def test_reads_one_request_per_line_and_prints_the_paths(self, run, api, job_responses, tmp_path):  # noqa: ARG002
        (tmp_path / "r.jsonl").write_text(
            '{"model": "m", "config": {"seed": 1}}\n\n{"model": "n", "config": {}}\n'
        )
        result = run("generate-many", "r.jsonl", "-o", "out", "--concurrency", "1")
        assert (result.exit_code, result.output) == (0, "out/6347623b2fce4998b0e842f7e935ccb0-cup.png\n" * 2)
        assert json.loads(api.calls[0].request.body) == {"model": "m", "config": {"seed": 1}}
        assert run("generate-many", "r.jsonl", "-o", "out", "--json").exit_code == 0
        assert [call.request.method for call in api.calls].count("POST") == 2

    def test_failures_are_printed_and_exit_with_6(self, run, api, generation, tmp_path):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("failed"))
        (tmp_path / "r.jsonl").write_text('{"model": "m", "config": {}}\n')
        result = run("generate-many", "r.jsonl", "-o", "out")
        assert result.exit_code == 6
        assert f"Request 1: generation {ID} ended as failed" in result.output
        (outcome,) = json.loads(run("generate-many", "r.jsonl", "-o", "out", "--json").output)
        assert (outcome["request"], outcome["generation_id"], outcome["paths"]) == (1, ID, [])

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"x", "not JSON: Expecting value"),
            (b"[]", "got an array"),
            (b'{"model": "m"}', "no config"),
            (b'{"model": "m", "prompt": "x"}', "no config: prompt belongs in config"),
            (b'{"model": 1, "config": {}}', "no model"),
            (b'{"model": " ", "config": {}}', "no model"),
            (b'{"model": "m", "config": []}', "no config"),
            (b'{"model": "m", "config": {}, "seed": 1}', "seed is neither model nor config"),
            (b"[" * 100_000, "it is nested too deeply"),
        ],
    )
    def test_a_line_that_is_not_a_request_is_reported(self, run, tmp_path, line, reason):
        (tmp_path / "r.jsonl").write_bytes(b'{"model": "m", "config": {}}\n' + line + b"\n")
        result = run("generate-many", "r.jsonl")
        assert result.exit_code == 2
        assert f"r.jsonl, line 2: {reason}" in result.output
        assert "expected a JSON object such as" in result.output

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ('{"model": "m", "config": {}}'.encode("utf-16"), "expected text in UTF-8: this is UTF-16"),
            (b"\xff\n", "expected text in UTF-8: "),
            (b"\n", "no requests"),
        ],
    )
    def test_a_file_that_is_not_text_is_reported(self, run, tmp_path, content, reason):
        (tmp_path / "r.jsonl").write_bytes(content)
        result = run("generate-many", "r.jsonl")
        assert result.exit_code == 2
        assert f"r.jsonl: {reason}" in result.output

    def test_a_byte_order_mark_is_ignored(self, run, api, job_responses, tmp_path):  # noqa: ARG002
        (tmp_path / "r.jsonl").write_text('{"model": "m", "config": {"seed": 1}}\r\n', encoding="utf-8-sig")
        assert run("generate-many", "r.jsonl", "-o", "out").exit_code == 0
        assert json.loads(api.calls[0].request.body) == {"model": "m", "config": {"seed": 1}}

    def test_a_failed_generation_is_created_again_only_with_retry_failed(
        self, run, api, generation, tmp_path
    ):
        api.post(URL, json=generation())
        api.get(f"{URL}/{ID}", json=generation("failed"))
        (tmp_path / "r.jsonl").write_text('{"model": "m", "config": {}}\n')
        for options, creates in (([], 1), ([], 1), (["--retry-failed"], 2), ([], 2)):
            assert run("generate-many", "r.jsonl", "-o", "out", *options).exit_code == 6
            assert [call.request.method for call in api.calls].count("POST") == creates
