"""The routes of /api/v1, one module for each kind of thing.

Owns: address, scope, body and reply of every operation; ROUTERS lists them in the order of the reference page.
Imported by: `control.app` and the reference page.
Invariant: a route turns a request into one command or one query and holds no rule of its own.
"""
