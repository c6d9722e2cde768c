"""Generated from proto/entitlements/v1; rebuilt by `dev.py proto`, never edited by hand."""
