"""Run the effects of the flows over real connections: ``by_requests`` and ``by_httpx``.

requests has no deadline for a whole request: its timeouts apply to the connect and to each part of a
response. ``deadline`` therefore connects on a thread that can be abandoned, limits each read to the time
that is left, and records whether any byte of a request was written. ``threads`` runs a batch of flows in
parallel.

``test_relied_upon.py`` tests everything that is used of other libraries beyond their documentation.
"""
