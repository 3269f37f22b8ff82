import numpy as np
import pytest

from mltu.annotations.images import Image
from mltu.augmentors import (
    AUGMENTORS,
    RandomBrightness,
    RandomErodeDilate,
    RandomRotate,
    RandomSaltAndPepper,
    RandomSlant,
    RandomStretch,
)


@pytest.mark.parametrize("name", AUGMENTORS)
@pytest.mark.parametrize("color", [False, True])
def test_changes_the_picture_and_keeps_its_kind(name, color, line_image):
    picture = np.dstack([line_image] * 3) if color else line_image
    before = picture.copy()
    changed, label = AUGMENTORS[name](random_chance=1)(picture, "text", rng=np.random.default_rng(5))
    assert label == "text"
    assert (changed.dtype, changed.ndim) == (picture.dtype, picture.ndim)
    assert changed.shape != picture.shape or not np.array_equal(changed, picture)
    assert np.array_equal(picture, before)  # a cached picture must not be written into
    if name != "RandomSaltAndPepper":
        assert changed.std() > 10  # the writing is still there


@pytest.mark.parametrize("name", AUGMENTORS)
def test_the_seed_decides(name, line_image):
    def pictures(seed):
        augmentor = AUGMENTORS[name](random_chance=0.5, seed=seed)
        return [augmentor(line_image, "")[0].tobytes() for _ in range(8)]

    assert pictures(1) == pictures(1)
    assert pictures(1) != pictures(2)


@pytest.mark.parametrize("name", AUGMENTORS)
def test_images_are_updated(name, line_image):
    image = Image(line_image)
    result, _ = AUGMENTORS[name](random_chance=1)(image, "", rng=np.random.default_rng(5))
    assert result is image
    assert image.shape[-1] == 3


def test_chance_zero_never_acts_and_one_always(line_image):
    never, always = RandomSlant(random_chance=0), RandomSlant(random_chance=1)
    for _ in range(20):
        assert never(line_image, "")[0] is line_image
        assert always(line_image, "")[0].shape[1] >= line_image.shape[1]
    with pytest.raises(ValueError, match="random_chance"):
        RandomSlant(random_chance=1.5)


def test_new_ground_has_the_papers_colour(line_image):
    for augmentor in (RandomRotate(1, angle=(5, 5)), RandomSlant(1, angle=20)):
        changed = augmentor(line_image, "", rng=np.random.default_rng(1))[0]
        assert changed.shape[1] > line_image.shape[1]
        assert abs(int(changed[0, 0]) - 230) <= 1
        assert abs(int(changed[-1, -1]) - 230) <= 1


def test_erosion_and_dilation_change_how_much_ink_there_is(line_image):
    changed = [RandomErodeDilate(1)(line_image, "", rng=np.random.default_rng(seed))[0] for seed in range(9)]
    ink = [int((255 - image).sum()) for image in changed]
    before = int((255 - line_image).sum())
    assert min(ink) < before < max(ink)
    with pytest.raises(ValueError, match="1 x 1"):
        RandomErodeDilate(kernel_size=(1, 1))


def test_brightness_does_not_wrap_round(line_image):
    for seed in range(10):
        changed = RandomBrightness(1, delta=255)(line_image, "", rng=np.random.default_rng(seed))[0].astype(int)
        difference = changed - line_image
        assert (difference >= 0).all() or (difference <= 0).all()


def test_amounts_are_bounds(line_image):
    changed = RandomSaltAndPepper(1, amount=0.1)(line_image, "", rng=np.random.default_rng(0))[0]
    assert 0 < (changed != line_image).mean() <= 0.1
    stretch = RandomStretch(1, scale=(0.5, 1.5))
    widths = [stretch(line_image, "")[0].shape[1] for _ in range(20)]
    assert min(widths) >= 100
    assert max(widths) <= 300
    assert len(set(widths)) > 5
