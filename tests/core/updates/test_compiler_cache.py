"""What torch's compiler keeps on disk is found only by processors with the same vectors."""

import os
import subprocess
import sys

import pytest
import torch
from torch.compiler import config

from chainrule.updates.fused_rule import first_use

STEPS = """
import torch
import chainrule
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import adam

x = torch.arange(8 * 19).sin().view(8, 19)
losses = []
for compile in (True, False):
    step = chainrule.training_step(linear(19, 7).build(seed=0), mse(), adam(lr=0.1), compile=compile)
    losses.append(torch.stack([step(k * x, x[:, :7].cos()) for k in range(20)]))
torch.testing.assert_close(*losses)
"""


RATES = """
import torch
from chainrule.layers import linear
from chainrule.optimizers import adam

networks = [linear(301, 303).build(seeds=[0, 1]) for _ in range(2)]
updaters = [adam(lr=0.1).attach(network, compile=i == 0) for i, network in enumerate(networks)]
for k in range(4):
    for network, updater in zip(networks, updaters, strict=True):
        if k == 2:
            updater.set_lr([0.1, 0.2])  # for which torch compiles the rule again
        network.flat.grad.copy_(torch.arange(len(network.flat.grad)).sin() * k)
        updater.step()
torch.testing.assert_close(networks[0].flat.data, networks[1].flat.data)
"""


@pytest.fixture(autouse=True)
def tag_of_the_user():
    with config.patch(cache_key_tag="of the user"):
        yield


def test_the_key_has_the_processors_vectors_while_something_is_compiled(monkeypatch):
    keys = set()
    for vectors in ("AVX2", "AVX512"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda vectors=vectors: vectors)
        with first_use("a rule"):
            keys.add(config.cache_key_tag)
        assert config.cache_key_tag == "of the user"
    assert len(keys) == 2
    assert all(key.startswith("of the user") for key in keys)


@pytest.mark.slow
@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() != "AVX512", reason="needs vectors of two lengths")
@pytest.mark.parametrize("order", [("avx2", "avx512"), ("avx512", "avx2")])
@pytest.mark.parametrize("program", [STEPS, RATES], ids=["steps", "a rate of another form"])
def test_a_processor_with_other_vectors_does_not_take_what_is_in_the_cache(tmp_path, order, program):
    for vectors in order:
        variables = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "ATEN_CPU_CAPABILITY": vectors}
        subprocess.run([sys.executable, "-c", program], env=os.environ | variables, check=True, timeout=300)
