"""What a page of HTML consists of."""

from html.parser import HTMLParser


class Tags(HTMLParser):
    """Tags that are open and never closed, tags that were met, and every reference out of the page."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.met, self.references, self.ids = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.met.add(tag)
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
