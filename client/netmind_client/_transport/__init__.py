"""What carries out the requests of the flows, over ``requests`` and ``httpx``."""
