"""A mistake in a call of the registry or of the conformance kit is answered in one line with what to write."""

import pytest

import chainrule
from chainrule import ChainruleError, ContractError
from chainrule.layers import linear
from chainrule.optimizers import adam
from chainrule.testing import check, checks_of, parametrize_checks, run, run_all, subject
from chainrule_plugins.layers.linear import Linear

ADAM = subject("adam")
CHECK = checks_of("optimizers")[0]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda: chainrule.create("adam"), "create: needs name, got none. Write create(kind, name)."),
        (lambda: chainrule.create("optimizers", lr=0.1), "create: needs name, got none. Write create(kind, name)."),
        (
            lambda: chainrule.create(kind="optimizers", name="adam"),
            "create: takes kind and name by position, got a name before the value. Write create(kind, name).",
        ),
        (lambda: chainrule.create("optimizers", None), "get: kind and name must be text, got 'optimizers' and None."),
        (lambda: chainrule.register("mine", "adam", adam), 'No kind of component is called "mine".'),
        (lambda: chainrule.register("optimizers", "My-Rule"), "register: the name must match"),
        (
            lambda: chainrule.register("optimizers", "mine", linear),
            '"mine" must be one of the optimizers, got the class Linear of the layers or activations.',
        ),
        (lambda: subject(), "subject: needs component, got none."),
        (lambda: checks_of(), "checks_of: needs kind, got none."),
        (lambda: run_all(adam), "run_all: needs checks, got none. Write run_all(subject, checks)."),
        (lambda: parametrize_checks(lr=0.1), "parametrize_checks: needs component, got none."),
        (lambda: subject(adam()), "Pass its class Adam, and its arguments after that."),
        (lambda: parametrize_checks(linear(2, 3)), "Pass its class Linear, and its arguments after that."),
        (lambda: subject(adam, kind="losses"), "adam: must be one of the losses, got one of the optimizers."),
        (
            lambda: subject(adam, reference=3),
            "subject: reference must be a function (rule, parameter, gradients), got 3",
        ),
        (
            lambda: subject(linear, 2, 3, reference=print),
            "reference must be left out but for optimizers, got it for lay",
        ),
        (lambda: subject(adam, input_shape=(3,)), "input_shape must be left out but for layers and activations"),
        (
            lambda: subject(linear, 2, 3, inputs=[[1.0, 2.0]]),
            "subject: inputs must be a tensor (N, …), got [[1.0, 2.0]]",
        ),
        (lambda: run("adam", CHECK), "run: subject must be a Subject, got 'adam'. Make it with subject(…)."),
        (lambda: run(ADAM, CHECK.name), "run: check must be one of checks_of(kind), got "),
        (lambda: run(subject("mse"), CHECK), f"run: {CHECK.name} must be run on optimizers"),
        (lambda: list(run_all(adam, [CHECK])), "run_all: subject must be a Subject, got the class Adam."),
        (lambda: check("optimizer"), "check: needs cause, got none."),
        (lambda: check("optimiser", cause="a mistake."), 'No kind of component is called "optimiser".'),
    ],
)
def test_a_call_says_what_fits(mistake, words):
    with pytest.raises(ChainruleError) as caught:
        mistake()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_shape_of_an_input_with_one_axis_may_be_a_number():
    ((_, shape),) = subject(linear, 2, 3, input_shape=2).make_examples()
    assert shape == (2,)


@pytest.mark.parametrize("factory", [dict, print, lambda: None])
def test_what_makes_no_rule_is_refused_among_the_optimizers(factory):
    with pytest.raises(ContractError, match=r"^optimizer: the rule must inherit from chainrule\.Optimizer, got "):
        subject(factory, kind="optimizers").make_examples()


@pytest.mark.parametrize("name", ["output_shape_is_as_declared", "wrong_shapes_raise"])
def test_an_output_shape_that_returns_no_shape_is_named(name):
    class Forgotten(Linear):
        def output_shape(self, input_shape):
            super().output_shape(input_shape)

    (found,) = [one for one in checks_of("layers") if one.name == name]
    result = run(subject(Forgotten, 4, 2), found)
    assert "ContractError: forgotten: output_shape must return a tuple, got None." in result.detail
