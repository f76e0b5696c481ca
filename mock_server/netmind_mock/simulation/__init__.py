"""What a test or an operator asked for: scenarios, faults, rules and load, for each account."""
