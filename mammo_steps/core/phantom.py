"""Synthetic mammograms as arrays: breast outline, parenchyma, pectoral muscle, innocent structures, lesions.

All arrays have the chest wall at column 0 and grey levels of MONOCHROME2 (bright = dense, 0 = background);
mirroring and inversion are the writer's business. Lengths are shares of the matrix, so a phantom looks alike
at any matrix size; only noise, spicules and specks have a size in pixels. Nothing here models X-ray physics.

Parenchyma is Gaussian noise with the power spectrum 1/f^3 of real mammograms
(Burges, Jacobson and Judy 2001, Med Phys 28:419, doi 10.1118/1.1355308).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

MAX_GREY = 4095  # 12 bits
NOISE_GREY = 18.0  # detector noise at grey level 1000; grows with the square root
MASS_GREY = 700.0  # a mass of contrast 1, at its centre
SPICULE_GREY = 230.0  # its spicules, at their brightest
BLOBS = 0.2  # round densities as bright as a mass, per image
SPECK_GREY = 420.0  # a speck of contrast 1, at its centre

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]  # (row, col), pixel centres


@dataclass(frozen=True)
class Build:
    """What a woman's images share. Shares of the matrix; density 0 (fat) to 1 (dense)."""

    reach: float
    half_height: float
    roundness: float
    density: float


