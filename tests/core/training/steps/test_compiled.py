"""A compiled step is the step, whatever changes between steps; and what cannot be compiled says so and runs."""

import copy
import random
import sys
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import chainrule
import chainrule.ops
from chainrule import Buffer, CompileWarning, Module, Parameter, Random, ShapeError, Wrapper, param_groups
from chainrule.activations import relu, tanh
from chainrule.initializers import zeros
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.optimizers import adam, rmsprop, sgd
from chainrule.training.steps import stage
from chainrule.training.steps.compiled import CompiledStep
from chainrule.training.steps.eager import TrainingStep
from tests.built_ins import built_in_rules
from tests.forms import first_of_each_form


def build(*modules, seeds=(0, 1)):
    return sequential(linear(3, 8), *modules, linear(8, 2)).build(seeds=seeds, dtype=torch.float64)


def batches(*rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        [torch.randn(2, number, size, generator=generator, dtype=torch.float64) for size in (3, 2)] for number in rows
    ]


def take(step, rows=(4, 4, 4, 3, 4, 4)):
    """Take steps on batches of so many rows; return all predictions and losses."""
    with torch.inference_mode():
        return [output.clone() for x, y in batches(*rows) for output in step(x, y)]


def expect_the_same_trajectory(network, optimizer, rows=(4, 4, 4, 3, 4, 4), **options):
    compiled = copy.deepcopy(network)
    steps = [
        kind(one, mse(members=True), optimizer.attach(one, **options))
        for kind, one in ((TrainingStep, network), (CompiledStep, compiled))
    ]
    theirs, ours = (take(step, rows) for step in steps)
    assert steps[1].variants
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    for buffer in ("data", "grad"):
        pair = (getattr(one.flat, buffer) for one in (compiled, network))
        torch.testing.assert_close(*pair, rtol=1e-9, atol=1e-9)
    states = (updater.state_dict()["state"] for updater in (steps[1].step.updater, steps[0].updater))
    torch.testing.assert_close(*states, rtol=1e-9, atol=1e-9)
    return compiled


class MatrixRule(chainrule.Optimizer):
    """Scale each matrix's gradient by its own norm and by one of the whole network, so that nothing is elementwise."""

    elementwise = False

    def reduce(self, parameter, grad, state, step):
        return {"square": (grad * grad).sum()}

    def update(self, parameter, grad, state, step):
        return grad / (grad.norm() + step["square"].sqrt() + step.t)


RULES = {
    "a schedule and clipping": (adam(schedule=lambda t: 1 / t), {"clip_norm": 0.1}),
    "a learning rate for each member": (rmsprop(lr=torch.tensor([1e-3, 1e-2])), {}),
    "groups, one not elementwise": (param_groups({"*.bias": sgd(lr=0.1, momentum=0.9), "*": MatrixRule(lr=0.1)}), {}),
}


@pytest.mark.parametrize("name", RULES)
def test_a_compiled_step_follows_the_same_trajectory(name):
    optimizer, options = RULES[name]
    expect_the_same_trajectory(build(tanh()), optimizer, **options)


MAPPED = [rule for rule in built_in_rules() if rule.vmappable]
FIRST = first_of_each_form(rule for rule in MAPPED if not issubclass(rule, Wrapper))


def groups_of(examples):
    """Return the parameters of linear layers for these rules, one layer for each, by what selects them."""
    found = {}
    for position, example in enumerate(examples):
        found |= {f"{position}.{end}": example for end, rank in (("weight", 2), ("bias", 1)) if rank in example.ranks}
    return found


def test_a_rule_of_each_form_compiles_into_a_step():
    """All at once, since each takes seconds to compile by itself; the slow suite compiles every rule."""
    examples = [rule.examples()[0] for rule in sorted(FIRST, key=lambda rule: rule.__name__)]
    network = sequential(*[linear(3, 3) for _ in examples], linear(3, 2)).build(seeds=[0, 1], dtype=torch.float64)
    expect_the_same_trajectory(network, param_groups({**groups_of(examples), "*": sgd()}))


@pytest.mark.slow
@pytest.mark.parametrize("rule", MAPPED, ids=lambda rule: rule.__name__)
def test_a_built_in_rule_compiles_into_a_step(rule):
    """Each example trains a layer of its own, or the parameters there that it is for.

    Rules that torch.vmap cannot carry may branch on a tensor, which no compiled step can.
    """
    examples = rule.examples()
    network = sequential(*[linear(3, 3) for _ in examples], linear(3, 2)).build(seeds=[0, 1], dtype=torch.float64)
    expect_the_same_trajectory(network, param_groups({**groups_of(examples), "*": sgd()}))


