"""Ends with 0 if the fake in this container answers ``/__mock/health``, with 1 if not. Needs no curl."""

import os
import sys
import urllib.request

PORT = os.environ.get("NETMIND_MOCK_PORT", "8000")
KEY = os.environ.get("NETMIND_MOCK_CONTROL_KEY", "")

# By a loopback name, which is the fake's own wherever it listens, and past any proxy of the container's.
request = urllib.request.Request(f"http://127.0.0.1:{PORT}/__mock/health", headers={"X-Mock-Key": KEY})
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=3).close()
except OSError as error:
    sys.exit(f"the fake does not answer as it should: {error}")
