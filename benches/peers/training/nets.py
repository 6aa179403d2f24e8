"""The five systems' nets in plain PyTorch modules, for eager execution.

For: a fair other side in the training-step comparison; written as a PyTorch user would, under fastai's names, so that
the same weights load into both. Not a reference: that is what the golden files are for.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

MK_KERNELS = [[3, 5], [3, 5, 7, 9], [3, 5, 7, 9], [3, 5]]
LAYERS = [3, 4, 6, 3]
WIDTHS = [64, 128, 256, 512]


class MixedConv(nn.Module):
    """Equal parts of the channels, a kernel each."""

    def __init__(self, ni, nf, kernels, stride=1, groups=1):
        super().__init__()
        parts = len(kernels)
        self.sizes = [ni // parts + (ni % parts if part == 0 else 0) for part in range(parts)]
        outs = [nf // parts + (nf % parts if part == 0 else 0) for part in range(parts)]
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)
            for i, o, k in zip(self.sizes, outs, kernels))

    def forward(self, x):
        return torch.cat([conv(part) for conv, part in zip(self.convs, x.split(self.sizes, 1))], 1)


class FastDeconv(nn.Module):
    """Network deconvolution (Ye et al. 2020), ungrouped, channels below 64: one block."""

    def __init__(self, ni, nf, kernel=3, stride=1, iterations=5, eps=1e-5, momentum=0.1, sampling_stride=3):
        super().__init__()
        self.kernel, self.stride, self.iterations = kernel, stride, iterations
        self.eps, self.momentum, self.sampling = eps, momentum, sampling_stride * stride
        self.weight = nn.Parameter(torch.empty(nf, ni, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        features = ni * kernel * kernel
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_deconv", torch.eye(features))
        self.register_buffer("eye", torch.eye(features), persistent=False)

    def inverse_root(self, covariance):
        norm = covariance.norm()
        y, z = covariance / norm, self.eye
        for _ in range(self.iterations):
            t = 0.5 * (3.0 * self.eye - z @ y)
            y, z = y @ t, t @ z
        return z / norm.sqrt()

    def forward(self, x):
        if self.training:
            patches = F.unfold(x, self.kernel, padding=self.kernel // 2, stride=self.sampling)
            rows = patches.transpose(1, 2).reshape(-1, patches.shape[1])
            mean = rows.mean(0)
            rows = rows - mean
            deconv = self.inverse_root(torch.addmm(self.eye, rows.t(), rows, beta=self.eps, alpha=1 / rows.shape[0]))
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_deconv.lerp_(deconv, self.momentum)
        else:
            mean, deconv = self.running_mean, self.running_deconv
        weight = self.weight.flatten(1) @ deconv
        bias = self.bias - weight @ mean
        return F.conv2d(x, weight.view_as(self.weight), bias, self.stride, self.kernel // 2)


class MaxBlurPool(nn.Module):
    """kornia's of early 2020: maximum at stride 1, reflected 5x5 binomial blur, halved by 2x2 means."""

    def __init__(self, channels):
        super().__init__()
        taps = torch.tensor([1.0, 4, 6, 4, 1]) / 16
        blur = torch.outer(taps, taps).repeat(channels, 1, 1, 1)
        self.register_buffer("blur", blur, persistent=False)

    def forward(self, x):
        x = F.pad(F.max_pool2d(x, 3, 1, 1), [2, 2, 2, 2], mode="reflect")
        return F.avg_pool2d(F.conv2d(x, self.blur, groups=x.shape[1]), 2)


class SelfAttention(nn.Module):
    """fastai's SimpleSelfAttention."""

    def __init__(self, channels):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))
        self.conv = nn.utils.spectral_norm(nn.Conv1d(channels, channels, 1, bias=False))

    def forward(self, x):
        positions = x.flatten(2)
        out = torch.bmm(torch.bmm(positions, positions.transpose(1, 2)), self.conv(positions))
        return (self.gamma * out + positions).view_as(x)


class SqueezeExcite(nn.Module):
    """Channels scaled by what their means say."""

    def __init__(self, channels, reduction):
        super().__init__()
        hidden = math.ceil(channels // reduction / 8) * 8
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Sequential(nn.Conv2d(channels, hidden, 1), nn.Mish()),
            nn.Sequential(nn.Conv2d(hidden, channels, 1), nn.Sigmoid()))

    def forward(self, x):
        return x * self.layers(x)


