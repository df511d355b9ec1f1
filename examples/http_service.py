"""A server: probabilities calibrated over HTTP, and a newer calibrator without a restart.

Simulated: a model of four classes is 2.4 times too sure. `temperance serve` reads calibrator.json;
a client in any language posts logits. Then a better fit replaces the file, while requests come.
"""

import json
import subprocess
import sys
import time
import urllib.request

import numpy as np
from matplotlib.figure import Figure

import temperance as tp

rng = np.random.default_rng(0)
logits = 2.4 * 1.8 * rng.normal(size=(3000, 4))
labels = (logits / 2.4 + rng.gumbel(size=logits.shape)).argmax(axis=1)


def post(url, rows):
    """Post rows of logits as any HTTP client does, and return the answer."""
    body = json.dumps({"logits": rows.tolist()}).encode()
    request = urllib.request.Request(url + "/apply", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  (this machine)
        return json.load(response)


tp.save(tp.TemperatureScaling.fit(logits[:50], labels[:50]), "calibrator.json")
better = tp.TemperatureScaling.fit(logits[:1000], labels[:1000])
command = [sys.executable, "-m", "temperance", "serve", "calibrator.json", "--port", "0", "--json"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:  # noqa: S603
    try:
        announced = ""
        while not announced.endswith("\n}\n"):  # one JSON object says where the service is
            announced += service.stdout.readline()
        url = json.loads(announced)["url"]
        first = post(url, logits[1000:])
        print(f"served: temperature {first['calibrator']['temperature']:.3f}, of 50 labels")

        tp.save(better, "calibrator.json")  # replaced as a whole; the service looks every second
        for _ in range(600):
            second = post(url, logits[1000:])
            if second["calibrator"]["id"] != first["calibrator"]["id"]:
                break
            time.sleep(0.05)
        print(f"served: temperature {second['calibrator']['temperature']:.3f}, of 1,000 labels")
    finally:
        service.terminate()

same = np.array_equal(second["probs"], better.apply(logits[1000:]))
print(f"the same numbers as in Python, to the last bit: {same}")
probs = {"raw": tp.Identity().apply(logits[1000:]), "served": np.array(second["probs"])}
# Two reliability diagrams: raw logits, and what the service answered.
figure = Figure(figsize=(9.6, 5.4), layout="constrained")
for axes, (name, p) in zip(figure.subplots(1, 2), probs.items(), strict=True):
    print(f"{name}: ECE {tp.evaluate(p, labels[1000:]).ece.value:.3f}")
    tp.plots.ReliabilityDisplay.from_predictions(p, labels[1000:], name=name, ax=axes)
figure.savefig("http_service.png", bbox_inches="tight")
