"""Checks on layers and activations: saved tensors, side effects and dependence on mode, rows and random state."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.base.module import Module, named_modules, named_parameters
from chainrule.errors import BackwardError
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_different, expect_error, expect_no_error
from chainrule.testing.modules.trials import MODES, Example, Pass, declares, expect_same_pass, make_trial
from chainrule.testing.subject import Subject


@check("layers", "activations", cause="a default in place of tensors saved by forward; use saved_tensors().")
def backward_without_forward_raises(example: Example) -> None:
    """Backward without a preceding forward raises BackwardError, since its result would be meaningless."""
    trial = make_trial(example)
    with expect_error("backward without a forward", BackwardError):
        trial.module().backward(trial.grad_output)


@check("layers", "activations", cause="tensors kept in attributes; save_for_backward releases them after one backward.")
def second_backward_raises(example: Example) -> None:
    """A second backward after one forward raises BackwardError, since it would add the gradients twice."""
    trial = make_trial(example)
    module = trial.module()
    module.forward(trial.x)
    module.backward(trial.grad_output)
    with expect_error("a second backward after one forward", BackwardError):
        module.backward(trial.grad_output)


@check("layers", "activations", cause="tensors kept in attributes; save_for_backward saves nothing in eval mode.")
def eval_mode_keeps_nothing(example: Example) -> None:
    """Forward in eval mode saves no tensors, so that evaluation on large data needs no memory for backward."""
    trial = make_trial(example)
    module = trial.module(training=False)
    before = {id(tensor) for _, tensor in _tensors_inside(module)}
    module.forward(trial.x)
    kept = [name for name, tensor in _tensors_inside(module) if id(tensor) not in before]
    expect(not kept, f"forward in eval mode must save no tensors, got {len(kept)}, in {', '.join(kept)}.")
    with expect_error("backward after a forward in eval mode", BackwardError):
        module.backward(trial.grad_output)


def _tensors_inside(module: Module) -> Iterator[tuple[str, Tensor]]:
    for path, inner in named_modules(module):
        for name, value in vars(inner).items():
            for one in (
                value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else [value]
            ):
                if isinstance(one, Tensor):
                    yield f"{path}.{name}".strip("."), one


@check("layers", "activations", cause="an undeclared dependence on self.training, or same_in_eval = False by mistake.")
def eval_mode_differs_only_if_declared(example: Example) -> None:
    """Eval mode gives the same output as train mode, unless same_in_eval = False.

    A module that declares this must give different outputs, of the same shape and dtype.
    """
    module, _ = example
    trial = make_trial(example, members=3)
    got, expected = trial.output(training=False), trial.output()
    if declares(module, "same_in_eval"):
        expect_close("the output in eval mode", got, expected, tolerance=1e-12, of=trial.x)
    else:
        expect_different(
            "the output in eval mode",
            got,
            expected,
            "a module with same_in_eval = False must differ in eval mode, got the same output.",
        )


@check("layers", "activations", cause="an in-place operation such as add_, or out=, on a tensor of the caller's.")
def arguments_are_not_changed(example: Example) -> None:
    """Forward, in either mode, and backward leave x, the output, grad_output and the parameter values unchanged."""
    trial = make_trial(example, members=3)
    for mode, network in {"": copy.deepcopy(trial.network), " in eval mode": trial.trained()}.items():
        x, grad_output = trial.x.clone(), trial.grad_output.clone()
        values = [parameter.data.clone() for parameter in network.parameters()]
        output = network.module.forward(x)
        expect_close(f"x after forward{mode}", x, trial.x)
        if not mode:
            before = output.clone()
            network.module.backward(grad_output)
            expect_close("x after backward", x, trial.x)
            expect_close("the output after backward", output, before)
            expect_close("grad_output after backward", grad_output, trial.grad_output)
        for parameter, value in zip(network.parameters(), values, strict=True):
            expect_close(f"{parameter!r} after a pass{mode}", parameter.data, value)


@check("layers", "activations", cause="a tensor kept in an attribute; only save_for_backward detects in-place changes.")
def changes_before_backward_are_noticed(example: Example) -> None:
    """Changing x or the output in place before backward raises BackwardError or leaves the gradients intact.

    A user's `y += 1` would otherwise silently give wrong gradients.
    """
    trial = make_trial(example)
    expected = trial.run()
    for what in ("x", "the output"):
        module, x = trial.module(), trial.x.clone()
        output = module.forward(x)
        if what == "x":
            x.copy_(x.roll(1, 1))
        else:
            output.add_(1.0)
        try:
            input_grad = module.backward(trial.grad_output)
        except BackwardError:
            continue
        got = Pass(expected.output, input_grad, {name: p.grad for name, p in named_parameters(module)})
        expect_same_pass(f"after an undetected in-place change of {what}", got, expected, of=trial.x)


@check("layers", "activations", cause="a statistic over the batch axis, or a reshape that mixes rows.")
def rows_do_not_influence_each_other(example: Example) -> None:
    """Each row's output, in either mode, and dL/dx depend on that row alone, unless batch_independent = False.

    A module that declares this must mix rows.
    """
    module, _ = example
    trial = make_trial(example, members=3)
    changed = _with_another_row_0(example, trial.x)
    got, expected = trial.given(changed).run(), trial.run()
    if declares(module, "batch_independent"):
        rest = slice(None), slice(1, None)
        when = "of rows 1 to 3 after a change to row 0"
        expect_same_pass(when, got.part(*rest), expected.part(*rest), tolerance=1e-9)
        evaluated = [each.output(training=False)[rest] for each in (trial.given(changed), trial)]
        expect_close(f"the output in eval mode {when}", *evaluated, tolerance=1e-9)
    else:
        expect_different(
            "the output of rows 1 to 3", got.output[:, 1:], expected.output[:, 1:],
            "a module with batch_independent = False must mix rows, got rows 1 to 3 unchanged by row 0.",
        )  # fmt: skip


def _with_another_row_0(example: Example, x: Tensor) -> Tensor:
    changed = x.clone()
    changed[:, 0] = changed[:, 1] if isinstance(example[1], Tensor) else 1.5 - 2 * changed[:, 0]
    return changed


@check(
    "layers",
    "activations",
    cause="torch.where, masked_fill or a comparison, which take NaN for a number; or a wrong shows_nan.",
)
def nan_shows_in_its_row(example: Example) -> None:
    """A row of NaN has NaN in its output, unless shows_nan = False, and leaves the other members as they were.

    So in either mode. A member that diverged would otherwise pass for a sound one. A row without effect on its output
    need not show. A module that declares shows_nan = False must hide it in one mode at least.
    """
    trial = make_trial(example, members=3)
    if not trial.x.is_floating_point():
        raise NotApplicable("its inputs are integers, of which none is NaN")
    changed, diverged = _with_another_row_0(example, trial.x), trial.x.clone()
    diverged[1, 0] = torch.nan
    shows, shown = declares(example[0], "shows_nan"), []
    for mode, training in MODES.items():
        before, other = (trial.given(x).output(training=training) for x in (trial.x, changed))
        with expect_no_error(f"a forward{mode} with NaN in one member, which must not end the others' training,"):
            got = trial.given(diverged).output(training=training)
        row = got[1, 0].flatten()
        shown.append(bool(row.isnan().any()))
        is_right = not shows or shown[-1] or torch.equal(other[1, 0], before[1, 0])
        expect(is_right, f"the output{mode} for a row of NaN must have NaN, got {row[:4].tolist()}.")
        expect_close(f"the output{mode} of members beside one with NaN", got[::2], before[::2], tolerance=1e-12)
    expect(shows or not all(shown), "with shows_nan = False, the output for a row of NaN must have none, got NaN.")


@check(
    "layers",
    "activations",
    once=True,
    cause="torch.rand without generator=, or a seed drawn in the constructor; declare a Random.",
)
def results_follow_from_the_seed(subject: Subject) -> None:
    """Equal seeds give bit-identical results whatever the global random state, which stays unchanged."""
    results, touched = [], False
    for state in (1, 2):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        results.append([make_trial(example, members=2, seed=5).run() for example in subject.make_examples()])
        touched = touched or not torch.equal(torch.get_rng_state(), before)
    for got, expected in zip(*results, strict=True):
        expect_same_pass("for the same seed, with torch.manual_seed(2) instead of 1,", got, expected, tolerance=0.0)
    expect(not touched, "the global random state must be unchanged, got a draw from it.")


@check("layers", "activations", cause="torch.enable_grad() or requires_grad in the module; write backward by hand.")
def autograd_is_not_needed(example: Example) -> None:
    """A pass under torch.inference_mode gives the same results; training runs under it to avoid autograd's overhead."""
    trial = make_trial(example)
    expected = trial.run()
    with expect_no_error("training under inference_mode"), torch.inference_mode():
        got = trial.run()
    expect_same_pass("under inference_mode", got, expected, of=trial.x)