def test_numbers_that_are_compiled_in_would_show(monkeypatch):
    values = stage._values
    monkeypatch.setattr(
        stage, "_values", lambda moments, first=[]: first[0] if first else first.append(values(moments)) or first[0]
    )
    with pytest.raises(AssertionError, match="not close"):
        test_a_compiled_step_follows_the_same_trajectory("a schedule and clipping")


def test_steps_of_the_same_operations_are_compiled_once(traced):
    x, y = (tensor.flatten(0, 1) for tensor in batches(20)[0])
    for lr, seeds in ((0.013, [0, 1]), (0.017, [5, 6])):
        rule = adam(lr=lr, betas=(0.83, 0.91), schedule=lambda t: 1 / t)
        chainrule.fit(build(relu(), seeds=seeds), mse(), rule, train=(x, y), epochs=3, batch_size=8, compile=True)
    assert len(traced) == 1


class RunningMean(Module):
    """Subtract a running mean of each feature, kept in a buffer."""

    def __init__(self):
        self.mean = Buffer(1, 8)

    def forward(self, x):
        self.save_for_backward()
        self.mean.data.lerp_(x.mean(1, keepdim=True), 0.1)
        return x - self.mean.data

    def backward(self, grad_output):
        self.saved_tensors()
        return grad_output


class Shifts(RunningMean):
    """Use tensors that are no attributes, and change none of them."""

    def __init__(self):
        super().__init__()
        self.shifts = [torch.full((1, 1, 8), 0.5, dtype=torch.float64)]

    def forward(self, x):
        return (self.shifts[0] * super().forward(x)).add_(self.shifts[0][0])

    def backward(self, grad_output):
        return self.shifts[0] * super().backward(grad_output)


class Masked(RunningMean):
    """Draw a mask in every step."""

    def __init__(self):
        super().__init__()
        self.random = Random()

    def forward(self, x):
        mask = self.random.bernoulli(0.5, x.shape[1:])
        y = super().forward(x * mask)
        self.save_for_backward(mask)
        return y

    def backward(self, grad_output):
        (mask,) = self.saved_tensors()
        return grad_output * mask


@pytest.mark.parametrize("kind", [Shifts, Masked])
def test_a_module_may_change_its_buffers_and_draw_from_its_stream(kind):
    network = build(kind())
    compiled = expect_the_same_trajectory(network, sgd(lr=0.1))
    mean, expected = compiled.state_dict()["1.mean"], network.state_dict()["1.mean"]
    assert expected.abs().min() > 0
    torch.testing.assert_close(mean, expected, rtol=1e-9, atol=1e-9)


class Ramp(RunningMean):
    """Use a constant of the default dtype."""

    def forward(self, x):
        return super().forward(x) * torch.linspace(0, 1, 8)

    def backward(self, grad_output):
        return super().backward(grad_output) * torch.linspace(0, 1, 8)


class Follows(RunningMean):
    """Subtract another tensor than the one that changes, which may be a view of it."""

    def keep(self, *, is_view):
        self.other = self.mean.data.view(2, 1, 8) if is_view else self.mean.data.clone()

    def forward(self, x):
        return super().forward(x) - self.other


@pytest.mark.parametrize("is_view", [True, False])
def test_steps_share_no_function_where_their_tensors_share_other_memory(is_view):
    steps = []
    for kind in (TrainingStep, CompiledStep):
        network = build(Follows())
        network.module.modules[1].keep(is_view=is_view)
        steps.append(take(kind(network, mse(members=True), sgd(lr=0.1).attach(network))))
    torch.testing.assert_close(*steps, rtol=1e-9, atol=1e-9)


def test_steps_share_no_function_where_the_default_dtype_is_another():
    try:
        for dtype in (torch.float32, torch.float64):
            torch.set_default_dtype(dtype)
            expect_the_same_trajectory(build(Ramp()), sgd(lr=0.1))
    finally:
        torch.set_default_dtype(torch.float32)


class Counts(RunningMean):
    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(x) / self.calls

    def backward(self, grad_output):
        return super().backward(grad_output) / self.calls


class Rebinds(RunningMean):
    def __init__(self):
        super().__init__()
        self.shift = torch.zeros(())

    def forward(self, x):
        self.shift = self.shift + 1
        return super().forward(x) + self.shift


class Undeclared(RunningMean):
    """Make a tensor in the first step, under inference mode, and change it in place."""

    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, x):
        if self.last is None:
            self.last = torch.zeros(2, 1, 8, dtype=torch.float64)
        self.last.lerp_(x.mean(1, keepdim=True), 0.1)
        return super().forward(x) - self.last


class Hides(RunningMean):
    def __init__(self):
        super().__init__()
        self.hidden = [torch.zeros((), dtype=torch.float64)]

    def forward(self, x):
        self.hidden[0][None].add_(1)
        return super().forward(x) - self.hidden[0]


