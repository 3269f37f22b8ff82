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


def test_random_chance_is_the_probability_of_a_change(line_image):
    def changes(chance):
        augmentor = RandomBrightness(random_chance=chance, seed=3)
        return sum(augmentor(line_image, "")[0] is not line_image for _ in range(400))

    assert (changes(0), changes(1)) == (0, 400)
    assert changes(0.25) == pytest.approx(100, abs=30)
    with pytest.raises(ValueError, match="random_chance"):
        RandomSlant(random_chance=1.5)


def test_rotate_and_slant_fill_the_background_with_the_papers_colour(line_image):
    for augmentor in (RandomRotate(1, angle=(5, 5)), RandomSlant(1, angle=20)):
        changed = augmentor(line_image, "", rng=np.random.default_rng(1))[0]
        assert changed.shape[1] > line_image.shape[1]
        assert abs(int(changed[0, 0]) - 230) <= 1
        assert abs(int(changed[-1, -1]) - 230) <= 1


def test_RandomErodeDilate_gives_less_and_more_ink(line_image):
    changed = [RandomErodeDilate(1)(line_image, "", rng=np.random.default_rng(seed))[0] for seed in range(9)]
    ink = [int((255 - image).sum()) for image in changed]
    before = int((255 - line_image).sum())
    assert min(ink) < before < max(ink)


def test_RandomBrightness_clips_instead_of_wrapping_round(line_image):
    for seed in range(10):
        changed = RandomBrightness(1, delta=255)(line_image, "", rng=np.random.default_rng(seed))[0].astype(int)
        differences = changed - line_image
        assert (differences >= 0).all() or (differences <= 0).all()
        # one value for all pixels, but for those at the ends of the scale
        assert len(np.unique(differences[(changed > 0) & (changed < 255)])) <= 1


def test_RandomSaltAndPepper_changes_at_most_the_amount():
    gray = np.full((100, 200), 128, np.uint8)
    shares = []
    for seed in range(8):
        changed = RandomSaltAndPepper(1, salt_vs_pepper=0.75, amount=0.1)(gray, "", np.random.default_rng(seed))[0]
        salt, pepper = (changed == 255).mean(), (changed == 0).mean()
        assert (changed == 128).mean() == pytest.approx(1 - salt - pepper)
        assert 0 < salt + pepper <= 0.1
        shares.append(salt / (salt + pepper))
    assert np.mean(shares) == pytest.approx(0.75, abs=0.05)


def test_RandomStretch_keeps_the_height_and_the_range_of_widths(line_image):
    stretch = RandomStretch(1, scale=(0.5, 1.5))
    shapes = [stretch(line_image, "")[0].shape for _ in range(40)]
    assert {height for height, _ in shapes} == {40}
    widths = [width for _, width in shapes]
    assert 100 <= min(widths) < 130
    assert 270 < max(widths) <= 300


def test_RandomRotate_turns_anticlockwise_by_the_angle():
    image = np.full((61, 201), 255, np.uint8)
    image[29:32] = 0
    rotated = RandomRotate.rotate_image(image, 10)
    left, right = (np.flatnonzero(rotated[:, column] < 128).mean() for column in (60, 140))
    assert np.degrees(np.arctan2(left - right, 80)) == pytest.approx(10, abs=0.7)
    # all of the stroke is still there
    assert (255 - rotated.astype(int)).sum() == pytest.approx((255 - image.astype(int)).sum(), rel=0.02)


def test_RandomRotate_takes_a_pair_of_angles(line_image):
    turned = RandomRotate(1, angle=(90, 90))(line_image, "")[0]
    assert turned.shape == pytest.approx((200, 40), abs=1)


def test_RandomSlant_shears_by_at_most_the_angle_and_cuts_nothing_off(line_image):
    added = []
    for seed in range(12):
        changed = RandomSlant(1, angle=45)(line_image, "", np.random.default_rng(seed))[0]
        assert changed.shape[0] == 40
        added.append(changed.shape[1] - 200)
        assert (230 - changed.astype(int)).sum() == pytest.approx((230 - line_image.astype(int)).sum(), rel=0.02)
    assert max(added) <= 40
    assert max(added) > 20


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_elastic_transform_displaces_by_the_standard_deviation(alpha):
    ramp = np.tile(np.arange(100, 180, dtype=np.uint8), (80, 1))
    moved = RandomElasticTransform.elastic_transform(ramp, alpha, 8.0, np.random.default_rng(0)).astype(int)
    differences = (moved - ramp)[12:-12, 12:-12]
    # a grey level is a pixel here; enlarging the grid averages neighbours, which takes some of the displacement
    assert 0.4 * alpha < differences.std() < 1.1 * alpha


def test_RandomRuling_never_lightens_and_leaves_most_paper(line_image):
    for seed in range(10):
        changed = RandomRuling(1)(line_image, "", np.random.default_rng(seed))[0]
        assert (changed <= line_image).all()
        assert 0 < (changed < line_image).mean() < 0.6


def test_RandomPaper_stays_within_light_contrast_and_grain():
    paper = np.full((64, 640), 200, np.uint8)
    plain = RandomPaper(1, light=0, contrast=(1, 1), grain=0)(paper, "", np.random.default_rng(1))[0]
    assert np.array_equal(plain, paper)
    lit = RandomPaper(1, light=0.25, contrast=(1, 1), grain=0)(paper, "", np.random.default_rng(1))[0]
    assert 150 <= lit.min() < lit.max() <= 200
    grainy = RandomPaper(1, light=0, contrast=(1, 1), grain=8)(paper, "", np.random.default_rng(1))[0]
    assert 0 < grainy.astype(float).std() <= 8.2
    ink = paper.copy()
    ink[20:24] = 100
    faint = RandomPaper(1, light=0, contrast=(0.5, 0.5), grain=0)(ink, "", np.random.default_rng(1))[0]
    assert (faint[0, 0], faint[21, 0]) == (200, 150)


def test_RandomGaussianBlur_keeps_the_ink_and_softens_edges(line_image):
    blurred = RandomGaussianBlur(1, sigma=2)(line_image, "", np.random.default_rng(0))[0]
    assert blurred.astype(float).mean() == pytest.approx(line_image.mean(), abs=0.5)
    steepest = [np.abs(np.diff(image.astype(int), axis=1)).max() for image in (line_image, blurred)]
    assert steepest[1] < steepest[0]


def test_RandomSharpen_leaves_even_paper_and_steepens_edges():
    image = np.full((40, 60), 200, np.uint8)
    image[:, 30:] = 100
    sharp = RandomSharpen(1, alpha=0.2, lightness_range=(1, 1))(image, "", np.random.default_rng(1))[0]
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
