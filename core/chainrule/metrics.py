"""Metrics, imported by registered name: ``from chainrule.metrics import accuracy``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("metrics")
