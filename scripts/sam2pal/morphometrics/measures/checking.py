"""Whether the options of measuring name what there is."""

from collections.abc import Collection

from sam2pal.config.measurement import MeasurementSection
from sam2pal.io.errors import InputError
from sam2pal.io.spelling import nearest
from sam2pal.morphometrics.measures.dictionary import NAMES, SPECIMEN, chosen
from sam2pal.morphometrics.measures.indices import Index, parse_index


def check_structures(options: MeasurementSection, structures: Collection[str]) -> list[Index]:
    """Check every name in the options against measures and structures; return the parsed indices.

    Raises:
        InputError: an unknown measure or structure, with the nearest right one; an index that is not
            understood or that uses a measure that is left out.
    """
    if SPECIMEN in structures:
        raise InputError(
            f"a structure is named '{SPECIMEN}', which stands for the whole specimen in the "
            "results; give it another name, such as body, here and in the annotations"
        )
    for name in options.leave_out:
        if name not in NAMES:
            raise InputError(
                f"measurement: leave_out: unknown measure '{name}'{nearest(name, NAMES)}"
            )
    for key in ("body", "curved"):
        for name in getattr(options, key):
            if name not in structures:
                raise InputError(
                    f"measurement: {key}: unknown structure '{name}'{nearest(name, structures)}; "
                    f"known: {', '.join(structures)}"
                )
    parsed, measured = [], {measure.name for measure in chosen(options)}
    for name, expression in options.indices.items():
        if not str(name).strip() or name in NAMES:
            raise InputError(
                f"measurement: indices: '{name}' cannot be the name of an index"
                + (": it is the name of a measure; rename the index" if name in NAMES else "")
            )
        if name in structures:
            raise InputError(
                f"measurement: indices: '{name}' cannot be the name of an index: it is the name of a"
                " structure; rename the index"
            )
        index = parse_index(name, expression, structures)
        for structure, measure in index.names:
            if measure not in measured:
                raise InputError(
                    f"index '{name}' uses {structure}.{measure}, which is left out of measuring"
                )
        parsed.append(index)
    return parsed
