"""Verdicts on a client, from the journal alone: what it paid for, and how it polled. Pure."""
