"""The probe: what it sends, spends, records and leaves behind."""

import base64
import email.utils
import json

import pytest
from probing import BASE_URL, KEY, WsgiTransport, fake, probe_of

from netmind_contracts.checks import judge
from netmind_contracts.learn import learn, profile_of
from netmind_contracts.probing import calls
from netmind_contracts.probing.budget import EndpointError
from netmind_contracts.probing.transport import NoResponse, Reply
from netmind_contracts.redaction import REDACTED
from netmind_contracts.runs.exchange import Authorization, Scope, save


class Scripted:
    """A transport whose answers a test makes; what it has none for goes to the fake."""

    def __init__(self, app, response):
        self.behind = WsgiTransport(app)
        self.response = response
        self.sent = self.behind.sent

    def send(self, method, url, headers, body, **limits):
        made = self.response(method, url, headers, body)
        if made is None:
            return self.behind.send(method, url, headers, body, **limits)
        self.sent.append((method, url, body))
        if isinstance(made, BaseException):
            raise made
        return made


def always(reply):
    return lambda *_: reply


def creates(sent):
    """The create requests among what was sent."""
    return [body for method, _, body in sent if method == "POST" and body and b'"model": "' in body]


@pytest.fixture(params=["documented", "observed"])
def app_and_clock(request):
    return fake(profile=request.param)


class TestMoney:
    def test_a_whole_run_creates_at_most_3(self, app_and_clock):
        transport = WsgiTransport(app_and_clock[0])
        probe_of(*app_and_clock, transport=transport).run()
        assert len(creates(transport.sent)) == 3

    def test_what_is_refused_is_not_counted(self):
        app, clock = fake(strict_models=True)
        transport = WsgiTransport(app)
        run = probe_of(app, clock, transport=transport).run()
        assert len(creates(transport.sent)) == 4
        assert sum("/v1/generation" in str(exchange) and exchange.request.method == "POST"
                   and exchange.response.is_success for exchange in run.exchanges) == 3  # fmt: skip

    @pytest.mark.parametrize("budget", [0, 1, 2])
    def test_no_more_is_sent_than_the_budget(self, app_and_clock, budget):
        transport = WsgiTransport(app_and_clock[0])
        run = probe_of(*app_and_clock, budget=budget, transport=transport).run()
        assert len(creates(transport.sent)) == budget
        assert run.scope == (Scope.FULL if budget else Scope.FREE)

    def test_a_create_whose_answer_is_lost_counts_and_is_not_sent_again(self):
        app, clock = fake()

        def lose_creates(method, _url, _headers, body):
            return NoResponse("reset by peer") if method == "POST" and b'"model": "' in body else None

        transport = Scripted(app, lose_creates)
        run = probe_of(app, clock, transport=transport).run()
        bodies = creates(transport.sent)
        assert len(bodies) == len(set(bodies)) == 3
        assert "It is not known whether the page's image was created (and charged): " in run.notes[0]

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


class TestWhatIsLeft:
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

    def test_a_second_interrupt_does_not_wait_for_the_create_and_says_what_is_not_known(self):
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
            "It is not known whether the page's image was created (and charged): interrupted before it was answered."
        )

    def test_a_result_whose_url_is_none_does_not_end_the_run(self):
        app, clock = fake(profile="observed")
        behind = WsgiTransport(app, clock)

        def misspell(method, url, headers, body):
            if url.startswith("http://[file"):
                return NoResponse("Invalid IPv6 URL", sent=False)
            reply = behind.send(method, url, headers, body, within=9, max_bytes=10**8)
            content = reply.content.replace(f'"url":"{BASE_URL}'.encode(), b'"url":"http://[file')
            return Reply(reply.status, reply.headers, content)

        probe = probe_of(app, clock, transport=Scripted(app, misspell))
        run = probe.run()
        failed = next(one for one in run.exchanges if one.failure)
        assert str(failed).startswith("GET http://[file/files/")
        assert str(failed).endswith(" → no answer (Invalid IPv6 URL)")
        assert probe.undeleted == []
        assert {str(verdict.outcome) for verdict in judge(run)}.isdisjoint({"error"})
        assert "result.url_path" not in learn(run)

    @pytest.mark.parametrize(
        ("told", "instead"),
        [
            (b'{"id":"', b'{"id":[],"was":"'),
            (b'"result":{', b'"x":' + b"[" * 600 + b"]" * 600 + b',"result":{'),
        ],
        ids=["an id that is an array", "arrays within arrays"],
    )
    def test_odd_json_does_not_end_the_run(self, told, instead):
        app, clock = fake()
        behind = WsgiTransport(app, clock)

        def odd(method, url, headers, body):
            reply = behind.send(method, url, headers, body, within=9, max_bytes=10**8)
            return (
                None
                if method == "POST"
                else Reply(reply.status, reply.headers, reply.content.replace(told, instead))
            )

        probe = probe_of(app, clock, transport=Scripted(app, odd), timeout=300)
        run = probe.run()
        assert probe.undeleted == []
        assert {str(verdict.outcome) for verdict in judge(run)}.isdisjoint({"error"})
        assert profile_of(run)

    def test_what_cannot_be_deleted_is_named(self):
        app, clock = fake()
        transport = Scripted(
            app, lambda method, *_: Reply(500, {}, b'{"message": "no"}') if method == "DELETE" else None
        )
        probe = probe_of(app, clock, transport=transport)
        run = probe.run()
        assert len(probe.undeleted) == 3
        assert run.notes[-1] == f"Could not be deleted, and is still there: {', '.join(probe.undeleted)}."


