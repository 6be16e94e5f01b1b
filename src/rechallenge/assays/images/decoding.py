"""An image file as pixels, whatever it holds: damage, bombs and foreign formats are faults."""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rechallenge.faults import Fault, InputFaults
from rechallenge.tables import files as _files

#: larger images are refused: they would take many gigabytes and are slides, which are to be cut into fields first
MAX_PIXELS = 60_000_000
#: what is read beside TIFF; other formats of the library run programs (EPS) or are no pictures of a microscope
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "JPEG2000")
_DEFLATE, _LZMA = (8, 32946), 34925


def load(found: _files.Found) -> NDArray[Any]:
    """The pixels [y, x] or [y, x, channels] of an image file. Raises InputFaults for what is no image or too large."""
    import tifffile
    from PIL import Image

    def refuse(code: str, message: str, remedy: str) -> InputFaults:
        return InputFaults([Fault(code, message, remedy, file=found.name)])

    def small(shape: tuple[int, ...]) -> None:
        largest = sorted(shape)[-2:]
        if int(np.prod(largest, dtype=np.int64)) > MAX_PIXELS or np.prod(shape, dtype=np.float64) > 5 * MAX_PIXELS:
            raise refuse(
                "too-large",
                f"the image has {' x '.join(map(str, shape))} pixels; no more than {MAX_PIXELS:,} are read.",
                "Cut the slide into fields, or export it at a lower magnification.",
            )  # fmt: skip

    data = _files.load(found).data
    quiet = logging.getLogger("tifffile")  # damage is said in a fault, not on the terminal
    before, quiet.disabled = quiet.disabled, True
    try:
        if data[:2] in (b"II", b"MM"):
            # from memory and without companions: OME and Micro-Manager files may name any other file of the machine
            with tifffile.TiffFile(io.BytesIO(data), _multifile=False, is_mmstack=False, is_ndtiff=False) as tif:
                series = tif.series[0]
                small(tuple(series.shape))
                if _swells(series, data):
                    raise refuse(
                        "zip-bomb", "the image unpacks to more than the pixels that it declares.",
                        "Check where the file comes from, and export the image again.",
                    )  # fmt: skip
                pixels = np.squeeze(series.asarray())
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # `small` is asked in place of DecompressionBombWarning
                with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                    small((picture.height, picture.width))
                    if picture.mode in ("P", "RGBA", "CMYK", "LA"):
                        pixels = np.asarray(picture.convert("RGB"))
                    else:
                        pixels = np.asarray(picture)
    except InputFaults:
        raise
    except Image.DecompressionBombError:
        raise refuse(
            "too-large", f"the image declares far more pixels than the {MAX_PIXELS:,} that are read.",
            "Cut the slide into fields, or export it at a lower magnification.",
        ) from None  # fmt: skip
    except Exception as e:  # noqa: BLE001  decoders of damaged images raise whatever they stumble over
        reason = str(e).strip().split("\n")[0][:120]
        raise refuse(
            "not-an-image", f"the file cannot be read as an image ({reason or type(e).__name__}).",
            "Export it as TIFF or PNG; a microscope's own format has to be exported first.",
        ) from None  # fmt: skip
    finally:
        quiet.disabled = before
    if pixels.dtype.kind not in "buif":
        raise refuse(
            "not-an-image",
            f"the pixels are of the form {pixels.dtype}, which is no image.",
            "Export it as TIFF or PNG.",
        )
    if pixels.ndim == 3 and pixels.shape[0] <= 5 < pixels.shape[2]:
        pixels = np.moveaxis(pixels, 0, 2)  # channels first, as many microscopes write
    if pixels.ndim not in (2, 3) or min(pixels.shape[:2]) < 16:
        raise refuse(
            "not-an-image", f"the image has the shape {' x '.join(map(str, pixels.shape))}; one plane is needed.",
            "Export a single plane or a projection of the stack.",
        )  # fmt: skip
    return np.asarray(pixels)


def _swells(series: Any, data: bytes) -> bool:
    """Whether a packed piece of a TIFF holds more than its declared pixels: the library would unpack all of it."""
    for page in series.pages:
        if page is None or page.compression == 1:
            continue
        if page.compression == _LZMA:
            return True
        if page.compression in _DEFLATE:
            room = int(np.prod(page.chunks, dtype=np.int64)) * page.dtype.itemsize + 4096
            for at, size in zip(page.dataoffsets, page.databytecounts, strict=True):
                opened = zlib.decompressobj()
                opened.decompress(data[at : at + size], room)
                if opened.unconsumed_tail:
                    return True
    return False
