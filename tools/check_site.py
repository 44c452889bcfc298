"""Opens every page of the built site in a browser, and names whatever is wrong with it.

    python -m mkdocs build --strict
    python -m tools.check_site site --screenshots /tmp/screenshots

Checked on a desktop and on a phone: nothing is asked of another host, every request is answered,
nothing on the console, every picture is there, formulas are drawn and fit, no page is wider than
its window. Checked in the files: every link leads to a page and, with `#`, to a place in it. The
exit status is 1 where something is wrong.
"""

import argparse
import base64
import contextlib
import functools
import http.server
import sys
import threading
from pathlib import Path

from tools.chromium import open_browser
from tools.links import broken_links

# Name, width and height in CSS pixels, whether the system prefers dark.
WINDOWS = (("desktop", 1280, 900, False), ("phone", 390, 844, False))
DARK = (("desktop-dark", 1280, 900, True), ("phone-dark", 390, 844, True))
LOOK = """(() => ({
  width: document.documentElement.scrollWidth,
  wide: [...document.querySelectorAll('.md-content *, .md-header *, .md-footer *')].filter(
    e => e.getBoundingClientRect().right > WINDOW + 1 && !e.closest(
      'pre, .md-typeset__scrollwrap, .arithmatex, .highlight, table, .md-search')
  ).slice(0, 3).map(e => e.outerHTML.slice(0, 80)),
  pictures: [...document.images].filter(e => !e.naturalWidth).map(e => e.getAttribute('src')),
  untitled: [...document.images].filter(e => !e.alt && e.closest('article')).map(e => e.src),
  raw: [...document.querySelectorAll('.arithmatex')].filter(
    e => !e.querySelector('math') || e.querySelector('math').getBoundingClientRect().width < 4
  ).map(e => e.textContent),
  refused: [...document.querySelectorAll('merror')].map(e => e.textContent),
  cut: [...document.querySelectorAll('div.arithmatex')].filter(
    e => e.scrollWidth > e.clientWidth + 1
  ).map(e => e.textContent),
  latex: [...document.querySelectorAll('article p, article li, article td')].filter(e => {
    const text = e.cloneNode(true);
    text.querySelectorAll('code, math, .arithmatex').forEach(part => part.remove());
    return /\\$|\\\\[a-z]{2,}/.test(text.textContent);
  }).map(e => e.textContent.slice(0, 80)),
}))()"""
LOAD_PICTURES = """(async () => {
  const all = [...document.images];
  all.forEach(e => { e.loading = 'eager'; });
  await Promise.all(all.map(e => e.decode().catch(() => {})));
})()"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serve(directory):
    """Serves a directory on a free port of this machine; yields its address."""
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def wrong_events(events, home):
    """Returns what the browser reported: other hosts, failed requests, errors on the console."""
    wrong = []
    for event in events:
        method, what = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            url = what["request"]["url"]
            if not url.startswith((home, "data:", "blob:", "about:")):
                wrong.append(f"asks another host: {url}")
        elif method == "Network.responseReceived" and what["response"]["status"] >= 400:
            wrong.append(f"{what['response']['status']}: {what['response']['url']}")
        elif method == "Network.loadingFailed" and not what.get("canceled"):
            wrong.append(f"a request failed: {what['errorText']}")
        elif method == "Runtime.exceptionThrown":
            wrong.append(f"exception: {what['exceptionDetails'].get('text')}")
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning"):
            wrong.append(f"console: {[value.get('value') for value in what['args']]}")
        elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            wrong.append(f"log: {what['entry']['text']}")
    return wrong


def wrong_looks(look, width):
    """Returns what is wrong with what `LOOK` has found on a page in a window of this width."""
    wrong = []
    if look["width"] > width:
        wrong.append(f"is {look['width']} pixels wide in a window of {width}: {look['wide']}")
    wrong += [f"picture is missing: {source}" for source in look["pictures"]]
    wrong += [f"picture without a description: {source}" for source in look["untitled"]]
    unset = look["raw"] + look["refused"] + look["latex"]
    wrong += [f"formula is not drawn: {text}" for text in unset]
    wrong += [f"formula is wider than the page: {text}" for text in look["cut"]]
    return wrong


def check_pages(site, screenshots=None, windows=WINDOWS, only=""):
    """Opens every page in every window.

    Args:
        site: `Path` of the built site.
        screenshots: `Path` of a directory for pictures of all pages, or None.
        windows: Windows such as `WINDOWS`.
        only: Part of the names of the pages to open; all when empty.

    Returns:
        A list of what is wrong, each with its window and page; and the number of pages opened.
    """
    pages = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    pages = [page for page in pages if only in page]
    wrong = []
    with serve(site) as home, open_browser() as tab:
        for name, width, height, dark in windows:
            tab.look_like(width, height, dark)
            for page in pages:
                events = tab.open(home + page.removesuffix("index.html"))
                tab.evaluate(LOAD_PICTURES)
                found = wrong_events(events, home) + wrong_looks(
                    tab.evaluate(LOOK.replace("WINDOW", str(width))), width
                )
                wrong += [f"{name}, {page}: {what}" for what in found]
                if screenshots:
                    file = f"{page.removesuffix('.html').replace('/', '_')}-{name}.png"
                    (screenshots / file).write_bytes(base64.b64decode(tab.screenshot()))
    return wrong, len(pages)


def main(argv=None):
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("site", type=Path, help="directory of the built site")
    parser.add_argument("--screenshots", type=Path, help="directory for pictures of all pages")
    parser.add_argument("--dark", action="store_true", help="in dark windows too")
    parser.add_argument("--only", default="", help="part of the names of the pages to open")
    options = parser.parse_args(argv)
    if not (options.site / "index.html").exists():
        parser.error(f"`site` must hold a built site. Received: {options.site}")
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    windows = WINDOWS + DARK if options.dark else WINDOWS
    wrong, count = check_pages(options.site, options.screenshots, windows, options.only)
    wrong += broken_links(options.site)
    print("\n".join(wrong))
    print(f"{count} pages, {len(windows)} windows, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
