"""Teaching the bundled model: drawn specimens, and real pictures with masks.

Every image of a step is encoded once and serves both as a template, whose masks are remembered, and
as a specimen, on which the structures of other images of its group are found.
"""
