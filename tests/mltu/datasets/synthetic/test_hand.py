from mltu.datasets.synthetic.hand import INKS, draw_hand


def test_draw_hand_depends_on_seed_and_writer():
    assert draw_hand(1, 2) == draw_hand(1, 2)
    assert len({draw_hand(*numbers) for numbers in ((1, 2), (1, 3), (2, 2))}) == 3


def test_draw_hand_uses_every_ink_and_grains_pencils():
    hands = [draw_hand(0, writer) for writer in range(60)]
    assert {hand.ink for hand in hands} == set(INKS)
    pencils = [hand.grain for hand in hands if hand.ink == INKS[-1]]
    assert min(pencils) > max(hand.grain for hand in hands if hand.ink != INKS[-1])
