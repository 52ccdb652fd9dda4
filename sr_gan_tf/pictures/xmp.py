"""XMP packets: corrects sizes, removes references to data that is lost, joins and splits JPEG's extended XMP.

A packet that needs no change keeps its bytes.

Sources: XMP Specification parts 1 and 3 (Adobe 2012 and 2020), Google's Photo Sphere XMP, Motion Photo and
Ultra HDR formats, Guidelines for Handling Image Metadata (MWG 2.0).
"""

import contextlib
import hashlib
import re
from typing import cast
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from sr_gan_tf.pictures.places import focal_plane

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EXIF, _TIFF = "http://ns.adobe.com/exif/1.0/", "http://ns.adobe.com/tiff/1.0/"
_PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
_DIMENSIONS, _AREA = "http://ns.adobe.com/xap/1.0/sType/Dimensions#", "http://ns.adobe.com/xmp/sType/Area#"
_IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_NOTE = "http://ns.adobe.com/xmp/note/"

# Lengths in pixels, by axis.
_SCALED = {
    (_PANORAMA, name): axis
    for axis, names in (
        ("x", ("FullPanoWidthPixels", "CroppedAreaImageWidthPixels", "CroppedAreaLeftPixels",
               "LargestValidInteriorRectLeft", "LargestValidInteriorRectWidth")),
        ("y", ("FullPanoHeightPixels", "CroppedAreaImageHeightPixels", "CroppedAreaTopPixels",
               "LargestValidInteriorRectTop", "LargestValidInteriorRectHeight")),
    )
    for name in names
}  # fmt: skip
# Pixels per unit of the sensor, as fractions.
_FOCAL_PLANE = {(_EXIF, "FocalPlaneXResolution"): "x", (_EXIF, "FocalPlaneYResolution"): "y"}
# Lengths that are in pixels only if a sibling property says so.
_SCALED_BY_UNIT = {
    _DIMENSIONS: ("unit", {"w": "x", "h": "y"}),
    _AREA: ("unit", {"x": "x", "w": "x", "d": "x", "y": "y", "h": "y"}),
    _IPTC_EXTENSION: ("rbUnit", {"rbX": "x", "rbW": "x", "rbRx": "x", "rbY": "y", "rbH": "y"}),
}
# Namespaces that describe a second picture, a depth map or a video in the file.
_PROMISES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/": "gain map",
    "http://ns.apple.com/HDRGainMap/1.0/": "gain map",
    "http://ns.google.com/photos/1.0/container/": "further pictures or video",
    "http://ns.google.com/photos/1.0/container/item/": "further pictures or video",
    "http://ns.google.com/photos/dd/1.0/device/": "depth map",
}
_MOTION = "http://ns.google.com/photos/1.0/camera/"
_MOTION_NAMES = re.compile("Motion|MicroVideo")
_MAKERS_MOTION = ("http://ns.oplus.com/photos/1.0/camera/", "http://ns.xiaomi.com/photos/1.0/camera/")

_LONGEST_PACKET = 65502  # of a JPEG segment, after the namespace
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PART = 65400


def resized(
    xmp: bytes, before: tuple[int, int], after: tuple[int, int], turn: int = 1
) -> tuple[bytes, tuple[str, ...]]:
    """Updates a packet for the same picture at another size.

    Args:
        xmp: the packet.
        before: (width, height) of the upright picture, in pixels.
        after: (width, height) of the result, in pixels.
        turn: EXIF orientation, 1 to 8, by which the picture was turned.

    Returns:
        The corrected packet, and the names of what it described that the result no longer has.
    """
    document = _parsed(xmp)
    if document is None:
        return xmp, ()
    factors = {"x": after[0] / before[0], "y": after[1] / before[1]}
    changed = False
    lost: dict[str, None] = {}
    for element in list(document.getElementsByTagName("*")):
        for node in [element, *_attributes(element)]:
            promise = _promise(node)
            if promise:
                lost[promise] = None
                _remove(node, element)
                changed = True
                continue
            text = _text(node)
            corrected = _corrected(node, element, text, factors, after) if text is not None else None
            if corrected is not None and corrected != text:
                _set_text(node, corrected)
                changed = True
    if turn != 1:
        changed = _turn_areas(document, turn) or changed
    return (_packed(document) if changed else xmp), tuple(lost)


def _promise(node) -> str | None:
    name, space = node.localName or "", node.namespaceURI
    if space == _MOTION and _MOTION_NAMES.search(name):
        return "video"
    return "video" if space in _MAKERS_MOTION else _PROMISES.get(space)


