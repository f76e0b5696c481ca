"""The request journal: what was requested, and how the fake responded.

``entries`` has the entries, ``memory`` the journal in memory and ``shared`` that of several processes.
``redaction`` removes secrets. ``polling`` and ``spend`` judge the client: how politely it polls, and which
jobs were billed twice. ``matching`` compares requests with what a test expects. ``har`` exports entries, and
``access_log`` writes one line for each request.
"""
