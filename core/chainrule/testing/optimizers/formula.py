"""Checks on optimizers: the update formula, against a reference and the rule's declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.optimizer import Optimizer
from chainrule.base.wrapper import layers_of
from chainrule.testing.check import NotApplicable, WrongReference, check
from chainrule.testing.compare import expect, expect_close, expect_different
from chainrule.testing.optimizers.trials import (
    SHAPES,
    STEPS,
    Shape,
    changed,
    draw_gradients,
    expect_same,
    inner_of,
    positions,
    shapes_for,
    weights,
    without_decay,
)
from chainrule.testing.subject import Reference, Subject
from chainrule.updates.chain import Chain

LONG = 12
"""The length of a trajectory in steps, enough to reveal an error in a moment or a correction."""


@check("optimizers", once=True, cause="bias correction missing or counted from t = 0, or a misplaced eps.")
def first_steps_follow_the_reference(subject: Subject) -> None:
    """The first two steps on the smallest parameter follow the reference, in float64 to 1e-10.

    Errors in initialization or bias correction show here, in numbers that can be verified by hand.
    """
    for rule, reference in _references(subject):
        _compare(rule, reference, shapes_for(rule)[next(iter(shapes_for(rule)))], 2)


@check("optimizers", once=True, cause="a moment updated after its use, or a wrong sign or place of the weight decay.")
def trajectory_follows_the_reference(subject: Subject) -> None:
    """Twelve steps on several shapes, with the settings of every example, follow the reference, to 1e-10.

    An independent implementation finds errors that no property of the rule reveals.
    """
    for rule, reference in _references(subject):
        for shape in shapes_for(rule, SHAPES).values():
            _compare(rule, reference, shape, LONG)


def _references(subject: Subject) -> Iterator[tuple[Optimizer, Reference]]:
    if subject.reference is None:
        raise NotApplicable("no reference= was given")
    for rule in subject.make_examples():
        yield rule, subject.reference


def _compare(rule: Optimizer, reference: Reference, shape: Shape, steps: int) -> None:
    network = weights(rule, {"w": shape})
    (parameter,) = network.parameters()
    start, gradients, found = parameter.data[0].clone(), [], []
    updater = rule.attach(network)
    for t in range(1, steps + 1):
        draw_gradients(network, t)
        if t % 4 == 0:  # rules must be right for zero gradients too
            network.flat.grad[::2] = 0
        gradients.append(parameter.grad[0].clone())
        updater.step()
        found.append(parameter.data[0].clone())
    expected = _followed(reference, rule, start, gradients)
    for t, (mine, theirs) in enumerate(zip(found, expected, strict=True), start=1):
        given = torch.stack([start, *gradients[:t]])
        expect_close(f"{rule!r}: the parameter after step {t}", mine, theirs, tolerance=1e-10, of=given)


def _followed(reference: Reference, rule: Optimizer, start: Tensor, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the parameter after each step by the reference, copied as it comes, since the next may change it in place.

    Raises:
        WrongReference: if it gives anything but as many tensors like the parameter.
    """
    form = f"shape {tuple(start.shape)} and {start.dtype}"
    must = f"the reference must yield the parameter after each of {len(gradients)} steps, a tensor of {form}"
    own = start.clone()
    given = reference(rule, own, [gradient.clone() for gradient in gradients])
    if not isinstance(given, Iterable):
        raise WrongReference(f"{must}, got {shown(given)}. Yield one after each gradient.")
    followed: list[Tensor] = []
    for value in given:
        if not isinstance(value, Tensor):
            raise WrongReference(f"{must}, got {shown(value)}. Convert it by torch.as_tensor.")
        if (value.shape, value.dtype) != (start.shape, start.dtype):
            raise WrongReference(f"{must}, got shape {tuple(value.shape)} and {value.dtype}. Return one like it.")
        followed.append(value.detach().clone())
    if len(followed) != len(gradients):
        raise WrongReference(f"{must}, got {len(followed)} of them. Yield one after each gradient.")
    if (
        isinstance(given, Sequence)
        and not own.equal(start)
        and own.data_ptr() in [one.data_ptr() for one in list(given)[:-1]]
    ):
        raise WrongReference(f"{must}, got the first one, changed in place since. Append its clone(), or yield it.")
    return followed


