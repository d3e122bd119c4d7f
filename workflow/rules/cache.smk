# Is every result still what its step left, and made from what lies there now?


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
        command=this_command(),
    shell:
        """
        {PYTHON} -m mammo_steps.by_hand.verify_study --results {R:q} --snakemake {params.command:q}
        """
