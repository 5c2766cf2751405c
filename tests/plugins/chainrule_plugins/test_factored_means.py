import pytest
import torch

from chainrule_plugins.factored_means import over_factored_root


def test_a_matrix_of_rank_one_is_divided_by_its_root():
    row, column = torch.rand(2, 4, dtype=torch.float64) + 0.1, torch.rand(2, 3, dtype=torch.float64) + 0.1
    squares = row.unsqueeze(-1) * column.unsqueeze(-2)
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    found = over_factored_root(x, torch.zeros(2, 4).double(), torch.zeros(2, 3).double(), squares, 0.0, 1.0)
    torch.testing.assert_close(found, x / squares.sqrt())


@pytest.mark.parametrize("large", [1e15, 1e-3])
def test_a_row_and_a_column_of_zeros_stay_zeros_beside_large_numbers(large):
    x = torch.full((3, 4), large)
    x[1], x[:, 2] = 0, 0
    found = over_factored_root(x, torch.zeros(3), torch.zeros(4), x * x, 1e-30, 1.0)
    assert found.isfinite().all()
    assert (found[1] == 0).all()
    assert (found[:, 2] == 0).all()
