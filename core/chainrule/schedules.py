"""Schedules, imported by registered name: ``from chainrule.schedules import constant``."""

from chainrule.registry import import_by_name

__getattr__, __dir__ = import_by_name("schedules")