class Decides(RunningMean):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else 2 * x)


class Asks(RunningMean):
    def forward(self, x):
        return super().forward(x) * x.max().item()


class Draws(RunningMean):
    def forward(self, x):
        torch.manual_seed(0)
        return super().forward(x) + torch.rand_like(x)


class CountsInside(RunningMean):
    def __init__(self):
        super().__init__()
        self.counts = {"calls": 0}

    def forward(self, x):
        self.counts["calls"] += 1
        return super().forward(x) / self.counts["calls"]


class RebindsInside(RunningMean):
    def __init__(self):
        super().__init__()
        self.kept = types.SimpleNamespace(means=[torch.zeros(2, 1, 8, dtype=torch.float64)])

    def forward(self, x):
        self.kept.means[0] = self.kept.means[0] * 0.9 + x.mean(1, keepdim=True)
        return super().forward(x - self.kept.means[0])


class DrawsInPython(RunningMean):
    def forward(self, x):
        return super().forward(x) * random.random()  # noqa: S311


class DrawsInNumpy(RunningMean):
    def forward(self, x):
        return super().forward(x) + torch.as_tensor(np.random.randn(8))


class KeepsViews(Module):
    def __init__(self):
        self.shift = Parameter(8, init=zeros(), fan_in=1, fan_out=1)

    def keep(self):
        self.row, self.grad_row = self.shift.data.unsqueeze(1), self.shift.grad.unsqueeze(1)

    def forward(self, x):
        self.save_for_backward()
        return x + self.row

    def backward(self, grad_output):
        self.saved_tensors()
        self.grad_row += grad_output.sum(1, keepdim=True)
        return grad_output


REASONS = {
    Counts: "it changes counts.calls",
    Rebinds: "it changes rebinds.shift",
    Undeclared: "it changes undeclared.last, which is no Buffer",
    Hides: "it changes hides.hidden.0, which is no Buffer",
    Decides: "what it does depends on a tensor's value",
    Asks: "what it does depends on a tensor's value",
    Draws: "aten.rand.* draws random numbers; declare a Random",
    CountsInside: "it changes counts_inside.counts.calls",
    RebindsInside: "it changes rebinds_inside.kept.means.0",
    DrawsInPython: "the state of Python's or numpy's random numbers",
    DrawsInNumpy: "the state of Python's or numpy's random numbers",
    KeepsViews: "keeps_views.row is a view of a parameter",
}


def seed_python():
    random.seed(0)
    np.random.seed(0)


@pytest.mark.parametrize("kind", REASONS)
def test_what_is_more_than_tensor_operations_warns_and_runs_uncompiled(kind):
    network = build(kind())
    compiled = copy.deepcopy(network)
    if kind is KeepsViews:
        for one in (network, compiled):
            one.module.modules[1].keep()
    seed_python()
    expected = take(TrainingStep(network, mse(members=True), sgd().attach(network)))
    seed_python()
    step = CompiledStep(compiled, mse(members=True), sgd().attach(compiled))
    with pytest.warns(CompileWarning, match=rf"^compile=True: the step cannot be compiled \(.*({REASONS[kind]})"):
        outputs = take(step)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        take(step)


