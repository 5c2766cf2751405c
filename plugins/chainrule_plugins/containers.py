"""The parent of layers that are made of modules, in sequence or side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from chainrule import ChainruleError, Module, ModuleLike, label
from chainrule.ops import expect_module, shown


class Container(Module):
    """A layer of one or more modules, named by their positions.

    Raises:
        ChainruleError: if there is no module, or one appears twice.
    """

    def __init__(self, *modules: ModuleLike) -> None:
        name = label(self)
        if not modules:
            raise ChainruleError(f"{name}: needs at least one module. Pass modules, such as linear(2, 1).")
        for position, module in enumerate(modules):
            expect_module(self, f"position {position}", module)
        self.modules = modules
        inside = [module for _, module in self.named_modules()]
        for module in inside:
            if sum(module is other for other in inside) > 1:
                raise ChainruleError(
                    f"{name}: a module must appear once, got {shown(module)} twice. Create a second one; "
                    "to share weights, give both the same Parameter."
                )

    @property
    def integer_inputs(self) -> bool:  # type: ignore[override]  # the first module's
        return getattr(self.modules[0], "integer_inputs", False)

    def named_children(self) -> Iterable[tuple[str, ModuleLike]]:
        return [(str(position), module) for position, module in enumerate(self.modules)]

    if not TYPE_CHECKING:  # type checkers refuse an index by themselves

        def __getitem__(self, index: object) -> NoReturn:
            """Raise ChainruleError, which names what has the modules."""
            raise ChainruleError(
                f"{label(self)}: takes no index, got {shown(index)}. The modules are in {label(self)}.modules."
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join([*map(repr, self.modules), *self.settings()])})"

    def settings(self) -> list[Any]:
        """Return the other arguments as the repr shows them."""
        return []
