"""The rates at which planted effects are found, and at which something is found where there is nothing."""

import numpy as np
import pytest
from scipy import stats

from chainrule_lab.bench.statistics.paired import compare, holm, sign_flip, verdict

SEEDS, TRIALS, COMPARISONS = 20, 1000, 6


def losses(generator, shift, *, heavy):
    """Losses of two optimizers over the same seeds, whose difference has the deviation 1 and the mean shift."""
    task = generator.normal(0, 3, SEEDS)  # what a seed's data and first weights do to both
    noise = generator.standard_t(3, SEEDS) / 3**0.5 if heavy else generator.normal(0, 1, SEEDS)
    return task + shift + noise, task


@pytest.mark.slow
@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "t with 3 degrees of freedom"])
def test_one_paired_deviation_is_found_in_nine_of_ten_cases_and_nothing_in_one_of_twenty(heavy, capsys):
    generator = np.random.default_rng(0)
    rates = {}
    for shift in (1.0, 0.0):
        p = [sign_flip(np.subtract(*losses(generator, shift, heavy=heavy))) for _ in range(TRIALS)]
        rates[shift] = np.mean(np.array(p) <= 0.05)
    with capsys.disabled():
        print(f"\n{SEEDS} seeds, heavy tails {heavy}: power {rates[1.0]:.3f}, false positives {rates[0.0]:.3f}")
    assert rates[1.0] >= 0.9
    assert rates[0.0] <= 0.05 + 3 * (0.05 * 0.95 / TRIALS) ** 0.5


@pytest.mark.slow
def test_holm_keeps_the_errors_of_a_track_together_and_most_of_the_power(capsys):
    generator = np.random.default_rng(1)
    shifts = np.array([1.0, 0, 0, 0, 0, 0])
    any_error, found, trials = 0, 0, 400
    for _ in range(trials):
        own = generator.normal(0, 0.5**0.5, SEEDS)  # the optimizer's own, in all of its comparisons
        others = generator.normal(0, 0.5**0.5, (COMPARISONS, SEEDS)) - shifts[:, None]
        rejected = np.array(holm([sign_flip(own - other) for other in others])) <= 0.05
        found += rejected[0]
        any_error += rejected[1:].any()
    with capsys.disabled():
        print(f"\n{COMPARISONS} comparisons by Holm: power {found / trials:.3f}, any false {any_error / trials:.3f}")
    assert found / trials >= 0.85
    assert any_error / trials <= 0.05 + 3 * (0.05 * 0.95 / trials) ** 0.5


@pytest.mark.slow
def test_equivalence_is_rarely_claimed_at_the_margin_and_mostly_where_there_is_no_difference(capsys):
    generator = np.random.default_rng(2)
    claimed = {}
    for shift in (1.0, 0.0):
        pairs = (losses(generator, shift, heavy=False) for _ in range(200))
        claimed[shift] = np.mean([verdict(compare(a, b), 1.0, margin=1.0) == "equivalent" for a, b in pairs])
    with capsys.disabled():
        print(f"\nequivalence within one deviation: claimed {claimed[0.0]:.3f} rightly, {claimed[1.0]:.3f} wrongly")
    assert claimed[0.0] >= 0.9
    assert claimed[1.0] <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


@pytest.mark.slow
def test_the_interval_covers_the_mean_of_skewed_differences(capsys):
    generator = np.random.default_rng(3)
    draws = generator.exponential(1, (500, SEEDS)) - 1
    intervals = [compare(x, np.zeros(SEEDS)).difference for x in draws]
    covered = np.mean([found.low <= 0 <= found.high for found in intervals])
    plain = np.mean([abs(x.mean()) <= stats.t.ppf(0.975, SEEDS - 1) * x.std(ddof=1) / SEEDS**0.5 for x in draws])
    with capsys.disabled():
        print(f"\nBCa covers exponential differences in {covered:.3f} of cases, Student's interval in {plain:.3f}")
    assert covered >= 0.88
