"""What each file and folder of the workflow is, in a sentence, and whether what stands in it may be shown.

`where` is the end of a path, with `*` for one of its parts. Tables are known by what they say of themselves, other
files by their names.
"""

from pathlib import Path
from typing import NamedTuple


class Kind(NamedTuple):
    """values_shown: ids and the archive's own words may stand in the others, so that their values are never shown."""

    where: str
    about: str
    values_shown: bool = True


# name of a table in core.columns.TABLES -> what it is
TABLE_KINDS = {
    "index": Kind(
        "intakes/*/index.parquet",
        "One row per file of the archive: what its header says, without identities, and the shard that it goes to "
        "or the reason why it is left out.",
    ),
    "headers": Kind(
        "intakes/*/headers/*.parquet",
        "Private. One row per file of a part of the archive, with its own ids, dates and paths, which are not shown.",
    ),
    "shard_images": Kind(
        "shards/*/images.parquet",
        "One row per file of the shard's list: window, orientation and breast of a decoded image and where its "
        "pixels lie, or the reason why it is left out.",
    ),
    "holistic": Kind(
        "shards/*/holistic.parquet",
        "The shard's images as grey levels at the holistic model's width, one row group each, chest wall left.",
    ),
    "tiles": Kind(
        "shards/*/tiles.parquet",
        "The shard's images at full resolution before windowing, as stored, one row group per tile.",
    ),
    "images": Kind("cohort/images.parquet", "One row per image of the cohort."),
    "labels": Kind(
        "cohort/labels.parquet",
        "One row per exam of the cohort: outcome, side of the cancer, readers' scores.",
    ),
    "excluded": Kind(
        "cohort/excluded.parquet",
        "One row per file, image, exam or label that is not in the cohort, with one reason.",
    ),
    "exams": Kind("cohort/exams.parquet", "One row per exam of the cohort, with the fold that tests it."),
    "roles": Kind(
        "cohort/roles.parquet",
        "One row per fold and woman: whether the fold trains on her, validates with her or tests her.",
    ),
    "holistic_scores": Kind(
        "holistic/*/images.parquet",
        "One row per image that the fold trains on or scores: the holistic model's margin and the centre of "
        "attention (COA).",
    ),
    "rois": Kind(
        "attention/*/rois/*.parquet",
        "ROIs: squares at full resolution around one fold's COAs in one shard, one row group each, chest wall left.",
    ),
    "attention_scores": Kind(
        "attention/*/images.parquet",
        "One row per image whose ROI the fold's attention model scored: its margin.",
    ),
    "wu2019_scores": Kind(
        "wu2019/*/exams.parquet",
        "One row per exam of the cohort in the shard: what the published model of Wu et al. 2019 says of it.",
    ),
    "wu2019_patches": Kind(
        "wu2019/*/patches.parquet",
        "One row per image: what the published patch classifier says of each patch. A heatmap is the mean over the "
        "patches that cover a pixel.",
    ),
    "adapted_scores": Kind(
        "wu2019_adapted/*/exams.parquet",
        "One row per exam that the fold's head on the published model learned from, chose by or tests: its margin.",
    ),
    "outside_scores": Kind(
        "scores/outside.parquet", "One row per outside model and exam of the cohort that it scored."
    ),
    "exam_scores": Kind(
        "scores/exams.parquet",
        "One row per exam: scores of all models, each from networks that never saw the woman, and of the readers.",
    ),
    "new_members": Kind(
        "predictions/*/members.parquet", "One row per new image and pair of networks: margins, COA, ROI."
    ),
    "new_images": Kind("predictions/*/images.parquet", "One row per new image: its scores, COA and ROI."),
    "new_breasts": Kind("predictions/*/breasts.parquet", "One row per breast of a new exam: its scores."),
    "new_facts": Kind(
        "predictions/*/facts.parquet",
        "One row per new image: maker, matrix, grey levels, and what is strange about it.",
    ),
    "new_exams": Kind("predictions/*/exams.parquet", "One row per new exam: its scores, or why it has none."),
}

_MANIFEST = "The manifest of the file or folder beside it: what that is and was made from."

