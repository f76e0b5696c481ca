"""What carries out the requests of the flows, over ``requests`` and ``httpx``.

What it relies on in libraries beyond their documentation is listed in test_relied_upon.py, with a test each.
"""