@dataclass(frozen=True)
class Outline:
    """The breast in one image: two quarter super-ellipses that meet at the nipple's row."""

    shape: tuple[int, int]  # (H, W)
    nipple_row: float
    reach_px: float  # nipple to chest wall
    above_px: float  # half-axis towards the top
    below_px: float  # half-axis towards the bottom
    roundness: float  # 2 = ellipse
    ripple: tuple[float, float]  # phases of the skin line's irregularity
    muscle_px: tuple[float, float]  # (height, width) of the pectoral triangle in the top left corner

    def skin_col(self, row: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """First background column of each row (0 where the row has no breast)."""
        distance = np.asarray(row, dtype=np.float64) - self.nipple_row
        u = np.abs(distance) / np.where(distance < 0, self.above_px, self.below_px)
        turn = np.sign(distance) * u  # smooth over the nipple's row
        ripple = 1 + 0.012 * np.sin(5 * turn + self.ripple[0]) + 0.006 * np.sin(11 * turn + self.ripple[1])
        edge = np.clip(1 - u**self.roundness, 0, None) ** (1 / self.roundness)
        return np.asarray(self.reach_px * edge * np.where(edge > 0, ripple, 0))

    def muscle_col(self, row: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """First column of each row that is free of pectoral muscle."""
        height, width = self.muscle_px
        return np.asarray(width * np.clip(1 - np.asarray(row, dtype=np.float64) / max(height, 1e-9), 0, None))

    def mask(self) -> Mask:
        """(H, W), true in the breast."""
        H, W = self.shape
        return np.asarray(np.arange(W)[None, :] < self.skin_col(np.arange(H))[:, None])

    def place(self, depth: float, offset: float, radius_px: float) -> Point:
        """Centre of a lesion of this radius, inside the breast and in front of the muscle.

        depth   distance from the chest wall as share of the nipple's
        offset  -1..1: distance from the nipple's row as share of the half-axis, negative = above
        """
        row = self.nipple_row + offset * (self.above_px if offset < 0 else self.below_px)
        skin, muscle = float(self.skin_col(row)), float(self.muscle_col(row))
        return row, min(max(depth * self.reach_px, muscle + radius_px), skin - 1.3 * radius_px)


def draw_build(rng: np.random.Generator) -> Build:
    return Build(
        reach=rng.uniform(0.56, 0.86),
        half_height=rng.uniform(0.37, 0.48),
        roundness=rng.uniform(1.9, 2.4),
        density=float(rng.beta(2.0, 2.5)),
    )


def draw_outline(rng: np.random.Generator, shape: tuple[int, int], view: str, build: Build) -> Outline:
    """One image's outline: the woman's build, positioned a little differently each time."""
    H, W = shape
    reach = build.reach * W * rng.uniform(0.95, 1.05)
    half = build.half_height * H * rng.uniform(0.96, 1.04)
    ripple = (rng.uniform(0, 2 * np.pi), rng.uniform(0, 2 * np.pi))
    if view == "CC":
        nipple = H * rng.uniform(0.47, 0.53)
        return Outline(shape, nipple, reach, half, half, build.roundness, ripple, (0.0, 0.0))
    nipple = H * rng.uniform(0.56, 0.62)
    muscle = (H * rng.uniform(0.40, 0.60), W * rng.uniform(0.22, 0.36))
    return Outline(shape, nipple, 0.93 * reach, 1.5 * half, 0.82 * half, build.roundness, ripple, muscle)


def power_law_field(rng: np.random.Generator, shape: tuple[int, int], exponent: float = 3.0) -> Image:
    """(H, W) Gaussian noise with power spectrum 1/f^exponent; mean 0, expected standard deviation 1."""
    H, W = (scipy.fft.next_fast_len(n, real=True) for n in shape)
    frequency = np.hypot(np.fft.fftfreq(H)[:, None], np.fft.rfftfreq(W)[None, :]).astype(np.float32)
    frequency[0, 0] = np.inf  # no mean
    amplitude = frequency ** np.float32(-exponent / 2)
    own_mirrors = [0, -1] if W % 2 == 0 else [0]  # the other columns stand for their mirror images, too
    half_plane = np.full(frequency.shape[1], 2.0)
    half_plane[own_mirrors] = 1.0
    amplitude *= np.float32(H * W / np.sqrt(2 * (amplitude.astype(np.float64) ** 2 @ half_plane).sum()))
    white = rng.standard_normal((*frequency.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    white[:, own_mirrors] *= np.float32(np.sqrt(2))  # of these the transform back takes the real part alone
    field = scipy.fft.irfft2(white * amplitude, s=(H, W), workers=1)
    return np.ascontiguousarray(field[: shape[0], : shape[1]], dtype=np.float32)


def tissue(rng: np.random.Generator, outline: Outline, density: float) -> Image:
    """(H, W) grey levels of a breast without lesions and noise; values outside the breast mean nothing."""
    H, W = outline.shape
    rows = np.arange(H, dtype=np.float32)[:, None]
    cols = np.arange(W, dtype=np.float32)[None, :]
    depth = cv2.distanceTransform(outline.mask().astype(np.uint8), cv2.DIST_L2, 5) / np.float32(0.10 * W)
    thickness = np.sqrt(1 - np.square(1 - np.minimum(depth, 1)))  # 0 at the skin, 1 inside
    centre = (outline.nipple_row + rng.normal(0, 0.03) * H, outline.reach_px * rng.uniform(0.42, 0.58))
    gland_row = np.exp(-0.5 * np.square((rows - np.float32(centre[0])) / np.float32(0.24 * H)))
    gland_col = np.exp(-0.5 * np.square((cols - np.float32(centre[1])) / np.float32(0.26 * W)))
    gland = gland_row * gland_col  # (H, W), 1 where fibroglandular tissue is thickest
    texture = power_law_field(rng, outline.shape)
    image = np.float32(650) + np.float32(400 * density) * gland
    image += texture * (np.float32(75) + np.float32(45 + 100 * density) * gland)
    if outline.muscle_px[0]:
        edge = outline.muscle_col(rows).astype(np.float32) - cols
        image += np.float32(400) / (1 + np.exp(np.clip(-edge / np.float32(0.008 * W), -30, 30)))
    return np.asarray(np.float32(250) + thickness * np.maximum(image, 100), dtype=np.float32)


def add_innocent(rng: np.random.Generator, image: Image, outline: Outline) -> None:
    """Add vessels, smooth densities and single coarse specks, as every breast has them."""
    W = outline.shape[1]

    def somewhere() -> Point:
        return outline.place(rng.uniform(0.1, 0.8), rng.uniform(-0.8, 0.8), 0.03 * W)

    for _ in range(rng.poisson(2.0)):
        ends = np.array([somewhere(), somewhere(), somewhere()])  # quadratic Bezier curve, (row, col)
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
        line = np.zeros(image.shape, np.uint8)
        width_px = max(1, round(W * rng.uniform(0.002, 0.006)))
        points = np.rint(curve[:, ::-1] * 8).astype(np.int32)  # (col, row), three fractional bits
        cv2.polylines(line, [points], False, 255, width_px, cv2.LINE_AA, shift=3)
        image += cv2.GaussianBlur(line, (0, 0), max(0.6, 0.0015 * W)) * np.float32(rng.uniform(35, 90) / 255)
    for _ in range(rng.poisson(1.5)):
        add_mass(rng, image, somewhere(), W * rng.uniform(0.02, 0.06), MASS_GREY * rng.uniform(0.05, 0.25))
    for _ in range(rng.poisson(BLOBS)):
        add_mass(rng, image, somewhere(), W * rng.uniform(0.03, 0.05), MASS_GREY * rng.uniform(0.3, 1.0))
    for _ in range(rng.poisson(1.5)):
        add_specks(rng, image, somewhere(), 0.0, 1, SPECK_GREY * rng.uniform(0.5, 1.2), 2.0)


def _window(image: Image, centre: Point, half_px: float) -> tuple[Image, Image, Image]:
    """The part of the image around a point (a view), and each pixel's (row, col) distance from the point."""
    box = [
        slice(max(0, int(c - half_px)), max(0, min(n, int(c + half_px) + 2)))
        for c, n in zip(centre, image.shape, strict=True)
    ]
    rows, cols = (
        np.arange(s.start, s.stop, dtype=np.float32) - np.float32(c) for s, c in zip(box, centre, strict=True)
    )
    return image[box[0], box[1]], rows[:, None], cols[None, :]


def add_mass(
    rng: np.random.Generator,
    image: Image,
    centre: Point,
    radius_px: float,
    grey: float,
    irregular: bool = False,
) -> None:
    """Add a mass: nearly round with a soft edge, or with an irregular and softer one."""
    view, dy, dx = _window(image, centre, 2.2 * radius_px)
    radius, angle = np.hypot(dy, dx) / np.float32(radius_px), np.arctan2(dy, dx)
    waves = {2: 0.10, 3: 0.07, 5: 0.07, 7: 0.05} if irregular else {2: 0.08}
    for n_waves, size in waves.items():
        wave = np.cos(n_waves * angle + np.float32(rng.uniform(0, 2 * np.pi)))
        radius = radius * (1 + np.float32(rng.normal(0, size)) * wave)
    softness = 0.75 if irregular else 0.6
    t = np.clip((1 + softness - radius) / (2 * softness), 0, 1)  # 1 inside, 0 outside
    view += np.float32(grey) * t * t * (3 - 2 * t)


def add_spicules(
    rng: np.random.Generator, image: Image, centre: Point, radius_px: float, grey: float
) -> None:
    """Add fine lines, one or two pixels wide, that run outwards from a mass of this radius."""
    view, dy, dx = _window(image, centre, 2.6 * radius_px)
    width_px = max(0.6, 0.0012 * image.shape[1])  # standard deviation of a line's cross-section
    n_lines = int(rng.integers(11, 19))
    lines = np.zeros_like(view)
    for direction in (np.arange(n_lines) + rng.uniform(-0.45, 0.45, n_lines)) * 2 * np.pi / n_lines:
        cos, sin = np.float32(np.cos(direction)), np.float32(np.sin(direction))
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        across = across + np.float32(rng.normal(0, 0.12) / radius_px) * np.square(along)  # a slight bend
        length_px, strength = radius_px * rng.uniform(1.5, 2.5), rng.uniform(0.5, 1.5)
        fade = np.clip(1 - along / np.float32(length_px), 0, 1)
        fade *= np.clip(along / np.float32(0.5 * radius_px), 0, 1)
        line = np.float32(strength) * fade * np.exp(-0.5 * np.square(across / np.float32(width_px)))
        lines = np.maximum(lines, line)
    view += np.float32(grey) * lines


def add_specks(
    rng: np.random.Generator,
    image: Image,
    centre: Point,
    radius_px: float,
    n_specks: int,
    grey: float,
    coarseness: float = 1.0,
) -> None:
    """Add a cluster of specks. Their width at half height is max(1.5 px, 0.0025 W) x coarseness."""
    sigma_px = coarseness * max(1.5, 0.0025 * image.shape[1]) / 2.355
    for _ in range(n_specks):
        where = np.asarray(centre) + np.clip(rng.normal(0, 0.5, 2), -1, 1) * radius_px
        view, dy, dx = _window(image, (float(where[0]), float(where[1])), 4 * sigma_px)
        shape = np.exp(-0.5 * (np.square(dy) + np.square(dx)) / np.float32(sigma_px**2))
        view += np.float32(grey * rng.uniform(0.6, 1.4)) * shape


def digitise(rng: np.random.Generator, image: Image, background: Image, mask: Mask) -> npt.NDArray[np.uint16]:
    """12-bit grey levels (H, W): detector noise added, 0 outside the breast, 1 and more inside.

    The noise is that of the lesion-free background: phantoms that differ in a lesion differ there alone.
    """
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(NOISE_GREY / np.sqrt(1000)) * np.sqrt(background)
    grey = np.clip(np.rint(image + noise), 1, MAX_GREY)
    return np.where(mask, grey, 0).astype(np.uint16)
