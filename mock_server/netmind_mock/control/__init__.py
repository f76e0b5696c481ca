"""The control API under ``/__mock/``: everything that changes or inspects the fake.

``operations/`` is the table of operations, ``routes`` serves it over HTTP, ``guard`` decides who may use
it, ``openapi`` describes it, ``metrics`` exports counters, ``current`` finds the fake of the current
request, ``dashboard/`` shows the same in a browser.
"""
