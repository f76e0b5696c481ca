"""Jobs as facts. ``job`` and ``plan`` are pure.

A ``job`` is a request, the time when it was created, and a plan; its status is computed from them and a
time. ``plan`` derives the plan from a request, ``profile`` has what is known about the API, ``catalogue``
what is known about models, ``ids`` builds ids of jobs, files and accounts.
"""
