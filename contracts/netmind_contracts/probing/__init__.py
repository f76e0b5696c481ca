"""Makes exchanges: which calls are made at an endpoint, what they may cost, and how each is sent."""
