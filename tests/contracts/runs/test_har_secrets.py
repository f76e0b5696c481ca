"""Reports on a HAR file contain none of the secrets of a browser, and no page of another site."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from recordings import BASE_URL, FILE_URL, ID, entry, generation, har, named, session

from netmind_contracts.checks import judge
from netmind_contracts.reports import as_html, as_json, as_junit
from netmind_contracts.reports.text import table
from netmind_contracts.runs.har import run_of_har

pytestmark = pytest.mark.slow

PATH = f"/v1/generation/{ID}"

SECRETS = st.text(
    st.sampled_from("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMN23456789-_.~+/="), min_size=12, max_size=80
).filter(lambda text: len(set(text)) > 6)

# Each returns an entry of a browser's session that shows a secret.
PLACES = {
    "an API key": lambda secret: entry(1, "GET", PATH, generation("pending"), headers=[("Authorization", f"Bearer {secret}")]),
    "a bare API key": lambda secret: entry(1, "GET", PATH, generation("pending"), headers=[("authorization", secret)]),
    "a password of basic authentication": lambda secret: entry(
        2, "GET", "https://wiki.example/", {}, headers=[("Authorization", "Basic " + base64.b64encode(f"me:{secret}".encode()).decode())]
    ),
    "a cookie": lambda secret: entry(2, "GET", "https://bank.example/", {}, headers=[("Cookie", f"theme=dark; sid={secret}")]),
    "a cookie that was set": lambda secret: with_response_header(named("Set-Cookie", f"id={secret}; Path=/; HttpOnly")),
    "a cookie in HAR's list": lambda secret: with_request(cookies=[{"name": "id", "value": secret}]),
    "a login form": lambda secret: with_request(
        postData={"mimeType": "application/x-www-form-urlencoded", "text": f"user=me&password={quote(secret)}"}
    ),
    "the parameters of a form": lambda secret: with_request(
        postData={"mimeType": "multipart/form-data", "params": [{"name": "new_password", "value": secret}]}
    ),
    "a login as JSON": lambda secret: with_request(
        postData={"mimeType": "application/json", "text": json.dumps({"user": "me", "passwd": secret})}
    ),
    "a token in JSON": lambda secret: entry(2, "POST", "https://id.example/token", {"accessToken": secret, "n": 1}, body={"x": 1}),
    "a token in a page": lambda secret: with_page(f'<input type="hidden" name="csrf_token" value="{secret}">'),
    "a token in a script": lambda secret: with_page(f'<script>window.S = {{"refresh_token": "{secret}"}}</script>'),
    "a signed URL": lambda secret: entry(2, "GET", f"https://s3.example/a?X-Amz-Signature={quote(secret)}&e=9", {}),
    "a token in a fragment": lambda secret: entry(2, "GET", f"https://app.example/cb#access_token={quote(secret)}", {}),
    "a password in a URL": lambda secret: entry(2, "GET", f"https://me:{quote(secret, safe='')}@git.example/", {}),
    "a header with a key": lambda secret: entry(2, "GET", "https://x.example/", {}, headers=[("X-Api-Key", secret)]),
}  # fmt: skip


def with_request(**changes):
    one = entry(2, "POST", "https://login.example/", {})
    one["request"].update(changes)
    return one


def with_response_header(header):
    one = entry(2, "GET", "https://shop.example/", {})
    one["response"]["headers"].append(header)
    return one


def with_page(html):
    one = entry(2, "GET", "https://page.example/", {})
    one["response"]["content"] = {"mimeType": "text/html; charset=utf-8", "text": f"<p>{html}</p>", "size": 9}
    return one


def reports(entries):
    run = run_of_har(har(entries), "session.har")
    verdicts = judge(run)
    forms = [
        as_html(run, verdicts),
        as_json(run, verdicts),
        as_junit(run, verdicts),
        "\n".join(table(run, verdicts)),
    ]
    return run, "\n".join([*forms, repr(run)])


CLEAN = reports(session())[1]


def repeating(secret):
    """Return entries of the API that repeat a secret: in a prompt, in errors, in headers and in links."""
    prompt = {
        "model": "Qwen/Qwen-Image",
        "config": {"prompt": f"my key is {secret}", "session_token": secret},
    }
    refused = entry(
        50, "GET", PATH, {"message": f"Invalid key: {secret}", "debug": {"token": secret}}, status=404
    )
    refused["response"]["headers"] += [
        named("Location", f"/login?next={quote(secret)}"),
        named("Set-Cookie", f"a={secret}"),
    ]
    result = {
        "data": [{"url": f"/files/a.png?sig={quote(secret)}"}, {"url": f"{FILE_URL}&t={quote(secret)}"}]
    }
    page = entry(52, "GET", "/v1/generation", {}, status=404)
    page["response"]["content"] = {
        "mimeType": "text/html",
        "text": f"<html>Hello, Bearer {secret}",
        "size": 30,
    }
    return [
        entry(48, "POST", "/v1/generation", generation("pending"), body=prompt),
        refused,
        entry(51, "GET", f"/v1/generation?token={quote(secret)}", {"generation_list": [generation("completed", result=result)]}),
        page,
    ]  # fmt: skip


def assert_hidden(place, secret):
    _, text = reports([*session(), PLACES[place](secret), *repeating(secret)])
    assert secret not in text
    assert quote(secret) not in text


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_of_any_entry_is_in_a_report(place):
    assert_hidden(place, "Zk3-9dQ0pp+aX17/w==")


@settings(max_examples=40, deadline=None, phases=set(Phase) - {Phase.explain})
@given(st.sampled_from(sorted(PLACES)), SECRETS)
def test_no_secret_of_any_form_is_in_a_report(place, secret):
    assume(secret not in CLEAN)
    assert_hidden(place, secret)


def test_no_page_and_no_address_of_another_site_is_in_a_report():
    others = [
        with_page("Account 98-76, balance 99 EUR"),
        entry(3, "GET", "https://mail.example/inbox/letter-from-mother", {"subject": "A private matter"}),
        entry(
            3,
            "GET",
            "https://other.example/v1/generation",
            {"generation_list": [{"prompt": "of another API"}]},
        ),
        entry(3, "GET", f"{BASE_URL}/v1/models", {"models": ["not about generations"]}),
    ]
    run, text = reports([*session(), *others])
    assert [word for word in ("98-76", "letter", "private", "another API", "not about") if word in text] == []
    assert ".example/" not in text.replace(BASE_URL, "").replace("https://files.example", "")
    assert run.notes == ("Left out of the recording: 4 of other sites.",)


@pytest.mark.parametrize("secret", ["hunter2", "test", "completed", "Generation"])
def test_a_short_or_ordinary_secret_is_redacted_by_place_and_said_so(secret):
    entries = [*session(), PLACES["a login as JSON"](secret), PLACES["an API key"](secret)]
    entries += [
        entry(50, "GET", PATH, {"message": f"no Bearer {secret} here", "api_key": secret}, status=404)
    ]
    run, text = reports(entries)
    body = run.exchanges[-1].response.body
    assert json.loads(body) == {"message": "no Bearer [redacted] here", "api_key": "[redacted]"}
    assert "an API key or password of less than 8 characters, or an ordinary word" in text
    assert run.exchanges[2].response.body.count('"status": "processing"') == 1


def test_a_cookie_with_the_value_of_an_id_does_not_damage_the_session():
    cookies = (
        f"last={ID}; model=Qwen/Qwen-Image; user=0123456789abcdef0123456789abcdef; host=api.netmind.example"
    )
    seen = entry(2, "GET", "https://shop.example/", {}, headers=[("Cookie", cookies)])
    run, _ = reports([*session(), seen])
    clean, _ = reports(session())
    assert run.exchanges == clean.exchanges


def test_short_cookies_are_not_mentioned_and_error_codes_are_kept():
    seen = entry(
        2, "GET", "https://shop.example/", {"code": "not_found_99"}, headers=[("Cookie", "theme=dark; n=1")]
    )
    refused = entry(50, "GET", PATH, {"message": "Generation not found", "code": "not_found_99"}, status=404)
    run, _ = reports([*session(), seen, refused])
    assert '"code": "not_found_99"' in run.exchanges[-1].response.body
    assert run.notes == ("Left out of the recording: 1 of other sites.",)


def test_query_values_of_relative_links_are_redacted():
    run, text = reports(repeating("Zk3-9dQ0ppaX17"))
    assert '"/files/a.png?sig=[redacted]"' in run.exchanges[2].response.body
    assert "Zk3" not in text