class TestAnEndpointThatCannotBeLookedAt:
    @pytest.mark.parametrize(
        ("response", "message"),
        [
            (NoResponse("Connection refused", sent=False), "Connection refused; is the address right, and is it running?"),
            (Reply(401, {}, b'{"message": "no"}'), 'refuses the key (401: {"message": "no"}); check --api-key'),
            (Reply(302, {"location": "https://l.example/login?t=1"}, b""), "redirects to https://l.example/login?t=[masked], where the token is not sent"),
            (Reply(200, {}, b"<html>Welcome"), "answers with a page (200), no JSON; check the base URL"),
            (Reply(503, {"retry-after": "1"}, b"{}"), "answers 503 again and again; try later"),
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
            Reply(401, {}, b"{}") if "Bearer" in headers.get("Authorization", "") else None
        ),
    )
    run = probe_of(app, clock, transport=transport).run()
    assert sum(exchange.request.authorization is Authorization.BEARER for exchange in run.exchanges) == 1
    assert run.exchanges[-1].response.status in (200, 404)


def test_retry_after_is_honoured():
    app, clock = fake()
    refusals = iter([Reply(429, {"retry-after": "7"}, b"{}")])
    began = clock.now()
    asked_at = []

    def once(*_):
        asked_at.append(clock.now() - began)
        return next(refusals, None)

    probe_of(app, clock, transport=Scripted(app, once)).run()
    assert asked_at[:2] == [0, 7]


def test_no_create_is_sent_when_the_endpoint_wants_to_be_left_alone_for_longer_than_the_time():
    app, clock = fake()
    transport = Scripted(
        app,
        lambda method, _url, _headers, body: (
            Reply(429, {"retry-after": "3600"}, b"{}") if method == "POST" and b"Qwen" in body else None
        ),
    )
    run = probe_of(app, clock, transport=transport, timeout=60).run()
    assert len(creates(transport.sent)) == 1
    assert run.notes[0] == (
        "Not created: the page's audio, deleted while it is pending, "
        "since the endpoint wants to be left alone for longer."
    )


def test_a_date_in_retry_after_is_read_on_the_runs_own_clock():
    app, clock = fake()
    began = clock.now()
    date = email.utils.formatdate(began + 9, usegmt=True)
    refusals = iter([Reply(503, {"retry-after": date}, b"{}")])
    asked_at = []

    def once(*_):
        asked_at.append(clock.now() - began)
        return next(refusals, None)

    probe_of(app, clock, transport=Scripted(app, once)).run()
    assert asked_at[:2] == pytest.approx([0, 9], abs=1e-3)


def test_a_job_that_never_ends_ends_with_the_time():
    app, clock = fake(duration=10_000)
    run = probe_of(app, clock, timeout=60).run()
    assert clock.now() - run.exchanges[0].at <= 60
    assert "The time was over while the page's image was pending." in run.notes


def test_a_result_is_kept_by_its_first_bytes_and_its_size():
    run = probe_of(*fake()).run()
    files = [exchange.response for exchange in run.exchanges if "/files/" in exchange.request.url]
    assert files[0].head.startswith(b"\x89PNG")
    assert (len(files[0].head), files[0].body) == (64, "")
    assert files[0].size > 1000


def test_other_generations_of_the_account_are_veiled():
    app, clock = fake()
    mine = {"model": "Qwen/Qwen-Image", "config": {"prompt": "a secret of mine"}}
    app.test_client().post("/v1/generation", json=mine, headers={"Authorization": KEY})
    clock.advance(30)
    first = json.loads(probe_of(app, clock).run().exchanges[0].response.body)
    assert first["generation_list"][0]["result"]["data"] == [
        {
            "url": "http://127.0.0.1:8000/[masked]",
            "file_id": "[masked]",
            "file_name": "",
            "file_type": "[masked]",
        }
    ]


def test_no_byte_of_a_saved_run_tells_the_token(tmp_path, app_and_clock):
    app, clock = app_and_clock

    def echo(_method, url, headers, _body):
        if "no-such-route" in url:
            token = headers["Authorization"]
            encoded = base64.b64encode(KEY.encode()).decode()
            return Reply(
                500, {"location": f"/login?{token}"}, f"{token} {encoded} {token.encode().hex()}".encode()
            )
        return NoResponse(f"cannot send {headers['Authorization']}") if "0123456789" in url else None

    save(probe_of(app, clock, transport=Scripted(app, echo)).run(), tmp_path / "run.json")
    text = (tmp_path / "run.json").read_text()
    assert "[masked]" in text
    for spelling in (KEY, base64.b64encode(KEY.encode()).decode()[:32], KEY.encode().hex()):
        assert spelling not in text
    assert text.count(REDACTED) >= 4


def test_a_dry_run_names_every_call_and_the_most_it_could_create():
    lines = list(calls.dry_run(calls.job_requests(), 3))
    assert sum(" paid: " in line for line in lines) == 4
    assert lines[-1] == "At most 3 generations would be created; nothing was sent."
    sent = WsgiTransport(fake()[0])
    probe_of(sent.client.application, fake()[1], transport=sent, budget=0).run()
    free = [line.split()[:2] for line in lines if "free: " in line][:13]
    assert free == [[method, url.removeprefix(BASE_URL)] for method, url, _ in sent.sent]
