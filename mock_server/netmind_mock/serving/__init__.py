"""The fake as an HTTP server.

``server`` runs uvicorn in the command's own process. The socket listens before anything else is created, so
that no other process can take the port. With ``--workers``, uvicorn starts processes that share the socket.

``worker`` is the ASGI application. It calls the WSGI application on the event loop, or in a thread if the
call may take long: files, lists, the control API, bodies over 64 KiB, and all requests if the store is a
database. No thread waits for a body or for a held response. ``bodies`` limits the memory of all bodies that
are incomplete.

ASGI cannot express resets and partial responses. ``wire_faults`` is uvicorn's protocol with three additions:
it passes the connection on with each request, so that a fault can reset or close it; it refuses a request
whose head is over 64 KiB or takes over 30 seconds, or whose body stops arriving for 30 seconds; and it still
responds to a client that has closed its sending side.
"""
