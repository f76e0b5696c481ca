"""Reports: HTML, JSON and JUnit XML."""

import dataclasses
import json
from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from mutants.catalogue import MUTANTS
from probing import KEY, fake, probe_of

from netmind_contracts.checks import Outcome, Verdict, judge
from netmind_contracts.claims import Cost, Level, load_claims
from netmind_contracts.cli import main
from netmind_contracts.reports import as_html, as_json, as_junit, changes
from netmind_contracts.reports.text import exit_code
from netmind_contracts.runs.exchange import Run, Scope, save
from netmind_contracts.watching.comparison import Change
from netmind_contracts.watching.snapshot import Snapshot

pytestmark = pytest.mark.slow

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></pre></details><h1>owned",
    "{{ 7 * 7 }}{% for %}",
    "]]>",
    "\u202egnp.exe",
    "\x1b[2J\x00\x08",
    "\ud800",
    "javascript:alert(1)",
]


def run_on(name):
    """A run over the fake of a mutant."""
    app, clock = fake(profile="observed", strict_models=True)
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    return probe_of(mutant.wrap(app), clock).run()


@pytest.fixture(scope="module")
def drifted():
    return run_on("delete_returns_ok")


class Page(HTMLParser):
    """The elements of a page, and everything that would make a browser run or load something."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.links, self.handlers, self.fetches = Counter(), [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            elif name == "href":
                self.links.append(value)
            elif name.startswith("on"):
                self.handlers.append(value)
            elif name in ("src", "srcset", "action", "data", "style"):
                self.fetches.append(value)


class TestHtml:
    def test_has_every_claim_and_every_exchange_once(self, drifted):
        verdicts = judge(drifted)
        page = Page(as_html(drifted, verdicts))
        wanted = [f"claim-{verdict.claim.id}" for verdict in verdicts]
        wanted += [f"exchange-{number}" for number in range(len(drifted.exchanges))]
        assert sorted(name for name in page.ids if name.startswith(("claim-", "exchange-"))) == sorted(wanted)

    def test_links_only_within_the_page(self, drifted):
        page = Page(as_html(drifted, judge(drifted)))
        assert {link[0] for link in page.links} == {"#"}
        assert {link[1:] for link in page.links} <= set(page.ids)
        assert (page.fetches, page.handlers, page.tags["script"], page.tags["link"]) == ([], [], 0, 0)

    def test_shows_the_evidence_against_a_failed_claim(self, drifted):
        text = as_html(drifted, judge(drifted))
        assert '<h1 class="failed">✗ Drift</h1>' in text
        assert "<dt>expected</dt><dd>the message Generation deleted</dd>" in text
        assert "<dt>actual</dt><dd>200 {" in text

    def test_says_when_there_is_no_drift(self):
        run = probe_of(*fake(profile="observed")).run()
        assert '<h1 class="passed">✓ No drift</h1>' in as_html(run, judge(run))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_escapes_hostile_text(self, drifted, text):
        verdicts = judge(drifted)
        harmless = Page(as_html(*hostile(drifted, verdicts, "x"))).tags
        shown = as_html(*hostile(drifted, verdicts, text))
        page = Page(shown)
        assert (page.tags, page.handlers, page.fetches) == (harmless, [], [])
        assert not {"\u202e", "\x1b", "\x00", "\ud800"} & set(shown)
        assert shown.encode()


def hostile(run, verdicts, text):
    """The run and its verdicts with this text in every place that an endpoint or a file controls."""
    exchanges = tuple(
        dataclasses.replace(
            exchange,
            failure=text,
            request=dataclasses.replace(exchange.request, url=f"http://h/{text}", body=text, method=text),
            response=exchange.response
            and dataclasses.replace(exchange.response, headers={text: text}, body=text, head=b""),
        )
        for exchange in run.exchanges
    )
    changed = tuple(
        dataclasses.replace(
            verdict,
            reason=text,
            against=tuple(found._replace(expected=text, actual=text) for found in verdict.against),
        )
        for verdict in verdicts
    )
    run = dataclasses.replace(run, base_url=text, started=text, notes=(text,), exchanges=exchanges)
    return run, changed


class TestJUnit:
    def test_maps_each_outcome_to_an_element(self, drifted):
        verdicts = judge(drifted)
        suite = ET.fromstring(as_junit(drifted, verdicts)).find("testsuite")  # noqa: S314 - our own text
        outcomes = Counter(str(verdict.outcome) for verdict in verdicts)
        assert suite.attrib["tests"] == "76"
        assert (suite.attrib["failures"], suite.attrib["errors"]) == ("1", "0")
        assert suite.attrib["skipped"] == str(outcomes["not exercised"])
        assert len(suite.findall("testcase/skipped")) == outcomes["not exercised"]
        failed = next(case for case in suite.findall("testcase") if case.attrib["name"] == "delete.message")
        assert failed.attrib["classname"] == "netmind_contracts.documented"
        assert "expected the message Generation deleted, got 200" in failed.find("failure").text

    def test_a_claim_that_differs_passes_and_is_reported(self):
        run = probe_of(*fake(duration=2)).run()
        suite = ET.fromstring(as_junit(run, judge(run))).find("testsuite")  # noqa: S314 - our own text
        case = next(one for one in suite.findall("testcase") if one.attrib["name"] == "timing.durations")
        assert case.find("failure") is None
        assert case.find("system-out").text.startswith("differs: ")

    @pytest.mark.parametrize("text", HOSTILE)
    def test_is_valid_xml_for_any_response(self, drifted, text):
        written = as_junit(*hostile(drifted, judge(drifted), text)).encode()
        assert ET.fromstring(written).tag == "testsuites"  # noqa: S314 - our own text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_of_changes_escapes_hostile_text(text):
    def page(value):
        old, new = (Snapshot(value, value, {}) for _ in range(2))
        change = Change(value, Level.OBSERVED, value, value, value, value)
        return changes.as_html(old, new, (change,))

    shown = page(text)
    assert (Page(shown).tags, Page(shown).handlers, Page(shown).fetches) == (Page(page("x")).tags, [], [])
    assert not {"\u202e", "\x1b", "\x00", "\ud800"} & set(shown)


def test_a_page_without_changes_says_so():
    same = Snapshot("http://h", "2026-11-24", {})
    assert "<h1>Nothing changed</h1>" in changes.as_html(same, same, ())


def test_json_has_every_verdict(drifted):
    verdicts = judge(drifted)
    document = json.loads(as_json(drifted, verdicts))
    assert (document["format"], document["exit_code"], document["sums"]["failed"]) == (1, 1, 1)
    assert document["exit_code"] == exit_code(drifted, verdicts)
    reported = {claim["id"]: (claim["outcome"], len(claim["against"])) for claim in document["claims"]}
    assert reported == {
        verdict.claim.id: (str(verdict.outcome), len(verdict.against)) for verdict in verdicts
    }


class TestFiles:
    def test_are_written_in_every_format_without_the_api_key(self, drifted, tmp_path):
        save(drifted, tmp_path / "run.json")
        files = {option: tmp_path / f"verdicts{option}" for option in ("--report", "--json", "--junit")}
        options = [word for option, file in files.items() for word in (option, str(file))]
        result = CliRunner().invoke(main, ["judge", str(tmp_path / "run.json"), *options])
        texts = [file.read_text() for file in files.values()]
        assert result.exit_code == 1
        assert [text[:9] for text in texts] == ["<!doctype", '{\n "forma', "<?xml ver"]
        assert KEY not in "".join(texts)

    def test_that_cannot_be_written_do_not_suppress_the_table(self, drifted, tmp_path):
        save(drifted, tmp_path / "run.json")
        missing = tmp_path / "none" / "a.html"
        result = CliRunner().invoke(main, ["judge", str(tmp_path / "run.json"), "--report", str(missing)])
        assert (result.exit_code, f"{missing}: cannot be written: No such file" in result.output) == (2, True)
        assert "failed         documented  delete.message" in result.output


@pytest.mark.parametrize(
    ("scope", "cost", "code"),
    [
        (Scope.FULL, Cost.FREE, 2),
        (Scope.FULL, Cost.PAID, 2),
        (Scope.FREE, Cost.FREE, 2),
        (Scope.FREE, Cost.PAID, 0),
        (Scope.RECORDING, Cost.FREE, 0),
        (Scope.RECORDING, Cost.PAID, 0),
    ],
)
def test_a_run_that_could_not_look_at_what_it_should_is_incomplete(scope, cost, code):
    documented = [claim for claim in load_claims() if claim.level is Level.DOCUMENTED]
    unseen = next(claim for claim in documented if claim.cost is cost)
    verdicts = tuple(
        Verdict(claim, Outcome.NOT_EXERCISED if claim is unseen else Outcome.PASSED, 1)
        for claim in documented
    )
    run = Run("http://h", "2026-11-24T00:00:00Z", scope, (), ())
    assert exit_code(run, verdicts) == code
