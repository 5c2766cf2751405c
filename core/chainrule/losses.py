"""Losses, imported by registered name: ``from chainrule.losses import cross_entropy``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("losses")
