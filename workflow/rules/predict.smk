# Using what was trained: the bundle of a study, and the scores of new exams by a bundle. Neither is part of `all`.


rule describe_cohort:
    input:
        images=f"{R}/cohort/images.parquet",
        indexes=expand(f"{SHARD_ROOT}/intakes/{{intake}}/index.parquet", intake=INTAKES),
        shards=HOLISTIC_SHARDS,
    output:
        fingerprint=f"{R}/cohort/fingerprint.json",
    log:
        log_of("describe_cohort"),
    localrule: True
    resources:
        mem_mb=mem_mb("describe_cohort"),
        runtime=runtime("describe_cohort"),
    params:
        code=code("describe_cohort"),
        settings=settings("describe_cohort"),
        shards=f"{SHARD_ROOT}/shards",
        seed=config["seed"],
    shell:
        """
        {PYTHON} -m mammo_steps.describe_cohort \
            --images {input.images:q} --indexes {input.indexes:q} --shards {params.shards:q} \
            --seed {params.seed} --settings {params.settings:q} --fingerprint {output.fingerprint:q} &>{log:q}
        """


rule make_bundle:
    input:
        models=expand(
            f"{R}/{{model}}/{{fold}}/model.safetensors",
            model=["holistic", "attention"],
            fold=MEMBERS,
        ),
        margins=expand(
            f"{R}/{{model}}/{{fold}}/images.parquet",
            model=["holistic", "attention"],
            fold=MEMBERS,
        ),
        scores=f"{R}/scores/exams.parquet",
        evaluation=f"{R}/report/evaluation.json",
        cards=[f"{R}/report/model_card.md", f"{R}/report/data_card.md"],
        fingerprint=f"{R}/cohort/fingerprint.json",
        key=KEY_FILE,
    output:
        bundle=directory(f"{R}/bundle"),
    log:
        log_of("make_bundle"),
    localrule: True
    resources:
        mem_mb=mem_mb("make_bundle"),
        runtime=runtime("make_bundle"),
    params:
        code=code("make_bundle"),
        results=R,
        members=MEMBERS,
        settings=json.dumps(
            {
                "study": config["study"],
                "synthetic": config["synthetic"],
                "sections": bundle_sections(config),
            }
        ),
        key=KEY,
    shell:
        """
        {PYTHON} -m mammo_steps.make_bundle \
            --results {params.results:q} --members {params.members} --scores {input.scores:q} \
            --evaluation {input.evaluation:q} --cards {input.cards:q} \
            --fingerprint {input.fingerprint:q} {params.key} \
            --settings {params.settings:q} --bundle {output.bundle:q} &>{log:q}
        """


BUNDLE = (
    config["predict"]["bundle"]
    or "config key `predict.bundle` is empty: give the folder of a bundle (config README)"
)
PREDICTED = expand(f"{R}/predictions/{{shard}}/exams.parquet", shard=SHARDS)


rule score_new_exams:
    input:
        sums=f"{BUNDLE}/SHA256SUMS",
        index=lambda wildcards: f"{R}/intakes/{intake_of(wildcards).name}/index.parquet",
        shard=f"{R}/shards/{{shard}}/images.parquet",
        holistic=f"{R}/shards/{{shard}}/holistic.parquet",
        tiles=f"{R}/shards/{{shard}}/tiles.parquet",
    output:
        members=f"{R}/predictions/{{shard}}/members.parquet",
        images=f"{R}/predictions/{{shard}}/images.parquet",
        breasts=f"{R}/predictions/{{shard}}/breasts.parquet",
        exams=f"{R}/predictions/{{shard}}/exams.parquet",
        facts=f"{R}/predictions/{{shard}}/facts.parquet",
        sheets=directory(f"{R}/predictions/{{shard}}/sheets"),
    log:
        log_of("score_new_exams", "shard"),
    threads: TORCH_THREADS
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("score_new_exams"),
        runtime=runtime("score_new_exams"),
    params:
        code=code("score_new_exams"),
        bundle=BUNDLE,
        members=config["predict"]["members"] or [],
        sheets="" if config["predict"]["sheets"] else "--no-sheets",
        compute=json.dumps({"device": config["compute"]["device"]}),
        drift=json.dumps(config["predict"]["drift"]),
        shard=f"{R}/shards/{{shard}}",
        scores=f"{R}/predictions/{{shard}}",
    shell:
        """
        {PYTHON} -m mammo_steps.score_new_exams \
            --bundle {params.bundle:q} --members {params.members} --index {input.index:q} \
            --shard {params.shard:q} --compute {params.compute:q} --job {JOB:q} --drift {params.drift:q} {params.sheets} \
            --scores {params.scores:q} &>{log:q}
        """


