"""Pictures of every kind of page, to look at: python tests/report/look.py [FOLDER [PAGE...]].

Writes the pages and, of each, PNGs of all of it at 1280 and 390 pixels, light and dark, all folds
open, cut into columns on one sheet, and a PDF with its sheets of paper, into FOLDER (build/pages),
with an index. Needs Chromium, playwright, pillow and pdftoppm.
"""

import json
import shlex
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from shutil import rmtree, which

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from cascade_models import three_models, two_models
from commands import run_in
from llm_files import lm_eval
from pages import CHROMIUM

VIEWS = {
    "1280": {"viewport": {"width": 1280, "height": 900}},
    "1280-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "390": {"viewport": {"width": 390, "height": 844}, "is_mobile": True},
    "390-dark": {"viewport": {"width": 390, "height": 844}, "is_mobile": True,
                 "color_scheme": "dark"},
}  # fmt: skip
COLUMN, SHEET = 1500, 2000  # pixels: the height of a column, the width of a sheet of them
MARGIN = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
QUICK = "--quick --report"
PROMISE = "threshold kept.npz --as-is --max-risk 0.35 -o promise.json"
GROUPS = "threshold names.npz --test names-d.npz"
SICK = "policy binary.npz --event malignant"
BANDS = "policy kept.npz --as-is --event owl --min-precision 0.7 -o bands.json"
GROUPED = "--method group-temperature"
COMMANDS = {  # page -> the commands that make it; the page is the last argument of the last one
    "evaluate": f"evaluate cal.npz {QUICK}",
    "evaluate-after": f"fit cal.npz --only-fit; evaluate test.npz --calibrator calibrator.json "
                      f"{QUICK}",
    "evaluate-binary": f"evaluate binary.npz {QUICK}",
    "evaluate-names": f"evaluate names.npz {QUICK}",
    "evaluate-absent": f"evaluate absent.npz {QUICK}",
    "evaluate-ten": f"evaluate ten.npz {QUICK}",
    "evaluate-honest": f"evaluate honest.npz {QUICK}",
    "evaluate-clusters": f"evaluate clusters.csv --label-column y --cluster-column patient "
                         f"{QUICK}",
    "evaluate-impossible": f"evaluate impossible.npz {QUICK}",
    "ordered": f"evaluate cal.npz --ordered {QUICK}",
    "demo": "demo -o .",
    "fit": f"fit cal.npz {QUICK}",
    "fit-test": f"fit cal.npz --test test.npz {QUICK}",
    "fit-honest": f"fit honest.npz --test honest-test.npz {QUICK}",
    "fit-binary": f"fit binary.npz {QUICK}",
    "fit-rare": f"fit rare.npz --test rare-test.npz {QUICK}",
    "fit-few": f"fit few.npz {QUICK}",
    "fit-ten": f"fit ten.npz {QUICK}",
    "fit-hundred": f"fit hundred.npz --test hundred-test.npz {QUICK}",
    "fit-names": f"fit names.npz {GROUPED} {QUICK}",
    "fit-auto": f"fit cal.npz --method auto {QUICK}",
    "fit-auto-binary": f"fit binary.npz --method auto {QUICK}",
    "fit-groups": f"fit cal.npz {GROUPED} {QUICK}",
    "fit-biases": f"fit shifted.npz --method bias-corrected-temperature {QUICK}",
    "fit-ensemble": f"fit first.npz second.npz --method ensemble {QUICK}",
    "fit-labels": f"fit labels.npz --kind multilabel {QUICK}",
    "fit-labels-platt": f"fit labels.npz --kind multilabel --method platt {QUICK}",
    "fit-answers": f"fit answers.csv --kind answers --score-scale probability {QUICK}",
    "fit-scores": f"fit scores.csv --kind answers --score-scale real {QUICK}",
    "fit-choices": f"fit choices --format lm-eval {GROUPED} {QUICK}",
    "compare": f"compare first.npz second.npz {QUICK}",
    "compare-four": f"compare first.npz second.npz third.npz fourth.npz {QUICK}",
    "compare-names": f"compare names.npz names-b.npz names-c.npz {QUICK}",
    "compare-binary": f"compare binary.npz binary-b.npz {QUICK}",
    "shift": f"shift cal.npz shifted.npz {QUICK}",
    "shift-same": f"shift cal.npz test.npz {QUICK}",
    "shift-binary": f"shift binary.npz binary-c.npz {QUICK}",
    "shift-names": f"shift names.npz names-d.npz {QUICK}",
    "threshold": "threshold cal.npz --test test.npz --max-risk 0.2 --report",
    "threshold-groups": f"{GROUPS} --max-risk 0.4 --per-group --report",
    "threshold-kept": f"{PROMISE}; threshold kept-later.npz --policy promise.json --report",
    "threshold-broken": f"{PROMISE}; threshold broken.npz --policy promise.json --report",
    "threshold-open": f"{PROMISE}; threshold few.npz --policy promise.json --report",
    "policy": "policy cal.npz --event owl --min-precision 0.8 --test test.npz --report",
    "policy-both": f"{SICK} --min-precision 0.75 --max-fnr 0.2 --report",
    "policy-groups": "policy names.npz --min-precision 0.6 --per-group --report",
    "policy-risks": "policy cal.npz --risks 0.1,0.2,0.3 --report",
    "policy-broken": f"{BANDS}; threshold broken.npz --policy bands.json --report",
    "policy-open": f"{BANDS}; threshold few.npz --policy bands.json --report",
    "cascade": "cascade first.npz second.npz --cost 0.05 --report",
    "cascade-three": "cascade first.npz third.npz second.npz --cost 0.01 --cost 0.05 --report",
    "cascade-person": "cascade first.npz --expert-error 0.02 --cost 0.1 --report",
    "cascade-budget": "cascade first.npz second.npz --cost 1 --budget 0.2 --report",
    "plan": "plan cal.npz --report",
    "plan-binary": "plan rare.npz --report",
    "plan-unlabelled": "plan unlabelled.npz --report",
    "monitor-calm": "monitor report calm.db -o",
    "monitor-alarm": "monitor report alarm.db -o",
    "monitor-few": "monitor report few.db -o",
    "monitor-groups": "monitor report groups.db -o",
}  # fmt: skip
ANIMALS = np.array(["cat", "dog", "fox", "owl"])
TEAMS = [
    "Accounts receivable and collections, Central Europe", "Überweisungen und Lastschriften (DACH)",
    "customer_support/tier-2/warranty_and_returns", "Служба поддержки клиентов", "Legal",
    "mmlu_high_school_government_and_politics", "mmlu_professional_psychology",
    "Fraud: card not present, cross-border, first purchase", "Ventas & atención al comprador",
    "HR", "IT/2nd level/network/wide-area/outages-and-planned-maintenance", "<none>",
]  # fmt: skip
BEASTS = ["Löwe", "Élan", "Большая панда", "kirjosieppo-uros (Ficedula hypoleuca)",
          "<b>&amp;"]  # fmt: skip


