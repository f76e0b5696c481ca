"""The fake inside a test.

``mock`` is the fake in this process and ``live`` a real HTTP server. Both inherit the methods of ``handle``,
whose assertions are in ``assertions``. ``transport`` sends a request to the application and returns when each
part of the response arrives; ``for_requests`` and ``for_httpx`` connect it to these libraries.
``virtual_time`` is the clock and replaces sleeps, ``poll_limit`` ends a test whose client polls without end.
"""
