"""Annotation formats, a module each; all become canonical COCO."""
