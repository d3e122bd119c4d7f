# AUCs, figures and the page.


rule evaluate:
    input:
        scores=f"{R}/scores/exams.parquet",
        outside=[f"{R}/scores/outside.parquet"] if OUTSIDE else [],
        images=f"{R}/cohort/images.parquet",
        shards=HOLISTIC_SHARDS,
        coas=expand(f"{R}/holistic/{{fold}}/images.parquet", fold=FOLDS),
        # without the places of lesions nothing can be said about localisation
        untrained=expand(
            f"{R}/holistic/{{fold}}/untrained.parquet", fold=FOLDS if LESIONS else []
        ),
        lesions=LESIONS,
        key=KEY_FILE,
    output:
        auc=f"{R}/report/auc.csv",
        table=f"{R}/report/table1.md",
        evaluation=f"{R}/report/evaluation.json",
        localisation=f"{R}/report/localisation.csv",
        audit=f"{R}/report/crop_audit.csv",
    log:
        log_of("evaluate"),
    resources:
        mem_mb=mem_mb("evaluate"),
        runtime=runtime("evaluate"),
    params:
        code=code("evaluate"),
        settings=json.dumps(
            config["evaluate"]
            | {
                "synthetic": config["synthetic"],
                "published_ran": WU_WEIGHTS is not None,
                "outside": OUTSIDE,
                "input": INPUT_CUT,
                "roi": ROI_SIZE,
            }
        ),
        shards=f"{SHARD_ROOT}/shards",
        lesions=lambda wildcards, input: (
            f"--lesions '{input.lesions}' {KEY}" if LESIONS else ""
        ),
        outside=lambda wildcards, input: (
            f"--outside '{input.outside}'" if OUTSIDE else ""
        ),
        seed=config["seed"],
    shell:
        """
        {PYTHON} -m mammo_steps.evaluate \
            --scores {input.scores:q} {params.outside} \
            --images {input.images:q} --shards {params.shards:q} \
            --coas {input.coas:q} --untrained-coas {input.untrained:q} {params.lesions} \
            --seed {params.seed} --settings {params.settings:q} \
            --auc {output.auc:q} --table1 {output.table:q} --evaluation {output.evaluation:q} \
            --localisation {output.localisation:q} --crop-audit {output.audit:q} &>{log:q}
        """


rule explain_exams:
    input:
        scores=f"{R}/scores/exams.parquet",
        images=f"{R}/cohort/images.parquet",
        models=expand(f"{R}/holistic/{{fold}}/model.safetensors", fold=FOLDS),
        rois=expand(
            f"{R}/attention/{{fold}}/rois/{{shard}}.parquet", fold=FOLDS, shard=SHARDS
        ),
        shards=HOLISTIC_SHARDS,
    output:
        maps=f"{R}/report/saliency.npz",
    log:
        log_of("explain_exams"),
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("explain_exams"),
        runtime=runtime("explain_exams"),
    params:
        code=code("explain_exams"),
        settings=settings("explain_exams"),
        compute=COMPUTE,
        top_fraction=config["locate_coa"]["top_fraction"],
        results=R,
        shards=f"{SHARD_ROOT}/shards",
    shell:
        """
        {PYTHON} -m mammo_steps.explain_exams \
            --scores {input.scores:q} --images {input.images:q} \
            --results {params.results:q} --shards {params.shards:q} \
            --top-fraction {params.top_fraction} --settings {params.settings:q} \
            --compute {params.compute:q} --job {JOB:q} --maps {output.maps:q} &>{log:q}
        """


rule draw_figures:
    input:
        scores=f"{R}/scores/exams.parquet",
        auc=f"{R}/report/auc.csv",
        evaluation=f"{R}/report/evaluation.json",
        localisation=f"{R}/report/localisation.csv",
        maps=f"{R}/report/saliency.npz",
        holistic=expand(f"{R}/holistic/{{fold}}/history.csv", fold=MEMBERS),
        attention=expand(f"{R}/attention/{{fold}}/history.csv", fold=MEMBERS),
    output:
        figures=directory(f"{R}/report/figures"),
    log:
        log_of("draw_figures"),
    localrule: True
    resources:
        mem_mb=mem_mb("draw_figures"),
        runtime=runtime("draw_figures"),
    params:
        code=code("draw_figures"),
    shell:
        """
        {PYTHON} -m mammo_steps.draw_figures \
            --scores {input.scores:q} --auc {input.auc:q} --evaluation {input.evaluation:q} \
            --localisation {input.localisation:q} --maps {input.maps:q} \
            --holistic-histories {input.holistic:q} --attention-histories {input.attention:q} \
            --figures {output.figures:q} &>{log:q}
        """


rule report:
    input:
        flow=f"{R}/cohort/flow.json",
        auc=f"{R}/report/auc.csv",
        evaluation=f"{R}/report/evaluation.json",
        localisation=f"{R}/report/localisation.csv",
        audit=f"{R}/report/crop_audit.csv",
        figures=f"{R}/report/figures",
        runs=expand(
            f"{R}/{{model}}/{{fold}}/run.json",
            model=["holistic", "attention"],
            fold=MEMBERS,
        ),
    output:
        report=f"{R}/report/report.html",
    log:
        log_of("report"),
    localrule: True
    resources:
        mem_mb=mem_mb("report"),
        runtime=runtime("report"),
    params:
        code=code("report"),
        results=R,  # whose manifests say what the steps took: no input, since times change nothing
        settings=json.dumps(
            {"study": config["study"], "synthetic": config["synthetic"]}
        ),
    shell:
        """
        {PYTHON} -m mammo_steps.report \
            --flow {input.flow:q} --auc {input.auc:q} --evaluation {input.evaluation:q} \
            --localisation {input.localisation:q} --crop-audit {input.audit:q} \
            --figures {input.figures:q} --runs {input.runs:q} --results {params.results:q} \
            --settings {params.settings:q} --report {output.report:q} &>{log:q}
        """
