"""Undocumented behaviour of other libraries that the contracts rely on, with a test for each.

A version of a library that fails a test here breaks the contracts. pyproject.toml limits the versions.
"""

import os
from dataclasses import dataclass

import msgspec
import puremagic
import pytest
import requests
import tomlkit
from click import Argument, Option, command, echo
from click.testing import CliRunner
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    precondition,
    rule,
    run_state_machine_as_test,
)
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from urllib3.exceptions import NewConnectionError

from netmind_contracts import Level
from netmind_contracts.probing.transport import HttpTransport


def errors(schema, instance):
    return list(Draft202012Validator(schema).iter_errors(instance))


class TestJsonschema:
    def test_an_error_has_its_keyword_and_where_it_is(self):
        (error,) = errors({"properties": {"a": {"items": {"minItems": 2}}}}, {"a": [[]]})
        assert (error.validator, error.validator_value, error.instance) == ("minItems", 2, [])
        assert (tuple(error.absolute_path), error.json_path) == (("a", 0), "$.a[0]")
        assert error.schema == {"minItems": 2}

    def test_each_missing_field_is_an_error_at_the_object_that_lacks_it(self):
        found = errors({"properties": {"x": {"required": ["a", "b"]}}}, {"x": {}})
        assert [(one.validator, tuple(one.absolute_path)) for one in found] == [("required", ("x",))] * 2
        assert found[0].validator_value == ["a", "b"]

    def test_an_alternative_has_the_errors_of_each_branch_as_its_context(self):
        (error,) = errors({"oneOf": [{"type": "string"}, {"type": "null"}]}, 1)
        assert [part.validator_value for part in error.context] == ["string", "null"]


class TestReferencing:
    def test_a_file_name_alone_names_a_schema_also_from_within_another(self):
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        registry = Registry().with_resources(
            [
                ("outer.json", Resource.from_contents({**schema, "items": {"$ref": "inner.json"}})),
                ("inner.json", Resource.from_contents({**schema, "type": "string"})),
            ]
        )
        validator = Draft202012Validator({"$ref": "outer.json"}, registry=registry)
        assert [tuple(error.absolute_path) for error in validator.iter_errors(["a", 1])] == [(1,)]


class TestHypothesis:
    def test_a_machine_has_its_bases_rules_and_their_bundle(self):
        names = Bundle("names")
        seen = set()

        class Base(RuleBasedStateMachine):
            names_of_base = names

            @rule(name=names)
            def look(self, name):
                seen.add(f"look {name}")

            @rule(name=consumes(names))
            def take(self, name):
                seen.add(f"take {name}")

        class Machine(Base):
            created = 0

            @precondition(lambda self: self.created < 1)
            @rule(target=names, name=st.just("a"))
            def create(self, name):
                self.created += 1
                return name

            @rule()
            def wait(self):
                seen.add("wait")

            def teardown(self):
                seen.add(f"{self.created} created")

        run_state_machine_as_test(
            Machine, settings=settings(max_examples=20, derandomize=True, database=None, deadline=None)
        )
        assert seen >= {"look a", "take a", "1 created"}
        assert "2 created" not in seen


@dataclass(frozen=True, slots=True)
class Part:
    """A class like those of a run."""

    kind: Level
    head: bytes = b""
    seconds: float = 0.0
    parts: tuple["Part", ...] = ()


class TestMsgspec:
    def test_a_frozen_dataclass_is_written_as_json_has_it_and_read_again(self):
        part = Part(Level.OBSERVED, b"\x89PNG", parts=(Part(Level.ASSUMED),))
        plain = msgspec.to_builtins(part)
        inner = {"kind": "assumed", "head": "", "seconds": 0.0, "parts": ()}
        assert plain == {"kind": "observed", "head": "iVBORw==", "seconds": 0.0, "parts": (inner,)}
        assert msgspec.convert(plain, Part) == part

    def test_a_lone_surrogate_and_an_integer_for_a_float_are_accepted(self):
        assert msgspec.convert("\ud800", str) == "\ud800"
        assert msgspec.convert({"kind": "observed", "seconds": 3}, Part).seconds == 3

    def test_an_error_names_the_place_and_what_was_expected(self):
        with pytest.raises(msgspec.ValidationError) as raised:
            msgspec.convert({"kind": "observed", "parts": [{"kind": "assumed", "seconds": "1"}]}, Part)
        assert str(raised.value) == "Expected `float`, got `str` - at `$.parts[0].seconds`"