def make_data(folder):
    """Write the files that the commands read: simulated, with errors that are known."""
    rng = np.random.default_rng(0)

    def save(name, z, y, **more):
        np.savez(folder / f"{name}.npz", logits=z, labels=y, **more)

    def rows(name, n, sharp, bias=0.0, noisy=0.25, classes=ANIMALS):
        z = 2.0 * rng.normal(size=(n, 4))
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        groups = np.array(["law", "history", "physics", "chess"])[rng.integers(0, 4, n)]
        lost = (groups == "law") & (rng.random(n) < noisy)
        y = np.where(lost, rng.integers(0, 4, n), y)
        z = sharp * z + bias * np.arange(4)
        ids = np.array([f"{name}-{i}" for i in range(n)])
        save(name, z, classes[y], classes=classes, groups=groups, ids=ids)

    rows("cal", 2000, 2.2)
    rows("test", 2000, 2.2)
    rows("shifted", 1500, 3.5, bias=0.3)
    rows("few", 60, 1.0)
    rows("ten", 10, 2.0)
    rows("served", 900, 4.0)
    for name in ("honest", "honest-test", "kept", "kept-later", "calm"):
        rows(name, 3000, 1.0, noisy=0.0)
    rows("broken", 1500, 1.0, noisy=1.0)
    z = rng.normal(size=(1500, 4)) + np.array([0.0, 0.0, 0.0, -9.0])
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    save("absent", 2.0 * z, ANIMALS[np.minimum(y, 2)], classes=ANIMALS)
    np.savez(folder / "unlabelled.npz", logits=z, classes=ANIMALS)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    p[p < 0.1] = 0.0
    p /= p.sum(axis=1, keepdims=True)
    np.savez(folder / "impossible.npz", probs=p, labels=ANIMALS[y], classes=ANIMALS)
    lines = [f"{a:.4f},{b:.4f},{c},p{i // 20}" for i, (a, b, c) in enumerate(
        zip(p[:, 0], 1.0 - p[:, 0], np.where(y == 0, "well", "ill"), strict=True))]  # fmt: skip
    write(folder / "clusters.csv", ["prob_well,prob_ill,y,patient", *lines])
    make_two_classes(rng, save)
    make_many_classes(rng, save)
    make_answers(folder, rng)
    models, labels = two_models()
    for name, z in {**dict(zip(["first", "second"], models.values(), strict=True)),
                    "third": three_models()[0]["middle"], "fourth": 0.3 * models["expert"],
                    }.items():  # fmt: skip
        save(name, z, labels)
    z = 3.0 * rng.normal(size=(800, 5))
    sharp = np.array([1.0, 2.0, 4.0, 1.0, 3.0])
    y = (rng.random(z.shape) < 1.0 / (1.0 + np.exp(-z / sharp))).astype(int)
    save("labels", z, y, classes=np.array(BEASTS))


