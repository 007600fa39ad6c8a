"""The reference viewer: decodes what a publisher sends, whatever the picture is."""

import aiortc

from support.media import Watcher


class Viewer(Watcher):
    """Counts pictures that differ from the previous one, and audio packets that are not silent."""

    # Below this level, sound cannot be distinguished from a decoder's noise.
    LEVEL_MIN = 20.0

    def __init__(self, media, url, token):
        super().__init__(media, url, token)
        self.changes = 0
        self.loud = 0
        self._last = None

    async def _look(self, track):
        while True:
            try:
                frame = await track.recv()
            except aiortc.mediastreams.MediaStreamError:
                return
            self.frames += 1
            self.size = (frame.width, frame.height)
            picture = frame.reformat(format="gray").to_ndarray().tobytes()
            # The first picture has no predecessor.
            self.changes += self._last is not None and picture != self._last
            self._last = picture

    async def _listen(self, track):
        while True:
            try:
                frame = await track.recv()
            except aiortc.mediastreams.MediaStreamError:
                return
            self.sounds += 1
            samples = frame.to_ndarray().astype("float64")
            self.level = float((samples * samples).mean() ** 0.5)
            self.loud += self.level > self.LEVEL_MIN

    def report(self):
        """What it has received, in the form that clients' programs print."""
        return {"frames": self.frames, "changes": self.changes, "sounds": self.loud, "size": self.size}
