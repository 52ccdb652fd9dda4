"""Color without an ICC profile: PNG's gAMA, cHRM, sRGB and cICP chunks, AVIF's nclx box.

PNG and AVIF store it the same way again; for other formats it becomes an ICC profile.

Sources: PNG (W3C, third edition), sections 4.3 and 11.3.2; coding-independent code points, ITU-T H.273.
"""

import dataclasses
import struct

import imagecodecs
import numpy as np

_WHITE_D65 = (0.3127, 0.329)
# H.273, table 2: white, red, green, blue.
_PRIMARIES = {
    1: (*_WHITE_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_WHITE_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_WHITE_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_WHITE_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_WHITE_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_WHITE_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_WHITE_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# H.273, table 3. BT.709's camera curve is displayed with sRGB's curve, as browsers do.
_SRGB_TRANSFERS = (1, 2, 6, 13, 14, 15)
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
# The arguments of parametric curves 0 to 4 as those of curve 4: g, a, b, c, d, e, f.
_PARAMETERS = (
    lambda g: (g, 1, 0, 0, 0, 0, 0),
    lambda g, a, b: (g, a, b, 0, -b / a if a else 0, 0, 0),
    lambda g, a, b, c: (g, a, b, 0, -b / a if a else 0, c, c),
    lambda g, a, b, c, d: (g, a, b, c, d, 0, 0),
    lambda g, a, b, c, d, e, f: (g, a, b, c, d, e, f),
)
COLOR_CHUNKS = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"gAMA", b"cHRM")


@dataclasses.dataclass(frozen=True)
class Color:
    """A color space that is described without an ICC profile.

    Args:
        cicp: code points of H.273 for primaries, transfer, matrix and full range; None if unspecified.
        chunks: (type, body) of PNG's color chunks, unchanged.
    """

    cicp: tuple[int, int, int, int] | None = None
    chunks: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def hdr(self) -> str:
        """PQ or HLG, which an ICC profile of matrix and curves cannot express; otherwise an empty string."""
        return _HDR_TRANSFERS.get(self.cicp[1], "") if self.cicp else ""

    def profile(self, channels: int) -> bytes | None:
        """An equivalent ICC profile for 1 or 3 channels; None for sRGB, or if no profile can express it."""
        primaries: tuple[float, ...]
        if self.cicp:
            if self.hdr:
                return None
            primaries = _PRIMARIES.get(self.cicp[0], _PRIMARIES[1])
            gamma = None if self.cicp[1] in _SRGB_TRANSFERS else _GAMMAS.get(self.cicp[1])
        else:
            primaries, gamma = self._by_gamma()
        if primaries == _PRIMARIES[1] and gamma is None:
            return None
        return _profile(primaries, _srgb_curve() if gamma is None else gamma, channels)

    def _by_gamma(self) -> tuple[tuple[float, ...], float | None]:
        chunks = dict(self.chunks)
        if b"sRGB" in chunks:
            return _PRIMARIES[1], None
        primaries, gamma = _PRIMARIES[1], None
        if len(chunks.get(b"cHRM", b"")) == 32:
            values = tuple(value / 100000 for value in struct.unpack(">8I", chunks[b"cHRM"]))
            if not np.allclose(values, primaries, atol=0.002) and _plausible(values):
                primaries = values
        if len(chunks.get(b"gAMA", b"")) == 4:
            value = struct.unpack(">I", chunks[b"gAMA"])[0] / 100000
            # A gamma of 1/2.2 is PNG's approximation of sRGB.
            if abs(value - 0.45455) > 0.01 and 0.01 <= value <= 10:
                gamma = 1 / value
        return primaries, gamma


NO_COLOR = Color()


def color_of_png(chunks: list[tuple[bytes, bytes]]) -> Color:
    """The color chunks among a PNG's chunks."""
    kept = tuple((kind, body) for kind, body in chunks if kind in COLOR_CHUNKS)
    code = dict(kept).get(b"cICP", b"")
    return Color((code[0], code[1], code[2], code[3]) if len(code) == 4 else None, kept)


def color_of_avif(head: bytes) -> Color:
    """The code points in the first kilobytes of an AVIF file."""
    place = head.find(b"colrnclx")
    if place < 0 or len(head) < place + 15:
        return NO_COLOR
    primaries, transfer, matrix, full = struct.unpack_from(">HHHB", head, place + 8)
    if primaries == 2 and transfer == 2:  # unspecified
        return NO_COLOR
    # H.273 defines no value beyond a byte.
    cicp = (primaries, transfer, matrix, full >> 7)
    return Color(cicp) if max(cicp) <= 255 else NO_COLOR


def color_chunks(color: Color) -> list[tuple[bytes, bytes]]:
    """The chunks that describe this color space in a PNG."""
    if color.chunks or color.cicp is None:
        return list(color.chunks)
    primaries, transfer = color.cicp[:2]
    if primaries == 1 and transfer in _SRGB_TRANSFERS:
        return []  # PNG's default
    return [(b"cICP", bytes([primaries, transfer, 0, 1]))]


def with_nclx(avif: bytes, color: Color) -> bytes:
    """Writes the primaries and the transfer into an AVIF file; the matrix stays that of its encoding."""
    place = avif.find(b"colrnclx", 0, 1 << 16)
    if place < 0 or not color.cicp:
        return avif
    return avif[: place + 8] + struct.pack(">HH", *color.cicp[:2]) + avif[place + 12 :]


def adapted(profile: bytes, channels: int) -> bytes | None:
    """Converts a profile between gray and RGB where the channels require it.

    An RGB profile made from a gray profile's curve shows gray unchanged, and the other way round.

    Args:
        profile: an ICC profile.
        channels: 1 or 2 for gray, 3 or 4 for RGB, alpha included.

    Returns:
        A profile that fits the channels; None if the profile is for other samples (CMYK) or has no curve.
    """
    space, wanted = profile[16:20], b"GRAY" if channels <= 2 else b"RGB "
    if space == wanted or space not in (b"RGB ", b"GRAY", b"CMYK", b"Lab "):
        return profile
    if space in (b"CMYK", b"Lab "):
        return None
    curve = _curve(profile, b"kTRC" if space == b"GRAY" else b"gTRC")
    return None if curve is None else _profile(_PRIMARIES[1], curve, channels)


def srgb_profile(channels: int) -> bytes | None:
    """The profile of sRGB for 3 channels, of gray with its curve for 1; None if it cannot be made."""
    return _profile(_PRIMARIES[1], _srgb_curve(), channels)


def _curve(profile: bytes, tag: bytes) -> np.ndarray | float | None:
    """A profile's tone curve as a table or an exponent (ICC.1, sections 10.6 and 10.18)."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        places = dict(struct.unpack_from(">4sI", profile, 132 + 12 * index) for index in range(min(count, 100)))
        place = places[tag]
        if profile[place : place + 4] == b"curv":
            (number,) = struct.unpack_from(">I", profile, place + 8)
            if number > 1:
                return np.frombuffer(profile, ">u2", number, place + 12).astype(np.uint16)
            return struct.unpack_from(">H", profile, place + 12)[0] / 256 if number else 1.0
        if profile[place : place + 4] != b"para":
            return None
        (kind,) = struct.unpack_from(">H", profile, place + 8)
        g, a, b, c, d, e, f = _PARAMETERS[kind](
            *(value / 65536 for value in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", profile, place + 12))
        )
    except (struct.error, KeyError, IndexError, ValueError):
        return None
    x = np.linspace(0, 1, 4096)
    y = np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    return np.rint(np.clip(y, 0, 1) * 65535).astype(np.uint16)


def _plausible(values: tuple[float, ...]) -> bool:
    if not all(0 < value < 1 for value in values[1::2]) or not all(0 <= value < 1 for value in values[::2]):
        return False
    points = np.array(values[2:]).reshape(3, 2)
    return abs(np.linalg.det(np.column_stack([points, np.ones(3)]))) > 0.01


def _profile(primaries: tuple[float, ...], curve: np.ndarray | float, channels: int) -> bytes | None:
    """An ICC profile with these primaries and one tone curve (a table or an exponent); None if it is invalid."""
    white = [*primaries[:2], 1.0]
    points = np.column_stack([np.array(primaries[2:]).reshape(3, 2), np.ones(3)]).ravel().tolist()
    tone = {"transferfunction": curve} if isinstance(curve, np.ndarray) else {"gamma": curve}
    try:
        if channels <= 2:
            profile = imagecodecs.cms_profile("gray", whitepoint=white, **tone)
        else:
            profile = imagecodecs.cms_profile("rgb", whitepoint=white, primaries=points, **tone)
    except (RuntimeError, ValueError):
        return None
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]  # a fixed date


def _srgb_curve() -> np.ndarray:
    x = np.linspace(0, 1, 1024)
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return np.rint(linear * 65535).astype(np.uint16)
