"""The errors that a user can mend: each message says what, where, found, wanted, and what to do."""


class QCompileError(Exception):
    """Something in the input, the model or the machine is not as it must be; the message says how to mend it."""


class ModelError(QCompileError):
    """An ONNX model breaks a rule of ours or of ONNX."""


class DataError(QCompileError):
    """A data file is missing, damaged or not of the format that was asked for."""


class RecipeError(QCompileError):
    """A recipe has an unknown key, a value out of range, or a pattern that matches nothing."""
