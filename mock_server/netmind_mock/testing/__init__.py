"""The fake inside a test.

``mock`` is the fake in this process and ``live`` a real HTTP server. Both inherit the methods of ``handle``,
whose assertions are in ``assertions``. ``transport`` sends a request to the application and returns when each
part of the response arrives; ``for_requests``, ``for_httpx`` and ``for_aiohttp`` connect libraries to it.

``interception`` installs this for the libraries that are imported, and ``other_mocks`` makes other mocks
leave the fake's requests alone. ``active`` knows which fakes are started and which test started a thread or
task. ``guard`` refuses all other connections to the real API. Nothing is restored when a fake stops: the
functions that ``patching`` replaces stay replaced, and look up at each call whether a fake is started.

``virtual_time`` is the clock and replaces sleeps, ``virtual_loop`` makes event loops use it, ``poll_limit``
ends a test whose client polls without end. ``names`` has the names of scenarios and faults as types.
"""