def make_two_classes(rng, save):
    """Write benign and malignant ones, the same by another model, and rare frauds."""
    z = rng.normal(size=3000) * 2.5 - 1.0
    y = (rng.random(3000) < 1.0 / (1.0 + np.exp(-z / 1.8))).astype(int)
    outcomes = np.array(["benign", "malignant"])
    for name, own in {"binary": z, "binary-b": z / 1.8, "binary-c": 2.0 * z + 1.0}.items():
        save(name, np.c_[0.0 * own, own], outcomes[y], classes=outcomes)
    for name in ("rare", "rare-test"):
        z = 1.4 * rng.normal(size=6000) - 5.5
        y = (rng.random(6000) < 1.0 / (1.0 + np.exp(-z))).astype(int)
        kinds = np.array(["genuine", "fraud"])
        save(name, np.c_[0.0 * z, 1.3 * z], kinds[y], classes=kinds)


def make_many_classes(rng, save):
    """Write a hundred species, and five beasts of twelve teams whose names are long."""
    species = np.array(
        [f"Genus_{i // 5:02d} species-{i:03d} (subsp. vulgaris)" for i in range(100)]
    )
    for name in ("hundred", "hundred-test"):
        z = 2.0 * rng.normal(size=(4000, 100))
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        save(name, 1.6 * z, species[y], classes=species)
    teams, beasts = np.array(TEAMS), np.array(BEASTS)
    for name, n, sharp in (("names", 4000, 1.0), ("names-d", 3000, 1.5)):
        z = 2.0 * rng.normal(size=(n, 5))
        at = np.minimum(rng.geometric(0.25, n) - 1, 11)
        factor = np.array([1, 1, 1.8, 1, 3, 1, 1, 0.5, 1, 1, 1, 1])[at, None]
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        z = sharp * factor * z
        ids = np.array([f"{name}-{i}" for i in range(n)])
        save(name, z, beasts[y], classes=beasts, groups=teams[at], ids=ids)
        if name == "names":
            save("names-b", 1.4 * z, beasts[y], classes=beasts, groups=teams[at], ids=ids)
            noise = 2.0 * rng.normal(size=z.shape)
            save("names-c", z + noise, beasts[y], classes=beasts, groups=teams[at], ids=ids)


def make_answers(folder, rng):
    """Write stated confidences, scores without a meaning, choices of four tasks."""
    p = rng.uniform(0.3, 0.99, 800)
    right = (rng.random(800) < p - 0.2).astype(int)
    pairs = list(zip(p, right, strict=True))
    write(folder / "answers.csv", ["score,correct", *(f"{a:.4f},{b}" for a, b in pairs)])
    write(folder / "scores.csv", ["score,correct", *(f"{17 * a:.4f},{b}" for a, b in pairs)])
    (folder / "choices").mkdir(exist_ok=True)
    for task, sharp in {
        "law": 3.0,
        "anatomy": 1.0,
        "world_religions": 1.5,
        "virology": 0.7,
    }.items():
        z = 1.5 * rng.normal(size=(500, 4))
        y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
        z = sharp * z - np.logaddexp.reduce(sharp * z, axis=1, keepdims=True)
        lines = [
            json.dumps(lm_eval("ABCD", a.tolist(), str(b), doc_id=i))
            for i, (a, b) in enumerate(zip(z, y, strict=True))
        ]
        write(folder / "choices" / f"samples_mmlu_{task}_2026-11-23T10-00-00.jsonl", lines)


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def make_pages(folder, wanted):
    """Run the commands of every page that is wanted; return the pages by name."""
    make_data(folder)
    pages = {}
    for name in wanted:
        if name.startswith("monitor-"):
            make_monitor(folder, name.removeprefix("monitor-"))
        *before, last = COMMANDS[name].split("; ")
        for each in before:
            run_in(folder, *shlex.split(each), code=None)
        pages[name] = folder / f"{name}.html"
        if name == "demo":
            run_in(folder, *shlex.split(last))
            (folder / "report.html").rename(pages[name])
        else:
            run_in(folder, *shlex.split(last), pages[name].name)
        print(pages[name], flush=True)  # noqa: T201
    return pages


