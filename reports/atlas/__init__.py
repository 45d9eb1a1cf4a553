"""The atlas: all receptive fields of a network as small multiples, linked with their numbers and their lives, in a browser."""

from reports.atlas.layout import atlas, atlas_of_analysis

__all__ = ["atlas", "atlas_of_analysis"]
