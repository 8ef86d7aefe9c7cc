# Photographs from a server into a folder, before the workflow itself is run:
#
#     snakemake -s workflow/fetch.smk --config list=urls.txt folder=photographs/Carabus
#
# urls.txt has an address a line. Snakemake's storage plugins fetch them: snakemake-storage-plugin-http for http:// and
# https://, -s3 for s3://, and so on. What is there already is not fetched again.
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

urls = {}
for number, line in enumerate(Path(config["list"]).read_text(encoding="utf-8").splitlines(), 1):
    if url := line.strip():
        name = PurePosixPath(unquote(urlsplit(url).path)).name
        if urls.setdefault(name, url) != url or not name:
            other = f"the same file name as {urls[name]}" if name else "no file name"
            raise WorkflowError(
                f"{config['list']}, line {number}: {url} has {other}; every photograph needs one of its own"
            )


rule fetched:
    input:
        expand("{folder}/{name}", folder=config["folder"], name=urls),


rule fetch:
    input:
        lambda wildcards: storage(urls[wildcards.name]),
    output:
        f"{config['folder']}/{{name}}",
    retries: 3
    shell:
        "cp {input:q} {output:q}"
