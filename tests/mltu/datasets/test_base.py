from mltu.datasets.base import Skipped, describe_skipped, tell_invisible


def test_describe_skipped_sums_by_reason():
    skipped = [Skipped(f"{i}", f"no image: {i}.png") for i in range(5)] + [Skipped("x", "no text")]
    assert describe_skipped(skipped) == "6 skipped: 5 no image; 1 no text"
    kept = tell_invisible("a", "\u200bx\u200b")
    assert describe_skipped(kept) == "1 kept, without characters that nobody can see"
    assert describe_skipped([*skipped, *kept]).startswith("6 skipped: 5 no image; 1 no text; 1 kept")
