"""Pictures of every kind of page, to look at: python tests/report/look.py [FOLDER [PAGE...]].

Writes the pages and, of each, PNGs at 1280 and 390 pixels, dark, and as print, and a PDF, into
FOLDER (build/pages), with an index. Needs Chromium and playwright.
"""

import shlex
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from cascade_models import two_models
from commands import run_in
from pages import CHROMIUM

VIEWS = {
    "1280": {"viewport": {"width": 1280, "height": 900}},
    "390": {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "print": {"viewport": {"width": 720, "height": 1000}},
}
MARGIN = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
QUICK = "--quick --report"
COMMANDS = {  # page -> the command whose last argument it is
    "evaluate": f"evaluate cal.npz {QUICK}",
    "fit": f"fit cal.npz --test test.npz {QUICK}",
    "binary": f"fit binary.npz {QUICK}",
    "few": f"fit few.npz {QUICK}",
    "auto": f"fit cal.npz --method auto {QUICK}",
    "groups": f"fit cal.npz --method group-temperature {QUICK}",
    "ensemble": f"fit first.npz second.npz --method ensemble {QUICK}",
    "labels": f"fit labels.npz --kind multilabel {QUICK}",
    "compare": f"compare first.npz second.npz {QUICK}",
    "shift": f"shift cal.npz shifted.npz {QUICK}",
    "answers": f"fit answers.csv --kind answers --score-scale probability {QUICK}",
    "threshold": "threshold cal.npz --test test.npz --max-risk 0.2 --report",
    "thresholds": "threshold cal.npz --test test.npz --max-risk 0.3 --per-group --report",
    "bands": "policy cal.npz --event owl --min-precision 0.8 --test test.npz --report",
    "coverage": "policy cal.npz --risks 0.1,0.2,0.3 --report",
    "ordered": f"evaluate cal.npz --ordered {QUICK}",
    "cascade": "cascade first.npz second.npz --cost 0.05 --report",
    "plan": "plan cal.npz --report",
    "monitor": "monitor report monitor.db -o",
}


def make_data(folder):
    """Write the files that the commands read: simulated, with errors that are known."""
    rng = np.random.default_rng(0)
    names = np.array(["cat", "dog", "fox", "owl"])

    def rows(name, n, sharp, bias=0.0):
        z = 2.0 * rng.normal(size=(n, 4))
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        groups = np.array(["law", "history", "physics", "chess"])[rng.integers(0, 4, n)]
        noisy = (groups == "law") & (rng.random(n) < 0.25)
        y = np.where(noisy, rng.integers(0, 4, n), y)
        z = sharp * z + bias * np.arange(4)
        ids = np.array([f"{name}-{i}" for i in range(n)])
        np.savez(folder / f"{name}.npz", logits=z, labels=names[y], classes=names, groups=groups,
                 ids=ids)  # fmt: skip

    rows("cal", 2000, 2.2)
    rows("test", 2000, 2.2)
    rows("shifted", 1500, 3.5, bias=0.3)
    rows("few", 60, 1.0)
    rows("served", 900, 4.0)
    z = rng.normal(size=3000) * 2.5 - 1.0
    y = (rng.random(3000) < 1.0 / (1.0 + np.exp(-z / 1.8))).astype(int)
    outcomes = np.array(["benign", "malignant"])
    np.savez(folder / "binary.npz", logits=np.c_[0.0 * z, z], labels=outcomes[y], classes=outcomes)
    p = rng.uniform(0.3, 0.99, 800)
    right = (rng.random(800) < p - 0.2).astype(int)
    lines = [f"{a:.4f},{b}" for a, b in zip(p, right, strict=True)]
    (folder / "answers.csv").write_text("\n".join(["score,correct", *lines]), encoding="utf-8")
    models, labels = two_models()
    first, second = models.values()
    np.savez(folder / "first.npz", logits=first, labels=labels)
    np.savez(folder / "second.npz", logits=second, labels=labels)
    z = 3.0 * rng.normal(size=(800, 3))
    y = (rng.random(z.shape) < 1.0 / (1.0 + np.exp(-z / np.array([1.0, 2.0, 4.0])))).astype(int)
    np.savez(folder / "labels.npz", logits=z, labels=y, classes=np.array(["x", "y", "z"]))


def make_pages(folder, wanted):
    """Run the command of every page that is wanted; return the pages by name."""
    make_data(folder)
    if "monitor" in wanted:
        make_monitor(folder)
    pages = {}
    for name in wanted:
        pages[name] = folder / f"{name}.html"
        run_in(folder, *shlex.split(COMMANDS[name]), pages[name].name)
    return pages


def make_monitor(folder):
    """Log rows that have drifted, with their labels, and look for an alarm."""
    run_in(folder, "fit", "cal.npz", "--only-fit")
    (folder / "monitor.db").unlink(missing_ok=True)
    run_in(folder, "monitor", "init", "monitor.db", "--calibrator", "calibrator.json")
    run_in(folder, "monitor", "log", "monitor.db", "served.npz")
    run_in(folder, "monitor", "label", "monitor.db", "served.npz")
    run_in(folder, "monitor", "check", "monitor.db", code=None)


def take_pictures(folder, pages):
    """Open each page in every view: its first screen, and all of it on paper."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as drivers:
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for view, options in VIEWS.items():
            context = browser.new_context(**options)
            context.set_default_timeout(0)  # a busy machine is slow
            for name, path in pages.items():
                tab = context.new_page()
                if view == "print":
                    tab.emulate_media(media="print")
                tab.goto(path.as_uri())
                tab.screenshot(path=folder / f"{name}-{view}.png", full_page=view == "print")
                if view == "print":
                    tab.pdf(path=folder / f"{name}.pdf", format="A4", margin=MARGIN)
                tab.close()
            context.close()
        browser.close()
    shown = "".join(
        f"<h2>{name}</h2>" + "".join(f'<img src="{name}-{view}.png" width="24%">' for view in VIEWS)
        for name in pages
    )
    (folder / "index.html").write_text(f"<meta charset='utf-8'>{shown}", encoding="utf-8")


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "build/pages").resolve()
    place.mkdir(parents=True, exist_ok=True)
    take_pictures(place, make_pages(place, sys.argv[2:] or list(COMMANDS)))
    print(place / "index.html")  # noqa: T201
