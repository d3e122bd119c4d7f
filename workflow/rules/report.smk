# AUCs, figures, the page and the cards; what `snakemake --report` shows of them.


def figure(wildcards):
    return listed(
        f"{E}/report/figures/figures.json",
        lambda entry: entry["file"],
        f"{wildcards.figure}.svg",
    )


rule evaluate:
    input:
        scores=f"{E}/scores/exams.parquet",
        outside=[f"{E}/scores/outside.parquet"] if OUTSIDE else [],
        images=f"{R}/cohort/images.parquet",
        shards=HOLISTIC_SHARDS,
        coas=expand(f"{R}/holistic/{{fold}}/images.parquet", fold=SCORED_FOLDS),
        # without the places of lesions nothing can be said about localisation
        untrained=expand(
            f"{R}/holistic/{{fold}}/untrained.parquet",
            fold=SCORED_FOLDS if LESIONS else [],
        ),
        lesions=LESIONS,
        key=KEY_FILE,
        # what the networks started from, as they say
        runs=expand(
            f"{R}/{{model}}/{{fold}}/run.json",
            model=["holistic", "attention"] if START else [],
            fold=SCORED_MEMBERS,
        ),
    output:
        auc=report(
            f"{E}/report/auc.csv",
            caption="../report/auc.rst",
            category="Tables",
            labels={"table": "AUCs"},
        ),
        table=report(
            f"{E}/report/table1.md",
            caption="../report/table1.rst",
            category="Tables",
            labels={"table": "Table 1"},
        ),
        evaluation=f"{E}/report/evaluation.json",
        localisation=report(
            f"{E}/report/localisation.csv",
            caption="../report/localisation.rst",
            category="Tables",
            labels={"table": "Localisation"},
        ),
        audit=report(
            f"{E}/report/crop_audit.csv",
            caption="../report/crop_audit.rst",
            category="Tables",
            labels={"table": "What the crop cuts"},
        ),
    log:
        log_of("evaluate"),
    resources:
        mem_mb=mem_mb("evaluate"),
        runtime=runtime("evaluate"),
    params:
        code=code("evaluate"),
        settings=verbatim(
            json.dumps(
                config["evaluate"]
                | {
                    "synthetic": config["synthetic"],
                    "partial": PARTIAL,
                    "published_ran": WU_WEIGHTS is not None,
                    "outside": OUTSIDE,
                    "input": INPUT_CUT,
                    "roi": ROI_SIZE,
                }
            )
        ),
        shards=f"{SHARD_ROOT}/shards",
        lesions=lambda wildcards, input: (
            f"--lesions {shlex.quote(str(input.lesions))} {study.key_flag}"
            if LESIONS
            else ""
        ),
        outside=lambda wildcards, input: (
            f"--outside {shlex.quote(str(input.outside))}" if OUTSIDE else ""
        ),
        seed=config["seed"],
    shell:
        """
        {PYTHON} -m mammo_steps.evaluate \
            --scores {input.scores:q} {params.outside} \
            --images {input.images:q} --shards {params.shards:q} \
            --coas {input.coas:q} --untrained-coas {input.untrained:q} {params.lesions} --runs {input.runs:q} \
            --seed {params.seed} --settings {params.settings:q} \
            --auc {output.auc:q} --table1 {output.table:q} --evaluation {output.evaluation:q} \
            --localisation {output.localisation:q} --crop-audit {output.audit:q} &>{log:q}
        """


rule draw_figures:
    input:
        scores=f"{E}/scores/exams.parquet",
        auc=f"{E}/report/auc.csv",
        evaluation=f"{E}/report/evaluation.json",
        localisation=f"{E}/report/localisation.csv",
        holistic=expand(f"{R}/holistic/{{fold}}/history.csv", fold=SCORED_MEMBERS),
        attention=expand(f"{R}/attention/{{fold}}/history.csv", fold=SCORED_MEMBERS),
    output:
        figures=report(
            directory(f"{E}/report/figures"),
            patterns=["{figure}.svg"],
            # draw_figures writes it: each figure's own, as on the page
            caption=os.path.abspath(f"{E}/report/figures/captions.rst"),
            category=lambda wildcards: figure(wildcards)["section"],
            labels=lambda wildcards: {"figure": figure(wildcards)["title"]},
        ),
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
            --localisation {input.localisation:q} \
            --holistic-histories {input.holistic:q} --attention-histories {input.attention:q} \
            --figures {output.figures:q} &>{log:q}
        """


rule report:
    input:
        flow=f"{R}/cohort/flow.json",
        auc=f"{E}/report/auc.csv",
        evaluation=f"{E}/report/evaluation.json",
        localisation=f"{E}/report/localisation.csv",
        audit=f"{E}/report/crop_audit.csv",
        figures=f"{E}/report/figures",
        gallery=f"{E}/report/gallery",
        runs=expand(
            f"{R}/{{model}}/{{fold}}/run.json",
            model=["holistic", "attention"],
            fold=SCORED_MEMBERS,
        ),
    output:
        report=report(
            f"{E}/report/report.html",
            caption="../report/page.rst",
            category="Page",
            labels={"page": "Report"},
        ),
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
            {
                "study": config["study"],
                "synthetic": config["synthetic"],
                "partial": PARTIAL,
                "scoring": {
                    "members": config["members"],
                    "holistic_flip": config["locate_coa"]["test_time_flip"],
                    "attention_flip": config["score_attention"]["test_time_flip"],
                    "coas_per_image": config["locate_coa"]["coas_per_image"],
                    "roi_pooling": config["score_attention"]["roi_pooling"],
                },
            }
        ),
    shell:
        """
        {PYTHON} -m mammo_steps.report \
            --flow {input.flow:q} --auc {input.auc:q} --evaluation {input.evaluation:q} \
            --localisation {input.localisation:q} --crop-audit {input.audit:q} \
            --figures {input.figures:q} --gallery {input.gallery:q} --runs {input.runs:q} --results {params.results:q} \
            --settings {params.settings:q} --report {output.report:q} &>{log:q}
        """


rule write_cards:
    input:
        flow=f"{R}/cohort/flow.json",
        images=f"{R}/cohort/images.parquet",
        auc=f"{E}/report/auc.csv",
        evaluation=f"{E}/report/evaluation.json",
        localisation=f"{E}/report/localisation.csv",
        runs=expand(
            f"{R}/{{model}}/{{fold}}/run.json",
            model=["holistic", "attention"],
            fold=SCORED_MEMBERS,
        ),
    output:
        model=report(
            f"{E}/report/model_card.md",
            caption="../report/card.rst",
            category="Cards",
            labels={"card": "Model card"},
        ),
        data=report(
            f"{E}/report/data_card.md",
            caption="../report/card.rst",
            category="Cards",
            labels={"card": "Data card"},
        ),
    log:
        log_of("write_cards"),
    localrule: True
    resources:
        mem_mb=mem_mb("write_cards"),
        runtime=runtime("write_cards"),
    params:
        code=code("write_cards"),
        results=R,  # whose manifests say what the steps took: no input, since times change nothing
        settings=json.dumps(
            {
                "study": config["study"],
                "dataset": config["dataset"],
                "synthetic": config["synthetic"],
                "partial": PARTIAL,
            }
        ),
    shell:
        """
        {PYTHON} -m mammo_steps.write_cards \
            --flow {input.flow:q} --images {input.images:q} --auc {input.auc:q} \
            --evaluation {input.evaluation:q} --localisation {input.localisation:q} \
            --runs {input.runs:q} --results {params.results:q} --settings {params.settings:q} \
            --model-card {output.model:q} --data-card {output.data:q} &>{log:q}
        """
