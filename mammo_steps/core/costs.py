"""What each rule of a study costs: jobs, wall time, cores, memory, GPUs, files opened and files written.

Reckoned from the config and the size of the study alone, before any file is there. Figures and their sources are in
`core.cost_figures`; what is reckoned is an estimate of one job, without waiting in a queue.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mammo_steps.core import cost_figures as figures
from mammo_steps.core import network_costs
from mammo_steps.core.backbone_costs import weight_bytes
from mammo_steps.core.exam_kinds import Kind
from mammo_steps.core.prediction_costs import prediction_costs
from mammo_steps.core.rule_cost import DROPPABLE, TEMPORARY, Artefact, RuleCost
from mammo_steps.core.study_size import FoldSize, StudySize, fold_size, images_per_exam

HOLISTIC_ASPECT = 4096 / 3328  # height over width of the paper's largest matrix
ROW_BYTES = 100.0  # of a table per image: demo 60 to 70
SHARD_ROW_BYTES = 200.0  # demo 129, with fewer tiles
HEADER_ROW_BYTES = 300.0  # ids and paths as in the archive: assumed
SMALL_BYTES = 1e6  # figures, pages, records of a run


@dataclass(frozen=True)
class _Asked:
    config: Mapping[str, Any]
    size: StudySize
    fold: FoldSize

    @property
    def published(self) -> bool:
        """Whether the model of Wu et al. is run."""
        return self.config["score_wu2019"]["weights"] is not None

    @property
    def threads(self) -> int:
        return int(self.config["compute"]["torch_threads"])


def costs_of(config: Mapping[str, Any], size: StudySize) -> dict[str, RuleCost]:
    """Every rule's cost, in the order in which they run."""
    asked = _Asked(config, size, fold_size(config, size))
    found: dict[str, RuleCost] = {}
    for part in _PARTS:
        found |= {cost.rule: cost for cost in part(asked)}
    return found | {cost.rule: cost for cost in prediction_costs(config, size)}


def _if_run(run: bool, cost: RuleCost) -> RuleCost:
    """The cost, without jobs and files where the study does without the rule."""
    return cost if run else replace(cost, n_jobs=0, artefacts=())


def _of_tables(rule: str, n_jobs: int, asked: _Asked, n_opened: float, *artefacts: Artefact) -> RuleCost:
    """A rule that holds a table of the cohort's images; its time and memory lie on a measured line."""
    n = asked.size.n_images
    memory_mb, wall_s = figures.MEMORY_MB[rule].at(n), figures.WALL_S[rule].at(n)
    return RuleCost(rule, n_jobs, figures.START_S + wall_s, 1, memory_mb, 0, n_opened, artefacts)


def _small(rule: str, n_jobs: int, n_opened: float, *artefacts: Artefact) -> RuleCost:
    """A rule that is done in seconds, whatever the cohort."""
    return RuleCost(rule, n_jobs, figures.START_S + 5, 1, figures.SMALL_MB[rule], 0, n_opened, artefacts)


def _archive(asked: _Asked) -> Iterator[RuleCost]:
    config, size = asked.config, asked.size
    n, own_shards = size.n_images, config["shards_from"] is None
    demo = config["make_demo_cohort"] is not None
    if demo:
        files = Artefact(
            "demo/archive",
            "*.dcm",
            1,
            round(n),
            n * _megapixels(config) * 1e6,  # a byte per pixel: demo
        )
        wall_s = figures.START_S + n * _decode_s(config) * 2  # drawing an image takes about twice as long
        yield RuleCost("make_demo_cohort", 1, wall_s, 1, figures.SMALL_MB["make_demo_cohort"], 0, 0, (files,))
    workers = config["read_headers"]["workers"]
    per_chunk = n / size.n_chunks
    headers = Artefact(
        "<private_dir>/<study>/intakes/{intake}/headers", "{chunk}.parquet", len(size.intakes), size.n_chunks,
        n * HEADER_ROW_BYTES, DROPPABLE, "read_headers, from the archive",
    )  # fmt: skip
    reading = RuleCost(
        "read_headers", size.n_chunks, figures.START_S + per_chunk / workers / figures.HEADERS_PER_S,
        workers, figures.HEADERS_MB * (1 + workers), 0, per_chunk, (headers,),
    )  # fmt: skip
    yield _if_run(own_shards, reading)
    largest = n * max(shards for _, shards in size.intakes) / size.n_shards
    lists = Artefact(
        "<private_dir>/<study>/intakes/{intake}/shards",
        "{shard}.csv",
        len(size.intakes),
        size.n_shards,
        n * ROW_BYTES,
    )
    index = Artefact("intakes/{intake}", "index.parquet", len(size.intakes), len(size.intakes), n * ROW_BYTES)
    indexing = RuleCost(
        "index_archive", len(size.intakes), figures.START_S + largest / figures.INDEX_FILES_PER_S,
        1, figures.INDEX_MB.at(largest), 0, size.n_chunks / len(size.intakes), (index, lists),
    )  # fmt: skip
    yield _if_run(own_shards, indexing)
    yield from _pixels(asked, own_shards)


