"""What the tests of pages share: what a page fetches, and how it looks in a real browser."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
BROWSER_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
_HEAD = re.compile(r"<thead>(.*?)</thead>", re.DOTALL)
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects what a browser would fetch or run, ids that stand twice, tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.ids, self.tags, self.open, self.crossed = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href"} and not value.startswith("#"):
                self.fetched.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)


def words_of(text):
    """What a reader sees, in one line."""
    words = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(words).split())


def check_stands_alone(text):
    """No script, no link, no url() elsewhere, no id twice, tags that close, never nan or None."""
    page = Page(text)
    assert "script" not in page.tags
    assert page.fetched == []
    assert not re.search(r"url\((?!#)|@import", text)
    assert len(page.ids) == len(set(page.ids))
    assert page.open == page.crossed == []
    assert not re.search(r"\b(nan|inf|None)\b", words_of(text))
    for table in re.findall(r"<table.*?</table>", text, flags=re.DOTALL):
        head, rows = _HEAD.search(table), re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)
        widths = {len(re.findall(r"<t[hd]\b", row)) for row in rows}
        assert len(widths) == 1, words_of(table)  # a head stands above each cell
        assert head is not None
    said = re.sub(r"<code>.*?</code>", "", text, flags=re.DOTALL)
    assert not re.search(r"(?<![\w-])--[a-z]", words_of(said))  # options are not for everybody
    assert not re.search(r"(?<![\d.])[-\u2212]0\.0+(?!\d)", words_of(text))  # 0 has no sign


VIEWS = (
    (320, "light"), (320, "dark"), (390, "dark"), (800, "light"), (1100, "light"), (1200, "light"),
)  # fmt: skip
FRAME = """<iframe src="{name}.html"
  style="border:0;width:{width}px;height:900px;color-scheme:{scheme}"></iframe>"""
LOOKS = """<script>onload = () => {
  const looks = frame => {
    const inner = frame.contentDocument;
    inner.querySelectorAll("details").forEach(fold => { fold.open = true; });
    const root = inner.documentElement;
    const svgs = [...inner.querySelectorAll("svg")];
    const outside = svgs.flatMap(svg => [...svg.querySelectorAll("text")].filter(text => {
      const box = text.getBoundingClientRect(), all = svg.getBoundingClientRect();
      return box.left < all.left - 2 || box.right > all.right + 2 || box.top < all.top - 2
        || box.bottom > all.bottom + 2;
    }).map(text => text.textContent));
    const light = colour => {
      const part = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(
        c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
    };
    const style = element => frame.contentWindow.getComputedStyle(element);
    const paper = light(style(inner.body).backgroundColor);
    const words = [...inner.querySelectorAll("svg text")].map(t => [t, style(t).fill]).concat(
      [...inner.querySelectorAll("p, td, th, li, dd, dt, caption")].map(t => [t, style(t).color]));
    const faint = words.filter(([, colour]) => {
      const [low, high] = [paper, light(colour)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05) < 4.5;
    }).map(([text, colour]) => text.textContent + colour);
    return [root.scrollWidth, root.clientWidth, svgs.length, outside, paper, faint];
  };
  document.title = JSON.stringify([...document.querySelectorAll("iframe")].map(looks));
}</script>"""


def check_pages(tmp_path, pages):
    """Open (page, number of pictures) by name, each in every view, all in one browser.

    Nothing scrolls sideways, no word leaves its picture or is hard to read.
    """
    for name, (page, _) in pages.items():
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
    views = [(name, *view) for name in pages for view in VIEWS]
    frames = [FRAME.format(name=name, width=width, scheme=scheme) for name, width, scheme in views]
    (tmp_path / "frames.html").write_text("\n".join([*frames, LOOKS]), encoding="utf-8")
    run = subprocess.run(  # noqa: S603  (our own pages)
        [CHROMIUM, "--headless", *BROWSER_FLAGS, "--dump-dom",
         "--allow-file-access-from-files", "--window-size=1400,1000",
         f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "frames.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    title = html.unescape(re.search(r"<title>(.*?)</title>", run.stdout).group(1))
    for view, looks in zip(views, json.loads(title), strict=True):
        name, width, scheme = view
        scroll, client, pictures, outside, paper, faint = looks
        assert width - 20 <= client <= width, view  # less the scroll bar
        assert scroll <= client, view
        assert pictures == pages[name][1], view
        assert outside == [], view
        assert paper < 0.1 if scheme == "dark" else paper > 0.9, view
        assert faint == [], view
