"""Activations, imported by registered name: ``from chainrule.activations import relu``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("activations")
