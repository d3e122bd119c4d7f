# Per fold: the holistic model, and where its saliency maps point.

HOLISTIC_SHARDS = expand(
    f"{SHARD_ROOT}/shards/{{shard}}/holistic.parquet", shard=SHARDS
)


rule train_holistic:
    input:
        images=f"{R}/cohort/images.parquet",
        roles=f"{R}/cohort/roles.parquet",
        shards=HOLISTIC_SHARDS,
        weights=config["train_holistic"]["network"]["imagenet_weights"] or [],
        bundle=START_SUMS,
        women=START_WOMEN,
    output:
        model=f"{R}/holistic/{{fold}}/model.safetensors",
        history=f"{R}/holistic/{{fold}}/history.csv",
        run=f"{R}/holistic/{{fold}}/run.json",
    log:
        log_of("train_holistic", "fold"),
    threads: TORCH_THREADS
    resources:
        gpu=TRAINING_GPUS,
        mem_mb=mem_mb("train_holistic"),
        runtime=runtime("train_holistic"),
    params:
        python=python_on,
        code=code("train_holistic"),
        settings=settings("train_holistic"),
        compute=COMPUTE,
        seed=member_seed,
        fold=fold_number,
        start=start_flags,
        shards=f"{SHARD_ROOT}/shards",
    shell:
        """
        test -d {R:q}/.resume/train_holistic/{wildcards.fold} || : >{log:q}
        {params.python} mammo_steps.train_holistic \
            --images {input.images:q} --roles {input.roles:q} --shards {params.shards:q} \
            --fold {params.fold} --seed {params.seed} {params.start} \
            --settings {params.settings:q} --compute {params.compute:q} --job {JOB:q} \
            --model {output.model:q} --history {output.history:q} --record {output.run:q} \
            --resume {R:q}/.resume/train_holistic/{wildcards.fold} \
            --events {R:q}/holistic/{wildcards.fold}/events &>>{log:q}
        """


rule locate_coa:
    input:
        images=f"{R}/cohort/images.parquet",
        roles=f"{R}/cohort/roles.parquet",
        shards=HOLISTIC_SHARDS,
        model=f"{R}/holistic/{{fold}}/model.safetensors",
    output:
        coas=f"{R}/holistic/{{fold}}/images.parquet",
    log:
        log_of("locate_coa", "fold"),
    threads: TORCH_THREADS
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("locate_coa"),
        runtime=runtime("locate_coa"),
    params:
        code=code("locate_coa"),
        settings=settings("locate_coa"),
        compute=COMPUTE,
        seed=member_seed,
        fold=fold_number,
        shards=f"{SHARD_ROOT}/shards",
        baseline="",
        roi=COA_ROI,
    shell:
        """
        {PYTHON} -m mammo_steps.locate_coa {params.baseline} {params.roi} \
            --images {input.images:q} --roles {input.roles:q} --shards {params.shards:q} \
            --model {input.model:q} --fold {params.fold} --seed {params.seed} \
            --settings {params.settings:q} --compute {params.compute:q} --job {JOB:q} \
            --coas {output.coas:q} &>{log:q}
        """


# what an untrained network's saliency finds on the test women: a baseline of localisation
use rule locate_coa as locate_coa_untrained with:
    output:
        coas=f"{R}/holistic/{{fold}}/untrained.parquet",
    log:
        log_of("locate_coa_untrained", "fold"),
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("locate_coa_untrained"),
        runtime=runtime("locate_coa_untrained"),
    params:
        code=code("locate_coa"),
        settings=settings("locate_coa"),
        compute=COMPUTE,
        seed=member_seed,
        fold=fold_number,
        shards=f"{SHARD_ROOT}/shards",
        baseline="--untrained",
        roi=COA_ROI,
