"""A token that is looked for: how it may be spelled, and requests that put it wherever a client could."""

import base64
import html
from urllib.parse import quote

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "Seventeen herons at dusk"}}
CANARY = "canary-0a1B2c3D4e5F6a7b"


def _base64_middle(token):
    """What of the token's base64 stays the same, whatever stands before and after it: three alignments."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + token.encode()).decode().rstrip("=")
        yield encoded[2 if shift else 0 : len(encoded) - 2][shift:]


SPELLED = {
    "plain": [CANARY],
    "percent": ["".join(f"%{byte:02x}" for byte in CANARY.encode()), quote(CANARY, safe="")],
    "percent twice": ["".join(f"%25{byte:02x}" for byte in CANARY.encode())],
    "json": ["".join(f"\\u{ord(one):04x}" for one in CANARY)],
    "html": ["".join(f"&#x{ord(one):x};" for one in CANARY), html.escape(CANARY)],
    "hex": [CANARY.encode().hex()],
    "base64": list(_base64_middle(CANARY)),
}


# What is sent: as it is looked for, but base64 as anybody would make it.
SENT = [spelling for encoding, group in SPELLED.items() if encoding != "base64" for spelling in group]
SENT += [base64.b64encode(before + CANARY.encode()).decode() for before in (b"", b"a", b"ab", b"user:")]


def assert_no_canary(content, where):
    """Fails a test if the token is in what was told, in any spelling."""
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    for encoding, spellings in SPELLED.items():
        for spelling in spellings:
            found = spelling in text if encoding == "base64" else spelling.lower() in text.lower()
            assert not found, f"{where} holds the token, spelled in {encoding}"


def tell(client):
    """Create with the token, then send it in every spelling to every place; the job's answer and all answers.

    ``client`` is one of werkzeug's, and answers as it does.
    """
    bearer = {"Authorization": f"Bearer {CANARY}"}
    job = client.post("/v1/generation", json=BODY, headers=bearer).json
    responses = []
    for spelling in SENT:
        sent = {**bearer, "X-Note": spelling, "Cookie": f"a={spelling}"}
        named = "entity" if "&#" in spelling else quote(spelling, safe="%")  # no address holds entities
        responses += [
            client.get(f"/v1/generation?key={named}", headers=sent),
            client.get(f"/v1/generation/{named}", headers=sent),
            client.get(f"/files/{named}", headers=sent),
            client.post("/v1/generation", data=spelling, headers=sent),
            client.post("/v1/generation", json={"model": 5, "note": spelling}, headers=sent),
            client.post("/v1/generation", data=b"{" + spelling.encode(), headers=sent),
            client.post(
                "/v1/generation", json={**BODY, "n": 1}, headers={**sent, "X-Mock-Scenario": spelling}
            ),
            client.post("/v1/generation", data="{}", headers={**sent, "Content-Type": f"text/{named}"}),
            client.put("/v1/generation", headers=sent),
            client.get(f"/v1/generation/{named}", headers={"X-Api-Key": CANARY}),
            client.get(f"/v1/generation/{named}?api_key={CANARY}"),
            client.get(f"/v1/generation/{named}", headers={"Authorization": f"Bearer {CANARY} more"}),
            client.post(f"/__mock/jobs/{named}/complete", json={}, headers=sent),
            client.get(f"/__mock/journal?operation={named}", headers=sent),
            client.post("/__mock/faults", json={"operation": "list", "kind": spelling}, headers=sent),
            client.post("/__mock/next-job", json={"scenario": "at_once", "where": spelling}, headers=bearer),
            client.get("/__mock/next-job", headers=bearer),
        ]
    responses += [
        client.get("/v1/generation", headers={"Authorization": CANARY}),
        client.get("/v1/generation", headers={"Authorization": f"Basic {CANARY}"}),
        client.post("/__mock/clock", json={"advance": 0}, headers={"Authorization": CANARY}),
    ]
    return job, responses
