# What is compared with the study's own networks: the published model of Wu et al. 2019 and its adapted head (nothing of
# which runs without the published weights), and tables of other models' scores.


rule score_wu2019:
    input:
        cohort=f"{R}/cohort/images.parquet",
        images=f"{SHARD_ROOT}/shards/{{shard}}/images.parquet",
        tiles=f"{SHARD_ROOT}/shards/{{shard}}/tiles.parquet",
        weights=WU_WEIGHT_FILES,
    output:
        exams=f"{R}/wu2019/{{shard}}/exams.parquet",
        patches=f"{R}/wu2019/{{shard}}/patches.parquet",
    log:
        log_of("score_wu2019", "shard"),
    threads: TORCH_THREADS
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("score_wu2019"),
        runtime=runtime("score_wu2019"),
    params:
        code=code("score_wu2019"),
        settings=settings("score_wu2019"),
        compute=COMPUTE,
    shell:
        """
        {PYTHON} -m mammo_steps.score_wu2019 \
            --images {input.cohort:q} --shard-images {input.images:q} --tiles {input.tiles:q} \
            --settings {params.settings:q} --compute {params.compute:q} --job {JOB:q} \
            --exams {output.exams:q} --patches {output.patches:q} &>{log:q}
        """


rule adapt_wu2019:
    input:
        images=f"{R}/cohort/images.parquet",
        roles=f"{R}/cohort/roles.parquet",
        scores=expand(f"{R}/wu2019/{{shard}}/exams.parquet", shard=SHARDS),
    output:
        model=f"{R}/wu2019_adapted/{{fold}}/model.safetensors",
        run=f"{R}/wu2019_adapted/{{fold}}/run.json",
        exams=f"{R}/wu2019_adapted/{{fold}}/exams.parquet",
    log:
        log_of("adapt_wu2019", "fold"),
    resources:
        mem_mb=mem_mb("adapt_wu2019"),
        runtime=runtime("adapt_wu2019"),
    params:
        code=code("adapt_wu2019"),
        scores=f"{R}/wu2019",
        settings=settings("adapt_wu2019"),
        seed=config["seed"],
        fold=fold_number,
    shell:
        """
        {PYTHON} -m mammo_steps.adapt_wu2019 \
            --images {input.images:q} --roles {input.roles:q} --scores {params.scores:q} \
            --fold {params.fold} --seed {params.seed} --settings {params.settings:q} \
            --model {output.model:q} --record {output.run:q} --exams {output.exams:q} &>{log:q}
        """


rule outside_models:
    input:
        tables=[table["file"] for table in OUTSIDE],
        exams=f"{R}/cohort/exams.parquet",
        images=f"{R}/cohort/images.parquet",
        key=KEY_FILE,
    output:
        scores=f"{E}/scores/outside.parquet",
    log:
        log_of("outside_models"),
    localrule: True
    resources:
        mem_mb=mem_mb("outside_models"),
        runtime=runtime("outside_models"),
    params:
        code=code("outside_models"),
        settings=settings("outside_models"),
        key=KEY,
    shell:
        """
        {PYTHON} -m mammo_steps.outside_models \
            --exams {input.exams:q} --images {input.images:q} {params.key} \
            --settings {params.settings:q} --scores {output.scores:q} &>{log:q}
        """
