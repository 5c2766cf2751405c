"""``chainrule show NAME --numbers``: forward and backward side by side, in numbers."""

import json
import re

import pytest
from typer.testing import CliRunner

from chainrule import registry
from chainrule.cli.main import app
from chainrule.formulas import gradient_formulas

MODULES = '''
import torch
from chainrule import Module, Parameter, Random
from chainrule.initializers import ones
from chainrule.losses import mse


class Scale(Module):
    """Multiply by a number for each feature.

    Forward:  ``y = x w``
    Backward: ``dx = dy w``, ``dw = Σₙ dyₙ xₙ``
    """

    sign = 1

    def __init__(self):
        self.weight = Parameter(4, init=ones(), fan_in=1, fan_out=1)

    def forward(self, x):
        self.save_for_backward(x)
        return x * self.weight.row

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        self.weight.grad.add_(self.sign * (grad_output * x).sum(1))
        return grad_output * self.weight.row


class WrongSign(Scale):
    sign = -1


class SlightlyWrong(Scale):
    sign = 1 + 1e-9


class Dropout(Module):
    """Set half of the features to 0."""

    same_in_eval = False

    def __init__(self):
        self.random = Random()

    def forward(self, x):
        mask = self.random.bernoulli(0.5, x.shape[1:])
        self.save_for_backward(mask)
        return x * mask

    def backward(self, grad_output):
        (mask,) = self.saved_tensors()
        return grad_output * mask


class Embedding(Scale):
    integer_inputs = True

    def output_shape(self, input_shape):
        return input_shape

    def forward(self, x):
        self.save_for_backward(x)
        return self.weight.data.gather(1, x)

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        self.weight.grad.scatter_add_(1, x, grad_output)

    @classmethod
    def examples(cls):
        return [(cls(), torch.tensor([0, 3]))]


class Untraced(Module):
    def forward(self, x):
        self.save_for_backward(x)
        return torch.from_numpy(x.detach().numpy() ** 2)

    def backward(self, grad_output):
        (x,) = self.saved_tensors()
        return 2 * x * grad_output


class Raises(Module):
    def forward(self, x):
        raise ValueError("not\\ntoday")

    def backward(self, grad_output):
        return grad_output


class WrongMse(type(mse())):
    def gradient(self):
        return -super().gradient()


class Huge(Scale):
    @classmethod
    def examples(cls):
        return [(cls(), (1000, 4)), (cls(), (4,))]
'''


@pytest.fixture
def numbers(tmp_path, monkeypatch):
    file = tmp_path / "numbered_modules.py"
    file.write_text(MODULES)

    def run(name, *options, width=80, **environment):
        monkeypatch.setenv("COLUMNS", str(width))
        name = f"{file}:{name}" if name[0].isupper() else name
        return CliRunner().invoke(app, ["show", name, "--numbers", *options], env=environment)

    return run


def test_each_gradient_of_a_layer_stands_under_its_formula(numbers):
    shown = numbers("linear", width=100)
    assert shown.exit_code == 0
    parts = re.split(r"\n(?=dL/d(?:x|weight|bias) )", shown.stdout)
    assert [part.splitlines()[:2] for part in parts[1:]] == [
        ["dL/dx (3, 3)", "dx = dy W"],
        ["dL/dweight (5, 3)", "dW = dyᵀ x"],
        ["dL/dbias (5,)", "db = Σₙ dyₙ"],
    ]
    assert "Forward: y = x Wᵀ + b\n" in shown.stdout
    assert "saved for backward: x (3, 3), as above\n" in shown.stdout
    assert "All 29 entries agree with central differences to 1e-06, and with autograd to 1e-11." in shown.stdout


def test_a_wrong_sign_is_a_red_row_and_exit_status_1(numbers):
    shown = numbers("WrongSign", width=100, FORCE_COLOR="1")
    assert shown.exit_code == 1
    red = [line for line in shown.output.splitlines() if line.startswith("\x1b[31m")]
    assert len(red) == 5  # the four entries of dw, and the verdict
    for row in red[:4]:
        hand, central, autograd = map(float, re.findall(r"-?\d\.\d+", row)[:3])
        assert hand == pytest.approx(-central) == pytest.approx(-autograd)
    assert "4 of 16 entries disagree, in dL/dweight" in red[4]


