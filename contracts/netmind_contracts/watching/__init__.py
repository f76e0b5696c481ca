"""Watch an endpoint over time.

``snapshot`` has the facts that a run shows, and when each was seen first and last. ``comparison`` finds what
changed between two of them, ``known_departures`` marks failures that are already known. ``expected`` reads
what a run is compared with.
"""
