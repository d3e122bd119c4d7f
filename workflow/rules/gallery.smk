# The exam gallery; what `snakemake --report` shows of it.


def listed(path, entry_of, wanted):
    """What a list of figures or exams (JSON) says of one of them; asked when Snakemake's report is made."""
    return next(
        entry
        for entry in json.loads(Path(path).read_text())
        if entry_of(entry) == wanted
    )


def exam(wildcards):
    return listed(
        f"{E}/report/gallery/gallery.json",
        lambda entry: entry["number"],
        int(wildcards.exam),
    )


def kind_of_exam(wildcards):
    from mammo_steps.core.gallery import TITLES  # (slow to import)

    return TITLES[exam(wildcards)["kind"]]


rule explain_exams:
    input:
        scores=f"{E}/scores/exams.parquet",
        images=f"{R}/cohort/images.parquet",
        labels=f"{R}/cohort/labels.parquet",
        models=expand(f"{R}/holistic/{{fold}}/model.safetensors", fold=SCORED_FOLDS),
        rois=expand(
            f"{R}/attention/{{fold}}/rois/{{shard}}.parquet",
            fold=SCORED_FOLDS,
            shard=SHARDS,
        ),
        shards=HOLISTIC_SHARDS,
    output:
        maps=f"{E}/report/saliency.npz",
    log:
        log_of("explain_exams"),
    resources:
        gpu=GPUS,
        mem_mb=mem_mb("explain_exams"),
        runtime=runtime("explain_exams"),
    params:
        code=code("explain_exams"),
        settings=json.dumps(
            config["explain_exams"]
            | {
                "reader_recall_from": config["evaluate"]["statistics"][
                    "reader_recall_from"
                ]
            }
        ),
        compute=COMPUTE,
        top_fraction=config["locate_coa"]["top_fraction"],
        results=R,
        shards=f"{SHARD_ROOT}/shards",
    shell:
        """
        {PYTHON} -m mammo_steps.explain_exams \
            --scores {input.scores:q} --images {input.images:q} --labels {input.labels:q} \
            --results {params.results:q} --shards {params.shards:q} \
            --top-fraction {params.top_fraction} --settings {params.settings:q} \
            --compute {params.compute:q} --job {JOB:q} --maps {output.maps:q} &>{log:q}
        """


rule draw_gallery:
    input:
        maps=f"{E}/report/saliency.npz",
    output:
        gallery=report(
            directory(f"{E}/report/gallery"),
            patterns=["{exam}_sheet.png"],
            caption="../report/exam.rst",
            category="Exams",
            subcategory=kind_of_exam,
            labels=lambda wildcards: {
                "exam": str(int(wildcards.exam)),
                "outcome": exam(wildcards)["outcome"].replace("_", "-"),
            },
        ),
    log:
        log_of("draw_gallery"),
    localrule: True
    resources:
        mem_mb=mem_mb("draw_gallery"),
        runtime=runtime("draw_gallery"),
    params:
        code=code("draw_gallery"),
        settings=json.dumps(
            {
                "study": config["study"],
                "synthetic": config["synthetic"],
                "partial": PARTIAL,
            }
        ),
    shell:
        """
        {PYTHON} -m mammo_steps.draw_gallery \
            --maps {input.maps:q} --settings {params.settings:q} --gallery {output.gallery:q} &>{log:q}
        """
