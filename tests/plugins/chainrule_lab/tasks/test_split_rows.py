import torch

from chainrule_lab.tasks.split_rows import split_rows, standardized


def test_three_fifths_are_for_training_and_pairs_stay_together():
    x = torch.arange(101.0).unsqueeze(1)
    splits = split_rows(x, x[:, 0].long(), 3, "table")
    assert [len(x) for x, _ in splits] == [60, 20, 21]
    assert sorted(torch.cat([y for _, y in splits]).tolist()) == list(range(101))
    assert all((x[:, 0] == y).all() for x, y in splits)


def test_another_order_of_summation_gives_the_same_bits():
    table = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(1))
    assert torch.equal(standardized(table)[order], standardized(table[order]))