rule predict:
    input:
        sums=f"{BUNDLE}/SHA256SUMS",
        indexes=expand(f"{R}/intakes/{{intake}}/index.parquet", intake=INTAKES),
        shards=expand(f"{R}/shards/{{shard}}/images.parquet", shard=SHARDS),
        exams=PREDICTED,
        objects=(
            expand(f"{P}/dicom/{{shard}}", shard=SHARDS)
            if config["predict"]["dicom"]
            else []
        ),
    output:
        exams=f"{R}/predictions/exams.parquet",
        table=f"{R}/predictions/exams.csv",
        images=f"{R}/predictions/images.parquet",
        breasts=f"{R}/predictions/breasts.parquet",
        members=f"{R}/predictions/members.parquet",
        facts=f"{R}/predictions/facts.parquet",
        left_out=f"{R}/predictions/left_out.parquet",
        page=f"{R}/predictions/index.html",
        drift=f"{R}/predictions/drift.html",
    log:
        log_of("predict"),
    localrule: True
    resources:
        mem_mb=mem_mb("predict"),
        runtime=runtime("predict"),
    params:
        code=code("predict"),
        bundle=BUNDLE,
        members=config["predict"]["members"] or [],
        shards=f"{R}/shards",
        parts=expand(f"{R}/predictions/{{shard}}", shard=SHARDS),
        predictions=f"{R}/predictions",
        settings=json.dumps(
            {"study": config["study"], "drift": config["predict"]["drift"]}
        ),
    shell:
        """
        {PYTHON} -m mammo_steps.predict \
            --bundle {params.bundle:q} --members {params.members} --indexes {input.indexes:q} \
            --shards {params.shards:q} --parts {params.parts:q} --settings {params.settings:q} \
            --predictions {params.predictions:q} &>{log:q}
        """


rule write_dicom_results:
    input:
        sums=f"{BUNDLE}/SHA256SUMS",
        index=lambda wildcards: f"{R}/intakes/{intake_of(wildcards).name}/index.parquet",
        lists=lambda wildcards: f"{P}/intakes/{intake_of(wildcards).name}/shards",
        shard=f"{R}/shards/{{shard}}/images.parquet",
        exams=f"{R}/predictions/{{shard}}/exams.parquet",
        members=f"{R}/predictions/{{shard}}/members.parquet",
        sheets=f"{R}/predictions/{{shard}}/sheets",
    output:
        objects=directory(f"{P}/dicom/{{shard}}"),
    log:
        log_of("write_dicom_results", "shard"),
    resources:
        mem_mb=mem_mb("write_dicom_results"),
        runtime=runtime("write_dicom_results"),
    params:
        code=code("write_dicom_results"),
        bundle=BUNDLE,
        members=config["predict"]["members"] or [],
        archive=lambda wildcards: str(intake_of(wildcards).archive),
        shard=f"{R}/shards/{{shard}}",
        scores=f"{R}/predictions/{{shard}}",
    shell:
        """
        {PYTHON} -m mammo_steps.write_dicom_results \
            --bundle {params.bundle:q} --members {params.members} --index {input.index:q} \
            --shard {params.shard:q} --list {input.lists:q}/{wildcards.shard}.csv \
            --archive {params.archive:q} --scores {params.scores:q} --objects {output.objects:q} &>{log:q}
        """
