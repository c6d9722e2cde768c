"""The edges of the control plane: REST for people and systems, gRPC for sidecars.

Owns: authentication, request and reply models, problem+json, the FeedService.
Imported by: `control.app`.
Invariant: no business rule; a request becomes one command or one query.
"""
