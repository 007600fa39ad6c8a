"""A picture and a tone that identify their publisher, so that a viewer can check whose media it receives.

The top of the picture holds 28 blocks, black or white: 8 bits of identity, 16 bits of frame count, 4 bits of check.
The tone's pitch stands for the identity.
"""

import numpy

WIDTH = 320
HEIGHT = 240
FRAMES_PER_SECOND = 15
SAMPLE_RATE = 48_000
SAMPLES_PER_FRAME = 960

BLOCK = 20
BLOCKS_PER_ROW = 14
BITS = 28
BLACK, WHITE = 32, 224

TONE_LOW_HZ = 400
TONE_STEP_HZ = 75


def checksum(identity, count):
    """A checksum of four bits over both numbers, so that a half-repaired picture is not accepted."""
    folded = identity ^ count ^ (count >> 8)
    return (folded ^ (folded >> 4)) & 0xF


def draw(identity, count):
    """The luminance plane of frame `count`."""
    plane = numpy.empty((HEIGHT, WIDTH), numpy.uint8)
    # Something must move, or the encoder sends almost nothing.
    plane[:] = 64 + ((numpy.arange(WIDTH)[None, :] + numpy.arange(HEIGHT)[:, None] + 4 * count) % 128)
    word = (identity & 0xFF) << 20 | (count & 0xFFFF) << 4 | checksum(identity & 0xFF, count & 0xFFFF)
    for bit in range(BITS):
        row, column = divmod(bit, BLOCKS_PER_ROW)
        value = WHITE if word >> (BITS - 1 - bit) & 1 else BLACK
        plane[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK] = value
    return plane


def read(plane):
    """(identity, count) of a luminance plane, or None if it is not a card."""
    if plane.shape[0] < 2 * BLOCK or plane.shape[1] < BLOCKS_PER_ROW * BLOCK:
        return None
    word = 0
    for bit in range(BITS):
        row, column = divmod(bit, BLOCKS_PER_ROW)
        middle = plane[row * BLOCK + 5 : row * BLOCK + 15, column * BLOCK + 5 : column * BLOCK + 15].mean()
        word = word << 1 | int(middle > (BLACK + WHITE) / 2)
    identity, count, check = word >> 20, word >> 4 & 0xFFFF, word & 0xF
    return (identity, count) if check == checksum(identity, count) else None


def pitch(identity):
    """The tone of an identity, in hertz."""
    return TONE_LOW_HZ + TONE_STEP_HZ * identity


def tone(identity, first_sample):
    """Twenty milliseconds of the identity's tone, as signed 16-bit samples."""
    at = (first_sample + numpy.arange(SAMPLES_PER_FRAME)) / SAMPLE_RATE
    return (8000 * numpy.sin(2 * numpy.pi * pitch(identity) * at)).astype(numpy.int16)


def heard(samples):
    """(root mean square, strongest frequency in hertz) of mono samples."""
    level = float(numpy.sqrt(numpy.mean(numpy.square(samples.astype(numpy.float64)))))
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    return level, float(numpy.argmax(spectrum) * SAMPLE_RATE / len(samples))
