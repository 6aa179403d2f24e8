"""fastai's ranger with torch._foreach_ operations, as torch.optim's own foreach optimisers are written.

For: the PyTorch side of the training-step comparison; torch has no Ranger, and fastai's steps tensor by tensor, which
is slower. Same arithmetic as fastai's: Lookahead(k=6, alpha=0.5) over RAdam(betas (.95, .99), eps 1e-6), decay 0.01.
"""

import torch


class Ranger:
    """Steps `net`'s parameters; no decay for norms and biases."""

    def __init__(self, net, lr, betas=(0.95, 0.99), eps=1e-6, wd=0.01, k=6, alpha=0.5):
        self.lr, self.betas, self.eps, self.wd, self.k, self.alpha = lr, betas, eps, wd, k, alpha
        self.count = 0
        norms = {id(p) for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d) for p in m.parameters()}
        self.params = list(net.parameters())
        self.decaying = [p for name, p in net.named_parameters() if id(p) not in norms and not name.endswith("bias")]
        self.mean = [torch.zeros_like(p) for p in self.params]
        self.square = [torch.zeros_like(p) for p in self.params]
        self.slow = None

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        if self.slow is None:
            self.slow = [p.clone() for p in self.params]
        (beta1, beta2), self.count = self.betas, self.count + 1
        t, grads = self.count, [p.grad for p in self.params]
        torch._foreach_mul_(self.decaying, 1 - self.lr * self.wd)
        torch._foreach_lerp_(self.mean, grads, 1 - beta1)
        torch._foreach_mul_(self.square, beta2)
        torch._foreach_addcmul_(self.square, grads, grads, 1 - beta2)
        limit = 2 / (1 - beta2) - 1
        samples = limit - 2 * t * beta2**t / (1 - beta2**t)
        step = -self.lr / (1 - beta1**t)
        if samples > 5:
            step *= (((samples - 4) * (samples - 2) * limit) / ((limit - 4) * (limit - 2) * samples)) ** 0.5
            root = torch._foreach_sqrt(self.square)
            torch._foreach_div_(root, (1 - beta2**t) ** 0.5)
            torch._foreach_add_(root, self.eps)
            torch._foreach_addcdiv_(self.params, self.mean, root, step)
        else:
            torch._foreach_add_(self.params, self.mean, alpha=step)
        if self.count % self.k == 0:
            torch._foreach_lerp_(self.slow, self.params, self.alpha)
            torch._foreach_copy_(self.params, self.slow)
