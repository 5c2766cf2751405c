"""The checks, a file for each topic; importing this package lists them all in `CHECKS`."""

from chainrule.testing.checks import (
    callbacks,
    initializers,
    loss_targets,
    losses,
    module_copies,
    module_gradients,
    module_inputs,
    modules,
    rule_flat,
    rule_formula,
    rule_numerics,
    rule_state,
    rules,
    schedules,
    tasks,
)

__all__ = [
    "callbacks",
    "initializers",
    "loss_targets",
    "losses",
    "module_copies",
    "module_gradients",
    "module_inputs",
    "modules",
    "rule_flat",
    "rule_formula",
    "rule_numerics",
    "rule_state",
    "rules",
    "schedules",
    "tasks",
]
