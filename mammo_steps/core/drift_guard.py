"""The exams of a shard, each compared with the cohort that the bundle's networks learned from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.drift import ACTIONS, KINDS, Finding, findings_of
from mammo_steps.core.image_facts import image_facts
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.new_exams import NewExam
from mammo_steps.core.scorer import ShardExams


def guard(
    shard: ShardExams, bundle: Bundle, actions: Mapping[str, str]
) -> tuple[ShardExams, list[dict[str, Any]]]:
    """The shard with what is strange about its exams, and a row of the `new_facts` table for each image."""
    fingerprint = bundle.cohort
    file = shard.folder / "holistic.parquet"
    store = ImageStore(
        {
            str(image["image_id"]): Place(file, image["holistic_row_group"], 0, 0)
            for exam in shard.exams
            for image in exam.images
        }
    )
    exams, rows = [], []
    for exam in shard.exams:
        of_images: list[list[Finding]] = []
        for image in exam.images:
            facts = image_facts(image, store.canvas(image["image_id"]))
            findings = findings_of(facts, fingerprint)
            of_images.append(findings)
            strange = ", ".join(sorted({finding.kind for finding in findings}))
            rows.append({"image_id": image["image_id"], "exam_id": exam.exam_id, **facts, "strange": strange})
        exams.append(guarded(exam, of_images, actions))
    return replace(shard, exams=exams), rows


def guarded(exam: NewExam, images: Iterable[Sequence[Finding]], actions: Mapping[str, str]) -> NewExam:
    """The exam with what is strange about its images, refused where an action says so.

    images   findings of each image
    actions  kind -> one of ACTIONS
    """
    unknown = sorted(set(actions.values()) - set(ACTIONS))
    if unknown or set(actions) != set(KINDS):
        raise ValueError(f"drift wants one of {ACTIONS} for each of {KINDS}, got {dict(actions)}")
    per_kind: dict[str, list[str]] = {}
    for findings in images:
        for kind in {finding.kind for finding in findings}:
            texts = [finding.text for finding in findings if finding.kind == kind]
            per_kind.setdefault(kind, []).append(texts[0])
    told, refusing = [], []
    for kind in KINDS:
        if kind in per_kind and actions[kind] != "ignore":
            texts = per_kind[kind]
            told.append(f"{texts[0][0].upper()}{texts[0][1:]} ({len(texts)} of {len(exam.images)} images).")
            if actions[kind] == "refuse":
                refusing.append(kind)
    if not told:
        return exam
    refused = exam.refused
    if refusing and refused is None:
        refused = f"unlike the exams that the networks learned from: {', '.join(refusing)}"
    return replace(exam, drift=tuple(told), refused=refused)
