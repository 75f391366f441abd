#!/usr/bin/env python3
"""zip.py BOOTSTRAP: packs a Lambda binary into BOOTSTRAP.zip. The same binary gives the same bytes."""

import sys
import zipfile
from pathlib import Path

binary = Path(sys.argv[1])
entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
entry.compress_type = zipfile.ZIP_DEFLATED
entry.create_system = 3  # Unix, for the mode below
entry.external_attr = 0o100755 << 16
with zipfile.ZipFile(binary.with_name("bootstrap.zip"), "w") as archive:
    archive.writestr(entry, binary.read_bytes(), compresslevel=9)
