# From the archive to shards: headers once, pixels once, whatever the labels say.


rule read_headers:
    input:
        # a folder of DICOM files is no input: its time stamp says nothing; a demo archive is made by a rule
        demo=f"{R}/demo/archive" if DEMO else [],
        metadata=METADATA,
    output:
        headers=f"{P}/intakes/{{intake}}/headers/{{chunk}}.parquet",
    log:
        log_of("read_headers", "intake", "chunk"),
    threads: config["read_headers"]["workers"]
    resources:
        mem_mb=mem_mb("read_headers"),
        runtime=runtime("read_headers"),
    params:
        code=code("read_headers", config["dataset"]),
        settings=json.dumps(config["read_headers"]["settings"]),
        archive=lambda wildcards: str(INTAKES[wildcards.intake].archive),
        n_chunks=lambda wildcards: INTAKES[wildcards.intake].n_chunks,
        dataset=config["dataset"],
        metadata=verbatim(shlex.join(["--metadata", METADATA[0]]) if METADATA else ""),
    shell:
        """
        {PYTHON} -m mammo_steps.read_headers \
            --intake {wildcards.intake} --archive {params.archive:q} \
            --chunk {wildcards.chunk} --n-chunks {params.n_chunks} --dataset {params.dataset} \
            {params.metadata} --workers {threads} --settings {params.settings:q} --headers {output.headers:q} &>{log:q}
        """


rule index_archive:
    input:
        key=KEY_FILE,
        headers=lambda wildcards: [
            f"{P}/intakes/{wildcards.intake}/headers/{chunk}.parquet"
            for chunk in range(INTAKES[wildcards.intake].n_chunks)
        ],
    output:
        index=f"{R}/intakes/{{intake}}/index.parquet",
        lists=directory(f"{P}/intakes/{{intake}}/shards"),
    log:
        log_of("index_archive", "intake"),
    localrule: True
    resources:
        mem_mb=mem_mb("index_archive"),
        runtime=runtime("index_archive"),
    params:
        code=code("index_archive"),
        n_shards=lambda wildcards: INTAKES[wildcards.intake].n_shards,
        key=KEY,
    shell:
        """
        {PYTHON} -m mammo_steps.index_archive \
            --intake {wildcards.intake} --headers {input.headers:q} {params.key} \
            --index {output.index:q} --n-shards {params.n_shards} --lists {output.lists:q} &>{log:q}
        """


def intake_of(wildcards):
    return INTAKES[wildcards.shard.rsplit("-", 1)[0]]


rule make_shards:
    input:
        demo=f"{R}/demo/archive" if DEMO else [],
        lists=lambda wildcards: f"{P}/intakes/{intake_of(wildcards).name}/shards",
    output:
        holistic=f"{R}/shards/{{shard}}/holistic.parquet",
        tiles=f"{R}/shards/{{shard}}/tiles.parquet",
        images=f"{R}/shards/{{shard}}/images.parquet",
    log:
        log_of("make_shards", "shard"),
    group:
        "shards"
    threads: config["make_shards"]["workers"]
    resources:
        mem_mb=mem_mb("make_shards"),
        runtime=runtime("make_shards"),
    params:
        code=code("make_shards", config["dataset"]),
        settings=json.dumps(config["make_shards"]["settings"]),
        archive=lambda wildcards: str(intake_of(wildcards).archive),
        dataset=config["dataset"],
    shell:
        """
        {PYTHON} -m mammo_steps.make_shards \
            --archive {params.archive:q} --list {input.lists:q}/{wildcards.shard}.csv \
            --dataset {params.dataset} --settings {params.settings:q} --workers {threads} \
            --holistic {output.holistic:q} --tiles {output.tiles:q} --images {output.images:q} &>{log:q}
        """