def _pixels(asked: _Asked, own_shards: bool) -> Iterator[RuleCost]:
    config, size = asked.config, asked.size
    n, workers, settings = size.n_images, config["make_shards"]["workers"], config["make_shards"]["settings"]
    width, pixels = settings["holistic_width_px"], _megapixels(config) * 1e6
    grey = n * width**2 * HOLISTIC_ASPECT * figures.GREY_BYTES_PER_PIXEL[settings["holistic_bits"]]
    where, again = ("shards/{shard}", size.n_shards), "make_shards, from the archive"
    shards = (
        Artefact(where[0], "tiles.parquet", where[1], where[1], n * pixels * figures.TILE_BYTES_PER_PIXEL,
                 DROPPABLE, again),
        Artefact(where[0], "holistic.parquet", where[1], where[1], grey, DROPPABLE, again),
        Artefact(where[0], "images.parquet", where[1], where[1], n * SHARD_ROW_BYTES),
    )  # fmt: skip
    memory_mb = figures.DECODE_HEADROOM_MB + figures.DECODE_MB * (1 + workers)
    making = RuleCost(
        "make_shards", size.n_shards,
        figures.START_S + size.images_per_shard * _decode_s(config) / workers,
        workers, memory_mb, 0, 1 + size.images_per_shard, shards,
    )  # fmt: skip
    yield _if_run(own_shards, making)
    sample = config["doctor"]["sample_images"]
    page = Artefact("cohort", "doctor.html, doctor/*.csv", 1, 20, SMALL_BYTES)
    yield RuleCost(
        "doctor", 0, figures.START_S + figures.WALL_S["list_images"].at(n) + sample * _decode_s(config),
        workers, memory_mb + figures.MEMORY_MB["list_images"].at(n), 0, sample + len(size.intakes), (page,),
    )  # fmt: skip


def _cohort(asked: _Asked) -> Iterator[RuleCost]:
    n, size = asked.size.n_images, asked.size
    tables = Artefact("cohort", "images, labels, excluded, flow", 1, 4, 2 * n * ROW_BYTES)
    yield _of_tables("list_images", 1, asked, size.n_shards + len(size.intakes), tables)
    rows = size.n_exams * ROW_BYTES + size.n_exams * size.n_folds * 10
    yield _of_tables("split_folds", 1, asked, 2, Artefact("cohort", "exams, roles", 1, 2, rows))
    if asked.config["lesions"] == "from_dataset":
        yield _small(
            "list_lesions", 1, 1, Artefact("<private_dir>/<study>", "lesions.csv", 1, 1, SMALL_BYTES)
        )


def _network(
    asked: _Asked, rule: str, wall_s: float, memory_mb: float, n_opened: float, *artefacts: Artefact
) -> RuleCost:
    """A job of a fold's network: all threads of `compute`, a GPU unless it runs on the CPU."""
    training = rule.startswith("train")
    gpus = network_costs.n_gpus(asked.config, training)
    tables_s = figures.WALL_S["fold_tables"].at(asked.size.n_images)
    tables_mb = figures.MEMORY_MB["fold_tables"].per_million * asked.size.n_images / 1e6
    return RuleCost(
        rule, asked.size.n_networks, figures.START_S + tables_s + wall_s, asked.threads,
        memory_mb + max(1, gpus) * tables_mb, gpus, n_opened, artefacts, torch=True,
    )  # fmt: skip


def _weights(asked: _Asked, model: str) -> tuple[Artefact, ...]:
    n, backbone = asked.size.n_networks, asked.config["train_holistic"]["network"]["backbone"]
    weights = weight_bytes(backbone)
    return (
        Artefact(f"{model}/{{fold}}", "model.safetensors", n, n, n * weights),
        Artefact(f"{model}/{{fold}}", "history.csv, run.json, events", n, 3 * n, n * 1e5),
        # weights, the best epoch's, and AdamW's two averages
        Artefact(f".resume/train_{model}/{{fold}}", "state", n, n, 4 * n * weights, TEMPORARY, "by itself"),
    )


