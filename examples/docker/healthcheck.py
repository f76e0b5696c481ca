"""Exit with 0 if the fake in this container responds to ``/__mock/health``, else with 1. Needs no curl."""

import os
import sys
import urllib.request

PORT = os.environ.get("NETMIND_MOCK_PORT", "8000")
KEY = os.environ.get("NETMIND_MOCK_CONTROL_KEY", "")

# The fake accepts a loopback address as Host wherever it listens. No proxy of the container may be used.
request = urllib.request.Request(f"http://127.0.0.1:{PORT}/__mock/health", headers={"X-Mock-Key": KEY})
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=3).close()
except OSError as error:
    sys.exit(f"the fake does not respond as expected: {error}")
