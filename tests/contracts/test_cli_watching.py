"""The command line: comparing runs, baselines, and known departures."""

import json

import pytest
from recordings import har, session

pytestmark = pytest.mark.slow


class TestWatching:
    def verify(self, run, url, *arguments):
        return run("verify", "--base-url", url, "--api-key", "a-good-token", *map(str, arguments))

    def test_a_baseline_is_created_and_an_unchanged_endpoint_exits_with_0(self, run, url, tmp_path):
        file = tmp_path / "baseline.json"
        for _ in range(2):
            result = self.verify(run, url, "--baseline", file, "--baseline-update")
            assert (result.exit_code, "Changed" in result.stdout) == (0, False), result.output
        assert json.loads(file.read_text())["facts"]["delete.message"]["value"] == "Generation deleted"

    def test_a_change_since_the_baseline_exits_with_3_until_the_baseline_is_updated(self, run, url, tmp_path):
        file = tmp_path / "baseline.json"
        self.verify(run, url, "--free-only", "--baseline", file, "--baseline-update")
        document = json.loads(file.read_text())
        document["facts"]["errors.unknown_route"]["value"]["status"] = 418
        file.write_text(json.dumps(document))
        before = file.read_text()
        result = self.verify(
            run, url, "--free-only", "--baseline", file, "--json", tmp_path / "verdicts.json"
        )
        assert result.exit_code == 3
        assert (
            "note: Changed since the baseline: errors.unknown_route.status (observed): 418 (last seen"
            in result.stdout
        )
        assert "Changed since the baseline" in (tmp_path / "verdicts.json").read_text()
        assert file.read_text() == before
        codes = [
            self.verify(run, url, "--free-only", "--baseline", file, "--baseline-update").exit_code
            for _ in range(2)
        ]
        assert codes == [3, 0]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--baseline-update"], "--baseline-update: expected --baseline FILE, the file to update"),
            (["--baseline", "none.json"], "none.json does not exist; add --baseline-update to create it"),
            (["--known", "none.toml"], "none.toml: cannot be read: No such file"),
        ],
    )
    def test_a_wrong_use_is_reported_before_the_first_request(self, run, arguments, message):
        result = self.verify(run, "http://127.0.0.1:9", *arguments)
        assert (result.exit_code, message in " ".join(result.output.split())) == (2, True), result.output

    def test_a_known_departure_exits_with_0(self, run, tmp_path):
        entries = session()
        entries[5]["response"]["content"] = {
            "size": 0,
            "mimeType": "application/json",
            "text": '{"message": "Gone"}',
        }
        (tmp_path / "run.har").write_text(json.dumps(har(entries)))
        (tmp_path / "known.toml").write_text(
            '[[departure]]\nclaim = "delete.message"\nreason = "Ticket 12."\nsince = 2025-01-01\n'
        )
        assert run("judge", str(tmp_path / "run.har")).exit_code == 1
        result = run("judge", str(tmp_path / "run.har"), "--known", str(tmp_path / "known.toml"))
        assert result.exit_code == 0, result.output
        assert "known          documented  delete.message" in result.output

    def test_two_runs_are_compared_as_text_json_and_html(self, run, tmp_path):
        for name, status in (("old", 404), ("new", 410)):
            entries = session()
            entries[6]["response"]["status"] = status
            (tmp_path / f"{name}.har").write_text(json.dumps(har(entries)))
        files = [str(tmp_path / name) for name in ("old.har", "new.har", "c.json", "c.html")]
        result = run("compare", *files[:2], "--json", files[2], "--report", files[3])
        assert result.exit_code == 3, result.output
        assert (
            "changed  claim.delete.gone (assumed): passed (last seen 2025-09-18) → learned" in result.output
        )
        document = json.loads((tmp_path / "c.json").read_text())
        assert (document["exit_code"], document["changes"][0]["key"]) == (3, "claim.delete.gone")
        assert '<th scope="row">claim.delete.gone</th>' in (tmp_path / "c.html").read_text()
        assert run("compare", files[0], files[0]).exit_code == 0

    def test_a_documented_claim_that_fails_exits_with_1(self, run, tmp_path):
        entries = session()
        (tmp_path / "old.har").write_text(json.dumps(har(entries)))
        entries[5]["response"]["content"] = {
            "size": 0,
            "mimeType": "application/json",
            "text": '{"message": "Gone"}',
        }
        (tmp_path / "new.har").write_text(json.dumps(har(entries)))
        result = run("compare", str(tmp_path / "old.har"), str(tmp_path / "new.har"))
        assert (result.exit_code, "claim.delete.message (documented): passed" in result.output) == (1, True)
