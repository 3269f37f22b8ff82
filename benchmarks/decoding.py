"""Decoders on the same output of a network: CER, WER and time per line, in one thread.

    python -m mltu.language_model Datasets/text/fr.txt --output fr.lm
    python benchmarks/decoding.py --csv test.tsv --lm fr.lm --lexicon words.txt
    python benchmarks/decoding.py --csv test.tsv --language fr

Greedy decoding, beam search alone, with the language model, with the word list, with both, and with languages, as
far as they are named. Time is that of decoding alone; `network_ms` is the time of the network for a line. The ratio
is to the CER of greedy decoding. Written to benchmarks/results/decoding.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("decoding.py")

import argparse
import time

from benchmarks.common import ROOT, report
from inferenceModel import ImageToWordModel
from mltu.beam_search import BEAM_WIDTH, CHARACTER_BONUS, LM_WEIGHT, BeamSearch
from mltu.datasets import read_table
from mltu.language import language_decoder
from mltu.language_model import CharacterModel
from mltu.lexicon import LEXICON_COST, Lexicon
from mltu.utils.console import command
from mltu.utils.image_utils import read_image
from mltu.utils.progress import ProgressBar
from mltu.utils.text_utils import error_rate


@command("decoding.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", default=str(ROOT / "samples" / "lines.csv"), help="table of lines [the samples]")
    parser.add_argument("--model", default="Models/pretrained", help="[Models/pretrained]")
    parser.add_argument("--language", nargs="+", default=[], help="names of languages")
    parser.add_argument("--lm", help="model of python -m mltu.language_model")
    parser.add_argument("--lexicon", help="word list, one per line")
    parser.add_argument("--lm_weight", type=float, nargs="+", default=[LM_WEIGHT], help=f"[{LM_WEIGHT}]")
    bonuses = {"nargs": "+", "default": [CHARACTER_BONUS], "help": f"[{CHARACTER_BONUS}]"}
    parser.add_argument("--character_bonus", type=float, **bonuses)
    parser.add_argument("--beam_width", type=int, default=BEAM_WIDTH, help=f"[{BEAM_WIDTH}]")
    given = parser.parse_args()
    model = ImageToWordModel(given.model, threads=1)
    vocab = model.char_list
    language_model = CharacterModel.load(given.lm) if given.lm else None
    lexicon = Lexicon.from_file(given.lexicon, vocab, LEXICON_COST) if given.lexicon else None
    decoders: dict[str, BeamSearch | None] = {"greedy": None, "beam": BeamSearch(vocab, given.beam_width)}
    if lexicon:
        decoders["beam, words"] = BeamSearch(vocab, given.beam_width, lexicon=lexicon)
    for weight in given.lm_weight if language_model else ():
        for bonus in given.character_bonus:
            name = f"beam, model {weight:g} + {bonus:g}"
            options = {"lm_weight": weight, "character_bonus": bonus}
            decoders[name] = BeamSearch(vocab, given.beam_width, language_model, **options)
            if lexicon:
                options["lexicon"] = lexicon
                decoders[f"{name}, words"] = BeamSearch(vocab, given.beam_width, language_model, **options)
    for name in given.language:
        decoders[name] = language_decoder(name, vocab, given.beam_width)
    samples = read_table(given.csv)[0]
    images = (read_image(sample.image) for sample in ProgressBar(samples, desc="Preparing", unit="line"))
    prepared = [model.line_input(image) for image in images]
    start = time.perf_counter()
    found = [model.log_probabilities(line[None])[0] for line in ProgressBar(prepared, desc="Network", unit="line")]
    network = (time.perf_counter() - start) / len(samples)
    rows = []
    for name, decoder in decoders.items():
        model.decoder = decoder
        start = time.perf_counter()
        labels = [model.decode(log_probs).labels for log_probs in ProgressBar(found, desc=name, unit="line")]
        seconds = (time.perf_counter() - start) / len(samples)
        texts = ["".join(vocab[label] for label in line) for line in labels]
        truths = [sample.text for sample in samples]
        cer, wer = error_rate(texts, truths), error_rate(texts, truths, str.split)
        rates = {"cer": 100 * cer.rate, "cer_low": 100 * cer.low, "cer_high": 100 * cer.high, "wer": 100 * wer.rate}
        rows.append({"decoder": name, **rates, "ms": 1e3 * seconds, "network_ms": 1e3 * network})
    report("decoding", rows, "cer", lambda row: rows[0])


if __name__ == "__main__":
    sys.exit(main())
