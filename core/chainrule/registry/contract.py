"""`API`: the number of the contract between chainrule and its plugins."""

from __future__ import annotations

API = 1
"""Raised by one whenever a plugin that was right may be wrong with the next version; CONTRIBUTING.md says what counts.

A package states the contract that it is written for as ``1 = "chainrule:API"`` in the entry-point group
``chainrule.api``, so that nothing of it need be imported to ask.
"""

API_GROUP = "chainrule.api"
