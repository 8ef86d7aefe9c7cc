"""The one exception whose message is meant for the person who runs the workflow."""


class InputError(Exception):
    """Something about the input is wrong.

    The message says which file, row or key, what was found there, and what to do about it.
    Scripts print it without a traceback and end with status 1 (`sam2pal.cli.run`).
    """
