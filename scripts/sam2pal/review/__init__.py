"""The review page of a genus and round, outlines over photographs, and contact sheets."""
