"""Reading HAR files as runs."""

import base64
import json
from datetime import UTC, datetime

import pytest
from probing import BASE_URL, KEY, WsgiTransport, fake, probe_of

from netmind_contracts.checks import judge
from netmind_contracts.runs.exchange import Authorization, InvalidRun, Scope, save
from netmind_contracts.runs.har import read_run


class Recording:
    """A transport that records its requests as entries of a HAR file."""

    def __init__(self, app, clock, *, with_token=True):
        self.inner, self.clock, self.with_token = WsgiTransport(app, clock), clock, with_token
        self.entries = []

    def send(self, method, url, headers, body, **limits):
        reply = self.inner.send(method, url, headers, body, **limits)
        kept = {name: value for name, value in headers.items() if self.with_token or name != "Authorization"}
        content = {"size": len(reply.content), "mimeType": reply.headers.get("content-type", "")}
        if content["mimeType"].startswith("application/json"):
            content["text"] = reply.content.decode()
        else:
            content |= {"text": base64.b64encode(reply.content).decode(), "encoding": "base64"}
        self.entries.append(
            {
                "startedDateTime": datetime.fromtimestamp(self.clock.now(), UTC).isoformat(),
                "time": 0,  # the clock is frozen during a request
                "request": {
                    "method": method,
                    "url": url,
                    "headers": [{"name": name, "value": value} for name, value in kept.items()],
                    **({"postData": {"mimeType": "application/json", "text": body.decode()}} if body else {}),
                },
                "response": {
                    "status": reply.status,
                    "headers": [{"name": name, "value": value} for name, value in reply.headers.items()],
                    "content": content,
                },
            }
        )
        return reply


def recorded(tmp_path, **options):
    app, clock = fake(profile="observed", strict_models=True)
    transport = Recording(app, clock, **options)
    probe_of(app, clock, transport=transport).run()
    file = tmp_path / "session.har"
    # Only successful requests, as a client would send them.
    entries = [entry for entry in transport.entries if entry["response"]["status"] == 200]
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return read_run(file)


def outcomes(run):
    return {verdict.claim.id: str(verdict.outcome) for verdict in judge(run)}


def test_the_claims_are_checked_on_a_recorded_session(tmp_path):
    run = recorded(tmp_path)
    assert (run.base_url, run.scope) == (BASE_URL, Scope.RECORDING)
    actual = outcomes(run)
    assert {outcome for outcome in actual.values() if outcome != "not exercised"} == {"passed"}
    assert actual["create.pending"] == actual["result.kind"] == actual["list.agrees"] == "passed"


def test_without_api_keys_only_the_claims_about_them_are_not_exercised(tmp_path):
    run = recorded(tmp_path, with_token=False)
    assert {exchange.request.authorization for exchange in run.exchanges} == {
        Authorization.UNKNOWN,
        Authorization.NONE,
    }
    actual = outcomes(run)
    assert actual["create.pending"] == "passed"
    assert actual["auth.bearer-token"] == actual["error.token"] == "not exercised"


def test_the_api_key_is_redacted(tmp_path):
    run = recorded(tmp_path)
    save(run, tmp_path / "run.json")
    assert KEY not in (tmp_path / "run.json").read_text()


def test_missing_values_are_read_as_empty(tmp_path):
    entry = {
        "startedDateTime": "2026-11-24T12:00:00.000Z",
        "time": None,
        "request": {
            "method": "GET",
            "url": f"{BASE_URL}/v1/generation",
            "postData": {"mimeType": None, "text": None},
        },
        "response": {"status": 204, "content": {"size": None, "mimeType": None, "text": None}},
    }
    file = tmp_path / "session.har"
    file.write_text(json.dumps({"log": {"entries": [entry]}}))
    (exchange,) = read_run(file).exchanges
    assert (exchange.request.content_type, exchange.request.body, exchange.seconds) == ("", "", 0.0)
    assert (exchange.response.headers, exchange.response.body, exchange.response.size) == (
        {"content-type": ""},
        "",
        0,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "expected a run that netmind-contracts verify --save wrote, or a HAR file"),
        ('{"log": {}}', "invalid HAR file: log.entries: expected a list; record it again"),
        (
            '{"log": {"entries": [7]}}',
            "record the requests of your client; Left out of the recording: 1 entry that cannot be read (1): expected",
        ),
        (
            '{"log": {"entries": []}}',
            "no request to /v1/generation found; record the requests of your client",
        ),
        ("{", "expected JSON"),
    ],
)
def test_an_invalid_recording_is_rejected_in_one_sentence(tmp_path, content, message):
    file = tmp_path / "session.har"
    file.write_text(content)
    with pytest.raises(InvalidRun) as raised:
        read_run(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert message in str(raised.value)
