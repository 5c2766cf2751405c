"""The checks, a file for each kind of component; importing this package lists them all in `CHECKS`."""

from chainrule.testing.checks import initializers, losses, module_gradients, modules, optimizers, schedules

__all__ = ["initializers", "losses", "module_gradients", "modules", "optimizers", "schedules"]
