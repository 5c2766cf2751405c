import pickle

import pytest
import torch

import chainrule
from chainrule import ChainruleError
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import adam, adamw, lookahead, muon, sgd
from chainrule.updates.param_groups import ParamGroups
from chainrule_lab.bench.contenders import BASELINES, baselines, contender

RULE = """
import torch
from chainrule import Optimizer, Wrapper
from chainrule.optimizers import sgd

class Plain(Optimizer):
    def update(self, parameter, grad, state, step):
        return grad

class Around(Wrapper):
    def change_gradient(self, parameter, grad, state, step):
        return grad * 0.5

class Needs(Optimizer):
    temperature: float

    def update(self, parameter, grad, state, step):
        return grad * self.temperature

def made():
    return sgd(momentum=0.5)

def nothing():
    return 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text(RULE)
    return path


def test_the_baselines_have_their_fixed_settings():
    rules = {one.name: one.rule for one in baselines()}
    assert list(rules) == list(BASELINES)
    assert rules["sgd"] == sgd(momentum=0.9, nesterov=True)
    assert rules["muon"] == muon(scaling="match_rms_adamw")
    assert rules["adam"] == adam()


def test_settings_go_to_the_rule_inside_wrappers(file):
    made = contender(f"{file}:Around").optimizer({"lr": 0.25})
    assert made.inner == adam(lr=0.25)
    assert contender("lookahead").optimizer({"lr": 0.5}) == lookahead(inner=adam(lr=0.5))


def test_a_rule_for_matrices_alone_leaves_the_rest_to_adamw_with_the_same_lr_and_decay():
    groups = contender("muon").optimizer({"lr": 0.25, "weight_decay": 0.5})
    assert isinstance(groups, ParamGroups)
    assert groups.groups["*"] == adamw(lr=0.25, weight_decay=0.5)
    assert groups.groups["weights"].lr == 0.25


def test_a_class_and_a_function_in_a_file(file):
    assert contender(f"{file}:Plain").optimizer({"lr": 0.5}).lr == 0.5
    assert contender(f"{file}:made").rule == sgd(momentum=0.5)


@pytest.mark.slow
def test_a_class_for_pytorch_in_a_file_steps_a_network(tmp_path):
    file = tmp_path / "theirs.py"
    file.write_text("import torch\n\nclass Theirs(torch.optim.SGD):\n    pass\n")
    network = linear(2, 1).build()
    before = network.state_dict()["weight"].clone()
    step = chainrule.training_step(network, mse(), contender(f"{file}:Theirs").optimizer({"lr": 0.5}))
    step(torch.ones(1, 2), torch.ones(1, 1))
    assert not torch.equal(network.state_dict()["weight"], before)


@pytest.mark.slow
def test_a_dotted_name_is_an_optimizer_for_pytorch():
    found = contender("torch.optim.AdamW")
    assert (found.name, found.rule.lr, found.package.split()[0]) == ("AdamW", 1e-3, "torch")


def test_damaged_metadata_of_another_package_leaves_the_contender_its_own(tmp_path, monkeypatch):
    for name, file, content in (("broken-1", "METADATA", b"Name: broken\nAuthor: \xeb\n"), ("torch-0", "RECORD", b"")):
        (info := tmp_path / f"{name}.dist-info").mkdir()
        (info / file).write_bytes(content)
        (info / "top_level.txt").write_text("torch\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert contender("torch.optim.SGD").package == f"torch {torch.__version__}"


def test_a_contender_is_made_again_in_another_process(file):
    again = pickle.loads(pickle.dumps(contender(f"{file}:Plain")))  # noqa: S301
    assert (again.name, again.rule.lr) == ("Plain", 1e-3)


@pytest.mark.parametrize("kind", ["", "optimizers:"])
def test_a_rule_in_a_folder_with_colons_is_made_again(tmp_path, kind):
    (folder := tmp_path / "exp_18:21:10").mkdir()
    (folder / "rules.py").write_text(RULE)
    again = pickle.loads(pickle.dumps(contender(f"{kind}{folder}/rules.py:Plain")))  # noqa: S301
    assert again.text == f"{folder}/rules.py:Plain"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{file}:Needs", r"^bench: .*:Needs must be made without arguments, got .*temperature.*\. Name a function"),
        ("{file}:nothing", r"^bench: .*:nothing must be an optimizer, got int\."),
        ("{file}:Missing", r'^bench: no "Missing" in '),
        ("{file}", r'^bench: ".*rules.py" names no class\. Write '),
        ("lino", r'Did you mean "lion"\?'),
        ("torch.optim.Nothing", r"^wrap: no class torch\.optim\.Nothing"),
    ],
)
def test_what_is_no_optimizer_is_refused_in_one_line(file, text, message):
    with pytest.raises(ChainruleError, match=message) as caught:
        contender(text.format(file=file))
    assert "\n" not in str(caught.value)
