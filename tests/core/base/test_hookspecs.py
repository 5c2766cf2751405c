"""The hooks: each documented, and each manager with its own."""

import pluggy
import pytest

from chainrule.base.hookspecs import PROJECT, CatalogueHooks, TrainingHooks, hookimpl

TRAINING = {"chainrule_fit_start", "chainrule_step_end", "chainrule_epoch_end", "chainrule_fit_end"}


def _hooks(specs):
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(specs)
    return {name for name in vars(manager.hook) if name.startswith("chainrule_")}


def test_each_manager_gets_its_own_hooks():
    assert _hooks(TrainingHooks) == TRAINING
    assert _hooks(CatalogueHooks) == {"chainrule_components", "chainrule_checks"}


@pytest.mark.parametrize("specs", [CatalogueHooks, TrainingHooks])
def test_every_hook_is_documented(specs):
    for name in _hooks(specs):
        assert getattr(specs, name).__doc__.endswith(".")


def test_a_callback_receives_what_it_asks_for():
    class Recorder:
        @hookimpl
        def chainrule_epoch_end(self, epoch, metrics):
            seen.append((epoch, metrics))

    seen = []
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(TrainingHooks)
    manager.register(Recorder())
    manager.check_pending()
    manager.hook.chainrule_epoch_end(run=None, epoch=3, metrics={"loss": 1.0})
    assert seen == [(3, {"loss": 1.0})]