FILE_KINDS = (
    Kind("dicom/.*.manifest.json", _MANIFEST, False),
    Kind(".*.manifest.json", _MANIFEST),
    Kind("bundle/networks/*/*.safetensors", "Weights of a bundle, to score new exams with."),
    Kind("bundle/bundle.json", "What a bundle is: study, networks, settings, recipe."),
    Kind("bundle/reference.json", "Out-of-fold scores of exams without cancer, as quantiles."),
    Kind("bundle/calibration.json", "How exam scores become probabilities, and limits of scores."),
    Kind("bundle/cohort.json", "What the images are like that a bundle's networks learned from."),
    Kind("bundle/SHA256SUMS", "Checksums of a bundle's files, as `sha256sum -c` takes them."),
    Kind("bundle/*_card.md", "A card of the study that a bundle comes from."),
    Kind("bundle", "All that scoring new exams needs: networks, settings, reference, cards."),
    Kind("predictions/exams.csv", "exams.parquet for a spreadsheet.", False),
    Kind("predictions/left_out.parquet", "One row per file of the new exams' archive that was not scored."),
    Kind(
        "dicom/*/*/*.dcm",
        "Private. A DICOM object of a new exam's scores: it bears the patient's identity.",
        False,
    ),
    Kind("dicom/*", "Private. DICOM objects of the scores of a shard's exams.", False),
    Kind("predictions/drift.html", "The new images beside those that the networks learned from."),
    Kind("predictions/index.html", "The new exams by their scores. It shows mammograms."),
    Kind("predictions/*/sheets/*", "A new exam on one picture. It shows mammograms."),
    Kind("predictions/*/sheets", "New exams, each on one picture. They are mammograms."),
    Kind("predictions/*/*", "Scores of the new exams of a shard."),
    Kind("predictions/*", "Scores of new exams."),
    Kind("predictions", "Scores of new exams: tables, pictures, a page."),
    Kind(
        "holistic/*/untrained.parquet",
        "As the fold's images.parquet, of a network that was not trained: a baseline of localisation.",
    ),
    Kind("holistic/*/model.safetensors", "Weights of the fold's holistic model."),
    Kind("attention/*/model.safetensors", "Weights of the fold's attention model."),
    Kind("wu2019_adapted/*/model.safetensors", "Weights of the fold's linear head on the published model."),
    Kind(
        "holistic/*/history.csv",
        "The holistic model's training, one row per epoch: losses, AUC, whether it was kept.",
    ),
    Kind(
        "attention/*/history.csv",
        "The attention model's training, one row per epoch: losses, AUC, whether it was kept.",
    ),
    Kind("run.json", "One training or fit: settings, speed and memory, device, versions, commit."),
    Kind("nodes/*.json", "What a machine that jobs run on has: processors, memory, GPU, packages."),
    Kind("nodes/asked/*.json", "The same, when `snakemake check_nodes` last asked."),
    Kind("cohort/flow.json", "The flow chart's numbers, and exclusions by reason and outcome."),
    Kind("cohort/fingerprint.json", "What the cohort's images are like: words with counts, quantiles."),
    Kind("cohort/doctor.html", "The look at the archive before training. It shows mammograms."),
    Kind("cohort/doctor/*.csv", "A table of the page doctor.html."),
    Kind("cohort/doctor", "The tables of the page doctor.html."),
    Kind("report/auc.csv", "Every AUC: model, end point, protocol, pooling, interval, numbers of exams."),
    Kind("report/table1.md", "The paper's Table 1 with the study's figures beside it."),
    Kind(
        "report/evaluation.json",
        "All other results: counts, tests, curves, operating points, calibration, triage, subgroups.",
    ),
    Kind("report/localisation.csv", "How often the ROI holds the lesion, beside the baselines."),
    Kind("report/crop_audit.csv", "Per image size, how much of the breast the network does not see."),
    Kind(
        "report/saliency.npz",
        "Network input, saliency map and ROI of the images of a few exams. They are mammograms.",
    ),
    Kind("report/figures/figures.json", "Titles and captions of the figures."),
    Kind("report/figures/captions.rst", "The figures' captions as a template of `snakemake --report`."),
    Kind(
        "report/figures/*.vl.json", "A chart of the report as a Vega-Lite specification, its data included."
    ),
    Kind("report/figures/*", "A chart of the report."),
    Kind("report/figures", "The report's charts."),
    Kind(
        "report/gallery/gallery.json",
        "The exams of the gallery: kind, outcome, scores, pictures, COA and ROI box.",
    ),
    Kind(
        "report/gallery/exams.csv",
        "Which pseudonym each exam of the gallery has. Not to be passed on.",
        False,
    ),
    Kind("report/gallery/*", "A page or a picture of the exam gallery. It shows mammograms."),
    Kind("report/gallery", "The exam gallery: pages and pictures of chosen exams. They are mammograms."),
    Kind("report/model_card.md", "The model card: meant use, performance, subgroups, limits, cost."),
    Kind("report/data_card.md", "The data card: who is in the cohort, what the images are like."),
    Kind("report/report.html", "The study on one page. It shows mammograms."),
    Kind("events/events.out.tfevents.*", "Curves of a training, for TensorBoard; for looking at alone."),
    Kind("logs/*/*.log", "The log of one job; its last line is the time and the memory that it took."),
    Kind(".resume/*/*/state.pt", "Where a training that is not done goes on: a checkpoint of torch.", False),
    Kind(".resume/*/*/lock.json", "Which run of a training may write its checkpoint."),
    Kind("demo/archive", "The synthetic archive of the demo, as DICOM files."),
    Kind("demo/labels.csv", "The demo's table of outcomes, as a site would bring one.", False),
    Kind("demo/lesions.csv", "Where the demo's lesions are.", False),
    Kind("lesions.csv", "Where lesions are, in pixels of the stored matrix, by the archive's ids.", False),
    Kind("labels.csv", "A table of outcomes, by the archive's ids.", False),
    Kind(
        "intakes/*/shards/*.csv",
        "Private. Which files of the archive a shard holds: pseudonyms and paths.",
        False,
    ),
    Kind("intakes/*/shards", "Private. Which files of the archive each shard holds.", False),
    Kind("intakes/*/headers", "Private. What the archive's headers say, in parts."),
    Kind("id_key", "The key of the pseudonyms.", False),
    Kind("report", "Results of the evaluation, figures and the page."),
    Kind("cohort", "Who is in the study, and why others are not."),
    Kind("logs", "The logs of all jobs."),
    Kind("logs/*", "The logs of one rule's jobs."),
    Kind("events", "Curves of a training, for TensorBoard."),
    Kind("shards", "The images, shard by shard."),
    Kind("holistic", "The holistic models, fold by fold."),
    Kind("attention", "The attention models, fold by fold."),
    Kind("scores", "Scores of exams."),
    Kind("partial", "Scores and report of some folds alone (score_exams.folds)."),
    Kind("nodes", "What machines jobs run on."),
    Kind(".resume", "Where trainings that are not done go on."),
    Kind("holistic/*", "All of one fold's holistic model."),
    Kind("attention/*/rois", "One fold's ROIs, a file per shard."),
    Kind("attention/*", "All of one fold's attention model."),
    Kind("wu2019_adapted/*", "All of one fold's head on the published model."),
    Kind("wu2019/*", "What the published model says of a shard."),
    Kind("shards/*", "The images of one shard."),
    Kind("results/*", "The results of a study."),
)

# columns of words from a closed set: their values are counted; other words are ids, dates, paths or free text
CLOSED_SETS = frozenset(
    ("laterality", "view", "photometric", "transfer_syntax", "vendor", "model", "intent", "window", "reason")
    + ("shard", "outcome", "role", "density", "cancer_type", "intensity", "cancer_laterality", "level", "use")
    + ("recipe", "member", "bits_stored", "size", "flags", "strange", "bundle")
)

# of these the private tables have what the header says, which may be any text
PRIVATE_WORDS = frozenset(("model", "transfer_syntax", "photometric"))


def kind_of(path: Path) -> Kind | None:
    """The kind of a file or a folder by the end of its path; the first that fits."""
    whole = path.absolute()
    kinds = (*FILE_KINDS, *TABLE_KINDS.values())
    return next((kind for kind in kinds if whole.match(kind.where)), None)
