"""Send the requests of the flows, with ``requests`` or ``httpx``.

test_relied_upon.py has a test for each undocumented behaviour of other libraries that this package uses.
"""
