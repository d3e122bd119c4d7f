"""What a backbone computes per image, and how many weights it has, without PyTorch: the Snakefile reads this."""

# name -> (GFLOP of the forward pass per megapixel of input, millions of weights). From torchvision's own tables
# (`_ops`, `num_params`: three colours, 1000 classes), a multiplication and an addition counted apart. Ours see one
# grey value and have two classes, so they take a little less: ResNet-101 309 instead of 311, 42.5 million weights
# instead of 44.5 (torch.utils.flop_counter). resnet10 was counted that way.
BACKBONES: dict[str, tuple[float, float]] = {
    "resnet10": (32.3, 4.9),
    "resnet18": (72.3, 11.7),
    "resnet34": (146.0, 21.8),
    "resnet50": (163.0, 25.6),
    "resnet101": (310.9, 44.5),
    "resnet152": (458.9, 60.2),
    "resnext50_32x4d": (168.6, 25.0),
    "resnext101_32x8d": (654.3, 88.8),
    "resnext101_64x4d": (616.2, 83.5),
    "wide_resnet50_2": (454.3, 68.9),
    "wide_resnet101_2": (906.9, 126.9),
    "densenet121": (113.0, 8.0),
    "densenet161": (308.0, 28.7),
    "densenet169": (133.9, 14.1),
    "densenet201": (171.0, 20.0),
    "efficientnet_b0": (15.4, 5.3),
    "efficientnet_b1": (23.9, 7.8),
    "efficientnet_b2": (26.2, 9.1),
    "efficientnet_b3": (40.6, 12.2),
    "efficientnet_b4": (60.9, 19.3),
    "efficientnet_b5": (98.7, 30.4),
    "efficientnet_b6": (136.8, 43.0),
    "efficientnet_b7": (209.7, 66.3),
    "efficientnet_v2_s": (113.5, 21.5),
    "efficientnet_v2_m": (213.4, 54.1),
    "efficientnet_v2_l": (486.8, 118.5),
    "convnext_tiny": (177.6, 28.6),
    "convnext_small": (346.1, 50.2),
    "convnext_base": (612.0, 88.6),
    "convnext_large": (1369.6, 197.8),
    "regnet_x_400mf": (16.5, 5.5),
    "regnet_x_800mf": (31.9, 7.3),
    "regnet_x_1_6gf": (63.9, 9.2),
    "regnet_x_3_2gf": (126.6, 15.3),
    "regnet_x_8gf": (318.7, 39.6),
    "regnet_x_16gf": (635.4, 54.3),
    "regnet_x_32gf": (1265.0, 107.8),
    "regnet_y_400mf": (16.0, 4.3),
    "regnet_y_800mf": (33.2, 6.4),
    "regnet_y_1_6gf": (64.3, 11.2),
    "regnet_y_3_2gf": (126.6, 19.4),
    "regnet_y_8gf": (337.7, 39.4),
    "regnet_y_16gf": (634.2, 83.6),
    "regnet_y_32gf": (1286.7, 145.0),
    "regnet_y_128gf": (5080.4, 644.8),
    "mobilenet_v2": (12.0, 3.5),
    "mobilenet_v3_small": (2.3, 2.5),
    "mobilenet_v3_large": (8.6, 5.5),
    "shufflenet_v2_x0_5": (1.6, 1.4),
    "shufflenet_v2_x1_0": (5.8, 2.3),
    "shufflenet_v2_x1_5": (11.8, 3.5),
    "shufflenet_v2_x2_0": (23.2, 7.4),
    "mnasnet0_5": (4.1, 2.2),
    "mnasnet0_75": (8.6, 3.2),
    "mnasnet1_0": (12.5, 4.4),
    "mnasnet1_3": (21.0, 6.3),
    "vgg11": (303.3, 132.9),
    "vgg13": (450.7, 133.0),
    "vgg16": (616.6, 138.4),
    "vgg19": (782.5, 143.7),
    "vgg11_bn": (303.3, 132.9),
    "vgg13_bn": (450.7, 133.1),
    "vgg16_bn": (616.6, 138.4),
    "vgg19_bn": (782.5, 143.7),
}


def forward_gflop(backbone: str, input_px: int) -> float:
    """GFLOP of one forward pass of one image of `input_px` x `input_px` pixels.

    ResNet-101 at 976 pixels: 296. A training step takes three times as much, a saliency map (frozen weights) twice.
    """
    return BACKBONES[backbone][0] * input_px**2 / 1e6


def weight_bytes(backbone: str) -> float:
    """Of the backbone's weights in fp32."""
    return BACKBONES[backbone][1] * 4e6
