"""The shipped profiles, profiles in files, and the messages about errors in them."""

import subprocess
import sys

import pytest

from netmind_mock import InvalidFile, load_profile
from netmind_mock.jobs.profile import SHIPPED, Refusal, Share


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a profile file and returns its path."""

    def write(text, name="my.toml"):
        file = tmp_path / name
        file.write_text(text)
        return str(file)

    return write


@pytest.mark.parametrize("name", SHIPPED)
class TestEveryShippedProfile:
    def test_has_its_name(self, name):
        assert load_profile(name).name == name

    def test_has_a_level_and_a_source_for_each_fact(self, name):
        facts = load_profile(name).facts.values()
        assert all(fact.level in ("documented", "observed", "assumed") and fact.source for fact in facts)

    def test_has_the_reported_words_for_statuses(self, name):
        assert sorted(load_profile(name).words.values()) == [
            "completed",
            "failed",
            "initializing",
            "pending",
            "processing",
        ]

    def test_refuses_an_unknown_id_as_assumed(self, name):
        assert load_profile(name).errors["unknown_generation"] == Refusal(
            404, {"message": "Generation not found"}
        )


def test_documented_goes_from_pending_to_completed():
    assert load_profile("documented").stages == (Share("pending", 1.0),)


def test_observed_passes_through_initializing_and_processing():
    assert load_profile("observed").stages == (
        Share("pending", 0.35),
        Share("initializing", 0.05),
        Share("processing", 0.6),
    )


def test_a_file_changes_its_facts_and_inherits_the_others(write):
    profile = load_profile(write('[delete.leaves]\nvalue = "tombstone"\nlevel = "observed"\nsource = "me"'))
    assert (profile.name, profile.delete_leaves, profile.list_order) == ("my", "tombstone", "newest_first")
    assert profile.facts["delete.leaves"] == ("tombstone", "observed", "me")
    assert profile.facts["list.order"].level == "assumed"


def test_a_file_can_extend_another_file(write):
    write(
        'extends = "observed"\n[list.order]\nvalue = "oldest_first"\nlevel = "assumed"\nsource = "x"',
        "base.toml",
    )
    profile = load_profile(write('extends = "base.toml"\nname = "mine"\ndescription = "d"'))
    assert (profile.name, profile.list_order, profile.logs) == ("mine", "oldest_first", True)


def test_shares_are_scaled_to_a_sum_of_one(write):
    stages = '[{status = "pending", share = 1}, {status = "processing", share = 3}]'
    profile = load_profile(write(f'[statuses.stages]\nvalue = {stages}\nlevel = "observed"\nsource = "x"'))
    assert profile.stages == (Share("pending", 0.25), Share("processing", 0.75))


def fact(key, value):
    return f'[{key}]\nvalue = {value}\nlevel = "assumed"\nsource = "x"'


ERRORS = {
    "not TOML": ("x =", "my.toml: not valid TOML: Invalid value (at end of document)"),
    "an unknown section": ("[delte.leaves]\nvalue = 1", "my.toml: delte: no such key;"),
    "an unknown fact": (fact("delete.leave", '"gone"'), "my.toml: delete.leave: no such key; did you mean delete.leaves?"),
    "a bare value": ('delete.leaves = "gone"', "my.toml: delete.leaves: expected a table with value, level and source, got 'gone'"),
    "no level": ('[delete.leaves]\nvalue = "gone"', "my.toml: delete.leaves.level: it is missing; expected one of documented, observed, assumed"),
    "no source": ('[delete.leaves]\nvalue = "gone"\nlevel = "assumed"', "my.toml: delete.leaves.source: it is missing; expected a string"),
    "a part too many": (fact("delete.leaves", '"gone"') + "\nlevle = 1", "my.toml: delete.leaves.levle: no such key; did you mean delete.leaves.level?"),
    "an unknown word": (fact("delete.leaves", '"vanish"'), "my.toml: delete.leaves.value: expected one of \"gone\", \"tombstone\", got 'vanish'"),
    "not a boolean": (fact("fields.logs", "1"), "my.toml: fields.logs.value: expected true or false, got 1"),
    "not a list": (fact("models.unavailable", '"x"'), "my.toml: models.unavailable.value: expected a list of strings, got 'x'"),
    "not seconds": (fact("result.empty_for", "-1"), "my.toml: result.empty_for.value: expected a number of seconds, 0 or more, got -1"),
    "not a success": (fact("success.status", "404"), "my.toml: success.status.value: expected a whole number from 200 to 299, got 404"),
    "not an error": (fact("errors.bad_token", "{status = 200, body = {}}"), "my.toml: errors.bad_token.value: expected a whole number from 400 to 599"),
    "a refusal without a body": (fact("errors.bad_token", "{status = 401}"), "my.toml: errors.bad_token.value: expected a table {status, body}"),
    "a path under /v1": (fact("result.url_path", '"/v1/{file_id}"'), "my.toml: result.url_path.value: expected a path outside /v1/ and /__mock"),
    "a path without the file": (fact("result.url_path", '"/files"'), "my.toml: result.url_path.value: expected a string that contains {file_id};"),
    "an invalid path": (fact("result.url_path", '"files/{file_id}"'), "my.toml: result.url_path.value: expected a path such as"),
    "an unknown placeholder": (fact("result.file_name", '"{nam}"'), "my.toml: result.file_name.value: expected a string; placeholders are {kind}"),
    "a placeholder twice": (fact("result.url_path", '"/files/{file_id}/{file_id}"'), "my.toml: result.url_path.value: expected a path that contains each placeholder once"),
    "a name that a URL cannot contain": (fact("result.file_name", '"a/b?x"'), "my.toml: result.file_name.value: expected a name of letters"),
    "a path that would match every request": (fact("result.url_path", '"/{file_id}"'), "my.toml: result.url_path.value: expected a path such as"),
    "a path that needs a name": (fact("result.url_path", '"/f/{file_id}/{file_name}"'), "my.toml: result.file_name.value: expected a name, since result.url_path contains {file_name}, got ''"),
    "a number that JSON cannot hold": (fact("errors.bad_token", "{status = 401, body = {n = 99999999999999999999}}"), "my.toml: errors.bad_token.value: expected a body that JSON can hold"),
    "a date in a body": (fact("errors.bad_token", "{status = 401, body = {n = [2025-01-01]}}"), "my.toml: errors.bad_token.value: expected a body that JSON can hold"),
    "a share without end": (fact("statuses.stages", '[{status = "pending", share = inf}]'), "my.toml: statuses.stages.value: expected a list"),
    "a number of thousands of digits": ("x = " + "9" * 5000, "my.toml: not valid TOML: "),
    "a circle by another name": ('extends = "./my.toml"', "extends: expected a profile that does not extend this one"),
    "words missing": (fact("statuses.words", '{pending = "p"}'), "my.toml: statuses.words.value: expected a table with a different word for each"),
    "stages empty": (fact("statuses.stages", "[]"), "my.toml: statuses.stages.value: expected a list of {status, share} that begins with pending"),
    "stages misspelt": (fact("statuses.stages", '[{status = "pend", share = 1}]'), "my.toml: statuses.stages.value: expected a list"),
    "stages without time": (fact("statuses.stages", '[{status = "pending", share = 0}]'), "my.toml: statuses.stages.value: expected a list"),
    "stages that begin elsewhere": (fact("statuses.stages", '[{status = "processing", share = 1}]'), "my.toml: statuses.stages.value: expected a list"),
    "a base that does not exist": ('extends = "nowhere.toml"', "my.toml: extends: 'nowhere.toml': no such profile; give documented or observed, or a TOML file"),
    "a misspelt base": ('extends = "observd"', "my.toml: extends: 'observd': no such profile; give documented or observed, or a TOML file (did you mean observed?)"),
    "a name that is not a string": ("name = 3", "my.toml: name: expected a string, got 3"),
    "a circle": ('extends = "my.toml"', "my.toml: extends: expected a profile that does not extend this one"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_names_the_file_the_key_and_the_expected_value(write, text, sentence):
    with pytest.raises(InvalidFile) as caught:
        load_profile(write(text))
    assert sentence in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "my.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidFile, match=r"my\.toml: expected a TOML file in UTF-8"):
        load_profile(str(file))


def test_an_unknown_profile_is_refused():
    with pytest.raises(
        InvalidFile, match="observd: no such profile; give documented or observed, or a TOML file"
    ):
        load_profile("observd")


def test_the_command_reports_the_error_in_one_line_and_exits_with_2(write):
    file = write(fact("delete.leaves", '"vanish"'))
    ended = subprocess.run(
        [sys.executable, "-m", "netmind_mock", "serve", "--port", "0", "--profile", file],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 2
    assert (
        ended.stderr
        == f'Error: {file}: delete.leaves.value: expected one of "gone", "tombstone", got \'vanish\'\n'
    )
