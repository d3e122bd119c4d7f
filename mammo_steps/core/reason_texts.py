"""What each reason for leaving something out means in plain words, and what a person can do about it."""

from typing import NamedTuple

from mammo_steps.core.terms import Reason, Undefined


class ReasonText(NamedTuple):
    meaning: str
    advice: str


_NONE = "Nothing: this is as it should be."
_ASK = "Ask for the file again where it came from; it stays out until it can be read."

REASON_TEXTS = {
    Reason.NOT_DICOM: ReasonText(
        "Not a DICOM file: a text, a picture, an index of a disc.", f"{_NONE} Look if there are many."
    ),
    Reason.UNREADABLE_HEADER: ReasonText("A DICOM file whose header is damaged.", _ASK),
    Reason.NO_PIXELS: ReasonText(
        "A DICOM object without an image, such as a report or a presentation state.", _NONE
    ),
    Reason.NOT_MAMMOGRAPHY: ReasonText(
        "Another kind of image: not of modality MG, or of a class that is no digital mammogram.",
        "If these are digitised films or screen captures that you want, set read_headers.settings."
        "accept_secondary_capture.",
    ),
    Reason.MULTI_FRAME: ReasonText(
        "Tomosynthesis, or another image of several frames.",
        "Nothing: only two-dimensional images are read. See whether these exams also have such images.",
    ),
    Reason.FOR_PROCESSING: ReasonText(
        "A raw image (FOR PROCESSING), and the config wants images for presentation.",
        "If the archive keeps raw images only, set read_headers.settings.presentation_intent. "
        "The two kinds are never mixed.",
    ),
    Reason.FOR_PRESENTATION: ReasonText(
        "An image for presentation, and the config wants raw images.",
        "See read_headers.settings.presentation_intent. The two kinds are never mixed.",
    ),
    Reason.NOT_GREYSCALE: ReasonText("A colour image, such as a screen capture.", _NONE),
    Reason.MISSING_ID: ReasonText(
        "The header lacks the patient's, the exam's or the image's id.",
        "Ask whether de-identification has emptied them; another element may name the exam "
        "(read_headers.settings.exam_id_field).",
    ),
    Reason.MISSING_LATERALITY: ReasonText(
        "Neither a coded element nor the text says left or right.",
        "If a table says it, give it as metadata; it is never guessed from pixels.",
    ),
    Reason.LATERALITY_CONFLICT: ReasonText(
        "Header elements name both sides.",
        "Look at these images and have the headers corrected; it is never guessed.",
    ),
    Reason.MISSING_VIEW: ReasonText(
        "Neither a coded element nor the text says CC or MLO.",
        "If a table says it, name it as the config key metadata.",
    ),
    Reason.VIEW_CONFLICT: ReasonText(
        "The view's code and its text contradict each other.", "Have the headers corrected."
    ),
    Reason.OTHER_VIEW: ReasonText(
        "A view other than CC and MLO, such as ML; of new exams, other than those that the study took.",
        "Nothing, unless the archive writes ML for MLO (read_headers.settings.accept_ml_as_mlo).",
    ),
    Reason.SPECIAL_VIEW: ReasonText(
        "A special view: magnification, spot compression, rolled, biopsy, specimen.",
        "Nothing. Such views follow suspicion; see whether their exams leave the cohort as exams with extra images.",
    ),
    Reason.PARTIAL_VIEW: ReasonText(
        "Shows a part of a breast that is larger than the detector.", "To take them: accept_partial_views."
    ),
    Reason.IMPLANT_DISPLACED: ReasonText(
        "A view with the implant pushed back.", "To take them: accept_implant_displaced."
    ),
    Reason.IMPLANT: ReasonText(
        "A breast with an implant, and the config excludes these.", "See read_headers.settings.implants."
    ),
    Reason.SYNTHETIC: ReasonText(
        "A two-dimensional image computed from tomosynthesis.",
        "To take them: accept_synthetic. They look different from real ones; do not mix them without need.",
    ),
    Reason.DUPLICATE_INSTANCE: ReasonText(
        "The same image lies in the archive more than once; the largest file is taken.", _NONE
    ),
    Reason.DUPLICATE_CONFLICT: ReasonText(
        "Files share one image's id and differ in woman, exam, breast, view or size; all of them are left out.",
        "Find them with translate_ids (config/README.md) and have the ids put right in the archive.",
    ),
    Reason.FILE_GONE: ReasonText(
        "The file could not be opened: a dead link, no permission, or it was removed.",
        "Check mount and permissions.",
    ),
    Reason.FILE_CHANGED: ReasonText(
        "In the place of the file that was indexed lies another image.",
        "Run read_headers again for its intake, or give the new files an intake of their own (config/README.md).",
    ),
    Reason.UNDECODABLE: ReasonText(
        "The pixels are damaged, cut off, or encoded in a way that cannot be read.", _ASK
    ),
    Reason.CONSTANT_IMAGE: ReasonText("Every pixel has the same value.", _ASK),
    Reason.NO_BREAST: ReasonText(
        "No breast was found in the picture.", "Look at some of them; tell us if a breast is there."
    ),
    Reason.NO_PIXEL_SPACING: ReasonText(
        "The header gives no pixel spacing, and the study wants one of every image.",
        "list_images.require_pixel_spacing: false takes them; mm_per_px cannot be used then.",
    ),
    Reason.ORIENTATION_CONFLICT: ReasonText(
        "The breast lies on the other side than the header says.",
        "Look at them: the side in the header may be wrong. make_shards.settings.orientation_conflict can keep them.",
    ),
    Reason.INCOMPLETE_EXAM: ReasonText(
        "The exam lacks a usable image of an expected view.",
        "See why its images are out; list_images.views says what is expected.",
    ),
    Reason.EXTRA_IMAGES: ReasonText(
        "The exam has more images than views.",
        "list_images.extra_images can keep one image of each view instead.",
    ),
    Reason.NO_LABEL: ReasonText(
        "The exam is not in the label table.",
        "Check that the table's exam ids are those of the headers, zeros in front included.",
    ),
    Reason.OUTCOME_UNKNOWN: ReasonText(
        "The label table does not know the exam's outcome.", "See the table of outcomes below."
    ),
    Reason.SHORT_FOLLOW_UP: ReasonText(
        "Labelled normal, with less follow-up than the config wants and no later cancer-free exam.",
        "Complete follow_up_months, or change list_images.follow_up_months and say so in the paper.",
    ),
    Reason.AFTER_CANCER: ReasonText("An exam later than a cancer of this woman.", _NONE),
    Reason.OUTSIDE_AGE_RANGE: ReasonText("The woman was younger or older than list_images.age_range.", _NONE),
    Reason.AGE_UNKNOWN: ReasonText(
        "The header has neither an age nor a date of birth.",
        "Set list_images.age_range to null to take every age.",
    ),
    Reason.LATERALITY_CONTRADICTS_LABEL: ReasonText(
        "The label table names a cancer in a breast of which there is no image.",
        "Check cancer_laterality of these exams.",
    ),
    Reason.PATIENT_CONTRADICTS_LABEL: ReasonText(
        "Headers and label table disagree on whose exam it is, or one exam has images of several women.",
        "Check the ids; an exam id that several women share is no exam id.",
    ),
    Reason.LEARNED_BY_BUNDLE: ReasonText(
        "The networks that training starts from have learned from this woman (start_from.women).", _NONE
    ),
    Reason.NO_EXAM: ReasonText(
        "The label table has an exam of which the archive has no usable image.",
        "Check whether the archive is complete.",
    ),
}

UNDEFINED_TEXTS = {
    None: "the label table itself says unknown",
    Undefined.NOT_RECORDED: "the source says nothing of this exam's outcome",
    Undefined.NO_PATHOLOGY: "suspicious, and no tissue result",
    Undefined.NO_FOLLOW_UP: "nothing is known of the time after the exam",
    Undefined.DATES_MISSING: "a cancer, and no telling how long after the exam",
    Undefined.DATES_CONTRADICT: "a cancer that was diagnosed before its exam",
    Undefined.OUTSIDE_WINDOWS: "a cancer later than the last of outcome_windows",
    Undefined.EVENTS_CONTRADICT: "entries of the source exclude each other",
    Undefined.NOT_SCREENING: "a diagnostic or other exam",
    Undefined.AFTER_SURGERY: "an exam of an operated breast",
}
