"""Checks on layers and activations: accepted inputs, and the shapes and dtypes of results."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from chainrule.base.module import Shape
from chainrule.errors import ChainruleError, ShapeError
from chainrule.ops import shape_after
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_error, expect_no_error
from chainrule.testing.modules.trials import (
    MODES,
    Example,
    Trial,
    declares,
    error_of,
    expect_same_pass,
    given,
    make_trial,
    shape_of,
    trials,
)

LARGE = 1e4
"""Large enough for exp to overflow, small enough for float32 to hold its seventh power."""


@check("layers", "activations", cause="a missing output_shape though forward changes the shape, or a wrong one.")
def output_shape_is_as_declared(example: Example) -> None:
    """Forward returns shape (M, N, *output_shape) in either mode; neighbouring layers are checked against it."""
    module, _ = example
    for trial in trials(example):
        declared = shape_after(module, shape_of(example))
        expected = (*trial.x.shape[:2], *declared)
        for mode, training in MODES.items():
            got, what = tuple(trial.output(training=training).shape), f"the output{mode} for x {tuple(trial.x.shape)}"
            expect(got == expected, f"{what} must have shape {expected}, got {got}.")


@check("layers", "activations", cause="a tensor created without dtype=x.dtype, or a conversion that is not reversed.")
def dtype_is_kept(example: Example) -> None:
    """For float32 parameters and inputs, output and gradients are float32 and agree with float64 to 1e-3, in any mode.

    For integer inputs they have the parameters' dtype.
    """
    for members in (1, 3):
        wide_trial, narrow_trial = (
            make_trial(example, members=members, dtype=dtype) for dtype in (torch.float64, torch.float32)
        )
        wide, narrow = wide_trial.run(), narrow_trial.run()
        evaluated = narrow_trial.output(training=False), wide_trial.output(training=False)
        pairs = {"the output": (narrow.output, wide.output), "the output in eval mode": evaluated}
        if wide.input_grad is not None:
            pairs["dL/dx"] = given(narrow.input_grad), wide.input_grad
        for name, grad in narrow.parameter_grads.items():
            pairs[f"the gradient of {name}"] = (grad, wide.parameter_grads[name])
        for what, (got, expected) in pairs.items():
            expect_close(f"{what} in float32", got, expected.float(), tolerance=1e-3, of=narrow_trial.x)


@check("layers", "activations", cause="no rule in output_shape, so that torch broadcasts x or fails in its own words.")
def wrong_shapes_raise(example: Example) -> None:
    """An input of the wrong shape raises ShapeError, and output_shape and forward reject the same shapes."""
    module, inputs = example
    trial = make_trial(example)
    some_value = trial.x.flatten()[0] if isinstance(inputs, Tensor) else trial.x.new_ones(())
    refused = 0
    for wrong in _other_shapes(shape_of(example)):
        x = some_value.expand(1, 2, *wrong).contiguous()
        declared = _shape_or_refusal(f"output_shape({wrong})", partial(shape_after, module, wrong))
        got = _shape_or_refusal(f"forward of x {tuple(x.shape)}", partial(_output_shape, trial, x))
        refused += got is None
        if got is not None:
            expected = (
                "raise ShapeError, as output_shape does"
                if declared is None
                else f"raise ShapeError or return shape {(1, 2, *declared)}"
            )
            agrees = declared is not None and got == (1, 2, *declared)
            expect(agrees, f"forward of x {tuple(x.shape)} must {expected}, got shape {got}.")
    if not refused:
        raise NotApplicable("it takes inputs of any shape")


def _output_shape(trial: Trial, x: Tensor) -> Shape:
    network = copy.deepcopy(trial.network)
    network.check_input(x)
    return tuple(network.module.forward(x).shape)


def _shape_or_refusal(what: str, call: Callable[[], Shape]) -> Shape | None:
    error = error_of(call)
    if error is None:
        return call()
    first_line = (str(error).splitlines() or [""])[0].rstrip(".")
    name = type(error).__name__
    expect(isinstance(error, ShapeError), f"{what} must work or raise ShapeError, got {name}: {first_line}.")
    return None


def _other_shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield (2, *shape)
    if shape:
        yield shape[1:]
        yield (*shape[:-1], shape[-1] + 1)
        if shape[-1] != 1:
            yield (*shape[:-1], 1)


@check("layers", "activations", cause="integer_inputs = True missing, or set though the module takes floats.")
def integer_inputs_is_as_declared(example: Example) -> None:
    """A network takes the inputs of the examples, and refuses floats for integers, or integers for floats.

    An index converted to a float, or an image left in integers, would otherwise fail in torch's words, or train.
    """
    trial = make_trial(example, members=3)
    network = copy.deepcopy(trial.network)
    with expect_no_error(f"calling the network on x of {trial.x.dtype}"):
        network(trial.x, per_member=True)
    other = trial.x.to(torch.int64 if trial.x.is_floating_point() else network.dtype)
    with expect_error(f"calling the network on x of {other.dtype}", ShapeError):
        network(other, per_member=True)


@check(
    "layers",
    "activations",
    cause="an error left to torch, weight[x], which takes -1 for the last row, or indices offset by member.",
)
def wrong_integers_raise(example: Example) -> None:
    """An integer too large for the module raises ShapeError, whichever member it is in, and then -1 does too.

    The row of another index or of another member would be garbage. A module that takes -1 shows it in its examples.
    """
    _, inputs = example
    if not isinstance(inputs, Tensor) or inputs.is_floating_point():
        raise NotApplicable("its inputs are not integers")
    alone, ensemble = make_trial(example), make_trial(example, members=3)
    largest = int(inputs.max())
    refused = {integer: _refuses(alone, 0, integer) for integer in (largest + 1000, largest + 1, -1)}
    for integer, expected in refused.items():
        for member in range(3):
            got = _refuses(ensemble, member, integer)
            must, does = ("raise ShapeError", "no error") if expected else ("work", "ShapeError")
            what = f"forward of x with {integer} in member {member} of three"
            expect(got == expected, f"{what} must {must}, as in a single network, got {does}.")
    if refused[largest + 1000] and inputs.min() >= 0:
        expect(refused[-1], f"forward of x with -1 must raise ShapeError, as with {largest + 1000}, got no error.")


def _refuses(trial: Trial, member: int, integer: int) -> bool:
    x = trial.x.clone()
    x[member, -1] = integer
    return _shape_or_refusal(f"forward of x with {integer}", partial(_output_shape, trial, x)) is None


@check("layers", "activations", cause="view() in place of reshape(), or an in-place operation on an expanded tensor.")
def memory_layout_makes_no_difference(example: Example) -> None:
    """Transposed, strided and expanded tensors give the same results as contiguous copies, in either mode.

    Inputs shared by members arrive expanded, as do the gradients of sums.
    """
    trial = make_trial(example, members=3)
    for layout, x in _layouts(trial.x).items():
        odd, plain = trial.given(x=x), trial.given(x=x.contiguous())
        with expect_no_error(f"x {layout}, of shape {tuple(x.shape)} and strides {x.stride()},"):
            expect_same_pass(f"with x {layout}", odd.run(), plain.run())
            evaluated = odd.output(training=False), plain.output(training=False)
            expect_close(f"the output in eval mode with x {layout}", *evaluated, tolerance=1e-12)
    for layout, grad in _layouts(trial.grad_output).items():
        odd, plain = trial.given(grad_output=grad), trial.given(grad_output=grad.contiguous())
        with expect_no_error(f"grad_output {layout}, of shape {tuple(grad.shape)} and strides {grad.stride()},"):
            expect_same_pass(f"with grad_output {layout}", odd.run(), plain.run())


def _layouts(tensor: Tensor) -> dict[str, Tensor]:
    return {
        "transposed in memory": tensor.transpose(0, 1).contiguous().transpose(0, 1),
        "strided": torch.stack([tensor, tensor], -1)[..., 0],
        "expanded over members": tensor[:1].expand(tensor.shape),
        "expanded over rows": tensor[:, :1].expand(tensor.shape),
    }


@check("layers", "activations", cause="squeeze(), or a mean over the batch, which divides by zero rows.")
def small_batches_are_accepted(example: Example) -> None:
    """A row gives the same result in a batch of one as in a larger batch, and an empty batch adds nothing to gradients.

    The last batch of an epoch may be that small. A module that mixes rows may reject such a batch with a
    ChainruleError, and one that draws random numbers may draw different ones for it.
    """
    module, _ = example
    trial = make_trial(example, members=3)
    among_others, evaluated, draws_numbers = trial.run(), trial.output(training=False), trial.draws_numbers()
    for rows in (1, 0):
        small = trial.given(trial.x[:, :rows], trial.grad_output[:, :rows])
        if not declares(module, "batch_independent"):
            for mode, training in MODES.items():
                error = error_of(small.run if training else partial(small.output, training=False))
                what = f"a batch of size {rows}{mode}"
                works = error is None or isinstance(error, ChainruleError)
                expect(works, f"{what} must work or raise ChainruleError, got {type(error).__name__}.")
            continue
        with expect_no_error(f"a batch of size {rows} in eval mode"):
            alone = small.output(training=False)
        what = f"the output in eval mode for a batch of size {rows}"
        expect_close(what, alone, evaluated[:, :rows], tolerance=1e-9, of=small.x)
        with expect_no_error(f"a batch of size {rows}"):
            got = small.run()
        if draws_numbers and got.output.shape[:2] == small.x.shape[:2]:
            continue
        zeros = {} if rows else {name: torch.zeros_like(grad) for name, grad in got.parameter_grads.items()}
        expected = replace(among_others.part(slice(None), slice(rows)), parameter_grads=zeros)
        expect_same_pass(f"for a batch of size {rows}", got, expected, tolerance=1e-9, of=small.x)


@check("layers", "activations", cause="exp of a large number, or a division by a norm that can be 0.")
def extreme_inputs_stay_finite(example: Example) -> None:
    """Outputs in either mode and gradients are finite in float32 for 0, 1e-30 and ±1e4, unless finite = False.

    One NaN ruins a training run. A module that declares finite = False must give NaN or infinity for one of these.
    """
    module, inputs = example
    if isinstance(inputs, Tensor):
        raise NotApplicable("its examples are inputs, so others may not fit")
    trial = make_trial(example, dtype=torch.float32)
    bad = []
    for values in (
        torch.zeros(()),
        torch.tensor(1e-30),
        torch.tensor(LARGE),
        torch.tensor(-LARGE),
        LARGE * trial.x.sign(),
    ):
        x = values.expand(trial.x.shape).contiguous()
        extreme = trial.given(x=x, grad_output=torch.ones_like(trial.grad_output))
        got, evaluated = extreme.run(), extreme.output(training=False)
        results = {"the output": got.output, "the output in eval mode": evaluated, "dL/dx": given(got.input_grad)}
        results |= {f"the gradient of {name}": grad for name, grad in got.parameter_grads.items()}
        shown = f"{values.item():g}" if values.dim() == 0 else f"±{LARGE:g}"
        for what, tensor in results.items():
            if not tensor.isfinite().all():
                bad.append(f"{what} for x = {shown} must be finite, got {tensor[~tensor.isfinite()][0].item()}.")
    if declares(module, "finite"):
        expect(not bad, " ".join(bad[:1]))
    else:
        what = "a module with finite = False must give NaN or infinity for 0, 1e-30 or ±1e4"
        expect(bool(bad), f"{what}, got finite values.")
