"""`Rates`: what an updater tells of its learning rates."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

from chainrule.arguments import shown
from chainrule.base.optimizer import LearningRate
from chainrule.errors import FrozenSettingError


class Rates(dict[str, LearningRate]):
    """Learning rates by group, to be read: a change of this dict would not be one of the updater."""

    def __setitem__(self, group: str, lr: LearningRate) -> NoReturn:
        raise FrozenSettingError(
            f'updater: rates["{group}"] must not be assigned, got {shown(lr)}. Write updater.set_lr(…, "{group}").'
        )

    def update(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse to change rates."""
        raise FrozenSettingError("updater: rates must not be assigned, got update(…). Write updater.set_lr(…).")

    __ior__ = update

    def __reduce__(self) -> tuple[type, tuple[dict[str, LearningRate]]]:
        return OrderedDict, (dict(self),)  # which torch.load(weights_only=True) takes
