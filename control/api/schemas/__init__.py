"""What REST requests and replies look like; /openapi.json is made from these models.

Owns: one pydantic model for each body, strict and closed (an unknown field is an error), in the words of the catalogue document.
Imported by: `control.api`.
Invariant: shape only; whether a request makes sense is decided by `control.domain`.
"""
