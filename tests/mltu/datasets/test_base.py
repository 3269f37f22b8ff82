from mltu.datasets.base import Skipped, describe_skipped


def test_describe_skipped_sums_by_reason():
    skipped = [Skipped(f"{i}", f"no image: {i}.png") for i in range(5)] + [Skipped("x", "no text")]
    assert describe_skipped(skipped) == "6 skipped: 5 no image; 1 no text"
