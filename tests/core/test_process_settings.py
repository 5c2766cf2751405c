"""What a process shares, such as torch's default device and dtype, changes nothing of a network."""

from contextlib import contextmanager

import pytest
import torch

from chainrule import (
    ChainruleError,
    HyperparameterError,
    Optimizer,
    evaluate,
    fit,
    get,
    hookimpl,
    metrics,
    training_step,
)
from chainrule.activations import tanh
from chainrule.layers import embedding, linear, sequential, transformer_block
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam, ema, lookahead, sgd
from chainrule_torch import wrap
from tests.built_ins import BUILT_IN
from tests.contracts.correct_modules import BatchNorm, Dropout
from tests.interpreter import STRICT

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(12, 3, generator=GENERATOR)
Y = torch.randint(2, (12,), generator=GENERATOR)
PER_MEMBER = torch.tensor([0.1, 0.2])


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic_algorithms():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


# On "meta" tensors have no values, so that whatever is made there by mistake raises, as on a GPU that is not here.
PROCESSES = {
    "device": lambda: torch.device("meta"),
    "dtype": lambda: default_dtype(torch.float64),
    "deterministic": deterministic_algorithms,
}


class Noisy(Optimizer):
    """Descend along the normed gradient with noise."""

    def update(self, parameter, grad, state, step):
        return grad / grad.norm().clamp_min(1e-3) + 0.01 * step.random.normal(parameter.shape)


def everything(rule, seeds, compile):
    """Return the parameters after building, training, evaluating, saving and loading."""
    layers = linear(3, 4), BatchNorm(4), tanh(), Dropout(0.2), linear(4, 2)
    network = sequential(*layers).build(seeds=seeds, dtype=torch.float32)
    history = fit(
        network,
        cross_entropy(),
        rule,
        train=(X, Y),
        validation=(X, Y),
        epochs=2,
        batch_size=5,
        metrics={"accuracy": metrics.accuracy()},
        clip_norm=1.0,
        compile=compile,
    )
    network.load_state_dict(network.state_dict())
    network.load_random_state(network.random_state())
    history.updater.load_state_dict(history.updater.state_dict())
    evaluate(network.member(0), cross_entropy(), (X, Y))
    training_step(network, cross_entropy(), rule)(X, Y)
    return network.flat.data


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize(
    ("rule", "seeds"),
    [
        (sgd(lr=0.1, momentum=0.9), None),
        (Noisy(lr=0.1), None),
        (Noisy(lr=0.1), [0, 1]),
        (ema(inner=adam()), None),
        (lookahead(inner=adam(lr=PER_MEMBER, betas=(PER_MEMBER, 0.9))), [0, 1]),
    ],
    ids=str,
)
def test_training_gives_the_same_bits(rule, seeds, process):
    expected = everything(rule, seeds, compile=False)
    with PROCESSES[process]():
        assert torch.equal(everything(rule, seeds, compile=False), expected)


def test_uncompiled_training_does_not_import_the_compiler():
    """It takes as long to import as torch does."""
    code = (
        "import sys, torch\nfrom chainrule import fit\nfrom chainrule.layers import linear\n"
        "from chainrule.losses import mse\nfrom chainrule.optimizers import adam\n"
        "fit(linear(2, 2).build(seed=0), mse(), adam(), train=(torch.ones(4, 2), torch.ones(4, 2)), epochs=1)\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert STRICT.run("-c", code).stdout == "False\n"


@pytest.mark.parametrize("process", PROCESSES)
def test_compiled_training_gives_the_same_bits(process):
    expected = everything(adam(), [0, 1], compile=True)
    with PROCESSES[process]():
        assert torch.equal(everything(adam(), [0, 1], compile=True), expected)


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("x", [torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)], ids=["floats", "integers"])
def test_a_network_shows_the_same_of_itself(x, process):
    first = linear(4, 4) if x.is_floating_point() else embedding(9, 4)
    network = sequential(first, transformer_block(4, 2)).build(dtype=torch.float32)
    network(x)
    expected = network.summary(), network._repr_html_()
    assert "No gradients" not in expected[1]
    with PROCESSES[process]():
        assert (network.summary(), network._repr_html_()) == expected


@pytest.mark.parametrize("process", PROCESSES)
def test_numbers_that_become_tensors_keep_their_values(process):
    class Rate:
        @hookimpl
        def chainrule_epoch_end(self, run):
            run.record("rate", 0.1)

    network = linear(3, 3).build(seeds=[0, 1], dtype=torch.float32)
    with PROCESSES[process]():
        history = fit(network, mse(), adam(lr=[0.1, 0.2]), train=(X, X), callbacks=[Rate()])
        with pytest.raises(HyperparameterError, match=r"^cross_entropy: weight must be finite numbers, got \['a'\]\."):
            cross_entropy(weight=["a"])
    assert history["rate"].tolist() == [[0.1, 0.1]]


@pytest.mark.parametrize(
    "use",
    [
        lambda network: network(X),
        lambda network: network.backward(X),
        lambda network: sgd().attach(network).step(),
        lambda network: fit(network, mse(), sgd(), train=(X, X)),
    ],
)
def test_autocast_is_refused(use):
    network = linear(3, 3).build()
    network(X)
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(ChainruleError, match=r"^network: must run in torch\.float32, got torch\.autocast for cpu\."),
    ):
        use(network)


@pytest.mark.parametrize(
    "name", [one.name for one in BUILT_IN if one.kind == "callbacks" and one.name != "tensorboard"]
)
def test_callbacks_run_under_another_default_device(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    callbacks = getattr(get("callbacks", name), "examples", lambda: [get("callbacks", name)()])()
    with PROCESSES["device"]():
        for callback in callbacks:
            network = linear(3, 2).build(seeds=[0, 1])
            fit(network, cross_entropy(), sgd(), train=(X, Y), validation=(X, Y), epochs=2, callbacks=[callback])


@pytest.mark.slow
def test_a_wrapped_rule_is_made_and_steps_under_another_default_device():
    with PROCESSES["device"]():
        rule = wrap(torch.optim.RMSprop, lr=0.1)
        fit(linear(3, 2).build(), cross_entropy(), rule, train=(X, Y))
