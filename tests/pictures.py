"""Pictures that tests write for themselves, in the folders that "imagenet" is read from."""

import csv

import numpy as np


def write_picture(path, width=40, height=30, color=(200, 40, 90), mode="RGB"):
    """One color with a white left half."""
    from PIL import Image

    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = color
    pixels[:, : width // 2] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path, quality=95)


def write_folders(root, classes=3, train=6, val=2):
    """train/nN/I.JPEG and val/nN/I.JPEG; the pictures of a class have its color, each another size."""
    for part, count in (("train", train), ("val", val)):
        for label in range(classes):
            for place in range(count):
                color = (label * 20, 250 - label * 20, 10 * place)
                write_picture(root / part / f"n{label}" / f"{place}.JPEG", 40 + place, 36 - place, color)
    return root


def write_sample(root, count=203, classes=10):
    """0000.jpg and so on, beside labels.csv without a header, in reverse order."""
    for place in range(count):
        write_picture(root / f"{place:04}.jpg", 8, 8)
    rows = [[f"{place:04}.jpg", place % classes, f"n{place}", "a name, with a comma"] for place in range(count)]
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(reversed(rows))
    return root
