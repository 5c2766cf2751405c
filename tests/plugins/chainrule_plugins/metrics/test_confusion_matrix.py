import sklearn.metrics
import torch

import chainrule
from chainrule.layers import linear
from chainrule.losses import cross_entropy
from chainrule.metrics import confusion_matrix

X = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
Y = torch.randint(3, (40,), generator=torch.Generator().manual_seed(1))


def test_it_is_scikit_learns_for_every_member():
    network = linear(2, 3).build(seeds=[0, 1])
    table = chainrule.evaluate(network, cross_entropy(), (X, Y), metrics=[confusion_matrix()])["confusion_matrix"]
    for member, scores in zip(table, network(X), strict=True):
        assert member.tolist() == sklearn.metrics.confusion_matrix(Y, scores.argmax(1), labels=[0, 1, 2]).tolist()


def test_one_output_means_two_classes():
    output, target = torch.tensor([[0.9], [0.2], [0.7]]), torch.tensor([[1.0], [1], [0]])
    assert confusion_matrix()(output, target).tolist() == [[0, 1], [1, 1]]
    assert confusion_matrix(threshold=0.8)(output, target).tolist() == [[1, 0], [1, 1]]
