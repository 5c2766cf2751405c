"""Callbacks, imported by registered name: ``from chainrule.callbacks import progress``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("callbacks")
