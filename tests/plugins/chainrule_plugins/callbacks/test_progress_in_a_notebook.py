"""The progress of a fit in a real kernel, where rich's bar shows nothing."""

import re

import pytest

CELL = """
import torch
from chainrule import fit
from chainrule.callbacks import progress
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd

x = torch.ones(4, 2)
network, shown = linear(2, 2).build(), progress()
for epochs in (2, 300):
    history = fit(network, mse(), sgd(), train=(x, x), epochs=epochs, callbacks=[shown])
fit(network, mse(), sgd(), train=[(x, x), (x[:, :1], x)], callbacks=[shown])
"""


def test_each_fit_shows_one_line_that_ends_with_its_last_epoch():
    import nbclient  # here, so that the other tests run without the extra's kernel
    import nbformat

    cell = nbformat.v4.new_code_cell(CELL)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="linear: x must have shape"):
        nbclient.NotebookClient(notebook, kernel_name="python3", timeout=100).execute()
    *lines, error = cell.outputs
    texts = [line["data"]["text/plain"] for line in lines]
    values = r"  train_loss \d\.\d+  [\d,]+ steps/s"
    for pattern, text in zip((f"epoch 2/2{values}", f"epoch 300/300{values}", "epoch 0/1"), texts, strict=True):
        assert re.fullmatch(pattern, text)
    assert error["ename"] == "ShapeError"
