"""Layers, imported by registered name: ``from chainrule.layers import linear``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("layers")
