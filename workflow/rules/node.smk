# One short job for each kind of machine, first in the queue: does it see the folders, the packages, a GPU?
# `snakemake --profile slurm check_nodes` asks before anything else is submitted.
# (No step waits for the answer as an input: all would run again when the question changes. Snakemake's ancient() is no
# way out, since what lies below an ancient file is not planned in a run in which that file is made again.)

NODE_FACTS = expand(f"{R}/nodes/{{kind}}.json", kind=["cpu", "gpu"] if GPUS else "cpu")


rule check_nodes:
    input:
        NODE_FACTS,
    localrule: True


rule check_node:
    output:
        facts=f"{R}/nodes/{{kind}}.json",
    log:
        log_of("check_node", "kind"),
    priority: 1000
    resources:
        gpu=lambda wildcards: int(wildcards.kind == "gpu"),
        mem_mb=2000,
        runtime=10,
    params:
        code=code("check_node"),
        device=config["compute"]["device"],
        archives=[] if DEMO else [str(intake.archive) for intake in INTAKES.values()],
    shell:
        """
        {PYTHON} -m mammo_steps.check_node \
            --kind {wildcards.kind} --device {params.device} --folders {REPO:q} {params.archives:q} \
            --facts {output.facts:q} &>{log:q}
        """
