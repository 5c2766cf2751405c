import torch

from chainrule.tasks import noisy_quadratic


def test_the_condition_number_is_about_a_thousand():
    x = torch.cat([x for seed in range(5) for x, _ in noisy_quadratic().splits(seed)]).double()
    hessian = x.T @ x / len(x)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    assert 900 < eigenvalues[-1] / eigenvalues[0] < 1100
    assert (eigenvalues.log().diff() - torch.tensor(1000.0).log() / 19).abs().max() < 0.1


def test_least_squares_leave_the_noise_and_every_direction_counts_alike():
    x, y = (torch.cat(part).double() for part in zip(*noisy_quadratic().splits(0), strict=True))
    weight = torch.linalg.lstsq(x, y).solution
    assert abs((x @ weight - y).square().mean() - 0.09) < 0.01
    scales = 1000 ** (-torch.arange(20, dtype=torch.float64) / 19)
    assert (weight[:, 0].square() * scales * 20 - 1).abs().max() < 0.3
