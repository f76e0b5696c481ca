"""The probe: what it sends, creates, records and deletes."""

import base64
import email.utils
import json

import pytest
from probing import BASE_URL, KEY, WsgiTransport, fake, probe_of

from netmind_contracts.checks import judge
from netmind_contracts.learn import learn, profile_of
from netmind_contracts.probing import calls
from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.probing.transport import NoResponse, RawResponse
from netmind_contracts.redaction import REDACTED
from netmind_contracts.runs.exchange import Authorization, Scope, save

pytestmark = pytest.mark.slow


class Scripted:
    """A transport that gets responses from a function of the test. If that returns None, the fake responds."""

    def __init__(self, app, response):
        self.inner = WsgiTransport(app)
        self.response = response
        self.sent = self.inner.sent

    def send(self, method, url, headers, body, **limits):
        response = self.response(method, url, headers, body)
        if response is None:
            return self.inner.send(method, url, headers, body, **limits)
        self.sent.append((method, url, body))
        if isinstance(response, BaseException):
            raise response
        return response


def always(raw):
    return lambda *_: raw


def creates(sent):
    """The create requests among the sent requests."""
    return [body for method, _, body in sent if method == "POST" and body and b'"model": "' in body]


@pytest.fixture(params=["documented", "observed"])
def app_and_clock(request):
    return fake(profile=request.param)


class TestBudget:
    def test_a_whole_run_creates_at_most_3(self, app_and_clock):
        transport = WsgiTransport(app_and_clock[0])
        probe_of(*app_and_clock, transport=transport).run()
        assert len(creates(transport.sent)) == 3

    def test_a_rejected_create_is_not_counted(self):
        app, clock = fake(strict_models=True)
        transport = WsgiTransport(app)
        run = probe_of(app, clock, transport=transport).run()
        assert len(creates(transport.sent)) == 4
        assert sum("/v1/generation" in str(exchange) and exchange.request.method == "POST"
                   and exchange.response.is_success for exchange in run.exchanges) == 3  # fmt: skip

    @pytest.mark.parametrize("budget", [0, 1, 2])
    def test_no_more_creates_are_sent_than_the_budget(self, app_and_clock, budget):
        transport = WsgiTransport(app_and_clock[0])
        run = probe_of(*app_and_clock, budget=budget, transport=transport).run()
        assert len(creates(transport.sent)) == budget
        assert run.scope == (Scope.FULL if budget else Scope.FREE)

    def test_a_create_whose_response_is_lost_counts_and_is_not_sent_again(self):
        app, clock = fake()

        def lose_creates(method, _url, _headers, body):
            return NoResponse("reset by peer") if method == "POST" and b'"model": "' in body else None

        transport = Scripted(app, lose_creates)
        run = probe_of(app, clock, transport=transport).run()
        bodies = creates(transport.sent)
        assert len(bodies) == len(set(bodies)) == 3
        assert "It is not known whether the documented image was created (and charged): " in run.notes[0]

    def test_a_create_that_was_not_sent_does_not_count(self):
        app, clock = fake()
        transport = Scripted(
            app,
            lambda _method, _url, _headers, body: (
                NoResponse("refused", sent=False) if body and b"Qwen" in body else None
            ),
        )
        run = probe_of(app, clock, budget=1, transport=transport).run()
        assert [json.loads(body)["model"] for body in creates(transport.sent)] == [
            "Qwen/Qwen-Image",
            "hkchengrex/MMAudio",
        ]
        assert not any("not known" in note for note in run.notes)


