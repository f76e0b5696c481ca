"""The fake inside a test.

``mock`` is the fake in process, ``live`` a served one, ``handle`` what a test can do with either,
``assertions`` what it can assert. ``transport`` sends a request to the application and says when each part
of the response arrives; ``for_requests`` and ``for_httpx`` connect it to these libraries. ``virtual_time``
is the clock and replaces sleeps, ``poll_limit`` ends a client that polls without end.
"""
