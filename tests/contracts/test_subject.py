"""A layer's examples are given by the shape of one input, or by inputs."""

import pytest
import torch

from chainrule import ChainruleError, ContractError, ShapeError
from chainrule.testing import checks_of, run, run_all, subject
from chainrule.testing.modules.trials import make_trial
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.layers.linear import Linear
from chainrule_plugins.losses.huber import Huber
from chainrule_plugins.losses.mse import Mse
from chainrule_plugins.metrics.mae import Mae
from chainrule_plugins.optimizers.sgd import Sgd

from .correct_modules import BatchNorm, Dropout, Embedding


def test_inputs_may_be_passed_in_place_of_a_shape():
    target = subject(Embedding, 4, 2, inputs=torch.tensor([[3, 0], [1, 1]]))
    assert [result.detail for result in run_all(target, checks_of("layers")) if result.outcome == "failed"] == []


@pytest.mark.parametrize("shape", [(), (5, 2)])
def test_a_shape_may_be_passed(shape):
    ((module, got),) = subject(lambda: Tanh(), kind="activations", input_shape=shape).make_examples()
    assert (type(module), got) == (Tanh, shape)


def test_a_kind_chooses_among_components_of_one_name():
    assert subject("constant", kind="schedules").label == "schedules:constant"
    assert subject("initializers:constant", kind="initializer").label == "initializers:constant"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("lion", "layers", r'^No layer is registered as "lion"\..* It is one of the optimizers'),
        ("lion", "bogus", r"bogus"),
        ("optimizers:lion", "layers", r"^optimizers:lion: must be one of the layers, got one of the optimizers\."),
    ],
)
def test_a_name_of_another_kind_is_refused(name, kind, message):
    with pytest.raises(ChainruleError, match=message):
        subject(name, kind=kind)


def test_a_shape_and_inputs_are_one_too_many():
    with pytest.raises(
        ChainruleError, match=r"^subject: one of input_shape and inputs must be left out, got \(2,\) and "
    ):
        subject(Tanh, input_shape=(2,), inputs=torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            None,
            r"^embedding: an example with integer_inputs = True must have a tensor \(N, …\) .*, got the shape \(4,\)\.",
        ),
        (torch.tensor(3), r"^embedding: the inputs of an example must be .*, got 0 different rows in shape \(\)\."),
        (torch.tensor([3]), r" at least 2 rows, all different, got 1 different rows in shape \(1,\)\."),
        (torch.tensor([[1, 3], [2, 3], [1, 3]]), r" all different, got 2 different rows in shape \(3, 2\)\."),
    ],
)
def test_inputs_of_which_no_batch_can_be_made_are_refused(inputs, message):
    target = subject(Embedding, 5, 2, inputs=inputs)
    with pytest.raises(ShapeError, match=message):
        target.make_examples()
    (result,) = {(found.check, found.outcome) for found in run_all(target, checks_of("layers"))}
    assert result == ("nothing_to_check", "failed")


def test_indices_occur_twice_in_a_batch_and_members_differ():
    x = make_trial((Embedding(9, 2), torch.arange(9)), members=3).x
    assert all(len(row.unique()) < len(row) for row in x)
    assert len(x.unique(dim=0)) == 3


def test_inputs_have_the_parameters_dtype_unless_they_are_integers():
    floats = torch.tensor([[1.0], [2.0]])
    assert make_trial((Tanh(), floats)).x.dtype == torch.float64
    assert make_trial((Tanh(), floats), dtype=torch.float32).x.dtype == torch.float32
    assert make_trial((Embedding(3, 2), torch.tensor([0, 2], dtype=torch.int32))).x.dtype == torch.int32


def test_examples_of_a_loss_in_float32_are_looked_at_in_float64():
    class InFloat32(Huber):
        @classmethod
        def examples(cls):
            return [(made, prediction.float(), target.float()) for made, prediction, target in Huber.examples()]

    results = run_all(subject(InFloat32), checks_of("losses"))
    assert [result.detail for result in results if result.outcome == "failed"] == []


@pytest.mark.parametrize("inner", [Dropout(0.5), BatchNorm(3)], ids=["dropout", "batch_norm"])
def test_a_container_is_as_its_parts_are_declared(inner):
    target = subject("layers:sequential", Linear(3, 3), inner, input_shape=3)
    names = [
        "eval_mode_differs_only_if_declared",
        "rows_do_not_influence_each_other",
        "many_rows_are_those_of_their_parts",
    ]
    for check in checks_of("layers"):
        if check.name in names:
            result = run(target, check)
            assert result.outcome != "failed", result.detail


def test_each_example_has_its_own_form():
    class Both(Tanh):
        """Shapes:   any"""

        @classmethod
        def examples(cls):
            return [(cls(), (3,)), (cls(), torch.tensor([[1.0], [2.0]]))]

    (check,) = [check for check in checks_of("layers") if check.name == "extreme_inputs_stay_finite"]
    assert run(subject(Both), check).outcome == "passed"


def with_examples(parent, examples):
    return type(f"Odd{parent.__name__}", (parent,), {"examples": classmethod(lambda cls: examples(cls))})


def test_the_size_of_an_input_may_be_a_number():
    ((_, shape),) = subject(with_examples(Tanh, lambda cls: [(cls(), 3)])).make_examples()
    assert shape == (3,)


ROWS = torch.ones(3, 2)


@pytest.mark.parametrize(
    ("parent", "examples", "words"),
    [
        (Tanh, lambda cls: [cls()], "each of examples() must be a tuple (instance, inputs), got OddTanh()."),
        (Tanh, lambda cls: [(cls(), None)], "the inputs of an example must be a shape or a tensor (N, …), got None."),
        (Tanh, lambda cls: cls(), "examples() must return a list, got OddTanh()."),
        (Sgd, lambda cls: None, "examples() must return a list, got None."),
        (Mse, lambda cls: [(cls(), ROWS)], "must be a tuple (instance, prediction, target), got a tuple of OddMse, T"),
        (Mse, lambda cls: [(cls(), ROWS, 1.0)], "the target of an example must be a tensor (N, …), got 1.0."),
        (Mae, lambda cls: [(cls(), 1.0, ROWS)], "the prediction of an example must be a tensor (N, …), got 1.0."),
    ],
)
def test_examples_of_another_form_are_refused_in_one_line(parent, examples, words):
    odd = subject(with_examples(parent, examples))
    with pytest.raises(ContractError) as caught:
        odd.make_examples()
    assert str(caught.value).startswith(f"odd_{parent.__name__.lower()}: ")
    assert words in str(caught.value)
    (result,) = run_all(odd, checks_of(odd.kind))
    assert result.detail == f"{odd.label}: nothing_to_check failed: {caught.value}"


@pytest.mark.parametrize(("kind", "cls", "settings"), [("losses", Huber, {"delta": 2.0}), ("metrics", Mae, {})])
def test_a_factory_has_the_rows_of_what_it_makes(kind, cls, settings):
    made = subject(lambda: cls(**settings), kind=kind).make_examples()
    assert {type(one) for one, _, _ in made} == {cls}
    assert all(getattr(one, name) == value for one, _, _ in made for name, value in settings.items())
    assert [rows.tolist() for _, *both in made for rows in both] == [
        rows.tolist() for _, *both in cls.examples() for rows in both
    ]


def test_what_makes_no_loss_is_refused_among_the_losses():
    with pytest.raises(ContractError, match=r"^int: a component must have examples\(\), got none\. "):
        subject(lambda: 3, kind="losses").make_examples()
