# One short job for each kind of machine, first in the queue: does it see the folders, the packages, a GPU?
# `snakemake --profile slurm check_nodes` asks before anything else is submitted.
# (No step waits for the answer as an input: all would run again when the question changes. Snakemake's ancient() is no
# way out, since what lies below an ancient file is not planned in a run in which that file is made again.)

NODE_KINDS = ["cpu", "gpu"] if GPUS else ["cpu"]
SEEN_ARCHIVES = [] if DEMO else [str(intake.archive) for intake in INTAKES.values()]
NODE_FACTS = expand(f"{R}/nodes/{{kind}}.json", kind=NODE_KINDS)


rule check_node:
    output:
        facts=f"{R}/nodes/{{kind}}.json",
    log:
        log_of("check_node", "kind"),
    wildcard_constraints:
        kind="[a-z]+",
    priority: 1000
    resources:
        gpu=lambda wildcards: int(wildcards.kind == "gpu"),
        mem_mb=2000,
        runtime=10,
    params:
        code=code("check_node"),
        device=config["compute"]["device"],
        archives=SEEN_ARCHIVES,
    shell:
        """
        {PYTHON} -m mammo_steps.check_node \
            --kind {wildcards.kind} --device {params.device} --folders {REPO:q} {params.archives:q} \
            --facts {output.facts:q} &>{log:q}
        """


# asked anew each time, beside the answers that a study's pages tell of
use rule check_node as ask_node with:
    output:
        facts=f"{R}/nodes/asked/{{kind}}.json",
    log:
        log_of("ask_node", "kind"),
    params:
        code=code("check_node"),
        device=config["compute"]["device"],
        archives=SEEN_ARCHIVES,
        asked=os.environ.get(UNDER_SNAKEMAKE),


rule check_nodes:
    input:
        expand(f"{R}/nodes/asked/{{kind}}.json", kind=NODE_KINDS),
    localrule: True
    shell:
        "cat {input:q}"
