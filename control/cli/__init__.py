"""The control plane's commands: apply, audit, keys, feed, and the server itself.

Owns: reading arguments and files, printing, exit codes.
Imported by: `control.__main__` and `demo.console`.
Invariant: a command changes the control plane only through REST or through the handlers, never by SQL of its own.
"""
