"""Continues the time stamps of appended recordings where they restart.

MPEG transport and program streams (television, DVD, camcorders) can be cut and appended byte by byte. Each part then
has its own start time. Players and FFmpeg's command shift each part to the end of the previous one.
"""

from fractions import Fraction
from typing import Any

import av

# FFmpeg's AVFMT_TS_DISCONT: the container allows time stamps to restart.
_MAY_JUMP = 0x0200
# Seconds by which decoding time must jump back; a smaller jump is an error in one packet.
_BACK = Fraction(1, 10)


class Timeline:
    """Shifts the packets of a file, in the file's order, so that their time never restarts.

    All streams of a part are shifted equally, to the end of the longest stream of the previous part.

    Args:
        container: the file.
    """

    def __init__(self, container: "av.container.InputContainer"):
        self.active = bool(int(container.format.flags) & _MAY_JUMP)
        self._shifts = [Fraction(0)]
        self._part: dict[int, int] = {}
        self._last: dict[int, Fraction] = {}
        self._end = Fraction(0)

    def packets(self, container: "av.container.InputContainer", streams: list) -> Any:
        """Yields the packets of some streams; also reads the other streams if the time may restart."""
        if not self.active:
            yield from container.demux(streams)
            return
        wanted = {stream.index for stream in streams}
        for packet in container.demux():
            self._shift(packet)
            if packet.stream.index in wanted:
                yield packet

    def _shift(self, packet: Any) -> None:
        if packet.dts is None:
            return
        index, base = packet.stream.index, Fraction(packet.time_base)
        newest = len(self._shifts) - 1
        # Audio and video have packets throughout, so they show where a part ends; subtitles follow them.
        steady = packet.stream.type in ("video", "audio")
        part = self._part.get(index, newest) if steady else newest
        time = packet.dts * base + self._shifts[part]
        if steady and index in self._last and time < self._last[index] - _BACK:
            part += 1
            if part > newest:
                self._shifts.append(self._end - packet.dts * base)
            time = packet.dts * base + self._shifts[part]
        self._part[index] = part
        if steady:
            self._last[index] = time
            self._end = max(self._end, time + (packet.duration or 0) * base)
        shift = round(self._shifts[part] / base)
        packet.dts += shift
        if packet.pts is not None:
            packet.pts += shift
