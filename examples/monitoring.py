"""MLOps: a year of drifting traffic, watched. An alarm, a re-fit that earned its place, a way back.

Simulated: 500 predictions a week, whose labels come at once. From week 17 on the model is 1.8 times
too sure. In week 42 somebody promotes a bad calibrator by hand; the next alarm rolls it back.
"""

from datetime import UTC, datetime

import numpy as np
from matplotlib.figure import Figure

import temperance as tp

WEEK = 7 * 86_400
START = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
rng = np.random.default_rng(0)


def traffic(week, n=500):
    """Logits of a week, and the classes that turned out to be true."""
    logits = 3 * rng.normal(size=(n, 5))
    temperature = 2.0 if week < 17 else 3.6
    return logits, (logits / temperature + rng.gumbel(size=logits.shape)).argmax(axis=1)


tp.save(tp.TemperatureScaling(2.0), "calibrator.json")  # right until week 17
serves, alarms, losses, least = [], [], [], []
with tp.Monitor.create("monitor.db", "calibrator.json") as monitor:
    for week in range(52):
        logits, labels = traffic(week)
        ids = [f"{week}/{row}" for row in range(len(labels))]
        name = monitor.registry.current()
        current = monitor.registry.load(name)
        monitor.log(ids, logits, time=START + week * WEEK, calibrator=name)
        monitor.label(ids, labels)
        serves.append(current.temperature)
        losses.append(tp.metrics.log_loss(current.apply(logits), labels))
        right = tp.TemperatureScaling(2.0 if week < 17 else 3.6)
        least.append(tp.metrics.log_loss(right.apply(logits), labels))
        check = monitor.check()
        if check.alarm:
            alarms.append(week)
            print(f"week {week}: {check.cause}")
            if week < 42:
                print(f"  {monitor.refit().words}")
            else:  # nobody had asked the evidence
                monitor.registry.rollback(why=check.cause)
                print("  Rolled back.")
        if week == 42:
            bad = monitor.registry.add(tp.TemperatureScaling(1.0))
            monitor.registry.promote(bad, why="by hand, without evidence")
    for version in monitor.registry.history():
        print(f"{version.action}: {version.why}")

# Served and right temperature over a year, with alarms; log loss of each week, of both.
figure = Figure(figsize=(9.6, 5), layout="constrained")
top, bottom = figure.subplots(2, 1, sharex=True)
top.step(
    range(52), [2.0] * 17 + [3.6] * 35, color="#777777", linestyle="--", where="mid", label="right"
)
top.step(range(52), serves, color="#1a6faf", where="mid", label="served")
top.set(ylabel="temperature", title="The temperature that serves, and the one that would be right")
for week in alarms:
    top.axvline(week, color="#b3541e", linestyle=":", label="alarm" if week == alarms[0] else None)
top.legend(loc="upper left")
bottom.plot(range(52), least, color="#777777", linestyle="--", label="at the right temperature")
bottom.plot(range(52), losses, color="#1a6faf", label="as served")
bottom.set(xlabel="week", ylabel="log loss", title="Log loss of each week")
bottom.legend(loc="upper left")
figure.savefig("monitoring.png", bbox_inches="tight")
