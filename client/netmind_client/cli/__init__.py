"""The command ``netmind-client``."""

from netmind_client.cli.commands import main

__all__ = ["main"]
