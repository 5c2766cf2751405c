"""Test rules of chainrule as optimizers of torch."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import chainrule
from chainrule.optimizers import adam, sgd
from chainrule.testing.optimizers.trials import weights
from chainrule.updates.chain import Chain
from chainrule_torch import optim, optimizer
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

NAMES = [each.name for each in chainrule.components("optimizers") if not each.foreign]


def model() -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)
    return torch.nn.Sequential(*layers).double()


def train(net: torch.nn.Module, stepper: Any, steps: int = 5, first: int = 0) -> None:
    for t in range(first, first + steps):
        x = torch.sin(torch.arange(20.0, dtype=torch.float64) + t).view(5, 4)
        stepper.zero_grad()
        net(x).square().sum().backward()
        stepper.step()


def values(net: torch.nn.Module) -> Tensor:
    return torch.cat([one.detach().flatten() for one in net.parameters()])


def trained(make: Callable[[Any], Any], **kwargs: Any) -> Tensor:
    net = model()
    train(net, make(net.parameters(), **kwargs))
    return values(net)


def registered(name: str) -> Any:
    return chainrule.get("optimizers", name)


def of_rule(rule: chainrule.Optimizer, parameter: Tensor) -> RuleOptimizer:
    made = type("Made", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})
    return made([parameter])


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_steps_as_its_own_updater_does(name: str) -> None:
    rule = registered(name).examples()[0]
    shape = (4, 3) if 2 in Chain(rule).ranks else (4,)
    network = weights(rule, {"0": shape}, seeds=[0])
    torch.manual_seed(0)  # of the random numbers, which are for parameter 0 too
    (held,) = network.parameters()
    parameter = torch.nn.Parameter(held.data[0].clone())
    updater, theirs = rule.attach(network), of_rule(rule, parameter)
    for t in range(12):
        grad = torch.cos(torch.arange(parameter.numel(), dtype=parameter.dtype) + t).view(shape)
        parameter.grad = grad.clone()
        held.grad[0].copy_(grad)
        updater.step()
        theirs.step()
    torch.testing.assert_close(parameter.detach(), held.data[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (optim.Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.99)}),
        (optim.AdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
        (optim.SGD, torch.optim.SGD, {"lr": 0.01, "momentum": 0.9}),
        (optim.torch_adamw, torch.optim.AdamW, {"lr": 0.01, "maximize": True}),  # a setting of the rule itself
    ],
)
def test_trains_a_module_as_torchs_own_does(ours: Any, theirs: Any, settings: Any) -> None:
    torch.testing.assert_close(trained(ours, **settings), trained(theirs, **settings), rtol=1e-10, atol=1e-12)


def test_weight_decay_of_a_rule_without_it_is_decoupled() -> None:
    ours = trained(optim.adam, lr=0.01, weight_decay=0.1)
    torch.testing.assert_close(ours, trained(torch.optim.AdamW, lr=0.01, weight_decay=0.1), rtol=1e-10, atol=1e-12)


def test_groups_have_settings_of_their_own_that_may_change() -> None:
    def with_groups(make: Any) -> Tensor:
        net = model()
        stepper = make([{"params": net[0].parameters(), "lr": 0.1}], lr=0.01)
        stepper.add_param_group({"params": net[2].parameters(), "betas": (0.5, 0.9)})
        schedule = torch.optim.lr_scheduler.OneCycleLR(stepper, 0.1, total_steps=8)
        for t in range(5):
            train(net, stepper, 1, t)
            schedule.step()
        return values(net)

    torch.testing.assert_close(with_groups(optim.Adam), with_groups(torch.optim.Adam), rtol=1e-10, atol=1e-12)


def test_settings_of_the_rule_inside_a_wrapper_are_keys_too() -> None:
    stepper = optim.lookahead(model().parameters(), inner=adam(lr=0.1), k=3)
    assert {"k", "lr", "betas", "eps"} <= stepper.param_groups[0].keys()
    wrapped = trained(optim.lookahead, inner=adam(), lr=0.02, k=2)
    torch.testing.assert_close(wrapped, trained(optim.lookahead, inner=adam(lr=0.02), k=2))


def test_a_parameter_without_a_gradient_counts_no_step() -> None:
    first, second = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    stepper = optim.adam([first, second], weight_decay=0.1)
    first.grad = torch.ones(3)
    stepper.step()
    assert [float(stepper.state[each]["step"]) for each in (first, second)] == [1, 0]
    assert torch.equal(second, torch.ones(3))


def test_the_first_step_starts_from_the_weights_it_finds() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    stepper = optim.lookahead([parameter], inner=sgd(lr=0.0), k=1, alpha=0.5)
    with torch.no_grad():
        parameter.fill_(5)
    parameter.grad = torch.ones(3)
    stepper.step()
    assert torch.equal(parameter, torch.full((3,), 5.0))


@pytest.mark.parametrize("name", ["adam", "lion", "prodigy", "sgld", "schedule_free_adamw", "torch_adamw"])
def test_a_saved_run_goes_on_bit_for_bit(name: str) -> None:
    net, settings = model(), {"temperature": 0.1} if name == "sgld" else {}
    stepper = optimizer(name, net.parameters(), **settings)
    train(net, stepper, 3)
    file = io.BytesIO()
    torch.save(stepper.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(net)
    torch.manual_seed(1)
    resumed = optimizer(name, other.parameters(), **settings)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    train(net, stepper, 3, 3)
    train(other, resumed, 3, 3)
    assert torch.equal(values(net), values(other))


def test_state_keeps_its_dtype_when_it_is_loaded() -> None:
    parameter = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    stepper = optim.sgd([parameter])
    stepper.load_state_dict(stepper.state_dict())
    assert stepper.state[parameter]["random_key"].dtype == torch.int64


@pytest.mark.parametrize("name", ["adam", "torch_adam"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # noqa: S301
def test_copies_go_on_alike(copied: Any, name: str) -> None:
    net = model()
    stepper = optimizer(name, net.parameters(), lr=0.1)
    train(net, stepper, 2)
    other, theirs = copied((net, stepper))
    train(net, stepper, 2, 2)
    train(other, theirs, 2, 2)
    assert torch.equal(values(net), values(other))
    assert type(theirs) is type(stepper)


def test_evaluates_with_other_parameters_until_training_goes_on() -> None:
    net = model()
    stepper = optim.ema(net.parameters(), inner=sgd(lr=0.1), decay=0.5)
    train(net, stepper, 3)
    before = values(net)
    stepper.eval()
    mean = values(net)
    stepper.train()
    assert torch.equal(values(net), before)
    assert not torch.equal(mean, before)


@pytest.mark.parametrize("resumed", [False, True])
def test_a_step_refuses_gradients_of_the_evaluation_parameters(resumed: bool) -> None:
    net = model()
    stepper = optim.ema(net.parameters(), inner=sgd(lr=0.1), decay=0.5)
    train(net, stepper, 3)
    stepper.eval()
    if resumed:
        state, stepper = stepper.state_dict(), optim.ema(net.parameters(), inner=sgd(lr=0.1), decay=0.5)
        stepper.load_state_dict(state)
    before = values(net)
    with pytest.raises(chainrule.ChainruleError, match=r"ema: step must .*, got .*\. Call optimizer\.train\(\) before"):
        train(net, stepper, 1)
    assert torch.equal(values(net), before)
    stepper.train()
    train(net, stepper, 1)


def test_a_closure_computes_the_gradients_of_the_trained_parameters() -> None:
    ends = []
    for evaluates in (False, True):
        parameter = torch.nn.Parameter(torch.ones(()))
        stepper = optim.ema([parameter], inner=sgd(lr=0.1), decay=0.5)

        def closure(parameter: Tensor = parameter, stepper: RuleOptimizer = stepper) -> None:
            stepper.zero_grad()
            parameter.square().backward()

        for _ in range(3):
            if evaluates:
                stepper.eval()
            stepper.step(closure)
        ends.append(parameter.detach())
    assert torch.equal(*ends)


@pytest.mark.parametrize(("name", "before"), [("adam", 1), ("schedule_free_sgd", 0)])
def test_a_step_goes_on_where_eval_shows_no_other_parameters(name: str, before: int) -> None:
    net, other = model(), model()
    stepper, theirs = optimizer(name, net.parameters()), optimizer(name, other.parameters())
    train(net, stepper, before)
    stepper.eval()
    train(net, stepper, 2, before)
    train(other, theirs, before + 2)
    assert torch.equal(values(net), values(other))


def test_hooks_run_around_a_step() -> None:
    parameter, seen = torch.nn.Parameter(torch.ones(2)), list[float]()
    stepper = optim.sgd([parameter], lr=1.0)
    stepper.register_step_pre_hook(lambda *_: seen.append(float(parameter.detach()[0])))
    stepper.register_step_post_hook(lambda *_: seen.append(float(parameter.detach()[0])))
    parameter.grad = torch.ones(2)
    stepper.step()
    assert seen == [1, 0]


def test_a_closure_is_called_once_and_its_loss_returned() -> None:
    parameter = torch.nn.Parameter(torch.ones(()))
    stepper = optim.sgd([parameter], lr=0.5)

    def closure() -> Tensor:
        stepper.zero_grad()
        loss = parameter.square()
        loss.backward()
        return loss

    assert stepper.step(closure).detach() == 1
    assert parameter.detach() == 0


def test_takes_empty_parameters_and_several_dtypes() -> None:
    shapes: list[Any] = [((), torch.float32), ((0,), torch.float32), ((2, 3), torch.float64)]
    parameters = [torch.nn.Parameter(torch.ones(shape, dtype=dtype)) for shape, dtype in shapes]
    stepper = optim.lamb([("a", parameters[0]), ("b", parameters[1]), ("c", parameters[2])])
    for each in parameters:
        each.grad = torch.ones_like(each)
    stepper.step()
    assert [each.dtype for each in parameters] == [dtype for _, dtype in shapes]
    assert stepper.param_groups[0]["param_names"] == ["a", "b", "c"]


def test_a_group_may_be_empty() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    stepper = optim.sgd([{"params": []}, {"params": [parameter], "lr": 1.0}])
    parameter.grad = torch.ones(2)
    stepper.step()
    assert torch.equal(parameter, torch.zeros(2))


def test_small_parameters_of_an_elementwise_rule_share_their_operations() -> None:
    calls = []

    class Counting(chainrule.Optimizer):
        elementwise = True

        def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
            calls.append(parameter.numel())
            return grad

    shapes: list[Any] = [(3, 2), (), (2**17,), (4,)]
    parameters = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
    made = type("Made", (RuleOptimizer,), {"factory": Counting})
    stepper = made(parameters, lr=1.0)
    for i, each in enumerate(parameters):
        each.grad = torch.full_like(each, i)
    parameters[0].grad = torch.arange(6.0).view(2, 3).mT
    stepper.step()
    assert sorted(calls) == [11, 2**17]
    assert all(torch.equal(each, -each.grad) for each in parameters if each.grad is not None)


def test_a_rule_steps_whose_learning_rate_may_not_be_1() -> None:
    class Bounded(chainrule.Optimizer):
        lr: float = chainrule.hyperparameter(default=0.25, below=0.5)

        def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
            return grad

    parameter = torch.nn.Parameter(torch.zeros(3))
    stepper = type("Made", (RuleOptimizer,), {"factory": Bounded})([parameter])
    parameter.grad = torch.ones(3)
    stepper.step()
    assert parameter.tolist() == [-0.25] * 3


def test_a_scaler_skips_a_step_of_infinite_gradients() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    stepper, scaler = optim.adam([parameter]), torch.amp.GradScaler("cpu")
    for factor, steps in ((float("inf"), 0), (1.0, 1)):
        stepper.zero_grad()
        scaler.scale((parameter * factor).sum()).backward()
        scaler.step(stepper)
        scaler.update()
        assert float(stepper.state[parameter]["step"]) == steps


def test_names_are_those_of_the_registry() -> None:
    assert optim.Lion is optim.lion
    assert optim.ScheduleFreeAdamW is optim.schedule_free_adamw
    assert "lion" in dir(optim)
    assert repr(optim.Lion(model().parameters())).startswith("Lion (")
    with pytest.raises(chainrule.ChainruleError, match='Did you mean "lion"'):
        optim.lino  # noqa: B018


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda p: optim.adam([{"params": [p], "momentum": 0.9}]), "adam: a key of a parameter group must be one of"),
        (lambda p: optim.adam([{"params": [p], "lr": -1.0}]), "adam: lr must be at least 0, got -1.0."),
        (lambda p: optim.adam([p], weight_decay=-1.0), "adam: weight_decay must be at least 0, got -1.0."),
        (lambda p: optim.adam([p], lr=torch.ones(2)), "adam: lr must be one number, got a tensor of shape"),
        (
            lambda p: optim.muon([p]),
            "muon: a parameter must have rank 2 or 3 or 4 or 5, got shape (3,). Leave it out of its param_groups",
        ),
        (lambda p: optim.adam([torch.nn.Parameter(p * 1j)]), "adam: a parameter must have real floating-point"),
        (lambda p: optim.adam([p]).load_state_dict(optim.sgd([p]).state_dict()), "adam: the state of a parameter must"),
    ],
)
def test_mistakes_are_answered_in_one_line(refused: Any, message: str) -> None:
    with pytest.raises(chainrule.ChainruleError) as caught:
        refused(torch.nn.Parameter(torch.ones(3)))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_sparse_gradient_is_refused_before_anything_moves() -> None:
    dense, table = torch.nn.Parameter(torch.ones(2)), torch.nn.Embedding(4, 2, sparse=True)
    stepper = optim.adam([dense, *table.parameters()])
    (table(torch.tensor([1])) + dense).sum().backward()
    with pytest.raises(chainrule.ChainruleError, match=r"adam: a gradient must be dense, got torch\.sparse_coo"):
        stepper.step()
    assert torch.equal(dense, torch.ones(2))