class TestPuremagic:
    @pytest.mark.parametrize(
        ("head", "media_type", "extension"),
        [
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png", ".png"),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "image/jpeg", ".jpeg"),
            (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp", ".webp"),
            (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41", "video/mp4", ".mp4"),
            (b"ID3\x04\x00\x00", "audio/mpeg", ".mp3"),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wave", ".wav"),
            (b"OggS\x00\x02", "application/ogg", ".ogg"),
        ],
    )
    def test_64_bytes_identify_a_file_and_the_best_match_is_first(self, head, media_type, extension):
        found = puremagic.magic_string(head.ljust(64, b"\0"))
        likeliest = [(one.mime_type, one.extension) for one in found if one.confidence == found[0].confidence]
        assert found[0].confidence == max(one.confidence for one in found)
        assert (media_type, extension) in likeliest

    def test_unknown_data_raises_its_own_error_and_empty_data_a_value_error(self):
        with pytest.raises(puremagic.PureError):
            puremagic.magic_string(b"zzzz")
        with pytest.raises(ValueError, match=r"."):
            puremagic.magic_string(b"")


class TestTomlkit:
    def test_an_inline_table_stays_on_one_line_in_a_plain_document(self):
        inner, array = tomlkit.inline_table(), tomlkit.array()
        inner.append("a", 1)
        inner.append("b", "x\ny")
        array.append(inner)
        group = tomlkit.table(is_super_table=True)
        group["name"] = {"value": array}
        assert tomlkit.dumps({"group": group}) == '[group.name]\nvalue = [{a = 1, b = "x\\ny"}]\n'


class TestPytest:
    def test_a_session_and_its_xdist_workers_can_be_distinguished(self, pytestconfig):
        assert hasattr(pytestconfig.option, "numprocesses")
        assert hasattr(pytestconfig, "workerinput") == ("PYTEST_XDIST_WORKER" in os.environ)

    def test_a_run_is_ended_by_an_exception_with_an_exit_code(self):
        with pytest.raises(pytest.exit.Exception) as raised:
            pytest.exit("in a sentence", returncode=2)
        assert (raised.value.msg, raised.value.returncode) == ("in a sentence", 2)


class TestClick:
    def test_one_option_can_be_of_two_commands(self):
        shared = Option(["--b", "named"])

        @command(params=[Argument(["a"]), shared])
        def first(**options):
            echo(sorted(options.items()))

        @command(params=[shared, Option(["--c"])])
        def second(**options):
            echo(sorted(options.items()))

        run = CliRunner().invoke
        assert run(first, ["x", "--b", "y"]).output == "[('a', 'x'), ('named', 'y')]\n"
        assert run(second, ["--c", "z"]).output == "[('c', 'z'), ('named', None)]\n"


class TestRequests:
    def test_an_error_wraps_the_one_of_urllib3_as_its_reason(self):
        with pytest.raises(requests.ConnectionError) as raised:
            requests.get("http://127.0.0.1:9", timeout=5)
        assert isinstance(raised.value.args[0].reason, NewConnectionError)

    def test_a_session_whose_auth_is_a_function_reads_no_password_from_a_netrc_file(
        self, monkeypatch, tmp_path
    ):
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        request = requests.Request("GET", "http://127.0.0.1:9")
        assert "Authorization" in requests.Session().prepare_request(request).headers
        assert "Authorization" not in HttpTransport()._session.prepare_request(request).headers