def make_monitor(folder, kind):
    """Log rows and their labels, as fitted or drifted, and look for an alarm."""
    rows, fitted = ("calm.npz", "honest.npz") if kind == "calm" else ("served.npz", "cal.npz")
    if kind == "groups":
        rows = "names-d.npz"
        fitted = "names.npz"
    rows = "few.npz" if kind == "few" else rows
    store = f"{kind}.db"
    for each in folder.glob(f"{store}*"):
        rmtree(each) if each.is_dir() else each.unlink()
    run_in(folder, "fit", fitted, "--only-fit")
    groups = [word for team in TEAMS for word in ("--group", team)] if kind == "groups" else []
    run_in(folder, "monitor", "init", store, "--calibrator", "calibrator.json", *groups, code=None)
    for command in ("log", "label"):
        run_in(folder, "monitor", command, store, rows, code=None)
    run_in(folder, "monitor", "check", store, code=None)


def take_pictures(folder, pages):
    """Open each page in every view, all of it, and put it on paper."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as drivers:
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for view, options in VIEWS.items():
            context = browser.new_context(**options)
            context.set_default_timeout(0)  # a busy machine is slow
            for name, path in pages.items():
                tab = context.new_page()
                tab.goto(path.as_uri())
                if view == "1280":
                    tab.pdf(path=folder / f"{name}.pdf", format="A4", margin=MARGIN)
                tab.evaluate(
                    "document.querySelectorAll('details').forEach(fold => { fold.open = true; })"
                )
                width = tab.evaluate("document.documentElement.scrollWidth")
                if width > options["viewport"]["width"]:
                    print(f"{name} scrolls sideways at {view}: {width}")  # noqa: T201
                save_columns(folder / f"{name}-{view}", tab.screenshot(full_page=True))
                tab.close()
            context.close()
        browser.close()
    for name in pages:
        paper(folder, name)
    shown = "".join(
        f"<h2>{name}</h2>"
        + "".join(f'<img src="{each.name}" width="19%">' for each in pictures_of(folder, name))
        for name in pages
    )
    (folder / "index.html").write_text(f"<meta charset='utf-8'>{shown}", encoding="utf-8")


def pictures_of(folder, name):
    return [
        each
        for view in (*VIEWS, "print")
        for each in sorted(folder.glob(f"{name}-{view}-[0-9].png"))
    ]


def save_columns(stem, picture):
    """Save a long picture as columns beside each other, empty margins cut, a few to a sheet."""
    from PIL import Image

    whole = Image.open(BytesIO(picture)).convert("RGB")
    if whole.width > 1000:
        whole = whole.crop(((whole.width - 940) // 2, 0, (whole.width + 940) // 2, whole.height))
    columns = [
        whole.crop((0, top, whole.width, min(top + COLUMN, whole.height)))
        for top in range(0, whole.height, COLUMN)
    ]
    save_sheets(stem, columns)


def save_sheets(stem, pictures):
    """Save pictures beside each other, as many as a sheet is wide: STEM-1.png and so on."""
    for old in stem.parent.glob(f"{stem.name}-[0-9].png"):
        old.unlink()
    most = max(1, SHEET // pictures[0].width)
    for number, first in enumerate(range(0, len(pictures), most), 1):
        beside(pictures[first : first + most]).save(f"{stem}-{number}.png")


def beside(pictures):
    from PIL import Image

    width, height = (max(getattr(each, side) for each in pictures) for side in ("width", "height"))
    sheet = Image.new("RGB", ((width + 10) * len(pictures), height), "#ff00ff")
    for i, each in enumerate(pictures):
        sheet.paste(each, (i * (width + 10), 0))
    return sheet


def paper(folder, name):
    """Draw the sheets of a PDF, beside each other."""
    from PIL import Image

    for old in folder.glob(f"{name}-sheet-*.png"):
        old.unlink()
    subprocess.run(  # noqa: S603
        [which("pdftoppm"), "-r", "72", "-png", f"{name}.pdf", f"{name}-sheet"],
        cwd=folder,
        check=True,
    )
    sheets = sorted(folder.glob(f"{name}-sheet-*.png"))
    save_sheets(folder / f"{name}-print", [Image.open(each).convert("RGB") for each in sheets])
    for each in sheets:
        each.unlink()


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "build/pages").resolve()
    place.mkdir(parents=True, exist_ok=True)
    take_pictures(place, make_pages(place, sys.argv[2:] or list(COMMANDS)))
    print(place / "index.html")  # noqa: T201
