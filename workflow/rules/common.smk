# Reads and checks the config, and names what every rule file uses: R, P, PYTHON, FOLDS, SHARDS, settings, code.
import json
import os
import shlex
import sys
from pathlib import Path

from snakemake.utils import min_version, update_config

min_version("9.27")

REPO = Path(workflow.basedir).resolve().parent
sys.path.insert(0, str(REPO))
# jobs run `python -m mammo_steps.<step>`: they find the package whatever the working directory is
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(REPO)] + [p for p in [os.environ.get("PYTHONPATH")] if p]
)
from mammo_steps.core.artefacts import (
    UNDER_SNAKEMAKE,
    check_left_over,
    next_run_utc,
    note_run,
)
from mammo_steps.core.slurm_patience import PLUGIN, keep_jobs

if workflow.is_main_process and PLUGIN in sys.modules:
    keep_jobs(sys.modules[PLUGIN])

from mammo_steps.core.bundle_settings import bundle_sections, take_settings_of
from mammo_steps.core.fingerprint import code_fingerprint, environment, modules_of
from mammo_steps.core.config_schema import check_schema
from mammo_steps.core.job_limits import limits_of
from mammo_steps.core.study import StudyError, fill_in_paths, read_config, study_of
from mammo_steps.core.study_checks import check_files
from mammo_steps.core.study_start import start_settings


def stop(error):
    """End with a message for the user, without a traceback."""
    raise WorkflowError(str(error)) from None


# config/config.yaml, over it a site's config/local.yaml, over both what --configfile and --config gave
given = dict(config)
config.clear()
config.update(read_config(REPO / "config"))
update_config(config, given)
try:
    check_schema(config, REPO / "workflow/schemas/config.schema.yaml")
except StudyError as error:
    stop(error)
fill_in_paths(config, REPO)
try:
    take_settings_of(config)
except StudyError as error:
    stop(error)

# runs the steps, ready for the shell: the interpreter that runs Snakemake, or a container's
PYTHON = shlex.join(shlex.split(config["job"]["python"] or shlex.quote(sys.executable)))
try:
    study = study_of(config, REPO)
    if workflow.is_main_process:
        check_files(study, config)
    START = start_settings(study, config)  # None: the networks start from no bundle
except StudyError as error:
    stop(error)
R, P = (
    study.results,
    study.private,
)  # P holds file paths and the key: never below results

# a job that is left over from a killed run, and finds its work done, then ends without an error: else Snakemake would
# remove what it found, as the results of a failed job
# (its jobs on other hosts inherit when this run began: of two runs' jobs for the same file the later run's counts)
if workflow.is_main_process:
    os.environ[UNDER_SNAKEMAKE] = next_run_utc(Path(R))


onstart:
    note_run(Path(R), os.environ[UNDER_SNAKEMAKE])


