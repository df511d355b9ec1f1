"""SQL: scores lie in a table of a warehouse, and a query calibrates them where they are.

Simulated: the log-odds of a click for 20,000 adverts, one in fifty of which was clicked. The model
is too sure and says too much; a line through the log-odds (Platt) repairs both, in DuckDB.
"""

from pathlib import Path

import duckdb
import numpy as np
from matplotlib.figure import Figure

import temperance as tp

rng = np.random.default_rng(0)
n = 20_000
log_odds = -4.4 + rng.normal(size=n)  # what is true
scores = 1.6 * log_odds + 4.0  # what the model says
clicked = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
fit = np.arange(n) < 8_000

calibrator = tp.PlattScaling.fit(
    scores[fit], tp.Positions(clicked[fit]), classes=["not_clicked", "clicked"]
)
print(f"slope {calibrator.slope:.4f}, intercept {calibrator.intercept:.4f}")
query = tp.export.to_sql(
    calibrator, dialect="duckdb", table="adverts", columns=["log_odds"], verify=scores[~fit]
)
print(f"largest difference from Python: {query.parity.largest_difference:.1e}")
Path("calibrated.sql").write_text(query.script)

# In the warehouse: the table, and the query as it is. What do we expect of each campaign?
new = np.flatnonzero(~fit)
campaign = new % 8
np.savetxt(
    "adverts.csv", np.column_stack([new, campaign, scores[new]]), delimiter=",",
    header="id,campaign,log_odds", comments="",
)  # fmt: skip
database = duckdb.connect()
database.execute("CREATE TABLE adverts AS SELECT * FROM read_csv('adverts.csv')")
said = database.execute(
    f"""SELECT sum(1 / (1 + exp(-log_odds))) AS raw, sum(prob_clicked) AS calibrated
    FROM ({query.text}) GROUP BY campaign ORDER BY campaign"""  # noqa: S608  (our own query)
).fetchnumpy()
clicks = np.bincount(campaign, clicked[new])
print(f"clicks: {clicks.sum():.0f}; expected by the model {said['raw'].sum():.0f}, "
      f"by the query {said['calibrated'].sum():.0f}")  # fmt: skip

# Clicks of eight campaigns: expected by the model, by the query, and seen.
figure = Figure(figsize=(8, 4), layout="constrained")
axes = figure.subplots()
for shift, (name, values, colour) in zip(
    (-0.27, 0, 0.27),
    (
        ("expected by the model", said["raw"], "#b3541e"),
        ("expected by the query", said["calibrated"], "#1a6faf"),
        ("clicks", clicks, "#777777"),
    ),
    strict=True,
):
    axes.bar(np.arange(8) + shift, values, 0.25, label=name, color=colour)
axes.set(xlabel="campaign", title="Clicks of each campaign, expected and seen")
axes.margins(y=0.2)
axes.legend(loc="upper center", ncols=3)
figure.savefig("sql_query.png", bbox_inches="tight")