def conv_layer(ni, nf, kernels, stride=1, groups=1, act=True):
    """Convolution, BatchNorm, activation."""
    if len(kernels) == 1:
        conv = nn.Conv2d(ni, nf, kernels[0], stride, kernels[0] // 2, groups=groups, bias=False)
    else:
        conv = MixedConv(ni, nf, kernels, stride, groups)
    return nn.Sequential(conv, nn.BatchNorm2d(nf), *[nn.Mish()] * act)


class ResBlock(nn.Module):
    """act(branch(x) + shortcut(x))."""

    def __init__(self, branch, ni, nf, stride):
        super().__init__()
        self.convpath = nn.Sequential(*branch)
        shortcut = [] if stride == 1 else [nn.AvgPool2d(2, ceil_mode=True)]
        self.idpath = nn.Sequential(*shortcut, *([] if ni == nf else [conv_layer(ni, nf, [1], act=False)]))
        self.act = nn.Mish()

    def forward(self, x):
        return self.act(self.convpath(x) + self.idpath(x))


def bottleneck(ni, width, stride, stage):
    """Systems 4 and 5."""
    return [conv_layer(ni, width, [1]), conv_layer(width, width, [3], stride),
            conv_layer(width, 4 * width, [1], act=False)]


def grouped_basic(ni, width, stride, stage, groups=64, reduction=8):
    """System 3: SEResNeXt with expansion 1."""
    inner = width * 4 // 64 * groups
    return [conv_layer(ni, inner, [3], stride, groups), conv_layer(inner, width, [3], act=False),
            SqueezeExcite(width, reduction)]


def multi_kernel(variant):
    """Systems 1 (variant F) and 2 (variant E)."""
    def branch(ni, width, stride, stage, groups=32, reduction=16):
        kernels, inner = MK_KERNELS[stage], width * 4 // 64 * groups
        few = len(kernels) <= 2
        layers = [conv_layer(ni, inner, [1] if few else [3, 5]), conv_layer(inner, inner, kernels, stride, groups)]
        layers += [SqueezeExcite(inner, reduction)] if few and variant == "E" else []
        layers += [conv_layer(inner, 4 * width, [1], act=False)]
        return layers + ([SqueezeExcite(4 * width, reduction)] if few and variant == "F" else [])
    return branch


def deconv_layer(ni, nf, stride, weight_norm):
    """FastDeconv and activation."""
    deconv = FastDeconv(ni, nf, stride=stride)
    return nn.Sequential(nn.utils.weight_norm(deconv) if weight_norm else deconv, nn.Mish())


def xresnet(stem, pool, branch, expansion, outputs):
    """Stem, pool, four stages with self-attention at the end of the first, head."""
    stages, ni = [], 64
    for stage, (width, count) in enumerate(zip(WIDTHS, LAYERS)):
        nf, blocks = width * expansion, []
        for index in range(count):
            stride = 2 if stage and not index else 1
            layers = branch(ni, width, stride, stage)
            if stage == 0 and index == count - 1:
                layers.append(SelfAttention(nf))
            blocks.append(ResBlock(layers, ni, nf, stride))
            ni = nf
        stages.append(nn.Sequential(*blocks))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.0), nn.Linear(ni, outputs)]
    return nn.Sequential(*stem, pool, *stages, *head)


def conv_stem(widths):
    a, b, c = widths
    return [conv_layer(3, a, [3], 2), conv_layer(a, b, [3]), conv_layer(b, c, [3])]


def deconv_stem(widths, weight_norm):
    a, b, c = widths
    return [deconv_layer(3, a, 2, weight_norm), deconv_layer(a, b, 1, weight_norm), deconv_layer(b, c, 1, weight_norm)]


def system(number):
    """(net, label smoothing, learning rate) of a row of the leaderboard."""
    pool = nn.MaxPool2d(3, 2, 1)
    if number == 1:
        return xresnet(deconv_stem([24, 32, 64], True), pool, multi_kernel("F"), 4, 104), 0.1, 8e-3
    if number == 2:
        return xresnet(conv_stem([24, 32, 64]), pool, multi_kernel("E"), 4, 104), 0.1, 8e-3
    if number == 3:
        return xresnet(deconv_stem([32, 32, 64], False), MaxBlurPool(64), grouped_basic, 1, 104), 0.05, 1e-2
    net = xresnet(conv_stem([32, 32, 64]), pool, bottleneck, 4, 1000)
    return net, *{4: (0.0, 6e-3), 5: (0.1, 1e-2)}[number]
