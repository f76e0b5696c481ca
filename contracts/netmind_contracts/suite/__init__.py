"""One test a claim, over one run: ``pytest --pyargs netmind_contracts.suite --netmind-url URL``."""
