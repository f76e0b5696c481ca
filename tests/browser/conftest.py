"""Fixtures for tests of the dashboard in a browser: Debian's Chromium, with Playwright."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from support import TOKEN, running_fake, skip_or_fail

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = [
    "--no-sandbox",  # Chromium has no sandbox for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Not of scope "session": while the browser runs, Playwright runs an event loop in this thread, and other test
# modules start their own.
@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        skip_or_fail(f"{CHROMIUM} is not installed (Debian's package chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(CHROMIUM), args=OPTIONS)
        yield launched
        launched.close()


@pytest.fixture
def served(tmp_path):
    """Yield the base URL of a served fake whose jobs take a minute."""
    with running_fake(tmp_path, "--duration", "60") as (base_url, _):
        yield base_url


@pytest.fixture
def page(browser, served):
    """Yield a page of a new browser context. Script errors, dialogs and foreign requests fail the test."""
    context = browser.new_context(base_url=served, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    opened = context.new_page()
    problems = []
    opened.on("pageerror", lambda error: problems.append(f"script: {error}"))
    opened.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    opened.on(
        "console",
        lambda message: (
            message.type == "error" and "status of 4" not in message.text and problems.append(message.text)
        ),
    )
    opened.on("request", lambda one: one.url.startswith((served, "data:")) or problems.append(one.url))
    yield opened
    context.close()
    assert problems == []


@pytest.fixture
def api(served):
    """Return a function that sends a request to the fake: ``api(method, path, body)`` returns JSON."""
    import requests  # noqa: PLC0415

    def call(method, path, body=None):
        headers = {"Authorization": f"Bearer {TOKEN}"} if path.startswith("/v1") else {}
        response = requests.request(method, served + path, json=body, headers=headers, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()

    return call


@pytest.fixture
def create(api):
    def create(prompt="A cup of tea", model="Qwen/Qwen-Image", **config):
        return api("POST", "/v1/generation", {"model": model, "config": {"prompt": prompt, **config}})["id"]

    return create


@pytest.fixture(scope="session")
def axe():
    """Yield the source of axe-core, as package-lock.json pins it."""
    npm = shutil.which("npm")
    if npm is None:
        skip_or_fail("npm is not installed; it is needed to install axe-core")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(Path(__file__).with_name(name), folder)
        command = [npm, "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            skip_or_fail(f"npm cannot install axe-core: {done.stderr}")
        yield Path(folder, "node_modules", "axe-core", "axe.min.js").read_text()
