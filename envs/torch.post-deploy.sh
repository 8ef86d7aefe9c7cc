#!/usr/bin/env bash
# Runs in the environment of torch.yaml once Snakemake has created it. The version is that of lock-sam2.txt.
set -euo pipefail
SAM2_BUILD_CUDA=0 python -m pip install --no-deps --no-build-isolation sam2==1.1.0
