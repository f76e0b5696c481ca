"""Images with the model and the prompt, on a background whose colours depend on the request."""

from __future__ import annotations

import io
import math
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageDraw, ImageFont, PngImagePlugin

if TYPE_CHECKING:
    from netmind_mock.jobs.job import Output
    from netmind_mock.media import Caption

_SOFTWARE = "netmind-mock"
_SHOWN_CHARACTERS = 400
# Pillow's built-in font has few characters beyond ASCII.
_PLAIN = str.maketrans(
    {"\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{EURO SIGN}": "EUR", "ß": "ss", "æ": "ae", "œ": "oe"}
    | dict(zip("ŁłØø", "LlOo", strict=True))
)
_INK = (255, 255, 255)
_PALE_INK = (225, 230, 240)


def render_image(output: Output, words: Caption) -> bytes:
    """Return a PNG, JPEG or WebP file of the output's size."""
    image = draw(output.width, output.height, words)
    file = io.BytesIO()
    match output.extension:
        case "jpg":
            image.save(file, "JPEG", quality=85, exif=_exif(words))
        case "webp":
            image.save(file, "WEBP", quality=80, method=2, exif=_exif(words))
        case _:
            image.save(file, "PNG", compress_level=3, pnginfo=_png_text(words))
    return file.getvalue()


def draw(width: int, height: int, words: Caption) -> Image.Image:
    """Return the image."""
    return with_foot(draw_without_foot(width, height, words), words)


def draw_without_foot(width: int, height: int, words: Caption) -> Image.Image:
    """Return the image without the line at the bottom, which differs between the frames of a video."""
    image = _background(width, height, words.digest)
    pen = ImageDraw.Draw(image)
    margin, small = _margin_and_font(image)
    room = width - 2 * margin
    big = _font(max(min(width, height) // 12, 8))
    lines = _wrap(printable(words.prompt), big, room)
    line_height = round(big.size * 1.3)
    visible = lines[: max((height - 4 * margin) // line_height, 1)]
    if len(visible) < len(lines):
        visible[-1] = visible[-1][:-1].rstrip() + "…"
    top = max((height - line_height * len(visible)) // 2, margin + round(small.size * 1.5))
    pen.text((margin, margin), _wrap(printable(words.model), small, room)[0], font=small, fill=_PALE_INK)
    for number, line in enumerate(visible):
        pen.text((margin, top + number * line_height), line, font=big, fill=_INK)
    return image


def with_foot(image: Image.Image, words: Caption, *, note: str = "") -> Image.Image:
    """Return a copy of the image with the line at the bottom, to which ``note`` is added."""
    image = image.copy()
    margin, small = _margin_and_font(image)
    size = f"{image.width} x {image.height}"
    foot = f"{words.job_id[:8]} - {words.number} of {words.of} - {size} - by netmind-mock, not by AI {note}"
    line = _wrap(foot, small, image.width - 2 * margin)[0]
    place = margin, image.height - margin - small.size
    ImageDraw.Draw(image).text(place, line, font=small, fill=_PALE_INK)
    return image


def _margin_and_font(image: Image.Image) -> tuple[int, ImageFont.FreeTypeFont]:
    """Return the margin in pixels and the font of the small lines."""
    side = min(image.size)
    return max(side // 16, 2), _font(max(side // 28, 8))


def printable(text: str) -> str:
    """Return a text as one short line, without accents and other characters that the font does not have."""
    cut = " ".join(text[: _SHOWN_CHARACTERS * 2].split())
    plain = unicodedata.normalize("NFKD", cut).translate(_PLAIN)
    shown = "".join(
        character for character in plain if character.isprintable() and not unicodedata.combining(character)
    )
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"


def _background(width: int, height: int, digest: str) -> Image.Image:
    """Return a diagonal gradient of dark colours, which depend on the request's hash."""
    hue = int(digest[:4], 16) / 65536
    turn = 0.08 + int(digest[4:6], 16) / 256 * 0.25
    corners = [
        _colour(hue, 0.50),
        _colour(hue + turn, 0.36),
        _colour(hue + turn, 0.36),
        _colour(hue + 2 * turn, 0.24),
    ]
    image = Image.new("RGB", (2, 2))
    for spot, colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), corners, strict=True):
        image.putpixel(spot, colour)
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _colour(hue: float, value: float) -> tuple[int, int, int]:
    red, green, blue = (
        round(255 * value * (0.55 + 0.45 * math.cos(2 * math.pi * (hue + third / 3)))) for third in range(3)
    )
    return red, green, blue


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError(  # noqa: TRY004 - the installation is wrong, not a type
            "Pillow was built without FreeType, which is needed to draw text; install Pillow from its wheel"
        )
    return font


def _wrap(text: str, font: ImageFont.FreeTypeFont, room: int) -> list[str]:
    """Break a text into lines of at most ``room`` pixels, between words or within one that is too long."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= room:
            lines[-1] = longer
            continue
        rest = word
        while rest:
            fitting = _fitting(rest, font, room)
            lines.append(rest[:fitting])
            rest = rest[fitting:]
    return [line for line in lines if line] or [""]


def _fitting(word: str, font: ImageFont.FreeTypeFont, room: int) -> int:
    """Return how many characters at the start of a word fit, at least one."""
    fitting = len(word)
    while fitting > 1 and font.getlength(word[:fitting]) > room:
        fitting -= max(fitting // 8, 1)
    return fitting


def _png_text(words: Caption) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Software", _SOFTWARE)
    info.add_text("Comment", str(words))
    info.add_text("Generation-Id", words.job_id)
    info.add_text("Request-SHA256", words.digest)
    return info


def _exif(words: Caption) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = _SOFTWARE
    exif[ExifTags.Base.ImageDescription] = str(words)
    return exif
