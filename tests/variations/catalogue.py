"""All variations."""

from variations import of_accounts, of_lag, of_messages, of_transport
from variations.proxy import VARIATIONS

__all__ = ["VARIATIONS", "of_accounts", "of_lag", "of_messages", "of_transport"]
