import pytest
import torch
from torch.testing import assert_close

from chainrule import ShapeError
from chainrule.activations import relu
from chainrule.initializers import constant
from chainrule.layers import embedding, sequential

X = torch.tensor([[0, 3, 3], [5, 2, 3], [1, 5, 5], [0, 0, 4]])


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
@pytest.mark.parametrize("padding_idx", [None, 3, -1])
@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_it_and_its_gradient_equal_torch(seeds, padding_idx, dtype):
    network = embedding(6, 4, padding_idx).build(seeds=seeds, dtype=torch.float64)
    y = network(X.to(dtype))
    grad_output = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert network.backward(grad_output, input_grad=True) is None
    for i, grad in enumerate(grad_output):
        theirs = torch.nn.Embedding(6, 4, padding_idx, dtype=torch.float64)
        theirs.load_state_dict(network.member(i).state_dict())
        expected = theirs(X)
        assert_close(y[i], expected.detach())
        assert_close(network.module.weight.grad[i], torch.autograd.grad(expected, theirs.weight, grad)[0])


def test_padding_starts_at_zero_and_keeps_the_gradient_that_it_had():
    network = embedding(6, 4, padding_idx=2, weight_init=constant(3.0)).build(seeds=[0, 1])
    weight = network.module.weight
    assert_close(weight.data.mean(-1), torch.tensor([[3.0, 3.0, 0.0, 3.0, 3.0, 3.0]]).expand(2, 6))
    weight.grad.fill_(0.5)
    network.backward(torch.ones_like(network(X)))
    assert (weight.grad[:, 2] == 0.5).all()


@pytest.mark.parametrize("padding_idx", [6, -7])
def test_padding_that_numbers_no_row_raises(padding_idx):
    with pytest.raises(ShapeError, match=f"^embedding: padding_idx must be from -6 to 5, got {padding_idx}"):
        embedding(6, 4, padding_idx)


def test_the_output_of_another_layer_is_refused():
    network = sequential(relu(), embedding(6, 4)).build()
    with pytest.raises(
        ShapeError, match=r"^embedding: x must have integers, got torch\.float32\. Put the embedding in "
    ):
        network(torch.tensor([[0.5, 3.0]]))


@pytest.mark.parametrize(
    ("x", "fix"),
    [
        (X.where(X != 4, 6), "Pass num_embeddings=7."),
        (X.where(X != 4, -1), "Number the embeddings from 0."),
        (torch.tensor([[1, 6]]), "Number the embeddings from 0."),
    ],
)
def test_an_integer_without_a_row_is_answered_with_the_fix_in_every_member(x, fix):
    network = embedding(6, 4).build(seeds=[0, 1, 2])
    with pytest.raises(ShapeError, match=r"^embedding: x must be from 0 to 5, got") as caught:
        network(x)
    assert str(caught.value).endswith(f". {fix}")
