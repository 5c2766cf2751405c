"""Test that timm's factory makes rules as it makes its own optimizers."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

import chainrule
from chainrule import registry
from chainrule_torch import optim, register_with_timm

from .small import RULES, batches, loss_of, network, stepper_for, weights

timm = pytest.importorskip("timm", reason="timm is not installed; the extra hosts has it")
pytest.importorskip("timm.optim")

pytestmark = pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found = timm.optim._optim_factory.default_registry
    monkeypatch.setattr(found, "_optimizers", dict(found._optimizers))
    return register_with_timm()


def hyphened(name: str) -> str:
    return f"chainrule-{name.replace('_', '-')}"


def learn(net: Any, stepper: Any) -> None:
    for x, y in batches():
        loss_of(net, x, y).backward()
        stepper.step()
        stepper.zero_grad()


def test_the_factory_lists_every_optimizer_once(registered: list[str], caplog: pytest.LogCaptureFixture) -> None:
    assert registered == register_with_timm()
    assert sorted(registered) == sorted(timm.optim.list_optimizers(filter="chainrule-*"))
    assert {hyphened(name) for name in ("lion", "qhadam", "dog")} <= set(registered)
    assert not caplog.records


def test_the_factory_makes_every_optimizer_that_needs_no_more_than_timm_gives(registered: list[str]) -> None:
    needy = {each.name for each in registry.components("optimizers") if needs_more(each)}
    refused = set()
    for name in registered:
        net = network("muon")
        try:
            made = timm.optim.create_optimizer_v2(net, name, lr=1e-2)
        except chainrule.ChainruleError:
            refused.add(name)
            continue
        learn(net, made)
        assert all(one.isfinite().all() for one in net.parameters())
    assert refused == set(map(hyphened, needy))
    assert {"accumulate", "sgld"} <= needy


def needs_more(component: chainrule.Component) -> bool:
    fields = inspect.signature(registry.load(component)).parameters.values()
    return any(each.default is inspect.Parameter.empty for each in fields)


@pytest.mark.parametrize("name", RULES)
def test_the_factory_makes_an_optimizer_by_name(name: str) -> None:
    given = RULES[name] | ({"momentum": 0.95} if name == "muon" else {})
    net, other = network(name), network(name)
    learn(net, timm.optim.create_optimizer_v2(net.parameters(), hyphened(name), **{"weight_decay": 0.0} | given))
    learn(other, stepper_for(other, name))
    torch.testing.assert_close(weights(net), weights(other), rtol=0, atol=0)


def test_decay_leaves_out_vectors_and_settings_that_a_rule_lacks_are_dropped_as_for_timms_own() -> None:
    made = timm.optim.create_optimizer_v2(network("lion"), "chainrule-lion", lr=0.1, weight_decay=0.2, eps=1e-3)
    assert isinstance(made, optim.lion)
    assert [(group["lr"], group["weight_decay"]) for group in made.param_groups] == [(0.1, 0.0), (0.1, 0.2)]
    momentum = timm.optim.create_optimizer_v2(network("sgd"), "chainrule-sgd", lr=0.1).param_groups[0]["momentum"]
    assert momentum == 0.9


def test_rates_may_fall_from_layer_to_layer_under_timms_schedules() -> None:
    from timm.scheduler import CosineLRScheduler

    model = timm.create_model("test_vit", num_classes=2)
    made = timm.optim.create_optimizer_v2(model, "chainrule-schedule-free-adamw", lr=0.1, layer_decay=0.5)
    schedule = CosineLRScheduler(made, t_initial=4)
    schedule.step(1)
    rates = {group["lr_scale"]: group["lr"] for group in made.param_groups}
    assert len(rates) > 2
    assert all(rate == pytest.approx(scale * rates[1.0]) for scale, rate in rates.items())
    model(torch.randn(1, *model.default_cfg["input_size"])).sum().backward()
    made.step()


def test_lookahead_of_timm_goes_around_a_rule() -> None:
    net = network("lion")
    made = timm.optim.create_optimizer_v2(net, "lookahead_chainrule-lion", lr=1e-2)
    before = weights(net)
    learn(net, made)
    assert not any(map(torch.equal, weights(net), before))


def test_one_that_cannot_be_made_says_so_where_it_is_made() -> None:
    with pytest.raises(chainrule.ChainruleError, match="sgld: needs temperature, got none"):
        timm.optim.create_optimizer_v2(network("sgld"), "chainrule-sgld")


def test_one_that_cannot_be_loaded_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(registry, "names", lambda _: ["lost", "lion"])
        assert register_with_timm() == ["chainrule-lost", "chainrule-lion"]
    with pytest.raises(ImportError, match='No optimizer is registered as "lost"'):
        timm.optim.create_optimizer_v2(network("lion"), "chainrule-lost")
