"""Initializers, imported by registered name: ``from chainrule.initializers import xavier_normal``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("initializers")
