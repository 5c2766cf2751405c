"""Components by name: listing, loading and making those of every installed package, and of this session.

Nothing of a plugin is imported before its component is used, and a plugin that is broken breaks nothing but itself.
"""

from chainrule.registry.component import Component
from chainrule.registry.kinds import KINDS
from chainrule.registry.lookup import (
    components,
    create,
    get,
    import_by_name,
    load,
    names,
    problems,
    register,
    resolve,
    state,
)

__all__ = [
    "KINDS",
    "Component",
    "components",
    "create",
    "get",
    "import_by_name",
    "load",
    "names",
    "problems",
    "register",
    "resolve",
    "state",
]
