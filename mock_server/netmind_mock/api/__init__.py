"""NetMind's API, as its users see it.

``middleware`` is the outermost layer: it reads the clock, applies faults and writes the journal.
``request`` has the one object that travels with a request. ``generation`` has the four operations,
``files`` the result files, and ``wire`` spells the API's JSON from a profile, in both directions.
"""
