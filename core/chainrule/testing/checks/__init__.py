"""The checks, a file for each topic; importing this package lists them all in `CHECKS`."""

from chainrule.testing.checks import (
    initializers,
    losses,
    module_gradients,
    modules,
    rule_flat,
    rule_formula,
    rule_numerics,
    rule_state,
    rules,
    schedules,
)

__all__ = [
    "initializers",
    "losses",
    "module_gradients",
    "modules",
    "rule_flat",
    "rule_formula",
    "rule_numerics",
    "rule_state",
    "rules",
    "schedules",
]
