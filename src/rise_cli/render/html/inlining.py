"""A drawing of matplotlib made fit to stand in a page under a strict policy.

- Styles in attributes, which the policy forbids, become attributes of their own.
- Colours are names of the page's: a drawing follows its theme.
- Ids that nothing refers to go, the others get the drawing's name before them: a page holds several.
- What a screen reader says of it stands in front.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_KEPT = {
    "fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin", "stroke-dasharray",
    "stroke-dashoffset", "opacity", "fill-opacity", "stroke-opacity", "text-anchor",
}  # fmt: skip
_FONT = re.compile(r"([\d.]+)px")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inlined(drawing: str, name: str, title: str, description: str, colors: dict[str, str]) -> str:
    """Return an SVG document as an element of a page. `colors` maps what was drawn with, as `#rrggbb`, to
    the page's custom properties; a colour that it lacks raises KeyError. `name` is unique in the page."""
    root = ElementTree.fromstring(drawing)  # noqa: S314 - matplotlib wrote it a moment ago
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        _unstyle(element, colors)
    _rename(root, name)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for tag, text in (("desc", description), ("title", title)):
        told = ElementTree.Element(f"{{{_SVG}}}{tag}", id=f"{name}-{tag}")
        told.text = text
        root.insert(0, told)
    # The prefix that the serializer gives to the namespace goes: HTML knows SVG by its tags.
    text = ElementTree.tostring(root, encoding="unicode", default_namespace=None)
    return re.sub(r"(</?)ns\d+:", r"\1", re.sub(r' xmlns:ns\d+="[^"]*"', "", text)).replace(
        "ns1:href", "href"
    )


def _unstyle(element: ElementTree.Element, colors: dict[str, str]) -> None:
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = (text.strip() for text in part.partition(":"))
        if key in {"font", "font-size"} and (size := _FONT.search(value)):
            element.set("font-size", size[1])
        elif key in _KEPT:
            element.set(key, value)
    for key in ("fill", "stroke"):
        color = element.get(key, "")
        if color.startswith("#"):
            element.set(key, f"var({colors[color.lower()]})")


def _rename(root: ElementTree.Element, name: str) -> None:
    used: set[str] = set()
    for element in root.iter():
        if _LINK in element.attrib:
            element.set("href", element.attrib.pop(_LINK))
        if element.get("href", "").startswith("#"):
            used.add(element.attrib["href"][1:])
            element.set("href", f"#{name}-{element.attrib['href'][1:]}")
        for key in ("clip-path", "fill"):
            if found := _REFERENCE.fullmatch(element.get(key, "")):
                used.add(found[1])
                element.set(key, f"url(#{name}-{found[1]})")
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in used:
            element.set("id", f"{name}-{own}")
