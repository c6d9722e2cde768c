"""The serving process: Check from the store.

Owns: the engine, the decision cache, the gRPC methods.
Imported by: nobody; it is started as a process of its own.
Invariant: no network and no write on the path of an answer; it opens the store read-only and works while the main process is away.
"""

import os
from typing import Final

EXPERIMENTS: Final = "GRPC_EXPERIMENTS"
NO_ENGINE: Final = "-event_engine_listener"

# Read by grpcio when it is imported, so it stands before everything else. Since 1.80 grpcio's listeners belong to an engine with threads of its
# own, and each message crosses from one to another and back; without it, whoever polls the completion queue reads the socket itself, as
# until 1.79. Measured: two thirds of the processor time per call, and no context switch (docs/adr/0050).
os.environ.setdefault(EXPERIMENTS, NO_ENGINE)
