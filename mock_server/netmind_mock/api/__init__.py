"""NetMind's API, as its users see it.

``cross_origin`` and ``reverse_proxy`` are around the application if options ask for them. Otherwise
``middleware`` is the outermost layer: it reads the clock, applies faults and writes the journal. ``request``
has the object with everything that is known about a request. ``generation`` has the four operations,
``json_cache`` keeps the JSON of jobs that have ended, ``files`` serves the result files, and ``wire`` reads
and writes the API's JSON, as the profile describes it.
"""
