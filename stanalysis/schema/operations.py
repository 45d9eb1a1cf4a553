"""Variables of what a trained network can still do after operations on it."""

from __future__ import annotations

from stanalysis.schema.variables import Variable, declared

_SETTING = (..., "setting", "draw")

OPERATED = declared(
    Variable("test_accuracy", _SETTING, "f", "1", "test accuracy after the operation"),
    Variable("validation_accuracy", _SETTING, "f", "1", "validation accuracy after the operation"),
    Variable("dose", _SETTING, "f", "1", "energy of the change of the fields as the input sees it, relative to their own"),
    Variable("n_moved", _SETTING, "f", "1", "synapses that were changed"),
    Variable("moved", _SETTING, "f", "1", "share of the magnitude of the weights that was moved"),
    Variable("grouping", _SETTING, "f", "1", "grouping of signs after the operation"),
    Variable("buffer", _SETTING, "f", "steps x neurons", "memory of the delay buffers"),
)
