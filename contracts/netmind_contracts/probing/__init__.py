"""Make exchanges with an endpoint.

``options`` says which endpoint is probed and what it may cost, ``budget`` counts the creates that are
allowed, ``calls`` lists the requests of a run, ``probe`` makes them in order, ``transport`` sends one,
``recorder`` records it without secrets.
"""
