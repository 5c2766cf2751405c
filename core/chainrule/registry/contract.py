"""`API`: the number of the contract between chainrule and its plugins."""

from __future__ import annotations

API = 1
"""Raised by one for each change that can break a correct plugin; CONTRIBUTING.md defines such changes.

A package states the contract that it is written for as ``1 = "chainrule:API"`` in the entry-point group
``chainrule.api``, from which it is read without importing the package.
"""

API_GROUP = "chainrule.api"
