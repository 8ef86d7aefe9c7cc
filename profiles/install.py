"""Copy a profile to where `snakemake --profile NAME` looks for it; an edited one is left alone."""

import shutil
import sys
from pathlib import Path

from platformdirs import user_config_dir


def main() -> None:
    name = sys.argv[1]
    source = Path(__file__).resolve().with_name(name) / "config.yaml"
    target = Path(user_config_dir("snakemake", "snakemake"), name, "config.yaml")
    if target.exists() and target.read_bytes() != source.read_bytes():
        print(f"== {target} is there and differs from {source}: it is left as it is.")
        print(f"   To take the new one: cp {source} {target}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    print(f"== the profile is in {target}")
    print(f"   Edit the part marked there, then: snakemake --profile {name}")


if __name__ == "__main__":
    main()
