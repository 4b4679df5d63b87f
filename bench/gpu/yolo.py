# SPDX-License-Identifier: Apache-2.0
"""YOLOv5s (version 7.0) as a PyTorch module, boxes decoded: f32[batch,3,640,640] -> f32[batch,25200,85]; 7,235,389 parameters."""
import torch
from torch import nn

ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))
STRIDES = (8, 16, 32)
FIELDS = 85  # four of the box, whether there is an object, 80 classes


class Unit(nn.Sequential):
    def __init__(self, inputs, outputs, kernel, stride=1, padding=None):
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, bias=False),
                         nn.BatchNorm2d(outputs, eps=1e-3), nn.SiLU(inplace=True))


class Bottleneck(nn.Module):
    def __init__(self, width, shortcut):
        super().__init__()
        self.body, self.shortcut = nn.Sequential(Unit(width, width, 1), Unit(width, width, 3)), shortcut

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class C3(nn.Module):
    def __init__(self, inputs, width, repeats, shortcut=True):
        super().__init__()
        half = width // 2
        self.left = nn.Sequential(Unit(inputs, half, 1), *(Bottleneck(half, shortcut) for _ in range(repeats)))
        self.right, self.join = Unit(inputs, half, 1), Unit(width, width, 1)

    def forward(self, x):
        return self.join(torch.cat((self.left(x), self.right(x)), 1))


class Pyramid(nn.Module):
    """SPPF: three poolings in a row, all four stages joined."""

    def __init__(self, width):
        super().__init__()
        self.first, self.last, self.pool = Unit(width, width // 2, 1), Unit(width * 2, width, 1), nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        parts = [self.first(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.last(torch.cat(parts, 1))


class Detect(nn.Module):
    def __init__(self, widths, size):
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(width, 3 * FIELDS, 1) for width in widths)
        for level, stride in enumerate(STRIDES):
            cells = size // stride
            y, x = torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")
            offset = (torch.stack((x, y), -1).float() - 0.5).expand(1, 3, cells, cells, 2)
            anchor = torch.tensor(ANCHORS[level]).float().view(1, 3, 1, 1, 2).expand(1, 3, cells, cells, 2)
            self.register_buffer(f"offset{level}", offset.clone())
            self.register_buffer(f"anchor{level}", anchor.clone())

    def forward(self, levels):
        boxes = []
        for level, (head, x) in enumerate(zip(self.heads, levels)):
            x = head(x)
            batch, _, height, width = x.shape
            x = x.view(batch, 3, FIELDS, height, width).permute(0, 1, 3, 4, 2).contiguous().sigmoid()
            xy, wh, scores = x.split((2, 2, FIELDS - 4), 4)
            xy = (xy * 2 + getattr(self, f"offset{level}")) * STRIDES[level]
            wh = (wh * 2) ** 2 * getattr(self, f"anchor{level}")
            boxes.append(torch.cat((xy, wh, scores), 4).view(batch, 3 * height * width, FIELDS))
        return torch.cat(boxes, 1)


class YoloV5s(nn.Module):
    def __init__(self, size=640):
        super().__init__()
        self.to_p3 = nn.Sequential(Unit(3, 32, 6, 2, 2), Unit(32, 64, 3, 2), C3(64, 64, 1), Unit(64, 128, 3, 2), C3(128, 128, 2))
        self.to_p4 = nn.Sequential(Unit(128, 256, 3, 2), C3(256, 256, 3))
        self.to_p5 = nn.Sequential(Unit(256, 512, 3, 2), C3(512, 512, 1), Pyramid(512), Unit(512, 256, 1))
        self.up4, self.narrow4, self.up3 = C3(512, 256, 1, False), Unit(256, 128, 1), C3(256, 128, 1, False)
        self.down4, self.join4 = Unit(128, 128, 3, 2), C3(256, 256, 1, False)
        self.down5, self.join5 = Unit(256, 256, 3, 2), C3(512, 512, 1, False)
        self.twice = nn.Upsample(scale_factor=2, mode="nearest")
        self.detect = Detect((128, 256, 512), size)

    def forward(self, images):
        p3 = self.to_p3(images)
        p4 = self.to_p4(p3)
        n5 = self.to_p5(p4)
        n4 = self.narrow4(self.up4(torch.cat((self.twice(n5), p4), 1)))
        d3 = self.up3(torch.cat((self.twice(n4), p3), 1))
        d4 = self.join4(torch.cat((self.down4(d3), n4), 1))
        d5 = self.join5(torch.cat((self.down5(d4), n5), 1))
        return self.detect((d3, d4, d5))
