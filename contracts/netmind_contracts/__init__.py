"""Contracts of NetMind's generation API: schemas, an OpenAPI description, and claims with their sources.

An unofficial description, based on the public vendor documentation and on user reports.
Every claim says how it is known: ``documented``, ``observed`` or ``assumed``.
"""

from netmind_contracts.claims import Claim, Level, load_claims
from netmind_contracts.library import (
    ContractViolation,
    UnknownSchema,
    Violation,
    check,
    examples,
    openapi,
    schema,
    schema_names,
    violations,
)

__all__ = [
    "Claim",
    "ContractViolation",
    "Level",
    "UnknownSchema",
    "Violation",
    "check",
    "examples",
    "load_claims",
    "openapi",
    "schema",
    "schema_names",
    "violations",
]
