"""The dashboard: pages that show what the fake is doing, with buttons to change it."""
