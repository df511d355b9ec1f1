"""Credit risk: what the portfolio will lose, with probabilities of default that can be believed.

Simulated loans, of which about 6 % default. The model was trained with balanced classes, as is
often done, so it ranks well and predicts far too many defaults. The numbers are those that a
validator asks for, first of all the defaults that were observed over those that were expected.
"""

import numpy as np
from matplotlib.figure import Figure
from sklearn.linear_model import LogisticRegression

import temperance as tp

rng = np.random.default_rng(0)
n = 60_000
income, debt, age = rng.normal(size=(3, n))
group = np.where(age < -0.8, "under 30", np.where(age < 0.8, "30 to 55", "over 55"))
log_odds = -3.9 - 0.9 * income + 1.1 * debt + 1.2 * (group == "under 30")
default = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
exposure = rng.lognormal(mean=9, sigma=0.5, size=n)  # of each loan
LOSS_GIVEN_DEFAULT = 0.45

features = np.column_stack([income, debt, age])
train, calibrate, test = np.split(np.arange(n), [10_000, 50_000])
model = LogisticRegression(class_weight="balanced").fit(features[train], default[train])
scores = model.decision_function(features)  # log-odds of default

# Balanced classes shift the log-odds, so a temperature alone cannot repair this; the rows choose.
selection = tp.select(scores[calibrate], default[calibrate])
print(selection.in_words())

probs = {
    "as trained": tp.Identity().apply(scores[test]),
    "calibrated": selection.calibrator.apply(scores[test]),
}
lost = LOSS_GIVEN_DEFAULT * exposure[test] @ default[test]
print(f"lost in the test portfolio: {lost / 1e6:.2f} million")
expected = {}
for name, p in probs.items():
    expected[name] = LOSS_GIVEN_DEFAULT * exposure[test] @ p[:, 1]
    weak = tp.evaluate(p, default[test], n_resamples=200).weak_calibration
    print(f"{name}: expected loss {expected[name] / 1e6:.2f} million")
    for measure, right in (("observed_expected", 1), ("intercept", 0), ("slope", 1)):
        estimate = getattr(weak, measure)
        print(
            f"  {measure}: {estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f}); "
            f"{right} is right"
        )

# Right on average is not right for everybody: the audit by group (p-values of the score test,
# corrected for their number), before and after each group gets a line of its own.
own = np.empty_like(probs["calibrated"])
for each in np.unique(group):
    line = tp.PlattScaling.fit(
        scores[calibrate][group[calibrate] == each], default[calibrate][group[calibrate] == each]
    )
    own[group[test] == each] = line.apply(scores[test][group[test] == each])
predicted = {}
for name, p in {"one line for all": probs["calibrated"], "a line per group": own}.items():
    print(f"{name}:")
    audit = tp.evaluate(p, default[test], groups=group[test], n_resamples=200)
    for each in sorted(audit.groups, key=lambda part: part.name):
        members = group[test] == each.name
        predicted.setdefault(each.name, []).append(p[members, 1].mean())
        print(
            f"  {each.name}: predicted {predicted[each.name][-1]:.4f}, defaulted "
            f"{default[test][members].mean():.4f}, p = {each.score_test.adjusted_p_value:.2g}"
            + (", not calibrated" if each.differs else "")
        )

# Expected loss as trained and calibrated beside what was lost; default rates by group.
figure = Figure(figsize=(9.6, 4.2), layout="constrained")
left, right = figure.subplots(1, 2)
left.bar([*expected, "lost"], [*(v / 1e6 for v in expected.values()), lost / 1e6],
         color=["#b3541e", "#1a6faf", "#777777"])  # fmt: skip
left.set(ylabel="million", title="Expected loss, and what was lost")
seen = [default[test][group[test] == each].mean() for each in predicted]
for shift, values, label, colour in (
    (-0.27, [each[0] for each in predicted.values()], "one line for all", "#b3541e"),
    (0, [each[1] for each in predicted.values()], "a line per group", "#1a6faf"),
    (0.27, seen, "defaulted", "#777777"),
):
    right.bar(np.arange(len(predicted)) + shift, values, 0.25, label=label, color=colour)
right.set_xticks(range(len(predicted)), predicted)
right.set(title="Probability of default, by group")
right.legend(loc="upper left")
figure.savefig("credit_risk.png", bbox_inches="tight")
