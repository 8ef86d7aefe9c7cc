"""Run v21 with a model whose configuration lies where v21 does not look (in Hydra's terms).

python tests/bench/peer_configured.py FOLDER [--one-mask] sam2_pal_batch_v21.py --sam2_config NAME ...

`--one-mask`: unstable masks are not replaced by those of SAM 2's other mask tokens, which the bundled
weights never learned.
"""

import runpy
import sys
from functools import partial

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from sam2 import build_sam

if __name__ == "__main__":
    GlobalHydra.instance().clear()  # of the place of sam2's own configurations
    initialize_config_dir(sys.argv[1], version_base="1.2")
    del sys.argv[:2]
    if sys.argv[0] == "--one-mask":
        del sys.argv[0]
        for name in ("build_sam2", "build_sam2_video_predictor"):
            setattr(build_sam, name, partial(getattr(build_sam, name), apply_postprocessing=False))
    runpy.run_path(sys.argv[0], run_name="__main__")
