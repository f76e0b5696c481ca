"""The control API under ``/__mock/``: operations that change or inspect the fake.

``operations/`` is the table of operations, ``routes`` serves it over HTTP, ``guard`` decides which requests
may use it, ``openapi`` describes it, ``metrics`` exports counters, ``current`` finds the fake of the current
request, and ``dashboard/`` shows the same in a browser.
"""
