import pytest

from chainrule.schedules import inverse_sqrt


@pytest.mark.parametrize("warmup_steps", [1, 5, 4000])
def test_it_follows_equation_3_of_its_paper_divided_by_the_greatest_rate(warmup_steps):
    rates = {t: min(t**-0.5, t * warmup_steps**-1.5) for t in range(1, 10_000)}
    greatest, schedule = max(rates.values()), inverse_sqrt(warmup_steps)
    for t, rate in rates.items():
        assert abs(schedule(t) - rate / greatest) < 1e-12
