"""Which of two names for one number are served: a word of configuration, metrics and page."""

from enum import StrEnum


class Compat(StrEnum):
    """`metrics.compat`: names that the seed stack had, and the canonical twins beside them."""

    BOTH = "both"
    SEED = "seed"
    """Twins are hidden."""
    CANONICAL = "canonical"
    """Names of the seed that have a twin are hidden."""