class TestCleanup:
    def test_everything_is_deleted(self, app_and_clock):
        app, clock = app_and_clock
        probe = probe_of(app, clock)
        probe.run()
        listed = app.test_client().get("/v1/generation", headers={"Authorization": KEY}).json
        assert (listed, probe.undeleted) == ({"generation_list": []}, [])

    def test_an_interrupt_deletes_too(self):
        app, clock = fake()
        waits = iter(range(10))

        def interrupt(seconds):
            clock.advance(seconds)
            if next(waits) == 5:
                raise KeyboardInterrupt

        probe = probe_of(app, clock, sleep=interrupt)
        with pytest.raises(KeyboardInterrupt):
            probe.run()
        assert app.test_client().get("/v1/generation", headers={"Authorization": KEY}).json == {
            "generation_list": []
        }

    def test_an_interrupt_waits_for_the_create_under_way(self):
        app, clock = fake()
        probe = None

        def signal_in_create(method, _url, _headers, body):
            if method == "POST" and b"Qwen" in body:
                probe.interrupt()

        transport = Scripted(app, signal_in_create)
        probe = probe_of(app, clock, transport=transport)
        with pytest.raises(KeyboardInterrupt):
            probe.run()
        assert len(creates(transport.sent)) == 1
        assert app.test_client().get("/v1/generation", headers={"Authorization": KEY}).json == {
            "generation_list": []
        }

    def test_a_second_interrupt_does_not_wait_for_the_create_and_notes_the_unknown_result(self):
        app, clock = fake()
        probe = None

        def signal_twice(method, _url, _headers, body):
            if method == "POST" and b"Qwen" in body:
                probe.interrupt()
                probe.interrupt()

        probe = probe_of(app, clock, transport=Scripted(app, signal_twice))
        with pytest.raises(KeyboardInterrupt):
            probe.run()
        assert probe.notes[0].startswith(
            "It is not known whether the documented image was created (and charged): interrupted before it got a response."
        )

    def test_a_result_with_an_invalid_url_does_not_end_the_run(self):
        app, clock = fake(profile="observed")
        inner = WsgiTransport(app, clock)

        def misspell(method, url, headers, body):
            if url.startswith("http://[file"):
                return NoResponse("Invalid IPv6 URL", sent=False)
            raw = inner.send(method, url, headers, body, within=9, max_bytes=10**8)
            content = raw.content.replace(f'"url":"{BASE_URL}'.encode(), b'"url":"http://[file')
            return RawResponse(raw.status, raw.headers, content)

        probe = probe_of(app, clock, transport=Scripted(app, misspell))
        run = probe.run()
        failed = next(one for one in run.exchanges if one.failure)
        assert str(failed).startswith("GET http://[file/files/")
        assert str(failed).endswith(" → no response (Invalid IPv6 URL)")
        assert probe.undeleted == []
        assert {str(verdict.outcome) for verdict in judge(run)}.isdisjoint({"error"})
        assert "result.url_path" not in learn(run)

    @pytest.mark.parametrize(
        ("original", "replacement"),
        [
            (b'{"id":"', b'{"id":[],"was":"'),
            (b'"result":{', b'"x":' + b"[" * 600 + b"]" * 600 + b',"result":{'),
        ],
        ids=["an id that is an array", "arrays within arrays"],
    )
    def test_odd_json_does_not_end_the_run(self, original, replacement):
        app, clock = fake()
        inner = WsgiTransport(app, clock)

        def odd(method, url, headers, body):
            raw = inner.send(method, url, headers, body, within=9, max_bytes=10**8)
            return (
                None
                if method == "POST"
                else RawResponse(raw.status, raw.headers, raw.content.replace(original, replacement))
            )

        probe = probe_of(app, clock, transport=Scripted(app, odd), timeout=300)
        run = probe.run()
        assert probe.undeleted == []
        assert {str(verdict.outcome) for verdict in judge(run)}.isdisjoint({"error"})
        assert profile_of(run)

    def test_generations_that_cannot_be_deleted_are_listed(self):
        app, clock = fake()
        transport = Scripted(
            app, lambda method, *_: RawResponse(500, {}, b'{"message": "no"}') if method == "DELETE" else None
        )
        probe = probe_of(app, clock, transport=transport)
        run = probe.run()
        assert len(probe.undeleted) == 3
        assert run.notes[-1] == f"Could not be deleted: {', '.join(probe.undeleted)}."


class TestAnEndpointThatCannotBeProbed:
    @pytest.mark.parametrize(
        ("response", "message"),
        [
            (NoResponse("Connection refused", sent=False), "Connection refused; check the URL, and that the endpoint is running"),
            (RawResponse(401, {}, b'{"message": "no"}'), 'rejects the API key (401: {"message": "no"}); check --api-key'),
            (RawResponse(302, {"location": "https://l.example/login?t=1"}, b""), "redirects to https://l.example/login?t=[redacted], and the API key is not sent there"),
            (RawResponse(200, {}, b"<html>Welcome"), "returned HTML (200) instead of JSON; check the base URL"),
            (RawResponse(503, {"retry-after": "1"}, b"{}"), "returned 503 several times; try later"),
        ],
    )  # fmt: skip
    def test_is_named_in_one_sentence(self, response, message):
        app, clock = fake()
        with pytest.raises(EndpointError) as raised:
            probe_of(app, clock, transport=Scripted(app, always(response))).run()
        assert str(raised.value).startswith(f"{BASE_URL}/v1/generation")
        assert message in str(raised.value)


def test_a_missing_bearer_form_does_not_stop_the_run():
    app, clock = fake()
    transport = Scripted(
        app,
        lambda _method, _url, headers, _body: (
            RawResponse(401, {}, b"{}") if "Bearer" in headers.get("Authorization", "") else None
        ),
    )
    run = probe_of(app, clock, transport=transport).run()
    assert sum(exchange.request.authorization is Authorization.BEARER for exchange in run.exchanges) == 1
    assert run.exchanges[-1].response.status in (200, 404)


