import numpy as np
import pytest

from mltu.annotations.images import Image
from mltu.augmentors import (
    AUGMENTORS,
    RandomBrightness,
    RandomElasticTransform,
    RandomErodeDilate,
    RandomGaussianBlur,
    RandomPaper,
    RandomRotate,
    RandomRuling,
    RandomSaltAndPepper,
    RandomSharpen,
    RandomSlant,
    RandomStretch,
)


@pytest.mark.parametrize("name", AUGMENTORS)
@pytest.mark.parametrize("color", [False, True])
def test_augmentors_change_the_picture_and_keep_its_kind(name, color, line_image):
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
def test_augmentors_repeat_their_changes_by_seed(name, line_image):
    def pictures(seed):
        augmentor = AUGMENTORS[name](random_chance=0.5, seed=seed)
        return [augmentor(line_image, "")[0].tobytes() for _ in range(8)]

    assert pictures(1) == pictures(1)
    assert pictures(1) != pictures(2)


@pytest.mark.parametrize("name", AUGMENTORS)
def test_augmentors_update_images_in_place(name, line_image):
    image = Image(line_image)
    result, _ = AUGMENTORS[name](random_chance=1)(image, "", rng=np.random.default_rng(5))
    assert result is image
    assert image.shape[-1] == 3


def changed_by(augmentor, image, seed=1):
    return augmentor(image, "", np.random.default_rng(seed))[0]


def test_random_chance_is_the_probability_of_a_change(line_image):
    def changes(chance):
        augmentor = RandomBrightness(random_chance=chance, seed=3)
        return sum(augmentor(line_image, "")[0] is not line_image for _ in range(400))

    assert (changes(0), changes(1)) == (0, 400)
    assert changes(0.25) == pytest.approx(100, abs=30)
    with pytest.raises(ValueError, match="random_chance"):
        RandomSlant(random_chance=1.5)


@pytest.mark.parametrize("augmentor", [RandomRotate(1, angle=(5, 5)), RandomSlant(1, angle=20)])
def test_rotate_and_slant_fill_the_background_with_the_papers_colour(augmentor, line_image):
    changed = changed_by(augmentor, line_image)
    assert changed.shape[1] > line_image.shape[1]
    assert changed[[0, -1], [0, -1]] == pytest.approx(230, abs=1)


def test_RandomErodeDilate_gives_less_and_more_ink(line_image):
    light = [changed_by(RandomErodeDilate(1), line_image, seed).mean() for seed in range(9)]
    assert min(light) < line_image.mean() < max(light)


def test_RandomBrightness_clips_instead_of_wrapping_round(line_image):
    for seed in range(10):
        changed = changed_by(RandomBrightness(1, delta=255), line_image, seed).astype(int)
        differences = changed - line_image
        assert (differences >= 0).all() or (differences <= 0).all()
        # one value for all pixels, but for those at the ends of the scale
        assert len(np.unique(differences[(changed > 0) & (changed < 255)])) <= 1


def test_RandomSaltAndPepper_changes_at_most_the_amount():
    gray = np.full((100, 200), 128, np.uint8)
    shares = []
    for seed in range(8):
        changed = changed_by(RandomSaltAndPepper(1, salt_vs_pepper=0.75, amount=0.1), gray, seed)
        salt, pepper = (changed == 255).mean(), (changed == 0).mean()
        assert (changed == 128).mean() == pytest.approx(1 - salt - pepper)
        assert 0 < salt + pepper <= 0.1
        shares.append(salt / (salt + pepper))
    assert np.mean(shares) == pytest.approx(0.75, abs=0.05)


def test_RandomStretch_keeps_the_height_and_the_range_of_widths(line_image):
    stretch = RandomStretch(1, scale=(0.5, 1.5))
    heights, widths = zip(*(stretch(line_image, "")[0].shape for _ in range(40)), strict=True)
    assert {*heights} == {40}
    assert 100 <= min(widths) < 130
    assert 270 < max(widths) <= 300


