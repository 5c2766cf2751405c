"""Tasks, imported by registered name: ``from chainrule.tasks import circle``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("tasks")
