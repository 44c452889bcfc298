"""Links of a built site, followed in its files."""

from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """What a page links to, and the places that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        for key in ("id", "name"):
            if values.get(key):
                self.places.add(values[key])
        for key in ("href", "src"):
            if values.get(key):
                self.links.append(values[key])


def broken_links(site):
    """Returns what is wrong with the links within a site.

    Args:
        site: `Path` of the built site. Links to other hosts are not followed.

    Returns:
        A list of texts: the page, the link, and what is missing.
    """
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    wrong = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are absolute, as it is shown at any depth
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = _target(site, path, parts.path)
            name = path.relative_to(site)
            if not target.exists():
                wrong.append(f"{name}: {link} leads nowhere")
            elif (
                parts.fragment
                and target in pages
                and unquote(parts.fragment) not in pages[target].places
                and not parts.fragment.startswith("__")
            ):
                wrong.append(f"{name}: {link} names a place that is not there")
    return wrong


def _target(site, page, link):
    if not link:
        return page
    link = unquote(link)
    start = site if link.startswith("/") else page.parent
    target = (start / str(PurePosixPath(link.lstrip("/")))).resolve()
    return target / "index.html" if target.is_dir() else target
