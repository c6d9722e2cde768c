"""The composition of everything: the console script, `demo` and `up`.

Owns: the dispatcher of the `entitlements` command, and starting Valkey, the control plane, sidecars and a sample product service together.
Imported by: nobody; this is the topmost layer and the only one that may import both services.
Invariant: nothing here is needed in production; a sub-command's module is imported only when it is called.
"""
