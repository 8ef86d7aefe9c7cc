"""The status of a photograph in manifests, lists and tables."""

OK, UNREADABLE, DUPLICATE, REMOVED = "ok", "unreadable", "duplicate", "removed"
NO_SPECIMEN = "no_specimen"  # of predictions: a photograph in which no specimen was found
