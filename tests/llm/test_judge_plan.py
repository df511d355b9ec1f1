"""How many labels a judge's pass rate needs: what is promised is what comes out."""

import numpy as np
import pytest
from scipy.stats import beta

from temperance.errors import InvalidInputError
from temperance.llm import pass_rate, plan_pass_rate


def judged(rng, n, agreement=0.9, passing=0.8):
    """Verdicts that are wrong for a tenth of each kind, and what people would say."""
    f = (rng.random(n) < passing).astype(float)
    y = np.where(rng.random(n) < agreement, f, 1 - f)
    return f, y


def test_without_a_judge_it_is_the_number_of_clopper_and_pearson():
    """Found by going up one by one."""
    f = np.r_[np.ones(800), np.zeros(200)]
    plan = plan_pass_rate(f, agreement=0.9, half_width=0.08)
    share = 0.8 * 0.9 + 0.2 * 0.1

    def half(n):
        ends = beta.ppf(0.025, share * n, n - share * n + 1), beta.ppf(0.975, share * n + 1, n - share * n)  # fmt: skip # noqa: E501
        return 0.5 * (ends[1] - ends[0])

    exact = next(n for n in range(10, 1000) if half(n) <= 0.08)
    assert plan.labels_without_judge == pytest.approx(exact, rel=0.02)
    assert plan.labels_needed < exact


@pytest.mark.slow
def test_the_number_of_labels_gives_the_precision(request):
    """From an assumed agreement that is true: half of all samples are within 5 % of the width."""
    count = 200 if "slow" in request.config.getoption("markexpr") else 20
    rng = np.random.default_rng(0)
    f, _ = judged(rng, 4000)
    for h in (0.03, 0.06):
        n = plan_pass_rate(f, agreement=0.9, half_width=h).labels_needed
        widths = []
        for _ in range(count):
            f, y = judged(rng, 4000)
            labels = np.full(4000, np.nan)
            rows = rng.permutation(4000)[:n]
            labels[rows] = y[rows]
            found = pass_rate(f, labels).pass_rate
            widths.append(0.5 * (found.high - found.low))
        assert np.median(widths) == pytest.approx(h, rel=0.07)


def test_a_pilot_says_what_the_assumption_says():
    """Two hundred labels of such a judge lead to about the same number; they are counted."""
    rng = np.random.default_rng(1)
    f, y = judged(rng, 5000)
    labels = np.where(np.arange(5000) < 300, y, np.nan)
    pilot = plan_pass_rate(f, labels, half_width=0.03)
    assumed = plan_pass_rate(f, agreement=0.9, half_width=0.03)
    assert pilot.labels_needed == pytest.approx(assumed.labels_needed, rel=0.5)
    assert pilot.labels_needed < pilot.labels_without_judge
    found = pass_rate(f, labels).pass_rate
    assert pilot.half_width_now == pytest.approx(0.5 * (found.high - found.low), rel=0.02)
    assert plan_pass_rate(f, labels, half_width=pilot.half_width_now * 1.001).labels_needed <= 300
    assert "with the judge" in str(pilot)


def test_few_judged_rows_are_the_limit():
    """More labels of 200 rows cannot tell the rate of all to 1 point: the reason says so."""
    plan = plan_pass_rate([1, 1, 1, 0] * 50, agreement=0.95, half_width=0.01)
    assert plan.labels_needed is None
    assert "let the judge judge more" in plan.reasons["labels_needed"]
    assert plan.labels_without_judge > 5000
    assert "no number" in str(plan)
    useless = plan_pass_rate([1, 1, 1, 0] * 50, agreement=0.5, half_width=0.05)
    assert useless.labels_needed == useless.labels_without_judge
    perfect = plan_pass_rate([1, 1, 1, 0] * 50_000, agreement=1.0, half_width=0.01)
    assert 200 < perfect.labels_needed < 600  # 3.7 / n


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (([1, 0],), {}, "`agreement` .* must say how often"),
        (([1, 0] * 10, [1, None] * 10), {"agreement": 0.9}, "only there; 10 rows have one"),
        (([1, 0] * 10, [1, *[None] * 19]), {}, "at least 10 rows"),
        (([1, 0],), {"agreement": 0.3}, r"`agreement` .* a number in \[0.5, 1\]"),
        (([0.4, 0.5],), {"agreement": 0.9}, "verdicts are scores"),
        (([1, 0],), {"agreement": 0.9, "half_width": 0.7}, "`half_width` .* between 0 and 0.5"),
        (([1, 0],), {"agreement": 0.9, "method": "stratified"}, "`method` must be"),
    ],
)
def test_bad_input_is_refused(arguments, settings, message):
    """In one line."""
    with pytest.raises(InvalidInputError, match=message):
        plan_pass_rate(*arguments, **settings)