def _corrected(node, element, text: str, factors: dict[str, float], after: tuple[int, int]) -> str | None:
    key = (node.namespaceURI, node.localName)
    if key in ((_EXIF, "PixelXDimension"), (_TIFF, "ImageWidth")):
        return str(after[0])
    if key in ((_EXIF, "PixelYDimension"), (_TIFF, "ImageLength")):
        return str(after[1])
    if key == (_TIFF, "Orientation"):
        return "1"
    if key in _FOCAL_PLANE:
        with contextlib.suppress(ValueError):
            number, _, unit = text.partition("/")
            top, bottom = focal_plane((int(number), int(unit or 1)), factors[_FOCAL_PLANE[key]])
            return f"{top}/{bottom}"
        return None
    axis = _SCALED.get(key)
    if axis is None and node.namespaceURI in _SCALED_BY_UNIT:
        unit, axes = _SCALED_BY_UNIT[node.namespaceURI]
        owner = element if node is not element else element.parentNode
        axis = axes.get(node.localName) if _property(owner, node.namespaceURI, unit) == "pixel" else None
    if axis is None:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        value = float(text) * factors[axis]
        return str(round(value)) if text.strip().lstrip("-").isdigit() else f"{value:.6g}"
    return None


def _turn_areas(document, turn: int) -> bool:
    """Turns regions as the pixels were turned; they are fractions of the stored picture."""
    changed = False
    for element in document.getElementsByTagName("*"):
        nodes = {node.localName: node for node in _children_and_attributes(element) if node.namespaceURI == _AREA}
        if not {"x", "y"} <= nodes.keys() or _property(element, _AREA, "unit") == "pixel":
            continue
        texts = {name: _text(node) or "" for name, node in nodes.items()}
        with contextlib.suppress(ValueError):
            x, y = float(texts["x"]), float(texts["y"])
            x, y = {
                2: (1 - x, y), 3: (1 - x, 1 - y), 4: (x, 1 - y), 5: (y, x), 6: (1 - y, x), 7: (1 - y, 1 - x),
                8: (y, 1 - x),
            }[turn]  # fmt: skip
            _set_text(nodes["x"], f"{x:.6g}")
            _set_text(nodes["y"], f"{y:.6g}")
            if turn >= 5 and {"w", "h"} <= nodes.keys():
                _set_text(nodes["w"], texts["h"])
                _set_text(nodes["h"], texts["w"])
            changed = True
    return changed


def joined(packet: bytes, extension: bytes) -> bytes:
    """Merges a JPEG's main packet with the extended packet that it points to."""
    main, further = _parsed(packet), _parsed(extension)
    if main is None or further is None:
        return packet
    root, source = _root(main), _root(further)
    if root is None or source is None:
        return packet
    declared = {name: value for owner in (further.documentElement, source) for name, value in owner.attributes.items()}
    for description in _descriptions(source):
        for name, value in declared.items():
            if name.startswith("xmlns:") and not description.hasAttribute(name):
                description.setAttribute(name, value)
        root.appendChild(main.importNode(description, deep=True))
    for element in list(main.getElementsByTagName("*")):
        for node in [element, *_attributes(element)]:
            if node.namespaceURI == _NOTE and node.localName == "HasExtendedXMP":
                _remove(node, element)
    return _packed(main)


def extended_guid(packet: bytes) -> bytes | None:
    """The digest in a main packet that identifies its extended packet; None if there is none."""
    found = re.search(rb"HasExtendedXMP\s*(?:=\s*[\"']|>)\s*([0-9A-Fa-f]{32})", packet)
    return found.group(1) if found else None