INTAKES, SHARDS, FOLDS = study.intakes, study.shards, study.folds
MEMBERS = (
    study.members
)  # fold0, fold0_seed2, ...: the networks; those named as a fold are its first
# what follows on scores: R and all folds, or R/partial and those that score_exams.folds names
E, SCORED_FOLDS, SCORED_MEMBERS = (
    study.evaluated,
    study.scored_folds,
    study.scored_members,
)
PARTIAL = (
    None if E == R else {"folds": config["score_exams"]["folds"], "of": len(FOLDS)}
)
SHARD_ROOT = study.shard_root  # R, or another study's results
SHARD_LISTS = study.shard_lists  # P, or that study's private folder
# no such file: whatever needs the label table stops with this line before any job runs; `doctor` can do without
NO_LABELS = (
    "config key `labels` is empty: give the table of exams and outcomes (config README)"
)
LABELS = study.labels or NO_LABELS
METADATA = study.metadata  # a list, empty where the data set needs none
LESIONS = study.lesions  # a list, empty where no places are known
KEY_FILE = study.key_file  # a list, empty for a public key
WU_WEIGHTS = config["score_wu2019"]["weights"]  # null: the published model is not run
WU_WEIGHT_FILES = [weights["path"] for weights in (WU_WEIGHTS or {}).values()]
START_BUNDLE = config["start_from"]["bundle"]
START_SUMS = (
    [f"{START_BUNDLE}/SHA256SUMS"] if START else []
)  # changes with any of its files
START_WOMEN = config["start_from"]["women"] if START else []
OUTSIDE = config["outside_models"]["tables"]
DEMO = config["make_demo_cohort"] is not None
LIMITS = limits_of(config)  # rule -> memory and time that one job of it asks for
GPUS = 0 if config["compute"]["device"] == "cpu" else 1
TRAINING_GPUS = GPUS * config["job"]["gpus"]
COMPUTE = json.dumps(config["compute"])
JOB = json.dumps(
    {key: value for key, value in config["job"].items() if key != "python"}
)  # no param: changes no result
TORCH_THREADS = config["compute"]["torch_threads"]
INPUT_CUT = {
    "side_px": config["train_holistic"]["fit"]["input_px"],
    "crop": config["train_holistic"]["crop"],
    "mm_per_px": config["train_holistic"]["mm_per_px"],
}
ROI_SIZE = {key: config["crop_rois"][key] for key in ("side_px", "mm_per_px")}
# a COA beside the first is looked for outside the ROIs so far; else their size is nothing to locate_coa
COA_ROI = (
    "--roi " + shlex.quote(json.dumps(ROI_SIZE))
    if config["locate_coa"]["coas_per_image"] > 1
    else ""
)


wildcard_constraints:
    intake=r"[a-z0-9_]+",
    shard=r"[a-z0-9_]+-\d{3,4}",
    fold=r"fold\d+(_seed\d+)?",
    chunk=r"\d+",
    kind="cpu|gpu",


def verbatim(text):
    """A param with words of the config: Snakemake looks for {wildcards} in texts, not in what functions return."""
    return lambda wildcards: text


KEY = verbatim(
    study.key_flag
)  # --key-file, or --key where the config holds a public one


def settings(section):
    """A config section as the JSON that its step's --settings takes; a change reruns the rule."""
    return verbatim(json.dumps(config[section]))


def code(step, dataset=None):
    """Fingerprint of a step's code, and the libraries it computes with; a change of either reruns the rule.

    dataset  for a step that runs the data set's module
    """
    modules = modules_of(step, dataset)
    return f"{code_fingerprint(*modules)}, {environment(*modules)}"


def mem_mb(rule):
    """Memory of a job of this rule, from the size of the study; more at each attempt."""
    return lambda wildcards, attempt: LIMITS[rule].mem_mb(attempt)


def runtime(rule):
    """Its time limit in minutes, likewise. (--set-resources goes over both.)"""
    return lambda wildcards, attempt: LIMITS[rule].runtime(attempt)


def python_on(wildcards, resources):
    """The command that runs a module on the GPUs that its job was given: one process each, under torchrun.

    (A param made from resources is no reason to run a rule again.)
    """
    if resources.gpu <= 1:
        return f"{PYTHON} -m"
    return f"{PYTHON} -m torch.distributed.run --standalone --nproc-per-node {resources.gpu} -m"


def fold_number(wildcards):
    return int(wildcards.fold.removeprefix("fold").split("_")[0])


def member_seed(wildcards):
    """The study's seed for a fold's first network, 1000 more for each one after it."""
    number = int(wildcards.fold.partition("_seed")[2] or 1)
    return config["seed"] + 1000 * (number - 1)


def start_flags(wildcards):
    """Which network of which bundle a training starts from; a change reruns it."""
    if not START:
        return ""
    number = int(wildcards.fold.partition("_seed")[2] or 1) - 1
    start = json.dumps(START | {"number": fold_number(wildcards) + number})
    women = ["--bundle-women", *START_WOMEN] if START_WOMEN else []
    return shlex.join(["--bundle", START_BUNDLE, "--start", start, *women])


def log_of(rule, *wildcards):
    return (
        f"{R}/logs/{rule}/"
        + ("_".join(f"{{{w}}}" for w in wildcards) or "log")
        + ".log"
    )
