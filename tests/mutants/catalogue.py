"""All mutants."""

from mutants import of_contents, of_details, of_histories, of_messages
from mutants.registering import MUTANTS

__all__ = ["MUTANTS", "of_contents", "of_details", "of_histories", "of_messages"]
