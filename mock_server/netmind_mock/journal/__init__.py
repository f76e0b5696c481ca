"""The request journal: what was requested, and how the fake responded.

``entries`` has the entries and the journal in memory, ``shared`` the journal of several processes,
``redaction`` removes secrets. ``polling`` and ``spend`` are verdicts on the client: how politely it polls,
and what was billed twice. ``har`` exports entries, ``access_log`` writes them as lines.
"""
