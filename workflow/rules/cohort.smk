# Which exams are in the study, and which fold each belongs to.

if DEMO:

    rule make_demo_cohort:
        output:
            archive=directory(f"{R}/demo/archive"),
            labels=f"{R}/demo/labels.csv",
            lesions=f"{R}/demo/lesions.csv",
        log:
            log_of("make_demo_cohort"),
        localrule: True
        threads: 8
        resources:
            mem_mb=mem_mb("make_demo_cohort"),
            runtime=runtime("make_demo_cohort"),
        params:
            code=code("make_demo_cohort"),
            settings=settings("make_demo_cohort"),
            seed=config["seed"],
        shell:
            """
            {PYTHON} -m mammo_steps.make_demo_cohort \
                --settings {params.settings:q} --seed {params.seed} --workers {threads} \
                --archive {output.archive:q} --labels {output.labels:q} --lesions {output.lesions:q} \
                &>{log:q}
            """


rule list_images:
    input:
        labels=LABELS,
        key=KEY_FILE,
        indexes=expand(f"{SHARD_ROOT}/intakes/{{intake}}/index.parquet", intake=INTAKES),
        shard_images=expand(
            f"{SHARD_ROOT}/shards/{{shard}}/images.parquet", shard=SHARDS
        ),
        learned=START_WOMEN,
    output:
        images=f"{R}/cohort/images.parquet",
        labels=f"{R}/cohort/labels.parquet",
        excluded=f"{R}/cohort/excluded.parquet",
        flow=f"{R}/cohort/flow.json",
    log:
        log_of("list_images"),
    localrule: True
    resources:
        mem_mb=mem_mb("list_images"),
        runtime=runtime("list_images"),
    params:
        code=code("list_images", config["dataset"]),
        settings=settings("list_images"),
        windows=settings("outcome_windows"),
        dataset=config["dataset"],
        shards=f"{SHARD_ROOT}/shards",
        key=KEY,
    shell:
        """
        {PYTHON} -m mammo_steps.list_images \
            --indexes {input.indexes:q} --shards {params.shards:q} --learned-by-bundle {input.learned:q} \
            --labels {input.labels:q} --dataset {params.dataset} {params.key} --settings {params.settings:q} \
            --windows {params.windows:q} --images {output.images:q} --labels-out {output.labels:q} \
            --excluded {output.excluded:q} --flow {output.flow:q} &>{log:q}
        """


rule split_folds:
    input:
        images=f"{R}/cohort/images.parquet",
        labels=f"{R}/cohort/labels.parquet",
    output:
        exams=f"{R}/cohort/exams.parquet",
        roles=f"{R}/cohort/roles.parquet",
    log:
        log_of("split_folds"),
    localrule: True
    resources:
        mem_mb=mem_mb("split_folds"),
        runtime=runtime("split_folds"),
    params:
        code=code("split_folds"),
        settings=settings("split_folds"),
        seed=config["seed"],
    shell:
        """
        {PYTHON} -m mammo_steps.split_folds \
            --images {input.images:q} --labels {input.labels:q} \
            --settings {params.settings:q} --seed {params.seed} \
            --exams {output.exams:q} --roles {output.roles:q} &>{log:q}
        """


if config["lesions"] == "from_dataset":

    rule list_lesions:
        input:
            labels=LABELS,
        output:
            lesions=LESIONS,
        log:
            log_of("list_lesions"),
        localrule: True
        resources:
            mem_mb=mem_mb("list_lesions"),
            runtime=runtime("list_lesions"),
        params:
            code=code("list_lesions", config["dataset"]),
            dataset=config["dataset"],
            archive=str(next(iter(INTAKES.values())).archive),
        shell:
            """
            {PYTHON} -m mammo_steps.list_lesions \
                --dataset {params.dataset} --labels {input.labels:q} --archive {params.archive:q} \
                --lesions {output.lesions:q} &>{log:q}
            """