def test_RandomRotate_turns_anticlockwise_by_an_angle_of_a_range():
    image = np.full((61, 201), 255, np.uint8)
    image[29:32] = 0
    rotated = RandomRotate(1, angle=(10, 10))(image, "")[0]
    left, right = (np.flatnonzero(rotated[:, column] < 128).mean() for column in (60, 140))
    assert np.degrees(np.arctan2(left - right, 80)) == pytest.approx(10, abs=0.7)
    # all of the stroke is still there
    assert (255 - rotated.astype(int)).sum() == pytest.approx((255 - image.astype(int)).sum(), rel=0.02)


def test_RandomSlant_shears_by_at_most_the_angle_and_cuts_nothing_off(line_image):
    added = []
    for seed in range(12):
        changed = changed_by(RandomSlant(1, angle=45), line_image, seed)
        assert changed.shape[0] == 40
        added.append(changed.shape[1] - 200)
        assert (230 - changed.astype(int)).sum() == pytest.approx((230 - line_image.astype(int)).sum(), rel=0.02)
    assert 20 < max(added) <= 40


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_elastic_transform_displaces_by_the_standard_deviation(alpha):
    ramp = np.tile(np.arange(100, 180, dtype=np.uint8), (80, 1))
    moved = RandomElasticTransform.elastic_transform(ramp, alpha, 8.0, np.random.default_rng(0)).astype(int)
    differences = (moved - ramp)[12:-12, 12:-12]
    # a grey level is a pixel here; enlarging the grid averages neighbours, which takes some of the displacement
    assert 0.4 * alpha < differences.std() < 1.1 * alpha


def test_RandomRuling_never_lightens_and_leaves_most_paper(line_image):
    for seed in range(10):
        changed = changed_by(RandomRuling(1), line_image, seed)
        assert (changed <= line_image).all()
        assert 0 < (changed < line_image).mean() < 0.6


def test_RandomPaper_stays_within_light_contrast_and_grain():
    def changed(light=0.0, contrast=1.0, grain=0):
        return changed_by(RandomPaper(1, light=light, contrast=(contrast, contrast), grain=grain), paper)

    paper = np.full((64, 640), 200, np.uint8)
    paper[20:24] = 100
    assert np.array_equal(changed(), paper)
    lit = changed(light=0.25)[30:]
    assert 150 <= lit.min() < lit.max() <= 200
    assert 0 < changed(grain=8)[30:].astype(float).std() <= 8.2
    assert changed(contrast=0.5)[[0, 21], 0].tolist() == [200, 150]


def test_RandomGaussianBlur_keeps_the_ink_and_softens_edges(line_image):
    blurred = changed_by(RandomGaussianBlur(1, sigma=2), line_image)
    assert blurred.astype(float).mean() == pytest.approx(line_image.mean(), abs=0.5)
    steepest = [np.abs(np.diff(image.astype(int), axis=1)).max() for image in (line_image, blurred)]
    assert steepest[1] < steepest[0]


def test_RandomSharpen_leaves_even_paper_and_steepens_edges():
    image = np.full((40, 60), 200, np.uint8)
    image[:, 30:] = 100
    sharp = changed_by(RandomSharpen(1, alpha=0.2, lightness_range=(1, 1)), image)
    assert (sharp[:, :29] == 200).all()
    assert (sharp[:, 31:] == 100).all()
    assert (sharp[:, 29] > 200).all()
    assert (sharp[:, 30] < 100).all()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("RandomBrightness", {"delta": 256}, "delta"),
        ("RandomErodeDilate", {"kernel_size": (1, 1)}, "1 x 1"),
        ("RandomSharpen", {"alpha": 1.5}, "alpha"),
        ("RandomSaltAndPepper", {"amount": 2}, "amount"),
        ("RandomSaltAndPepper", {"salt_vs_pepper": -1}, "salt_vs_pepper"),
        ("RandomSlant", {"angle": 60}, "angle"),
        ("RandomStretch", {"scale": (1.5, 0.5)}, "scale"),
        ("RandomRuling", {"distance": (0, 1)}, "distance"),
    ],
)
def test_augmentors_refuse_settings_out_of_range(name, settings, message):
    with pytest.raises(ValueError, match=message):
        AUGMENTORS[name](**settings)
