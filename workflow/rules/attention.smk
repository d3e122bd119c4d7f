# Per fold: full-resolution ROIs around the centres of attention, the attention model, its scores.


rule crop_rois:
    input:
        coas=f"{R}/holistic/{{fold}}/images.parquet",
        cohort=f"{R}/cohort/images.parquet",
        images=f"{SHARD_ROOT}/shards/{{shard}}/images.parquet",
        tiles=f"{SHARD_ROOT}/shards/{{shard}}/tiles.parquet",
    output:
        rois=f"{R}/attention/{{fold}}/rois/{{shard}}.parquet",
    log:
        log_of("crop_rois", "fold", "shard"),
    resources:
        mem_mb=mem_mb("crop_rois"),
        runtime=runtime("crop_rois"),
    params:
        code=code("crop_rois"),
        settings=settings("crop_rois"),
    shell:
        """
        {PYTHON} -m mammo_steps.crop_rois \
            --coas {input.coas:q} --images {input.cohort:q} \
            --shard-images {input.images:q} --tiles {input.tiles:q} \
            --settings {params.settings:q} --rois {output.rois:q} &>{log:q}
        """


def fold_rois(wildcards):
    return [f"{R}/attention/{wildcards.fold}/rois/{shard}.parquet" for shard in SHARDS]


rule train_attention:
    input:
        images=f"{R}/cohort/images.parquet",
        roles=f"{R}/cohort/roles.parquet",
        rois=fold_rois,
        start=f"{R}/holistic/{{fold}}/model.safetensors",
        bundle=START_SUMS,
        women=START_WOMEN,
    output:
        model=f"{R}/attention/{{fold}}/model.safetensors",
        history=f"{R}/attention/{{fold}}/history.csv",
        run=f"{R}/attention/{{fold}}/run.json",
    log:
        log_of("train_attention", "fold"),
    threads: TORCH_THREADS
    resources:
        gpu=TRAINING_GPUS,
        mem_mb=mem_mb("train_attention"),
        runtime=runtime("train_attention"),
    params:
        python=python_on,
        code=code("train_attention"),
        rois=lambda wildcards: f"{R}/attention/{wildcards.fold}/rois",
        settings=settings("train_attention"),
        compute=COMPUTE,
        seed=member_seed,
        fold=fold_number,
        start=start_flags,
    shell:
        """
        test -d {R:q}/.resume/train_attention/{wildcards.fold} || : >{log:q}
        {params.python} mammo_steps.train_attention \
            --images {input.images:q} --roles {input.roles:q} --rois {params.rois:q} \
            --begin-with {input.start:q} --fold {params.fold} --seed {params.seed} {params.start} \
            --settings {params.settings:q} --compute {params.compute:q} --job {JOB:q} \
            --model {output.model:q} --history {output.history:q} --record {output.run:q} \
            --resume {R:q}/.resume/train_attention/{wildcards.fold} \
            --events {R:q}/attention/{wildcards.fold}/events &>>{log:q}
        """


rule score_attention:
    input:
        images=f"{R}/cohort/images.parquet",
        roles=f"{R}/cohort/roles.parquet",
        coas=f"{R}/holistic/{{fold}}/images.parquet",
        rois=fold_rois,
        model=f"{R}/attention/{{fold}}/model.safetensors",
    output:
        scores=f"{R}/attention/{{fold}}/images.parquet",
    log:
        log_of("score_attention", "fold"),
    threads: TORCH_THREADS
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("score_attention"),
        runtime=runtime("score_attention"),
    params:
        code=code("score_attention"),
        rois=lambda wildcards: f"{R}/attention/{wildcards.fold}/rois",
        settings=settings("score_attention"),
        compute=COMPUTE,
        fold=fold_number,
    shell:
        """
        {PYTHON} -m mammo_steps.score_attention \
            --images {input.images:q} --roles {input.roles:q} --coas {input.coas:q} --rois {params.rois:q} \
            --model {input.model:q} --fold {params.fold} \
            --settings {params.settings:q} --compute {params.compute:q} --job {JOB:q} \
            --scores {output.scores:q} &>{log:q}
        """


rule score_exams:
    input:
        exams=f"{R}/cohort/exams.parquet",
        images=f"{R}/cohort/images.parquet",
        holistic=expand(f"{R}/holistic/{{fold}}/images.parquet", fold=SCORED_MEMBERS),
        attention=expand(f"{R}/attention/{{fold}}/images.parquet", fold=SCORED_MEMBERS),
        wu2019=expand(
            f"{R}/wu2019/{{shard}}/exams.parquet", shard=SHARDS if WU_WEIGHTS else []
        ),
        adapted=expand(
            f"{R}/wu2019_adapted/{{fold}}/exams.parquet",
            fold=SCORED_FOLDS if WU_WEIGHTS else [],
        ),
    output:
        scores=f"{E}/scores/exams.parquet",
    log:
        log_of("score_exams"),
    localrule: True
    resources:
        mem_mb=mem_mb("score_exams"),
        runtime=runtime("score_exams"),
    params:
        code=code("score_exams"),
        settings=settings("score_exams"),
        members=config["members"],
        wu2019=f"--wu2019 '{R}/wu2019'" if WU_WEIGHTS else "",
    shell:
        """
        {PYTHON} -m mammo_steps.score_exams \
            --exams {input.exams:q} --images {input.images:q} \
            --holistic {input.holistic:q} --attention {input.attention:q} \
            {params.wu2019} --wu2019-adapted {input.adapted:q} \
            --members {params.members} --settings {params.settings:q} --out {output.scores:q} &>{log:q}
        """