def test_no_color_leaves_a_sign_at_wrong_rows(numbers):
    shown = numbers("WrongSign", NO_COLOR="1", FORCE_COLOR="1").output
    assert "\x1b[31m" not in shown
    assert len(re.findall(r"≠ \d ", shown)) == 4
    assert "≠" not in numbers("Scale", NO_COLOR="1").output


def test_an_error_too_small_for_differences_shows_against_autograd(numbers):
    record = json.loads(numbers("SlightlyWrong", "--json").stdout)
    x, weight = record["gradients"]
    assert (x["agrees"], weight["agrees"]) == (True, False)
    assert max(weight["error"]) == pytest.approx(1e-9, rel=0.01)


def test_a_loss_has_the_gradient_by_its_prediction(numbers):
    right, wrong = numbers("mse", "--json"), numbers("WrongMse", "--json")
    assert (right.exit_code, wrong.exit_code) == (0, 1)
    (gradient,) = json.loads(right.stdout)["gradients"]
    assert gradient["formula"] == "dp = 2 (p − t), divided alike"
    record = json.loads(right.stdout)
    (p, *_), (t, *_) = record["given"]["prediction"][0], record["given"]["target"][0]
    assert gradient["by_hand"][0][0] == pytest.approx(2 * (p - t) / 9)


def test_a_draw_is_replayed(numbers):
    shown = numbers("Dropout", "--json")
    assert shown.exit_code == 0
    record = json.loads(shown.stdout)
    assert {0.0, 1.0} == {value for row in record["saved"]["mask"] for value in row}


def test_integers_have_no_gradient(numbers):
    record = json.loads(numbers("Embedding", "--json").stdout)
    assert [gradient["name"] for gradient in record["gradients"]] == ["weight"]
    assert record["notes"] == ["x holds integers, which have no derivative, so there is no dL/dx."]


def test_a_forward_that_autograd_cannot_trace_is_compared_with_differences_alone(numbers):
    shown = numbers("Untraced", width=200)
    assert shown.exit_code == 0
    assert "autograd: torch cannot trace forward" in shown.stdout
    assert "All 12 entries agree with central differences to 1e-06.\n" in shown.stdout


def test_a_parameter_inside_has_the_formula_of_its_layer(numbers):
    found = {one["name"]: one["formula"] for one in json.loads(numbers("sequential", "--json").stdout)["gradients"]}
    assert found["2.weight"] == "dW = dyᵀ x"
    assert found["x"].startswith("the chain rule")


def test_the_first_small_example_is_shown(numbers):
    assert len(json.loads(numbers("Huge", "--json").stdout)["gradients"][0]["by_hand"][0]) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adam", "show: --numbers must be for one of the layers, activations, losses, got optimizers:adam."),
        ("he_normal", "got initializers:he_normal."),
        ("layers", "show: --numbers needs the name of one component, got the kind layers."),
        ("Raises", "show: layers:raises: raised ValueError: not today. All that is wrong: chainrule check "),
        ("Missing", 'show: no "Missing" in '),
    ],
)
def test_what_has_no_numbers_is_one_line(numbers, name, message):
    shown = numbers(name)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert message in shown.stderr
    assert shown.stderr.count("\n") == 1


KINDS = ("layers", "activations", "losses")


@pytest.mark.parametrize("name", [component.key for kind in KINDS for component in registry.components(kind)])
def test_every_built_in_fits_into_40_columns(numbers, name):
    shown = numbers(name, width=40)
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines())) <= 40


@pytest.mark.parametrize(
    ("backward", "names", "expected"),
    [
        ("``dx = a``, ``dW = b``, ``db = c``", ["x", "weight"], {"x": "dx = a", "weight": "dW = b"}),
        ("``dx = a`` if so, else ``dx = b``", ["x"], {"x": "dx = a if so, else dx = b"}),
        ("``dx[i] += a`` and ``dγ = b``, ``dβ = c``", ["x", "scale", "shift"], {"x": "dx[i] += a", "shift": "dβ = c"}),
        ("``da = 1``, ``db = 2``", ["x"], {"x": "da = 1, db = 2"}),
        ("in words", ["x", "weight"], {"x": "in words", "weight": "in words"}),
    ],
)
def test_the_line_backward_is_split_by_gradient(backward, names, expected):
    def component():
        pass

    component.__doc__ = f"Do it.\n\n    Backward: {backward}\n    Source:   none\n    "
    assert gradient_formulas(component, names).items() >= expected.items()
