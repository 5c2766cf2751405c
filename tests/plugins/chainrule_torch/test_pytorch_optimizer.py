"""The optimizers of the package pytorch-optimizer as rules: which run, unchanged, and why the others do not."""

import re
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch

import chainrule
from chainrule import ChainruleError
from chainrule_torch import wrap
from tests.plugins.chainrule_torch.test_wrapped import fitted, network

pytestmark = pytest.mark.skipif(
    find_spec("pytorch_optimizer") is None, reason='pytorch-optimizer is not installed: pip install -e ".[oracles]"'
)

STEPS = 30
SETTINGS = {
    "A2Grad": {"lr": 0.01},
    "BSAM": {"num_data": 12},
    "DASH": {"inverse_root_method": "eigh"},  # the other draws random numbers
    "Nero": {"lr": 0.001},
    "SaRA": {"lr": 0.01, "threshold": 1.0},  # which trains small parameters alone
}
"""Arguments of optimizers that have no default for lr, or would not descend here by theirs."""

TOGETHER = "must step each parameter by its own gradient, got other steps for two together."
CLOSURE = "must step by dense gradients alone, got .*(closure|grad_fn)"
OF_A_MODEL = "settings must be those that .* takes, got AttributeError: 'list' object has no attribute "
OF_AN_OPTIMIZER = "must take parameters and lr, got the arguments (params, |model, params, )?(base_)?optimizer"
NEEDS_FLAGS = "settings must be those that .* takes, got RuntimeError: Tensor.__contains__"  # groups with use_muon
REFUSED = {
    **dict.fromkeys(("AdaGC", "AdamS", "Adai", "AvaGrad", "Gravity", "Kron", "Prodigy"), TOGETHER),
    **dict.fromkeys(("DAdaptAdaGrad", "DAdaptAdam", "DAdaptLion", "DAdaptSGD"), TOGETHER),
    **dict.fromkeys(("AdaHessian", "BSAM", "LBFGS", "SophiaH"), CLOSURE),
    **dict.fromkeys(("AdaLOMO", "AdamMini", "LOMO"), OF_A_MODEL),
    **dict.fromkeys(("FriendlySAM", "GSAM", "LookSAM", "SAM", "WSAM"), OF_AN_OPTIMIZER),
    **dict.fromkeys(("Lookahead", "Magma", "OrthoGrad", "PCGrad", "TRAC"), OF_AN_OPTIMIZER),
    **dict.fromkeys(("SafeFP16Optimizer", "ScheduleFreeWrapper"), OF_AN_OPTIMIZER),
    **dict.fromkeys(("AdaGO", "AdaMuon", "DistributedMuon", "Muon", "MuonClip", "NorMuon"), NEEDS_FLAGS),
    **dict.fromkeys(("AdaShift", "Conda", "ScalableShampoo"), "the optimizer's state must hold tensors and numbers"),
    "ASGD": "ASGD must leave lr to the rule",
    "AliG": "must take parameters and lr, got the arguments params, max_lr",
    "DAdaptAdan": "must keep one form of state",
    "DeMo": "settings must be those that DeMo takes, got ImportError",
    "FAdam": "got RuntimeError: expected dtype float for `end` but got dtype double",
    "LoRARite": "got RuntimeError: mat1 and mat2 shapes cannot be multiplied",  # takes parameters in pairs
    "Ranger21": "missing 1 required positional argument: 'num_iterations'",
    "StableSPAM": "must keep all that it remembers in its state and its groups",
}
"""Why an optimizer is refused, as its error says; of `SpectralSphere` the matrices alone are trained."""


def rule_of(name):
    rule = wrap(f"pytorch_optimizer.{name}", **SETTINGS.get(name, {}))
    if name == "SpectralSphere":
        return chainrule.param_groups({"matrices": rule, "*": wrap(torch.optim.SGD, lr=0.01)})
    return rule


def unlike_torch(name):
    """Return what is wrong with an optimizer as a rule: no descent in fit, or other steps than in torch; or nothing."""
    losses = fitted(network(seed=0), rule_of(name), STEPS)["train_loss"]
    if not losses[-1] < losses[0]:
        return f"a loss of {losses[-1].item()} after {losses[0].item()}"
    ours = network(seed=0)
    held = [each for each in ours.parameters() if name != "SpectralSphere" or each.data[0].dim() == 2]
    theirs = [torch.nn.Parameter(each.data[0].clone()) for each in held]
    kind = getattr(import_module("pytorch_optimizer"), name)
    updater, optimizer = rule_of(name).attach(ours), kind(theirs, **SETTINGS.get(name, {}))
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        for mine, parameter in zip(held, theirs, strict=True):
            parameter.grad = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
            mine.grad[0].copy_(parameter.grad)
        updater.step()
        optimizer.step()
    distance = max((mine.data[0] - one).abs().max().item() for mine, one in zip(held, theirs, strict=True))
    return "" if distance <= 1e-10 else f"a distance of {distance} after {STEPS} steps"


@pytest.mark.parametrize("name", ["AggMo", "Lion", "MADGRAD", "SOAP", "ScheduleFreeAdamW"])
def test_an_optimizer_descends_in_fit_by_its_own_steps(name):
    assert not unlike_torch(name)


@pytest.mark.parametrize("name", ["AdaShift", "Prodigy", "SAM", "StableSPAM"])
def test_another_is_refused_in_one_line(name):
    with pytest.raises(ChainruleError, match=REFUSED[name]) as caught:
        wrap(f"pytorch_optimizer.{name}")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ImportWarning")  # of what some of them would like to import
def test_each_runs_or_is_refused_for_a_known_reason():
    package = vars(import_module("pytorch_optimizer"))
    kinds = {
        name for name, kind in package.items() if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
    } - {"Optimizer", "BaseOptimizer"}
    table = {}
    for name in sorted(kinds):
        try:
            table[name] = unlike_torch(name) or "runs"
        except ChainruleError as error:
            known = name in REFUSED and re.search(REFUSED[name], str(error)) is not None
            table[name] = f"{'refused' if known else 'REFUSED'}: {error}"
    shown = "\n".join(f"{name:20} {found}" for name, found in table.items())
    running = {name for name, found in table.items() if found == "runs"}
    assert running == kinds - REFUSED.keys(), shown
    assert "REFUSED" not in shown, shown
    assert len(running) >= 90, shown
