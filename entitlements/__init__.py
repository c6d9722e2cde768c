"""What both services mean by the same words.

Owns: the contract (`v1`, generated), deciding (`policy`), the seam to bytes (`wire`), the policy store (`store`), process plumbing
(`runtime`) and the application's client (`client`). Knows neither service.
Imported by: everything above it.
Invariant: imports point down, `client` -> `runtime | wire | store` -> `policy | v1`; nothing here imports `sidecar`, `control` or `demo`.
"""
