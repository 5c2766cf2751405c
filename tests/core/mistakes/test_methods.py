"""Methods that users call answer a call that does not fit; a component's constructor and a schedule's step too."""

import numpy
import pytest
import torch

import chainrule
from chainrule import ArgumentError, ChainruleError, HyperparameterError, Module, ShapeError, components, get
from chainrule.initializers import he_normal
from chainrule.layers import linear
from chainrule.losses import cross_entropy, mse
from chainrule.metrics import accuracy
from chainrule.optimizers import sgd
from chainrule.registry.kinds import KINDS
from chainrule.schedules import cosine
from chainrule.tasks import circle
from tests.built_ins import BUILT_IN

X, Y = torch.randn(10, 2), torch.randn(10, 1)


def network():
    return linear(2, 1).build()


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: mse()(X), "mse: needs target, got none. Write mse(prediction, target)."),
        (lambda: cross_entropy()(input=X, target=Y), 'cross_entropy: takes no argument "input".'),
        (lambda: mse()(X, X, X), "mse: takes by position prediction and target, got 3, from a tensor (10, 2) on."),
        (lambda: mse().mean(X), "mean: needs target, got none."),
        (lambda: mse().backward(retain_graph=True), 'backward: takes no argument "retain_graph".'),
        (lambda: accuracy()(preds=X, target=Y), 'accuracy: takes no argument "preds".'),
        (lambda: network().backward(), "backward: needs grad_output, got none."),
        (lambda: network().zero_grad(set_to_none=True), 'zero_grad: takes no arguments, got "set_to_none".'),
        (lambda: network().state_dict(prefix="a"), 'state_dict: takes no arguments, got "prefix".'),
        (lambda: network().parameters(recurse=False), 'parameters: takes no arguments, got "recurse".'),
        (lambda: network().train(True, False), "train: takes by position mode, got 2"),
        (lambda: network().freeze(names="bias"), 'freeze: takes no named arguments, got "names".'),
        (lambda: linear(2, 1).parameters(recurse=False), 'parameters: takes no arguments, got "recurse".'),
        (lambda: sgd().attach(network()).step(lambda: 0), "step: takes no arguments, got a lambda."),
        (lambda: circle().splits(), "splits: needs seed, got none. Write splits(seed)."),
        (lambda: circle().network(seed=0), 'network: takes no arguments, got "seed".'),
        (lambda: he_normal()(X), "he_normal: needs fan_in, fan_out and generator, got none."),
        (lambda: he_normal().std(), "std: needs fan_in and fan_out, got none."),
        (lambda: cosine(9)(), "cosine: needs t, got none. Write cosine(t)."),
        (lambda: components(name="adam"), 'components: takes no argument "name". It takes kind.'),
    ],
)
def test_a_call_that_does_not_fit_is_answered(mistake, words):
    with pytest.raises(ArgumentError) as caught:
        mistake()
    assert words in str(caught.value)


@pytest.mark.parametrize("record", [one for one in BUILT_IN if one.kind in KINDS], ids=lambda one: one.key)
def test_every_constructor_names_an_argument_that_it_does_not_take(record):
    with pytest.raises(ChainruleError, match=r"takes no.* argument.*bogus") as caught:
        get(record.kind, record.name)(bogus=1)
    assert str(caught.value).startswith(f"{record.name}: ")


def test_a_constructor_is_explained_once_however_often_its_name_is_imported():
    kind = get("callbacks", "early_stopping")
    written = kind.__init__
    assert get("callbacks", "early_stopping").__init__ is written
    assert kind.__init__.__wrapped__.__name__ == "__init__"


@pytest.mark.parametrize(
    "schedule", [one for kind in components("schedules") for one in get("schedules", kind.name).examples()]
)
@pytest.mark.parametrize("t", [0, -1, 1.5, "1", None, True, torch.ones(2)])
def test_a_schedule_takes_steps_from_1_on(schedule, t):
    with pytest.raises(HyperparameterError, match=f"^{chainrule.label(schedule)}: t must be an integer of at least 1"):
        schedule(t)


@pytest.mark.parametrize("t", [numpy.int64(3), torch.tensor(3)])
def test_a_step_may_be_an_integer_of_numpy_or_torch(t):
    assert cosine(9)(t) == cosine(9)(3)


@pytest.mark.parametrize(
    ("init", "words"),
    [
        (lambda tensor: tensor.zero_(), "Parameter: init must take (tensor, *, fan_in, fan_out, generator)"),
        (lambda: None, "Parameter: init must take (tensor, *, fan_in, fan_out, generator)"),
        (lambda tensor, **_: torch.ones_like(tensor), "got a return of a tensor (1, 2) for weight"),
        (
            lambda tensor, **_: tensor.fill_(torch.nan),
            "must fill the tensor in place with finite numbers, got nan for weight",
        ),
        (lambda tensor, **_: tensor.resize_(5), "got one resized to (5,) for weight"),
    ],
)
def test_a_function_that_does_not_initialize_is_refused(init, words):
    with pytest.raises(ChainruleError) as caught:
        linear(2, 1, weight_init=init).build()
    assert words in str(caught.value)


def test_a_function_that_initializes_is_taken():
    def ones(tensor, fan_in, fan_out, generator):
        return tensor.fill_(fan_in)

    assert linear(2, 1, weight_init=ones).build().state_dict()["weight"].tolist() == [[2.0, 2.0]]


class Calls(Module):
    """Call a module inside as torch's are called."""

    def __init__(self):
        self.inner = linear(2, 1)

    def forward(self, x):
        return self.inner(x)

    def backward(self, grad_output):
        return self.inner.backward(grad_output)


@pytest.mark.parametrize(
    "call", [lambda: linear(2, 1)(X), lambda: linear(2, 1)(X, mask=None), lambda: Calls().build()(X)]
)
def test_a_call_of_a_module_that_is_not_built_is_answered(call):
    with pytest.raises(ArgumentError) as caught:
        call()
    assert str(caught.value) == (
        "linear: a module must be built before it is called, got a call of the module itself. "
        "Write network = module.build(), network(x); inside another module, module.forward(x)."
    )


@pytest.mark.parametrize("module", [linear(2, 1), network().module])
def test_a_forward_without_the_member_axis_is_answered(module):
    with pytest.raises(ShapeError, match=r"^forward: x must have the member axis in front, .* got \(10, 2\)\."):
        module.forward(X)


def test_a_module_is_no_schedule_although_it_can_be_called():
    with pytest.raises(HyperparameterError, match="schedule must be a callable"):
        sgd(schedule=linear(2, 1))
