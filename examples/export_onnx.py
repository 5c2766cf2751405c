"""Train a network and write it as ONNX, by way of PyTorch, for any runtime; needs pip install "chainrule[onnx]"."""

import argparse
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from onnx.reference import ReferenceEvaluator

import chainrule
import chainrule_torch
from chainrule.activations import relu
from chainrule.layers import batch_norm, linear, sequential
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam
from chainrule.tasks import circle

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "circle.onnx")
out = parser.parse_args().out

data = circle().splits(seed=0)
network = sequential(linear(2, 16), batch_norm(16), relu(), linear(16, 2)).build(seed=0)
chainrule.fit(network, cross_entropy(), adam(lr=1e-2), train=data.train, epochs=10, batch_size=20)
x, _ = data.test

module = chainrule_torch.to_torch(network).eval()
rows = torch.export.Dim("rows")
with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch's exporter about its own code
    torch.onnx.export(module, (x[:2],), out, verbose=False, input_names=["x"], dynamic_shapes=({0: rows},))

model = onnx.load(out)
onnx.checker.check_model(model)
(scores,) = ReferenceEvaluator(model).run(None, {"x": x.numpy()})
network.eval()
error = (network(x) - torch.from_numpy(scores)).abs().max().item()
print(f"{out}: {', '.join(node.op_type for node in model.graph.node)}")
print(f"greatest error of the {len(x)} exported scores: {error:.1e}")
if error > 1e-5:
    raise SystemExit("the exported model computes something else")
