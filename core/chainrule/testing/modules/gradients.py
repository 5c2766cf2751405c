"""Checks on layers and activations: their gradients."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor

from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import TO_AUTOGRAD, TO_DIFFERENCES, WIDER, central_difference, expect, expect_close
from chainrule.testing.modules.trials import Example, Pass, Trial, declares, expect_same_pass, given, make_trial, trials

FALSE_START = 0.5
"""The value of gradients before a pass, which must add to it."""


@check("layers", "activations", cause="a wrong sign, a missing factor, or a transposed product in backward.")
def input_gradient_agrees_with_differences(example: Example) -> None:
    """Backward returns the derivative of forward with respect to x.

    Central differences agree to 1e-6. Integers have no derivative: backward returns None for them.
    """
    for trial in trials(example):
        input_grad = trial.run().input_grad
        if not trial.x.is_floating_point():
            returned = "None" if input_grad is None else f"shape {tuple(input_grad.shape)}"
            expect(input_grad is None, f"backward must return None for integers, got {returned}.")
            raise NotApplicable("its inputs are integers, which have no derivative")
        got = given(input_grad)
        expected = central_difference(trial.scalar(), trial.x)
        expect_close("dL/dx", got, expected, tolerance=TO_DIFFERENCES, of=trial.x)


@check(
    "layers",
    "activations",
    cause="a transposed product, a mean over the batch in place of the sum, or a parameter that backward omits.",
)
def parameter_gradients_agree_with_differences(example: Example) -> None:
    """Backward adds the derivative of forward with respect to each parameter, summed over the batch.

    Central differences agree to 1e-6.
    """
    for trial in trials(example):
        parameters = dict(trial.network.named_parameters())
        if not parameters:
            raise NotApplicable("it has no parameters")
        got = trial.run().parameter_grads
        for name, parameter in parameters.items():
            expected = central_difference(trial.scalar(), parameter.data)
            expect_close(f"the gradient of {name}", got[name], expected, tolerance=TO_DIFFERENCES, of=trial.x)


@check(
    "layers",
    "activations",
    cause="a small term missing from backward, or a computation in lower precision than the input's.",
)
def gradients_agree_with_autograd(example: Example) -> None:
    """Every gradient agrees with autograd on the same forward to 1e-11, where torch can trace it.

    Central differences have about six correct digits; autograd reveals errors too small for them.
    """
    for trial in trials(example):
        _expect_autograds(trial, tolerance=TO_AUTOGRAD)


@check("layers", "activations", cause="a branch of forward for larger inputs, such as a bound, that backward omits.")
def wide_gradients_agree_with_autograd(example: Example) -> None:
    """Every gradient agrees with autograd to 1e-9 for inputs 4 and 30 times as large, where torch can trace forward.

    Beyond a bound or a threshold a function has another derivative, which inputs near 0 do not reach.
    """
    module, inputs = example
    if isinstance(inputs, Tensor):
        raise NotApplicable("its examples are inputs, so others may not fit")
    if not declares(module, "finite"):
        raise NotApplicable("it is not finite for every input, as declared")
    trial = make_trial(example, members=3)
    for factor in WIDER:
        _expect_autograds(trial.given(factor * trial.x), f" for inputs times {factor}", tolerance=1e-9)


def _expect_autograds(trial: Trial, when: str = "", *, tolerance: float) -> None:
    """Raise CheckFailed unless every gradient agrees with autograd's; `when` follows its name in the message."""
    got, expected = trial.run(), traced_gradients(trial)
    if "x" in expected:
        expect_close(f"dL/dx{when}", given(got.input_grad), expected.pop("x"), tolerance=tolerance, of=trial.x)
    for name, grad in expected.items():
        what = f"the gradient of {name}{when}"
        expect_close(what, got.parameter_grads[name], grad, tolerance=tolerance, of=trial.x)


