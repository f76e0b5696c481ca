"""The fake on a socket.

``server`` runs uvicorn in the command's own process, on a socket that is listening before anything else is
created, so that the port is never taken by another process. With ``--workers``, uvicorn starts processes
that share the socket. ``worker`` is the ASGI application: it calls the WSGI application on the event loop,
and in a thread where that may take long (files, lists, the control API, bodies over 64 KiB, every request
if the store is a database). Waiting for a body or for a held response blocks no thread.

ASGI has no resets and no partial responses. ``wire_faults`` is uvicorn's protocol with three additions: it
passes itself on with each request, so that a fault can reset or close the connection; it refuses a head
that is over 64 KiB or takes over 30 seconds; and it continues for a client that has closed its sending
side.
"""