def test_retry_after_is_honoured():
    app, clock = fake()
    refusals = iter([RawResponse(429, {"retry-after": "7"}, b"{}")])
    began = clock.now()
    sent_at = []

    def once(*_):
        sent_at.append(clock.now() - began)
        return next(refusals, None)

    probe_of(app, clock, transport=Scripted(app, once)).run()
    assert sent_at[:2] == [0, 7]


def test_no_create_is_sent_if_retry_after_is_longer_than_the_remaining_time():
    app, clock = fake()
    transport = Scripted(
        app,
        lambda method, _url, _headers, body: (
            RawResponse(429, {"retry-after": "3600"}, b"{}") if method == "POST" and b"Qwen" in body else None
        ),
    )
    run = probe_of(app, clock, transport=transport, timeout=60).run()
    assert len(creates(transport.sent)) == 1
    assert run.notes[0] == (
        "Not created: the documented audio, deleted while it is pending, "
        "because Retry-After of the endpoint is longer than the remaining time."
    )


def test_a_date_in_retry_after_is_compared_with_the_clock_of_the_run():
    app, clock = fake()
    began = clock.now()
    date = email.utils.formatdate(began + 9, usegmt=True)
    refusals = iter([RawResponse(503, {"retry-after": date}, b"{}")])
    sent_at = []

    def once(*_):
        sent_at.append(clock.now() - began)
        return next(refusals, None)

    probe_of(app, clock, transport=Scripted(app, once)).run()
    assert sent_at[:2] == pytest.approx([0, 9], abs=1e-3)


def test_a_job_that_never_ends_is_polled_until_the_timeout():
    app, clock = fake(duration=10_000)
    run = probe_of(app, clock, timeout=60).run()
    assert clock.now() - run.exchanges[0].at <= 60
    assert "The timeout was reached while the documented image was pending." in run.notes


def test_of_a_result_the_first_bytes_and_the_size_are_recorded():
    run = probe_of(*fake()).run()
    files = [exchange.response for exchange in run.exchanges if "/files/" in exchange.request.url]
    assert files[0].head.startswith(b"\x89PNG")
    assert (len(files[0].head), files[0].body) == (64, "")
    assert files[0].size > 1000


def test_other_generations_of_the_account_are_redacted():
    app, clock = fake()
    mine = {"model": "Qwen/Qwen-Image", "config": {"prompt": "a secret of mine"}}
    app.test_client().post("/v1/generation", json=mine, headers={"Authorization": KEY})
    clock.advance(30)
    first = json.loads(probe_of(app, clock).run().exchanges[0].response.body)
    assert first["generation_list"][0]["result"]["data"] == [
        {
            "url": "http://127.0.0.1:8000/[redacted]",
            "file_id": "[redacted]",
            "file_name": "",
            "file_type": "[redacted]",
        }
    ]


def test_a_saved_run_does_not_contain_the_api_key(tmp_path, app_and_clock):
    app, clock = app_and_clock

    def echo(_method, url, headers, _body):
        if "no-such-route" in url:
            token = headers["Authorization"]
            encoded = base64.b64encode(KEY.encode()).decode()
            return RawResponse(
                500, {"location": f"/login?{token}"}, f"{token} {encoded} {token.encode().hex()}".encode()
            )
        return NoResponse(f"cannot send {headers['Authorization']}") if "0123456789" in url else None

    save(probe_of(app, clock, transport=Scripted(app, echo)).run(), tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text()
    assert "[redacted]" in text
    for spelling in (KEY, base64.b64encode(KEY.encode()).decode()[:32], KEY.encode().hex()):
        assert spelling not in text
    assert text.count(REDACTED) >= 4


def test_a_dry_run_lists_every_request_and_the_maximum_number_of_creates():
    lines = list(calls.dry_run(calls.job_requests(), 3))
    assert sum("  at most 1 generation: " in line for line in lines) == 3
    (left_out,) = [line for line in lines if "left out" in line]
    assert left_out.startswith(
        "POST    /v1/generation  left out, unless the API rejects an earlier create (the limit is 3): a job"
    )
    assert lines[-1] == "At most 3 generations would be created; nothing was sent."
    sent = WsgiTransport(fake()[0])
    probe_of(sent.client.application, fake()[1], transport=sent, budget=0).run()
    free = [line.split()[:2] for line in lines if "  free" in line][:13]
    assert free == [[method, url.removeprefix(BASE_URL)] for method, url, _ in sent.sent]