def traced_gradients(trial: Trial) -> dict[str, Tensor]:
    """Return autograd's gradients: of the input as "x" and of each parameter by name, except those it does not reach.

    Raises:
        NotApplicable: if torch cannot trace forward.
    """
    network = copy.deepcopy(trial.network)
    leaves = {name: parameter.data.clone() for name, parameter in network.named_parameters()}
    if trial.x.is_floating_point():
        leaves["x"] = trial.x.clone()
    for leaf in leaves.values():
        leaf.requires_grad_()
    with torch.enable_grad():
        for name, parameter in network.named_parameters():
            parameter.bind(leaves[name], parameter.grad)  # its views, such as transposed, are traced too
        try:
            value = (network.module.forward(leaves.get("x", trial.x)) * trial.grad_output).sum()
        except RuntimeError as error:
            raise NotApplicable(f"torch cannot trace forward: {str(error).splitlines()[0]}") from error
        if not value.requires_grad:
            raise NotApplicable("torch cannot trace forward, whose output does not require a gradient")
        value.backward()  # type: ignore[no-untyped-call]
    return {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


@check("layers", "activations", cause="grad.copy_(…) or grad = … in backward, in place of grad.add_(…).")
def parameter_gradients_accumulate(example: Example) -> None:
    """Backward adds to the gradients, so that shared weights and several batches accumulate."""
    for trial in trials(example):
        if not trial.network.parameters():
            raise NotApplicable("it has no parameters")
        once = trial.run().parameter_grads
        for parameter in trial.network.parameters():
            parameter.grad.fill_(FALSE_START)
        for name, got in trial.run().parameter_grads.items():
            what = f"the gradient of {name}, initially {FALSE_START},"
            expect_close(what, got, once[name] + FALSE_START, tolerance=1e-12, of=trial.x)


@check("layers", "activations", cause="an early return in backward, before the parameter gradients.")
def first_layer_trains_the_same(example: Example) -> None:
    """Parameter gradients are the same with needs_input_grad = False, as in a network's first layer."""
    trial = make_trial(example)
    if not trial.network.parameters():
        raise NotApplicable("it has no parameters")
    got, expected = trial.run(needs_input_grad=False), trial.run()
    for name, grad in expected.parameter_grads.items():
        what = f"the gradient of {name} with needs_input_grad=False"
        expect_close(what, got.parameter_grads[name], grad, tolerance=1e-12, of=trial.x)


@check("layers", "activations", cause="an index or a sum over axis 0, which is the member axis; the batch is axis 1.")
def members_do_not_influence_each_other(example: Example) -> None:
    """Each member of an ensemble gives the same results as alone, since members are separate runs.

    So do its buffers after a pass, and its output in eval mode then.
    """
    trial = make_trial(example, members=3)
    together, trained = trial.run(), trial.trained()
    evaluated = trained.module.forward(trial.x)
    buffers = {name: buffer.data for name, buffer in trained.named_buffers() if not buffer.shared}
    for i in range(3):
        own = slice(i, i + 1)
        alone = Trial(trial.network.member(i), trial.x[own], trial.grad_output[own])
        grads = {name: grad[own] for name, grad in together.parameter_grads.items()}
        got = replace(together.part(own), parameter_grads=grads)
        expect_same_pass(f"of member {i} among three", got, alone.run(), of=trial.x[i])
        after = alone.trained()
        expected = dict(after.named_buffers())
        for name, data in buffers.items():
            what = f"the buffer {name} of member {i} among three after a pass"
            expect_close(what, data[own], expected[name].data, tolerance=1e-12, of=trial.x[i])
        what = f"the output in eval mode of member {i} among three after a pass"
        expect_close(what, evaluated[own], after.module.forward(alone.x), tolerance=1e-12, of=trial.x[i])


@check("layers", "activations", cause="a special case for the number of rows, such as a sum that leaves some out.")
def many_rows_are_those_of_their_parts(example: Example) -> None:
    """A pass over 70 rows gives what passes over its parts of 7 give, and the sum of their parameter gradients."""
    module, _ = example
    if not declares(module, "batch_independent"):
        raise NotApplicable("its rows depend on each other, as declared")
    trial = make_trial(example, members=2, rows=70)
    if trial.draws_numbers():
        raise NotApplicable("it draws random numbers, others for each batch")
    parts = [slice(i, i + 7) for i in range(0, 70, 7)]
    passes = [trial.given(trial.x[:, rows], trial.grad_output[:, rows]).run() for rows in parts]
    input_grads = [part.input_grad for part in passes if part.input_grad is not None]
    expected = Pass(
        torch.cat([part.output for part in passes], 1),
        torch.cat(input_grads, 1) if input_grads else None,
        {name: sum(part.parameter_grads[name] for part in passes) for name in passes[0].parameter_grads},  # type: ignore[misc]
    )
    expect_same_pass("of 70 rows", trial.run(), expected, tolerance=1e-9)


@check(
    "layers",
    "activations",
    cause="gradients clipped, rounded or compared with a constant inside backward; clip with fit(…, clip_norm=…).",
)
def backward_is_linear(example: Example) -> None:
    """For grad_output times 2²⁰ or 2⁻²⁰, backward gives as many times its gradients, as every derivative does."""
    trial = make_trial(example, members=3)
    expected = trial.run()
    for factor in (2.0**20, 2.0**-20):
        found = trial.given(grad_output=factor * trial.grad_output).run()
        input_grad = None if found.input_grad is None else found.input_grad / factor
        got = Pass(found.output, input_grad, {name: grad / factor for name, grad in found.parameter_grads.items()})
        expect_same_pass(f"for grad_output times {factor:g}, divided by that,", got, expected, tolerance=1e-9)
