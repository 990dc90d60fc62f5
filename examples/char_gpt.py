"""A character-level GPT: trains on a text file, then writes text of its own.

    python examples/char_gpt.py                       # the documentation of this project
    python examples/char_gpt.py --text novel.txt --steps 5000 --width 192 --layers 6

The network is a decoder-only transformer: token and position embeddings, blocks of causal self-attention and
a two-layer network, each behind a layer norm (Radford et al. 2019, Language models are unsupervised multitask
learners).
"""

from __future__ import annotations

import argparse
import pathlib
import time

import minitorch as torch
import minitorch.nn.functional as F
from minitorch import nn


class Attention(nn.Module):
    """Causal self-attention with several heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        shape = (batch, length, self.heads, width // self.heads)
        q, k, v = (part.view(shape).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=p, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Attention, then a two-layer network, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(dropout)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Scores of the next character at each position."""

    def __init__(
        self, vocabulary: int, context: int, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, index: torch.Tensor) -> torch.Tensor:
        places = torch.arange(index.shape[1], device=index.device)
        x = self.tokens(index) + self.positions(places)
        return self.head(self.norm(self.blocks(x)))

    @torch.no_grad()
    def write(self, start: torch.Tensor, count: int, temperature: float) -> list[int]:
        """The numbers of ``count`` characters that follow ``start``."""
        self.eval()
        text = start.tolist()
        for _ in range(count):
            index = torch.tensor([text[-self.context :]])
            scores = self(index)[0, -1] / temperature
            text.append(torch.multinomial(scores.softmax(0), 1).item())
        return text[len(start) :]


def default_text() -> str:
    """The project's own documentation and Python sources."""
    root = pathlib.Path(__file__).resolve().parent.parent
    files = [*sorted(root.glob("*.md")), *sorted(root.glob("docs/**/*.md"))]
    files += sorted(root.glob("minitorch/**/*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--text", default=None, help="text file; by default this project's documentation"
    )
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--write", type=int, default=400, help="characters to write at the end")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a tiny network for 60 steps")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.context, options.width, options.layers = 60, 32, 48, 2
        options.write = 80

    torch.manual_seed(options.seed)
    if options.text is not None:
        text = pathlib.Path(options.text).read_text(encoding="utf-8")
    else:
        text = default_text()
    characters = sorted(set(text))
    number = {c: i for i, c in enumerate(characters)}
    data = torch.tensor([number[c] for c in text])
    split = int(0.9 * len(data))
    train, held_out = data[:split], data[split:]
    if len(held_out) <= options.context + 1:
        parser.error(
            f"the text has {len(text)} characters, too few for a context of {options.context}"
        )

    def batch(source: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        starts = torch.randint(0, len(source) - options.context, (size, 1))
        index = starts + torch.arange(options.context + 1)
        chunk = source[index]
        return chunk[:, :-1], chunk[:, 1:]

    model = GPT(
        len(characters),
        options.context,
        options.width,
        options.layers,
        options.heads,
        options.dropout,
    )
    count = sum(p.numel() for p in model.parameters())
    print(f"{len(text)} characters, {len(characters)} different; {count} parameters")

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores = model(x)
        return F.cross_entropy(scores.reshape(-1, len(characters)), y.reshape(-1))

    @torch.no_grad()
    def held_out_loss() -> float:
        model.eval()
        losses = [loss_of(*batch(held_out, 16)).item() for _ in range(8)]
        model.train()
        return sum(losses) / len(losses)

    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=options.lr, total_steps=options.steps, pct_start=0.1
    )
    start = time.perf_counter()
    model.train()
    for step in range(options.steps):
        loss = loss_of(*batch(train, options.batch_size))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        if step % max(options.steps // 10, 1) == 0 or step == options.steps - 1:
            print(
                f"step {step:5d}  training loss {loss.item():.4f}  held-out loss {held_out_loss():.4f}  "
                f"{time.perf_counter() - start:.1f} s",
                flush=True,
            )
    opening = train[: options.context]
    written = model.write(opening, options.write, options.temperature)
    print("--- written by the network:")
    print("".join(characters[i] for i in written))


if __name__ == "__main__":
    main()
