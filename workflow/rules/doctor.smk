# The look at an archive before anything is trained: headers of everything, pixels of a sample, labels if there are any.


rule doctor:
    input:
        indexes=expand(f"{SHARD_ROOT}/intakes/{{intake}}/index.parquet", intake=INTAKES),
        lists=expand(f"{SHARD_LISTS}/intakes/{{intake}}/shards", intake=INTAKES),
        labels=study.labels or [],
        key=KEY_FILE,
    output:
        page=f"{R}/cohort/doctor.html",
        tables=directory(f"{R}/cohort/doctor"),
    log:
        log_of("doctor"),
    threads: config["make_shards"]["workers"]
    resources:
        mem_mb=mem_mb("doctor"),
        runtime=runtime("doctor"),
    params:
        code=code("doctor", config["dataset"]),
        settings=json.dumps(
            {
                "study": config["study"],
                "synthetic": config["synthetic"],
                "doctor": config["doctor"],
                "list_images": config["list_images"],
                "make_shards": config["make_shards"]["settings"],
                "folds": config["split_folds"]["folds"],
                "prior": config["evaluate"]["prior"],
                "sampled_negatives": config["evaluate"]["sampled_negatives"],
                "input": INPUT_CUT,
            }
        ),
        archives=[str(intake.archive) for intake in INTAKES.values()],
        dataset=config["dataset"],
        windows=settings("outcome_windows"),
        labels=lambda wildcards, input: (
            f"--labels {shlex.quote(str(input.labels))}" if input.labels else ""
        ),
        key=KEY,
        seed=config["seed"],
    shell:
        """
        {PYTHON} -m mammo_steps.doctor \
            --indexes {input.indexes:q} --lists {input.lists:q} --archives {params.archives:q} \
            --dataset {params.dataset} {params.labels} {params.key} --windows {params.windows:q} \
            --settings {params.settings:q} --seed {params.seed} --workers {threads} \
            --page {output.page:q} --tables {output.tables:q} &>{log:q}
        """
