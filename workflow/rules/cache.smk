# Is every result still what its step left, and made from what lies there now?
from itertools import dropwhile, islice, takewhile

from snakemake.target_jobs import parse_target_jobs_cli_args


def outputs_of(arguments):
    """What the jobs make that a Snakemake on a node is to run, `--target-jobs rule:wildcard=value ...`."""
    behind = dropwhile(lambda argument: argument != "--target-jobs", arguments)
    named = takewhile(
        lambda argument: not argument.startswith("-"), islice(behind, 1, None)
    )
    for job in parse_target_jobs_cli_args(named):
        made, _ = workflow.get_rule(job.rulename).expand_output(job.wildcards_dict)
        yield from map(Path, made)


def this_command():
    """The command that runs this workflow with the same configs, for advice to the user."""
    words = ["snakemake", "--cores", "all"]
    if Path(workflow.main_snakefile) != Path.cwd() / "workflow/Snakefile":
        words += ["--snakefile", str(workflow.main_snakefile)]
    if workflow.config_settings.configfiles:
        paths = [os.path.relpath(path) for path in workflow.config_settings.configfiles]
        words += ["--configfile", *paths]
    if workflow.config_settings.config:
        values = workflow.config_settings.config.items()
        words += ["--config", *(f"{key}={json.dumps(value)}" for key, value in values)]
    return shlex.join(words)


# It has no output and nothing asks for it: `snakemake verify --cores 1` runs this job and no other.
rule verify:
    localrule: True
    params:
        command=verbatim(this_command()),
        goal="all" if DEMO or config["labels"] else "predict",
    shell:
        """
        {PYTHON} -m mammo_steps.by_hand.verify_study --results {R:q} --snakemake {params.command:q} \
            --goal {params.goal}
        """
