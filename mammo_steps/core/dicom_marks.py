"""A grayscale softcopy presentation state per image: ROI box, COA and a line of text over the image as it is shown."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GraphicTypeValues,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_display import modality_of, presentation_of, voi_of, without_display
from mammo_steps.core.dicom_places import clipped_box, to_dicom
from mammo_steps.core.dicom_source import MANUFACTURER, MODEL_NAME, RESEARCH_USE, finished, key_of, uid_of
from mammo_steps.core.prediction import BundleName, ImagePrediction

_ARM = 0.02  # of the image's larger side: half the length of the cross at the COA


def presentation_state(
    image: ImagePrediction,
    source: Dataset,
    exam: Sequence[Dataset],
    bundle: BundleName,
    number: int,
    made: datetime,
) -> Dataset:
    """The marks of one image.

    source  the image's header, `dicom_source.source_header`
    exam    headers of all images of the exam
    number  of the instance in its series
    """
    key = key_of(bundle, exam)
    layer = GraphicLayer("RESEARCH", order=1, description=RESEARCH_USE)
    annotation = GraphicAnnotation(
        referenced_images=[source],
        graphic_layer=layer,
        graphic_objects=_lines(image),
        text_objects=[_label(image, bundle)],
    )
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[without_display(source)],
        # (a series per side: Laterality is a series' own, PS3.3 C.7.3.1)
        series_instance_uid=uid_of(key, "series", "marks", image.laterality),
        series_number=9902 if image.laterality == "L" else 9903,
        sop_instance_uid=uid_of(key, "marks", source.SOPInstanceUID),
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL_NAME,
        software_versions=f"bundle {bundle.id}",
        device_serial_number=bundle.id,
        content_label="RESEARCH ROI",
        content_description=RESEARCH_USE,
        graphic_layers=[layer],
        graphic_annotations=[annotation],
        presentation_lut_transformation=presentation_of(source),
        modality_lut_transformation=modality_of(source),
        voi_lut_transformations=voi_of(source),
        series_description=f"ROI and COA: {RESEARCH_USE}",
    )
    state.Laterality = image.laterality
    return finished(state, made)


def _polyline(points: Sequence[tuple[float, float]]) -> GraphicObject:
    return GraphicObject(
        GraphicTypeValues.POLYLINE, np.array(points, dtype=np.float64), AnnotationUnitsValues.PIXEL
    )


def _lines(image: ImagePrediction) -> list[GraphicObject]:
    """The ROI's box, and a cross at the COA."""
    height, width = image.stored_px
    left, top, right, bottom = clipped_box(image.shown.roi, image.stored_px)
    x, y = to_dicom(*image.shown.coa)
    arm = _ARM * max(height, width)
    return [
        _polyline([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]),
        _polyline([(max(0.0, x - arm), y), (min(float(width), x + arm), y)]),
        _polyline([(x, max(0.0, y - arm)), (x, min(float(height), y + arm))]),
    ]


def _label(image: ImagePrediction, bundle: BundleName) -> TextObject:
    """Below the box, or above it where there is no room."""
    height, width = image.stored_px
    left, top, right, bottom = clipped_box(image.shown.roi, image.stored_px)
    line = 0.03 * height
    first = bottom if bottom + line <= height else max(0.0, top - line)
    text = f"Research use only. Margin {image.margin('ensemble'):.2f}"
    if bundle.synthetic:
        text = f"SYNTHETIC. {text}"
    start = min(left, 0.5 * width)  # the text has half of the image's width at least
    box = (start, first, max(right, start + 0.5 * width), min(float(height), first + line))
    return TextObject(text, AnnotationUnitsValues.PIXEL, bounding_box=box, text_justification="LEFT")
