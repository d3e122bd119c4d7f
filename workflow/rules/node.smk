# Before anything costly, one short job for each kind of machine: does it see the folders, the packages, a GPU?

NODE_KINDS = ["cpu", "gpu"] if GPUS else ["cpu"]


rule check_node:
    output:
        facts=f"{R}/nodes/{{kind}}.json",
    log:
        log_of("check_node", "kind"),
    resources:
        gpu=lambda wildcards: int(wildcards.kind == "gpu"),
        mem_mb=2000,
        runtime=10,
    params:
        code=code("check_node"),
        device=config["compute"]["device"],
        folders=[str(REPO)]
        + ([] if DEMO else [str(intake.archive) for intake in INTAKES.values()]),
    shell:
        """
        {PYTHON} -m mammo_steps.check_node \
            --kind {wildcards.kind} --device {params.device} --folders {params.folders:q} \
            --facts {output.facts:q} &>{log:q}
        """
