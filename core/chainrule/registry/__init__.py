"""The registry: components by name, from every installed package and from this session.

A plugin is imported when one of its components is first used; a broken plugin affects nothing but itself.
"""

from chainrule.registry.component import Component
from chainrule.registry.kinds import KINDS
from chainrule.registry.lookup import (
    components,
    create,
    get,
    import_by_name,
    import_check_modules,
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
    "import_check_modules",
    "load",
    "names",
    "problems",
    "register",
    "resolve",
    "state",
]