def _opened(asked: _Asked, section: str) -> float:
    """Shards' files that a training opens: at most every one per epoch and thread, and one per image."""
    fit, threads = asked.config[section]["fit"], asked.config["job"]["loader_threads"]
    most = float(threads * asked.size.n_shards)
    return float(fit["epochs"]) * (min(most, asked.fold.epoch(fit)) + min(most, asked.fold.validation))


def _holistic(asked: _Asked) -> Iterator[RuleCost]:
    config, size, fold = asked.config, asked.size, asked.fold
    threads = config["job"]["loader_threads"]
    yield _network(
        asked, "train_holistic", network_costs.training_s(config, "train_holistic", fold),
        network_costs.training_mb(config, "train_holistic"), 2 + _opened(asked, "train_holistic"),
        *_weights(asked, "holistic"),
    )  # fmt: skip
    n = size.n_networks
    for rule, images, name in (
        ("locate_coa", fold.located, "images.parquet"),
        ("locate_coa_untrained", fold.test, "untrained.parquet"),
    ):
        table = Artefact("holistic/{fold}", name, n, n, n * images * ROW_BYTES)
        wall_s, memory_mb = network_costs.saliency_s(config, images), network_costs.saliency_mb(config)
        cost = _network(asked, rule, wall_s, memory_mb, 3 + threads * size.n_shards, table)
        if rule == "locate_coa":
            yield cost
        else:  # of the first network of each fold, where lesions are known
            yield _if_run(config["lesions"] is not None, replace(cost, n_jobs=size.n_folds))


def _attention(asked: _Asked) -> Iterator[RuleCost]:
    config, size, fold = asked.config, asked.size, asked.fold
    crops, threads, n = config["crop_rois"], config["job"]["loader_threads"], size.n_networks
    stored_px = crops["side_px"] * crops["stored_to_side"]
    per_image = config["locate_coa"]["coas_per_image"]
    n_rois = fold.located * per_image
    rois = Artefact(
        "attention/{fold}/rois", "{shard}.parquet", n, n * size.n_shards,
        n * n_rois * stored_px**2 * figures.ROI_BYTES_PER_PIXEL[crops["bits"]], DROPPABLE, "crop_rois, from the tiles",
    )  # fmt: skip
    crop_s = figures.CROP_BASE_S + (stored_px / 976) ** 2 / figures.CROPS_PER_S
    yield RuleCost(
        "crop_rois", n * size.n_shards, figures.START_S + n_rois / size.n_shards * crop_s, 1,
        figures.CROP_MB + figures.MEMORY_MB["crop_rois"].at(size.n_images), 0, 4, (rois,),
    )  # fmt: skip
    yield _network(
        asked, "train_attention", network_costs.training_s(config, "train_attention", fold),
        network_costs.training_mb(config, "train_attention"), 3 + size.n_shards + _opened(asked, "train_attention"),
        *_weights(asked, "attention"),
    )  # fmt: skip
    scores = Artefact("attention/{fold}", "images.parquet", n, n, n * fold.located * ROW_BYTES)
    yield _network(
        asked, "score_attention", network_costs.scoring_s(config, n_rois), network_costs.scoring_mb(config),
        3 + (2 + threads) * size.n_shards, scores,
    )  # fmt: skip


def _others(asked: _Asked) -> Iterator[RuleCost]:
    config, size = asked.config, asked.size
    per_shard = size.n_exams / size.n_shards
    patches = Artefact(
        "wu2019/{shard}", "exams, patches", size.n_shards, 2 * size.n_shards,
        size.n_exams * (4 * 1024 + 8 * 2163),  # features and two probabilities per patch, four bytes each
    )  # fmt: skip
    gpus = network_costs.n_gpus(config, training=False)
    memory_mb = config["plan"]["gpu_job_memory_mb"] if gpus else figures.WU_MB
    scoring = RuleCost(
        "score_wu2019", size.n_shards, figures.START_S + network_costs.published_s(config, per_shard),
        asked.threads, memory_mb, gpus, 6, (patches,), torch=True,
    )  # fmt: skip
    yield _if_run(asked.published, scoring)
    features_mb = size.n_exams * 4 * 1024 / 2**20  # of all exams at most
    tables_mb = figures.MEMORY_MB["fold_tables"].at(size.n_images)
    heads = Artefact(
        "wu2019_adapted/{fold}", "model, run, exams", size.n_folds, 3 * size.n_folds, SMALL_BYTES
    )
    adapting = RuleCost(
        "adapt_wu2019", size.n_folds, figures.START_S + 60, 1, figures.TORCH_MB + tables_mb + features_mb,
        0, 2 + size.n_shards, (heads,), torch=True,
    )  # fmt: skip
    yield _if_run(asked.published, adapting)
    tables = len(config["outside_models"]["tables"])
    memory = figures.MEMORY_MB["score_exams"].at(size.n_images)
    scores = Artefact("scores", "outside.parquet", 1, 1, tables * size.n_exams * ROW_BYTES)
    outside = RuleCost(
        "outside_models", 1, figures.START_S + figures.WALL_S["score_exams"].at(size.n_images), 1,
        memory, 0, 3 + tables, (scores,),
    )  # fmt: skip
    yield _if_run(tables > 0, outside)


