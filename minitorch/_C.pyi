from typing import Any

# The compiled extension binds its functions by template; what is public has its signature in Python.
TensorBase: Any
NodeBase: Any

def __getattr__(name: str) -> Any: ...