@check("optimizers", once=True, cause="a setting that is not neutral where it should be, such as momentum active at 0.")
def declared_identities_hold(subject: Subject) -> None:
    """The pairs of rules that identities() declares update a network the same, to 1e-10.

    A setting documented to switch something off must do so.
    """
    try:
        pairs: list[tuple[Optimizer, Optimizer]] = getattr(subject.component, "identities", list)()
    except ImportError as missing:
        raise NotApplicable(f"a rule in identities() cannot be loaded: {missing}") from missing
    if not pairs:
        raise NotApplicable("identities() declares none")
    for one, other in pairs:
        paths = positions(one, weights(one), LONG), positions(other, weights(one), LONG)
        for t, (mine, theirs) in enumerate(zip(*paths, strict=True), start=1):
            expect_same(f"after step {t} by {one!r}, as by {other!r},", mine, theirs, tolerance=1e-10)


@check(
    "optimizers",
    cause="decay added to the gradient of a rule declared decoupled, a wrong sign, or decay of neither kind, which is "
    'declared "other".',
)
def weight_decay_is_as_declared(rule: Optimizer) -> None:
    """weight_decay w acts as decay_kind declares; the two kinds are often confused, and differ for adaptive rules.

    Coupled: like the rule without decay on g + w θ. Decoupled: with a zero gradient each step is θ ← θ (1 − lr w), and
    the first step goes lr w θ further than without decay. None: there is no weight_decay. Other: any other form, as
    inside LAMB's ratio, which is not checked.
    """
    inner = inner_of(rule)
    if rule is not inner:
        raise NotApplicable("the decay is the inner rule's")
    if inner.decay_kind == "none":
        expect(
            not hasattr(inner, "weight_decay"),
            'a rule with weight_decay must declare the decay_kind "coupled", "decoupled" or "other", got "none".',
        )
        raise NotApplicable("the rule declares no weight decay")
    expect(hasattr(inner, "weight_decay"), f'a rule of decay_kind "{inner.decay_kind}" needs a field weight_decay.')
    if inner.decay_kind == "other":
        raise NotApplicable('decay_kind is "other"')
    if inner.decay_kind == "decoupled" and not rule.rests_at_zero_gradient:
        raise NotApplicable("the rule moves at a zero gradient even without decay, which hides the decay")
    decayed = changed(rule, weight_decay=0.1, schedule=None, lr=0.01)
    plain = changed(decayed, weight_decay=0.0)
    if inner.decay_kind == "coupled":
        _expect_coupled(decayed, plain)
    else:
        _expect_decoupled(decayed, plain)


def _expect_coupled(decayed: Optimizer, plain: Optimizer) -> None:
    got, expected = weights(decayed), weights(plain)
    with_decay, without = decayed.attach(got), plain.attach(expected)
    for t in range(1, STEPS + 1):
        draw_gradients(got, t)
        draw_gradients(expected, t)
        expected.flat.grad.add_(expected.flat.data, alpha=0.1)
        with_decay.step()
        without.step()
        what = f"after step {t} with weight_decay=0.1, as without it on g + 0.1 θ,"
        expect_same(what, got.state_dict(), expected.state_dict(), tolerance=1e-10)


def _expect_decoupled(decayed: Optimizer, plain: Optimizer) -> None:
    network = weights(decayed)
    start = network.state_dict()
    updater = decayed.attach(network)
    for t in range(1, STEPS + 1):
        network.zero_grad()
        updater.step()
        shrunk = {name: value * (1 - 0.01 * 0.1) ** t for name, value in start.items()}
        what = f"after step {t} with weight_decay=0.1, lr=0.01 and a zero gradient"
        expect_same(what, network.state_dict(), shrunk, tolerance=1e-10)
    got, expected = (positions(rule, weights(rule), 1)[0] for rule in (decayed, plain))
    beyond = {name: value - 0.01 * 0.1 * start[name] for name, value in expected.items()}
    expect_same("after a first step with weight_decay=0.1 and lr=0.01", got, beyond, tolerance=1e-10)


@check(
    "optimizers",
    cause="a part of the step that does not depend on the gradient, or an undeclared rests_at_zero_gradient.",
)
def zero_gradient_is_as_declared(rule: Optimizer) -> None:
    """Without decay, gradients that are always zero move nothing: unused weights must not drift.

    A rule that declares rests_at_zero_gradient = False must move.
    """
    network = weights(rule)
    start = network.flat.data.clone()
    updater = without_decay(rule).attach(network)
    for _ in range(STEPS * Chain(rule).stride):
        network.zero_grad()
        updater.step()
    if all(layer.rests_at_zero_gradient for layer in layers_of(rule)):
        expect_close("the parameters after steps with a zero gradient", network.flat.data, start)
    else:
        message = "a rule with rests_at_zero_gradient = False must move, got no change."
        expect_different("the parameters after steps with a zero gradient", network.flat.data, start, message)
