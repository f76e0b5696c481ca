"""Decide what the client does next. No I/O is done here, except that ``saving`` writes files.

An operation is a generator. It yields what it needs (``effects``: send a request, pause, call a function),
and receives the result, or an exception, from the shell that runs it. So each operation is written once,
knows no HTTP library, and is tested over requests and over httpx2.

``operations`` has create, get, list and delete, ``call`` the deadline of one call, ``retry`` what may be
sent again and when, ``waiting`` the polls until a generation ends, ``download`` one file and ``saving`` all
files of a generation, ``generate`` create, wait and save together, ``batch`` many generations with a jobs
file, in which ``settling`` records the outcome of a create that got no response. ``core`` builds the flows
for both clients.
"""
