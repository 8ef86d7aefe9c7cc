"""Is training worth it, and which? Variants on collections of real specimens, many draws of templates.

protocol = read_protocol(path)
runner = Runner(protocol, model, Encodings(model), collections, device, scratch)
store.add(*runner(run)) for every run of protocol.runs() that is not in the store
report(protocol, *store.read())
"""

from sam2pal.research.benchmark.collection import Collection
from sam2pal.research.benchmark.encodings import Encodings
from sam2pal.research.benchmark.protocol import Protocol, Run, Variant, read_protocol
from sam2pal.research.benchmark.report import report
from sam2pal.research.benchmark.running import Runner
from sam2pal.research.benchmark.store import KEY, Store, key_of

__all__ = [
    "KEY",
    "Collection",
    "Encodings",
    "Protocol",
    "Run",
    "Runner",
    "Store",
    "Variant",
    "key_of",
    "read_protocol",
    "report",
]
