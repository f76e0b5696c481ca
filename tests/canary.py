"""A canary API key: its encodings, and requests that send it in every place."""

import base64
import html
from urllib.parse import quote

BODY = {"model": "Qwen/Qwen-Image", "config": {"prompt": "Seventeen herons at dusk"}}
CANARY = "canary-0a1B2c3D4e5F6a7b"


def _base64_middle(token):
    """Yield the part of the key's base64 that does not depend on its neighbours, for each of the three alignments."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + token.encode()).decode().rstrip("=")
        yield encoded[2 if shift else 0 : len(encoded) - 2][shift:]


ENCODED = {
    "plain": [CANARY],
    "percent": ["".join(f"%{byte:02x}" for byte in CANARY.encode()), quote(CANARY, safe="")],
    "percent twice": ["".join(f"%25{byte:02x}" for byte in CANARY.encode())],
    "json": ["".join(f"\\u{ord(one):04x}" for one in CANARY)],
    "html": ["".join(f"&#x{ord(one):x};" for one in CANARY), html.escape(CANARY)],
    "hex": [CANARY.encode().hex()],
    "base64": list(_base64_middle(CANARY)),
}


# The encodings that are sent. Base64 is sent complete, not only the part that is searched for.
SENT = [encoded for encoding, group in ENCODED.items() if encoding != "base64" for encoded in group]
SENT += [base64.b64encode(before + CANARY.encode()).decode() for before in (b"", b"a", b"ab", b"user:")]


def assert_no_canary(content, where):
    """Fail the test if the content has the key in any encoding."""
    text = content.decode("latin-1") if isinstance(content, bytes) else content
    for encoding, variants in ENCODED.items():
        for encoded in variants:
            found = encoded in text if encoding == "base64" else encoded.lower() in text.lower()
            assert not found, f"{where} contains the API key, encoded as {encoding}"


def send_canary(client):
    """Create a job with the key, then send the key in every encoding and in every place.

    Args:
        client: A test client of werkzeug, or an object with the same methods.

    Returns:
        The JSON of the job, and all other responses.
    """
    bearer = {"Authorization": f"Bearer {CANARY}"}
    job = client.post("/v1/generation", json=BODY, headers=bearer).json
    responses = []
    for encoded in SENT:
        sent = {**bearer, "X-Note": encoded, "Cookie": f"a={encoded}"}
        named = "entity" if "&#" in encoded else quote(encoded, safe="%")  # URLs do not contain entities
        responses += [
            client.get(f"/v1/generation?key={named}", headers=sent),
            client.get(f"/v1/generation/{named}", headers=sent),
            client.get(f"/files/{named}", headers=sent),
            client.post("/v1/generation", data=encoded, headers=sent),
            client.post("/v1/generation", json={"model": 5, "note": encoded}, headers=sent),
            client.post("/v1/generation", data=b"{" + encoded.encode(), headers=sent),
            client.post(
                "/v1/generation", json={**BODY, "n": 1}, headers={**sent, "X-Mock-Scenario": encoded}
            ),
            client.post("/v1/generation", data="{}", headers={**sent, "Content-Type": f"text/{named}"}),
            client.put("/v1/generation", headers=sent),
            client.get(f"/v1/generation/{named}", headers={"X-Api-Key": CANARY}),
            client.get(f"/v1/generation/{named}?api_key={CANARY}"),
            client.get(f"/v1/generation/{named}", headers={"Authorization": f"Bearer {CANARY} more"}),
            client.post(f"/__mock/jobs/{named}/complete", json={}, headers=sent),
            client.get(f"/__mock/journal?operation={named}", headers=sent),
            client.post("/__mock/faults", json={"operation": "list", "kind": encoded}, headers=sent),
            client.post("/__mock/next-job", json={"scenario": "at_once", "where": encoded}, headers=bearer),
            client.get("/__mock/next-job", headers=bearer),
        ]
    responses += [
        client.get("/v1/generation", headers={"Authorization": CANARY}),
        client.get("/v1/generation", headers={"Authorization": f"Basic {CANARY}"}),
        client.post("/__mock/clock", json={"advance": 0}, headers={"Authorization": CANARY}),
    ]
    return job, responses
