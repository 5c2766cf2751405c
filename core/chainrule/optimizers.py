"""Optimizers, imported by registered name: ``from chainrule.optimizers import adam``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("optimizers")
