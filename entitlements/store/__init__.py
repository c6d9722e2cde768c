"""The policy store: one LMDB file per sidecar.

Owns: key layout, record checksums, the reader, the writer, the re-hash.
Imported by: the sidecar (reader in serving, writer in the feed) and the client's local mode (reader).
Invariant: one writer; a change, its position and its digest land in one transaction or not at all; a reader sees one version per answer;
what a partial set holds is what the whole set holds at that position.
"""