def _report(asked: _Asked) -> Iterator[RuleCost]:
    config, size, n = asked.config, asked.size, asked.size.n_networks
    exams = Artefact("scores", "exams.parquet", 1, 1, size.n_exams * ROW_BYTES)
    yield _of_tables("score_exams", 1, asked, 2 + 2 * n + size.n_shards * asked.published, exams)
    audited = config["evaluate"]["audit_per_size"]  # shards opened for each of up to 8 sizes
    tables = Artefact("report", "auc.csv, table1.md, evaluation.json, ...", 1, 5, SMALL_BYTES)
    yield _of_tables("evaluate", 1, asked, 3 + 3 * size.n_folds + min(size.n_shards, 8 * audited), tables)
    n_exams = len(Kind) * config["explain_exams"]["n_each"]
    n_explained = n_exams * images_per_exam(config)
    pixels = n_explained * float(config["train_holistic"]["fit"]["input_px"]) ** 2
    tables_mb = figures.MEMORY_MB["fold_tables"].per_million * size.n_images / 1e6
    tables_s = figures.WALL_S["fold_tables"].at(size.n_images)
    weights = weight_bytes(config["train_holistic"]["network"]["backbone"])
    opening_s = n_exams * (figures.EXPLAINED_S + weights / figures.WEIGHT_BYTES_PER_S)
    yield RuleCost(
        "explain_exams", 1,
        figures.START_S + tables_s + network_costs.explaining_s(config, n_explained) + opening_s, 1,
        network_costs.explaining_mb(config) + tables_mb,
        network_costs.n_gpus(config, training=False), 2 + size.n_folds + n_explained,
        (Artefact("report", "saliency.npz", 1, 1, pixels * figures.ARRAY_BYTES_PER_PIXEL),), torch=True,
    )  # fmt: skip
    gallery = Artefact(
        "report/gallery", "index.html, *.jpg, *.png", 1, 3 + n_exams + 4 * n_explained,
        n_exams * figures.SHEET_BYTES + pixels * figures.PICTURES_BYTES_PER_PIXEL,
    )  # fmt: skip
    drawing_s = n_exams * figures.SHEET_S + pixels / 1e6 * figures.PICTURES_S_PER_MEGAPIXEL
    drawing = _small("draw_gallery", 1, 1, gallery)
    yield replace(drawing, wall_s=figures.START_S + drawing_s)
    figure = Artefact("report/figures", "*.svg, *.vl.json", 1, 50, 5 * SMALL_BYTES)
    cost = _of_tables("score_exams", 1, asked, 5 + 2 * n, figure)  # it holds the exams' scores as well
    drawing_mb = max(figures.SMALL_MB["draw_figures"], cost.memory_mb)
    yield replace(cost, rule="draw_figures", memory_mb=drawing_mb)
    yield _small("report", 1, 6 + 2 * n, Artefact("report", "report.html", 1, 1, 5 * SMALL_BYTES))
    cards = Artefact("report", "model_card.md, data_card.md", 1, 2, SMALL_BYTES)
    yield replace(
        _of_tables("list_images", 1, asked, 5 + 2 * n, cards), rule="write_cards"
    )  # it reads the images, too


_Part = Callable[[_Asked], Iterator[RuleCost]]
_PARTS: tuple[_Part, ...] = (_archive, _cohort, _holistic, _attention, _others, _report)


def _megapixels(config: Mapping[str, Any]) -> float:
    """Of a stored matrix, on average; a demo cohort's own."""
    demo = config["make_demo_cohort"]
    if demo is None:
        return float(config["plan"]["image_megapixels"])
    return float(sum(height * width for height, width in demo["sizes"]) / len(demo["sizes"]) / 1e6)


def _decode_s(config: Mapping[str, Any]) -> float:
    """Seconds of one process from file to shard, per image."""
    rate = config["plan"]["decoding_images_per_s"]
    if rate is not None:
        return float(1 / rate)
    return figures.DECODE_BASE_S + figures.DECODE_S_PER_MEGAPIXEL * _megapixels(config)
