from . import _C as _C
