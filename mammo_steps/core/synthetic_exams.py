"""What a synthetic screening cohort consists of: women, exams, lesions and readers' scores, without pixels.

Age, dates, machine and matrix size are drawn without regard to the outcome, ids are hashes. The one thing that
time tells is the design itself: a cancer exam is its woman's last.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from mammo_steps.core import dicom_writing
from mammo_steps.core.dicom_writing import Machine
from mammo_steps.core.randomness import stream
from mammo_steps.core.terms import LATERALITIES, Outcome

OUTCOMES = (Outcome.NORMAL, Outcome.BENIGN, Outcome.SCREEN_DETECTED, Outcome.INTERVAL)
CANCERS = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL)
LESION_TYPES = ("mass", "mass_with_specks", "specks")
TYPE_SHARES = {True: (0.35, 0.45, 0.20), False: (0.60, 0.0, 0.40)}  # malignant, benign
SECOND_READING_MISSING = 0.03
# Ordinal scores 1 (normal) to 5 (malignant): 1 and how many of these limits the reader's impression exceeds.
# It is noise of standard deviation 1 plus the lesion's strength times a gain: readers saw a screen-detected
# cancer, by definition, and did not see an interval cancer.
READER_LIMITS = (1.0, 1.7, 2.4, 3.1)
READER_GAIN = {Outcome.SCREEN_DETECTED: 2.7, Outcome.INTERVAL: 0.4, Outcome.BENIGN: 0.9}
SHARED_NOISE = 0.3  # correlation of the two readers' noise: both see the same breast


@dataclass(frozen=True)
class Exam:
    """One exam: which woman's, 0 = her earlier or only one, how many she has, what became of it."""

    seed: int
    woman: int
    number: int
    n_exams: int
    outcome: Outcome

    def draw(self, purpose: str, *part: str) -> np.random.Generator:
        """A random stream for this exam and purpose."""
        return stream("demo", self.seed, purpose, self.woman, self.number, *part)

    def draw_of_woman(self, purpose: str) -> np.random.Generator:
        """A random stream that a woman's exams share."""
        return stream("demo", self.seed, purpose, self.woman)

    def hashed(self, *part: str | int) -> str:
        """32 hexadecimal digits that tell nothing about what they name."""
        key = "|".join(map(str, ("demo", self.seed, self.woman, *part)))
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    @property
    def patient_id(self) -> str:
        return f"D{self.hashed('patient')[:12].upper()}"

    def uid(self, *part: str) -> str:
        """A DICOM UID made from a hash (PS3.5 B.2) for this exam or a part of it."""
        return f"2.25.{int(self.hashed(self.number, *part), 16)}"


@dataclass(frozen=True)
class Lesion:
    """A lesion as both views of its breast show it.

    radius    share of the matrix's width
    depth     distance from the chest wall, as a share of the nipple's
    strength  1 = usual for its type
    """

    laterality: str
    type: str
    malignant: bool
    radius: float
    depth: float
    strength: float


def plan_exams(counts: Mapping[str, int], share_two_exams: float, seed: int) -> list[Exam]:
    """Every exam of a cohort with exactly these counts per outcome.

    A share of the women, drawn without regard to outcomes, has two exams, the earlier one normal.
    """
    n_exams = sum(counts.values())
    n_two = n_exams - round(n_exams / (1 + share_two_exams))
    if counts[Outcome.NORMAL] < n_two:
        raise ValueError(
            f"exams: {counts[Outcome.NORMAL]} are normal, but {n_two} women have an earlier, normal exam: "
            "raise exams.normal or lower share_two_exams"
        )
    last = [outcome for outcome in OUTCOMES for _ in range(counts[outcome])][n_two:]
    rng = stream("demo", seed, "plan")
    outcomes = [last[i] for i in rng.permutation(len(last))]
    with_two = set(rng.permutation(len(last))[:n_two].tolist())
    exams = []
    for woman, outcome in enumerate(outcomes):
        if woman in with_two:
            exams.append(Exam(seed, woman, 0, 2, Outcome.NORMAL))
            exams.append(Exam(seed, woman, 1, 2, outcome))
        else:
            exams.append(Exam(seed, woman, 0, 1, outcome))
    return exams


def draw_day_and_age(exam: Exam) -> tuple[date, int]:
    """Exam date and age in whole years; a woman's two exams are about two years apart."""
    rng = exam.draw_of_woman("date")
    last_day = date(2014, 1, 1) + timedelta(days=int(rng.integers(8 * 365)))
    last_age = rng.uniform(53, 70)
    gap_days = int(rng.integers(690, 800)) * (exam.n_exams - 1 - exam.number)
    return last_day - timedelta(days=gap_days), int(last_age - gap_days / 365.25)


def draw_machine(exam: Exam, sizes: Sequence[Sequence[int]]) -> tuple[Machine, tuple[int, int]]:
    """How the exam's files are written, and (H, W) of its images."""
    rng = exam.draw("machine")
    habit = str(rng.choice(sorted(dicom_writing.HABITS)))
    machine = Machine(
        habit=habit,
        voi=str(rng.choice(dicom_writing.HABITS[habit].voi)),
        code_scheme=str(rng.choice(dicom_writing.HABITS[habit].code_schemes)),
        photometric=str(rng.choice(["MONOCHROME1", "MONOCHROME2"])),
        transfer_syntax=str(rng.choice(dicom_writing.TRANSFER_SYNTAXES)),
    )
    height, width = sizes[int(rng.integers(len(sizes)))]
    return machine, (height, width)


def draw_lesion(exam: Exam) -> Lesion | None:
    """The exam's lesion; a normal exam has none."""
    if exam.outcome == Outcome.NORMAL:
        return None
    rng = exam.draw("lesion")
    malignant = exam.outcome in CANCERS
    return Lesion(
        laterality=str(rng.choice(LATERALITIES)),
        type=str(rng.choice(LESION_TYPES, p=TYPE_SHARES[malignant])),
        malignant=malignant,
        radius=rng.uniform(0.03, 0.05),
        depth=rng.uniform(0.25, 0.60),
        strength=rng.uniform(0.7, 1.3),
    )


def draw_reading(exam: Exam, lesion: Lesion | None) -> dict[str, object]:
    """Two readers' scores, 1 to 5 for each breast; some second readings are missing."""
    rng = exam.draw("readers")
    scores: dict[str, object] = {}
    for name, laterality in (("left", "L"), ("right", "R")):
        seen = 0.0
        if lesion and lesion.laterality == laterality:
            seen = lesion.strength * READER_GAIN[exam.outcome]
        shared = rng.normal() * SHARED_NOISE**0.5
        for reader in (1, 2):
            impression = seen + shared + rng.normal() * (1 - SHARED_NOISE) ** 0.5
            scores[f"reader_{reader}_{name}"] = 1 + sum(impression > limit for limit in READER_LIMITS)
    if rng.random() < SECOND_READING_MISSING:
        scores |= {"reader_2_left": "", "reader_2_right": ""}
    return scores


def draw_follow_up(exam: Exam) -> int | str:
    """Whole months without cancer that are known after an exam; empty for a cancer."""
    return "" if exam.outcome in CANCERS else int(exam.draw("follow_up").integers(24, 72))
