"""What a test or an operator configured, for each account.

``scenarios`` decide how a job goes, ``faults`` what happens to a response, ``rules`` which jobs get which
scenario, ``load`` simulates latency, a queue and a rate limit. ``account`` is all of it for one account, as
a value that a store keeps; ``accounts`` has all accounts and follows the changes of other processes.
"""
