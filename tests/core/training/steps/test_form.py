"""A step whose form is known is not traced again, and another form is never taken for it."""

import copy

import pytest
import torch

import chainrule
from chainrule import Module, Optimizer, hyperparameter, param_groups
from chainrule.activations import relu, tanh
from chainrule.layers import dropout, linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam, ema, sgd
from chainrule.training.steps import functions
from chainrule.training.steps.eager import TrainingStep
from chainrule.training.steps.form import NoFormError, form_of

FACTOR = 2.0


def doubled(x):
    return FACTOR * x


class Scale(Module):
    """Multiply by what may be changed from outside, in several places."""

    def __init__(self):
        self.factors = [1.0, {"a": 2.0}]

    def forward(self, x):
        self.save_for_backward()
        return doubled(x) * self.factors[0] * self.factors[1]["a"]

    def backward(self, grad_output):
        self.saved_tensors()
        return doubled(grad_output) * self.factors[0] * self.factors[1]["a"]


def step_of(rule=None, *, width=4, activation=tanh, p=0.5, weight=(1.0, 2.0), clip_norm=None, smoothing=0.0):
    layers = sequential(linear(3, width), activation(), Scale(), dropout(p), linear(width, 2))
    network = layers.build(seeds=[0, 1], dtype=torch.float64)
    loss = cross_entropy(weight=list(weight), label_smoothing=smoothing).over_members()
    return TrainingStep(network, loss, (rule or adam()).attach(network, clip_norm=clip_norm))


def test_steps_that_differ_in_seeds_and_rates_alone_have_one_form():
    assert form_of(step_of()) == form_of(step_of(adam(lr=0.1)))
    assert hash(form_of(step_of())) == hash(form_of(copy.deepcopy(step_of())))


class Bounded(Optimizer):
    lr: float = hyperparameter(default=0.1, below=0.5)
    power: float = hyperparameter(default=0.5, above=0)

    def update(self, parameter, grad, state, step):
        return grad.sign() * grad.abs() ** self.power


def test_a_learning_rate_that_may_not_be_1_is_left_out_too():
    assert form_of(step_of(Bounded(power=[0.5, 1.0]))) == form_of(step_of(Bounded(lr=0.2, power=[0.25, 1.0])))
    assert form_of(step_of(ema(inner=Bounded()))) == form_of(step_of(ema(inner=Bounded(lr=0.2))))


def test_another_number_per_member_is_another_form():
    one, other, none = ({"momentum": [0.5, 0.9]}, {"weight_decay": [0.5, 0.9]}, {})
    forms = [form_of(step_of(sgd(**{"momentum": 0.0, "weight_decay": 0.0} | given))) for given in (one, other, none)]
    assert len(set(forms)) == 3


def tied(one, other):
    layers = [linear(3, 3) for _ in range(3)]
    layers[other].weight = layers[one].weight
    network = sequential(*layers).build(dtype=torch.float64)
    return TrainingStep(network, mse().over_members(), adam().attach(network))


def test_which_layers_share_a_parameter_is_part_of_the_form():
    assert form_of(tied(0, 1)) == form_of(tied(0, 1))
    assert len({form_of(tied(*pair)) for pair in ((0, 1), (0, 2), (1, 2))}) == 3


@pytest.mark.parametrize(
    "other",
    [
        lambda: step_of(adam(eps=1e-3)),
        lambda: step_of(sgd()),
        lambda: step_of(ema(inner=adam())),
        lambda: step_of(param_groups({"*.bias": sgd(), "*": adam()})),
        lambda: step_of(width=5),
        lambda: step_of(activation=relu),
        lambda: step_of(p=0.25),
        lambda: step_of(weight=(1.0, 3.0)),
        lambda: step_of(clip_norm=1.0),
        lambda: step_of(smoothing=0.1),
    ],
)
def test_another_setting_is_another_form(other):
    assert form_of(other()) != form_of(step_of())


def test_another_default_dtype_is_another_form():
    before, step = form_of(step_of()), step_of()
    torch.set_default_dtype(torch.float64)
    try:
        assert form_of(step) != before
    finally:
        torch.set_default_dtype(torch.float32)


CHANGES = {
    "an attribute": lambda step, _: setattr(step.parts[3], "same_in_eval", 0),
    "a list": lambda step, _: step.parts[3].factors.__setitem__(0, 1.5),
    "a dict in a list": lambda step, _: step.parts[3].factors[1].update(a=3.0),
    "what is frozen": lambda step, _: step.updater.network.freeze("0.*"),
    "a method": lambda _, monkeypatch: monkeypatch.setattr(Scale, "forward", lambda self, x: 2 * x),
    "a constant": lambda _, monkeypatch: monkeypatch.setitem(globals(), "FACTOR", 3.0),
    "a function": lambda _, monkeypatch: monkeypatch.setitem(globals(), "doubled", lambda x: 2 * x),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_changed_is_another_form(name, monkeypatch):
    step = step_of()
    assert type(step.parts[3]) is Scale
    before = form_of(step)
    CHANGES[name](step, monkeypatch)
    step.updater._follow_freezing()
    assert form_of(step) != before


def test_what_cannot_be_described_has_no_form():
    step = step_of()
    step.parts[3].factors.append(object())
    with pytest.raises(NoFormError, match=r"^a object"):
        form_of(step)


@pytest.mark.usefixtures("traced")
def test_a_second_fit_is_not_traced_and_trains_alike(monkeypatch):
    x = torch.randn(24, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.arange(24) % 2
    curves = {}
    for seeds, weight in (([0, 1], 2.0), ([5, 6], 2.0)):
        for compile in (True, False):
            layers = sequential(linear(3, 4), tanh(), Scale(), dropout(0.5), linear(4, 2))
            network = layers.build(seeds=seeds, dtype=torch.float64)
            options = {"train": (x, y), "epochs": 2, "batch_size": 6, "compile": compile}
            history = chainrule.fit(network, cross_entropy(weight=[1.0, weight]), adam(lr=0.01), **options)
            curves[compile] = history["train_loss"]
        torch.testing.assert_close(curves[True], curves[False], rtol=1e-9, atol=1e-12)
        monkeypatch.setattr(functions, "trace", None)  # from now on tracing would fail, and warn