def jpeg_parts(xmp: bytes) -> list[bytes] | None:
    """The APP1 segment bodies that store a packet of any size in a JPEG; None if it cannot be split."""
    if len(xmp) <= _LONGEST_PACKET:
        return [b"http://ns.adobe.com/xap/1.0/\0" + xmp]
    document = _parsed(xmp)
    root = _root(document) if document is not None else None
    if root is None:
        return None
    further = minidom.parseString(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    wrapper = cast(minidom.Element, further.documentElement)
    target = wrapper.appendChild(further.importNode(root, deep=False))
    properties = []
    for description in _descriptions(root):
        # Move whole properties, largest first, until the rest fits.
        for node in _children_and_attributes(description):
            if node.namespaceURI != _RDF and not (node.nodeName or "").startswith("xmlns"):
                properties.append(
                    (len(_text(node) or "") if node.nodeType == 2 else len(node.toxml()), node, description)
                )
    properties.sort(key=lambda item: -item[0])
    size = len(_packed(document))
    for length, node, description in properties:
        if size <= _LONGEST_PACKET - 400:
            break
        shell = further.importNode(description, deep=False)
        for attribute in _attributes(shell):
            if attribute.namespaceURI != _RDF and not attribute.nodeName.startswith("xmlns"):
                shell.removeAttributeNode(attribute)
        if node.nodeType == node.ATTRIBUTE_NODE:
            shell.setAttributeNS(node.namespaceURI, node.nodeName, node.value)
        else:
            shell.appendChild(further.importNode(node, deep=True))
        target.appendChild(shell)
        _remove(node, description)
        size -= length
    extension = wrapper.toxml().encode()
    guid = hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()
    pointer = document.createElementNS(_RDF, "rdf:Description")
    pointer.setAttribute("xmlns:rdf", _RDF)
    pointer.setAttributeNS(_RDF, "rdf:about", "")
    pointer.setAttribute("xmlns:xmpNote", _NOTE)
    pointer.setAttributeNS(_NOTE, "xmpNote:HasExtendedXMP", guid)
    root.appendChild(pointer)
    packet = _packed(document)
    if len(packet) > _LONGEST_PACKET:
        return None
    parts = [b"http://ns.adobe.com/xap/1.0/\0" + packet]
    for place in range(0, len(extension), _PART):
        where = len(extension).to_bytes(4, "big") + place.to_bytes(4, "big")
        parts.append(_EXTENSION + guid.encode() + where + extension[place : place + _PART])
    return parts


def from_jpeg_parts(bodies: list[bytes]) -> tuple[bytes | None, bool]:
    """The packet in a JPEG's APP1 segments, and whether its extended part was complete."""
    packet = next((body[29:] for body in bodies if body.startswith(b"http://ns.adobe.com/xap/1.0/\0")), None)
    guid = extended_guid(packet) if packet else None
    if packet is None or guid is None:
        return packet, True
    start = _EXTENSION + guid
    pieces = {body[71:75]: body[75:] for body in bodies if body[: len(start)].upper() == start.upper()}
    length = next((int.from_bytes(body[67:71], "big") for body in bodies if body.startswith(start)), -1)
    extension = b"".join(pieces[place] for place in sorted(pieces))
    if len(extension) != length:
        return packet, False
    merged = joined(packet, extension)
    return merged, merged is not packet


def _parsed(xmp: bytes):
    """The packet as a document; None if it is damaged or has declarations, which XMP never needs."""
    if b"<!" in xmp:
        return None
    try:
        # The parser accepts nothing before the first bracket or after the last one.
        return minidom.parseString(xmp[xmp.index(b"<") : xmp.rindex(b">") + 1])
    except (ExpatError, ValueError, UnicodeError, RecursionError, LookupError):
        return None


def _packed(document) -> bytes:
    body = document.documentElement.toxml()
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{body}<?xpacket end="w"?>'.encode()


def _root(document):
    return next(iter(document.getElementsByTagNameNS(_RDF, "RDF")), None)


def _descriptions(root) -> list:
    return [node for node in root.childNodes if node.localName == "Description" and node.namespaceURI == _RDF]


def _attributes(element) -> list:
    return [element.attributes.item(index) for index in range(element.attributes.length)] if element.attributes else []


def _children_and_attributes(element) -> list:
    return [*_attributes(element), *(node for node in element.childNodes if node.nodeType == node.ELEMENT_NODE)]


def _property(element, space: str, name: str) -> str | None:
    for node in _children_and_attributes(element):
        if (node.namespaceURI, node.localName) == (space, name):
            return _text(node)
    return None


def _text(node) -> str | None:
    """The value of an attribute, or of an element that contains only text."""
    if node.nodeType == node.ATTRIBUTE_NODE:
        return node.value
    texts = [child.data for child in node.childNodes if child.nodeType == child.TEXT_NODE]
    return "".join(texts) if texts and len(texts) == len(node.childNodes) else None


def _set_text(node, value: str) -> None:
    if node.nodeType == node.ATTRIBUTE_NODE:
        node.value = value
        return
    while node.firstChild:
        node.removeChild(node.firstChild)
    node.appendChild(node.ownerDocument.createTextNode(value))


def _remove(node, element) -> None:
    if node.nodeType == node.ATTRIBUTE_NODE:
        element.removeAttributeNode(node)
    elif node.parentNode is not None:
        node.parentNode.removeChild(node)
