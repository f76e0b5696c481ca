"""Make exchanges with an endpoint.

``options`` says which endpoint is probed and what it may cost, ``budget`` counts the creates that are
allowed, ``calls`` lists the requests of a run, ``probe`` makes them in order, ``sending`` sends one in time,
and again if the network failed, ``recorder`` records it without secrets, ``transport`` sends it,
``sentences`` says what happened.
"""
