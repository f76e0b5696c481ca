"""The command ``netmind-client``.

``group`` has the global options, exit codes and error output, ``commands`` the commands, ``input`` reads
requests from arguments and files, ``output`` prints results and progress.
"""

from netmind_client.cli.commands import main

__all__ = ["main"]