def test_a_fit_says_once_that_its_step_cannot_be_compiled():
    x, y = (tensor.flatten(0, 1) for tensor in batches(20)[0])
    with pytest.warns(CompileWarning) as caught:
        chainrule.fit(build(Counts()), mse(), sgd(), train=(x, y), batch_size=8, epochs=5, compile=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__


class WritesOut(Hides):
    def forward(self, x):
        torch.add(self.hidden[0], 1, out=self.hidden[0])
        return RunningMean.forward(self, x) - self.hidden[0]


def test_a_hidden_tensor_that_is_written_by_name_is_found_too():
    network = build(WritesOut())
    with pytest.warns(CompileWarning, match="it changes writes_out.hidden.0, which is no Buffer"):
        take(CompiledStep(network, mse(members=True), sgd().attach(network)))


class Scaled(RunningMean):
    def __init__(self):
        super().__init__()
        self.factor = 1.0
        self.made = torch.ones((), dtype=torch.float64)

    def forward(self, x):
        factor = self.factor * self.made if self.training else 0.0
        return super().forward(x) * factor


class Meddles:
    """Change after some steps what a step reads."""

    def __init__(self, change):
        self.change = change

    @chainrule.hookimpl
    def chainrule_step_end(self, run):
        if run.step == 8:
            self.change(run.network.module.modules[1], run.updater)


CHANGES = {
    "a number": lambda module, _: setattr(module, "factor", 0.5),
    "a mode": lambda module, _: setattr(module, "training", False),
    "a tensor in place": lambda module, _: module.made.mul_(0.5),
    "another tensor": lambda module, _: setattr(module, "made", module.made * 0.5),
    "the clipping": lambda _, updater: setattr(updater, "clip_norm", 1e-3),
}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("name", CHANGES)
def test_what_a_callback_changes_counts_from_the_next_step_on(name):
    network = build(Scaled())
    x, y = (tensor.flatten(0, 1) for tensor in batches(20)[0])
    states = []
    for compile in (False, True):
        trained = copy.deepcopy(network)
        meddles = [Meddles(CHANGES[name])]
        settings = {"epochs": 4, "batch_size": 10, "callbacks": meddles, "evaluate_train": False}
        chainrule.fit(trained, mse(), sgd(lr=0.1), train=(x, y), compile=compile, **settings)
        states.append(trained.flat.data)
    torch.testing.assert_close(*states, rtol=1e-9, atol=1e-9)


class Rectified(chainrule.Optimizer):
    """Have a scalar only from the third step on, as RAdam's rectification may be written."""

    def scalars(self, t):
        return {"rectification": t**0.5} if t > 2 else {}

    def update(self, parameter, grad, state, step):
        return grad * step["rectification"] if "rectification" in step.values else grad


@pytest.mark.usefixtures("traced")
def test_scalars_may_come_later():
    expect_the_same_trajectory(build(tanh()), Rectified(lr=0.1), rows=(4, 4, 4, 4, 4, 4))


def test_batches_whose_x_and_y_are_one_tensor_are_of_a_kind_of_their_own():
    network = sequential(linear(3, 3)).build(seeds=[0, 1], dtype=torch.float64)
    compiled = copy.deepcopy(network)
    for one, kind in ((network, TrainingStep), (compiled, CompiledStep)):
        step = kind(one, mse(members=True), sgd(lr=0.1).attach(one))
        with torch.inference_mode():
            for x, _ in batches(4, 4, 4):
                step(x, x)
            for x, _ in batches(4, 4, 4):
                step(x, x + 1)
    torch.testing.assert_close(compiled.flat.data, network.flat.data, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("traced")
def test_tracing_leaves_no_fake_tensor_in_a_cache():
    network = build()
    chainrule.ops._ones.cache_clear()
    step = CompiledStep(network, mse(members=True), sgd().attach(network))
    take(step, rows=(4,))
    assert step.variants
    cached = chainrule.ops._ones.cache_info().hits
    assert type(chainrule.ops._ones(2, 4, torch.float64, torch.device("cpu"))) is torch.Tensor
    assert chainrule.ops._ones.cache_info().hits == cached + 1


def test_fits_in_several_threads_all_compile():
    x, y = (tensor.flatten(0, 1) for tensor in batches(16)[0])

    def train(momentum):
        network = linear(3, 2).build(seeds=[0, 1], dtype=torch.float64)
        chainrule.fit(network, mse(), sgd(momentum=momentum), train=(x, y), batch_size=8, epochs=3, compile=True)
        return network

    with ThreadPoolExecutor(2) as pool:
        for trained in pool.map(train, (0.11, 0.12)):
            assert trained.flat.data.isfinite().all()


@pytest.mark.parametrize("bad", [1, 5])
def test_a_bad_batch_is_the_error_that_it_is_uncompiled(bad):
    network = sequential(linear(3, 2)).build(seed=0)
    train = [(torch.randn(4, 3), torch.tensor([0, 1, 1, 0])) for _ in range(6)]
    train[bad][1][2] = 2
    with pytest.raises(ShapeError, match="class indices must be from 0 to 1, got 0 to 2"):
        chainrule.fit(network, cross_entropy(), sgd(), train=train, compile=True)


def test_a_machine_without_a_compiler_is_told_before_the_first_step(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    (batch,) = batches(4)
    with pytest.raises(chainrule.ChainruleError, match="needs a C\\+\\+ compiler; no-such-compiler was not found"):
        chainrule.fit(build(), mse(), sgd(), train=tuple(batch), per_member=True, compile=True)


def test_a_torch_without_the_private_interfaces_warns_and_the_fit_runs_eagerly(monkeypatch):
    monkeypatch.setitem(sys.modules, "chainrule.training.steps.tracing", None)  # its import fails
    for name in ("functions", "launches"):
        monkeypatch.delitem(sys.modules, f"chainrule.training.steps.{name}", raising=False)
    network, x, y = linear(2, 1).build(seed=0), torch.ones(8, 2), torch.zeros(8, 1)
    with pytest.warns(CompileWarning, match=r"^compile=True: the step cannot be .*(ModuleNotFound|Import)Error"):
        history = chainrule.fit(network, mse(), sgd(lr=0.1), train=(x, y), epochs=3, batch_size=4, compile=True)
    assert history["train_loss"][-1] < history["train_loss"][0]
