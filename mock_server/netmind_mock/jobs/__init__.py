"""Jobs, their plans, and what is known about the API and its models.

A ``job`` is a request, the time at which it was created, and a plan. Its status is computed from them and the
current time. ``plan`` derives the plan from a request. ``profile`` has the facts about the API, ``catalogue``
the facts about models, and ``ids`` builds the ids of jobs, files and accounts. ``job`` and ``plan`` have only
pure functions.
"""
