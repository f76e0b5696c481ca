"""One test per claim, over one run.

``test_claims`` is run by ``pytest --pyargs netmind_contracts.suite --netmind-url URL``.
"""
