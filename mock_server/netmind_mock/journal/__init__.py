"""What was requested and answered: entries without secrets, and the verdicts that are read from them."""
