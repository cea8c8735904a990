"""torch.optim: a loop over the tensors, foreach and fused."""

from work import BETAS, DECAY, EPS, LR, MOMENTUM


def players(work, threads):
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(threads)
    for how in ("fused", "foreach", "for-loop"):
        # in the same kind of memory as for the others
        params, grads = work.copies()
        tensors = [torch.from_numpy(w).requires_grad_() for w in params]
        for x, g in zip(tensors, grads, strict=True):
            x.grad = torch.from_numpy(g)
        flags = {"fused": how == "fused", "foreach": how == "foreach"}
        options = {"lr": LR, "weight_decay": DECAY, **flags}
        if work.kind == "adamw":
            made = torch.optim.AdamW(tensors, betas=BETAS, eps=EPS, **options)
        else:
            momentum = MOMENTUM if work.kind == "momentum" else 0.0
            made = torch.optim.SGD(tensors, momentum=momentum, **options)
        yield f"torch {how}", made.step, lambda x=tensors: [t.detach().numpy() for t in x]
