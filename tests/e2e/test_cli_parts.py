"""The parts of an `analyze` document beside scores, on circuits whose numbers are known, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from engine.model.loaders import native
from tests.e2e.commands import Run
from tests.engine.shapes import random_model
from tests.protocol.tiny_models import bytes_tokenizer

ROWS = "from to kind score baseline z ceiling fraction rank offset".split()


def analyzed(succeed: Run, *options: str, model: str = "handbuilt-k") -> Any:
    return json.loads(succeed("analyze", "--model", model, *options, "--json", "-"))


@pytest.mark.parametrize(
    ("model", "kind", "score"),
    [("handbuilt-k", "k", 0.285943), ("handbuilt-q", "q", 0.208514), ("handbuilt-v", "v", 1 / math.sqrt(12))],
)
def test_that_composition_tells_the_hand_built_circuits_apart(
    succeed: Run, model: str, kind: str, score: float
) -> None:
    rows = analyzed(succeed, "--prompt", "A B C A", "--parts", "composition", model=model)["composition"]
    assert [list(row) for row in rows] == [ROWS] * 3
    assert {(row["from"], row["to"]) for row in rows} == {("0.0", "1.0")}
    found = {row["kind"]: row for row in rows}
    assert found[kind]["score"] == pytest.approx(score, abs=1e-5)
    assert found[kind]["rank"] == 1
    assert [found[other]["score"] for other in "qkv" if other != kind] == pytest.approx([0, 0], abs=1e-6)


def test_that_the_ends_of_the_stream_are_a_list_of_their_own(succeed: Run) -> None:
    document = analyzed(succeed, "--prompt", "A B C A", "--parts", "composition", model="handbuilt-v")
    ends = {(row["from"], row["to"], row["kind"]): row["fraction"] for row in document["composition_ends"]}
    assert ends[("embed", "0.0", "v")] == pytest.approx(1.0, abs=1e-5)
    assert ends[("1.0", "unembed", "unembed")] == pytest.approx(1.0, abs=1e-5)
    assert ends[("embed", "1.0", "v")] == pytest.approx(0.0, abs=1e-6)


def test_that_attribution_sums_to_the_logit_of_the_best_prediction(succeed: Run) -> None:
    document = analyzed(succeed, "--prompt", "A B C A", "--parts", "attribution")
    rows = {row["component"]: row["logit"] for row in document["attribution"]}
    assert list(rows) == ["embed", "pos", "0.0", "1.0", "bias", "remainder"]
    assert sum(rows.values()) == pytest.approx(document["predictions"][0]["logit"], abs=1e-6)
    assert rows["1.0"] == pytest.approx(12, abs=1e-3)
    by_source = document["attribution_by_source"]
    assert by_source["head"] == "1.0"
    assert by_source["logits"] == pytest.approx([0, 0, 12, 0, 0], abs=1e-3)
    assert "heads" not in document


def test_that_the_lens_sees_the_prediction_appear_in_the_last_layer(succeed: Run) -> None:
    rows = analyzed(succeed, "--prompt", "A B C A", "--parts", "lens")["lens"]
    assert [row["layer"] for row in rows] == [0, 1, 2]
    assert [row["logit"] for row in rows] == pytest.approx([0, 0, 12], abs=1e-3)
    assert rows[2]["rank"] == 1
    assert rows[2]["best"][0]["text"] == "B"


def test_that_the_third_toy_predicts_by_one_virtual_head(succeed: Run) -> None:
    found = analyzed(succeed, "--prompt", "A B C", "--parts", "paths", model="handbuilt-v")["paths"]
    assert found["paths"][0]["source"] == "embed"
    assert found["paths"][0]["heads"] == ["0.0", "1.0"]
    assert found["paths"][0]["logit"] == pytest.approx(12, abs=1e-3)
    assert sum(row["logit"] for row in found["paths"]) + found["others"] + found["remainder"] == pytest.approx(
        found["logit"], abs=1e-6
    )


def test_that_attention_is_explained_by_the_note_at_its_key(succeed: Run) -> None:
    found = analyzed(succeed, "--prompt", "A B C A", "--parts", "attention")["attention"]
    assert (found["head"], found["query"], found["key"]) == ("1.0", 4, 2)
    assert found["weight"] == pytest.approx(1.0, abs=1e-4)
    best = found["terms"][0]
    assert (best["query_source"], best["key_source"]) == ("embed", "0.0")
    assert best["value"] == pytest.approx(25, abs=1e-4)
    note = found["note"]
    assert (note["head"], note["position"], note["expected"]["text"], note["names"]["text"]) == ("0.0", 2, "A", "A")
    assert (note["rank"], note["rank_by_likeness"]) == (1, 1)
    assert note["likeness"] == pytest.approx(1.0, abs=1e-5)
    assert note["shares"] == pytest.approx({"token": 1, "position": 0, "bias": 0, "mlp": 0}, abs=1e-5)


def test_that_a_cell_may_be_named_and_no_match_is_null(succeed: Run) -> None:
    command = ("--parts", "attention", "--prompt")
    named = analyzed(succeed, *command, "A B C D", "--attention", "0.0", "3", "2")["attention"]
    assert (named["head"], named["query"], named["key"], named["note"]) == ("0.0", 3, 2, None)
    assert named["score"] == pytest.approx(25, abs=1e-4)
    assert analyzed(succeed, *command, "A B C D")["attention"] is None


def test_that_circuits_are_read_off_the_weights(succeed: Run) -> None:
    previous, induction = analyzed(succeed, "--prompt", "A", "--parts", "circuits")["circuits"]
    assert previous["identity_cosine"] is None
    assert previous["directions"] == []
    assert previous["positional_previous"] == pytest.approx(1.0, abs=1e-6)
    assert induction["identity_cosine"] == pytest.approx(1.0, abs=1e-5)
    assert (induction["key_writer"], induction["key_copying"]) == ("0.0", pytest.approx(1.0))
    assert induction["directions"][0]["value"] == pytest.approx(12, abs=1e-3)


def test_that_causes_find_the_key_path_of_one_model_and_the_query_path_of_the_other(succeed: Run) -> None:
    options = ("--repeat", "5", "--samples", "4", "--parts", "causes")
    causes = analyzed(succeed, *options)["causes"]
    assert (causes["previous_token"], causes["induction"]) == (["0.0"], ["1.0"])
    means = {(row["test"], row["measure"]): row["mean"] for row in causes["tests"]}
    assert means["nothing", "induction"] == pytest.approx(1.0, abs=1e-4)
    assert means["ablate", "induction"] < 1e-4
    assert means["force_previous", "induction"] == pytest.approx(1.0, abs=1e-4)
    assert means["force_offset_2", "induction_one_on"] == pytest.approx(1.0, abs=1e-4)
    for part, expected in (("q", 1), ("k", 0), ("v", 1)):
        assert means[f"noising_{part}", "normalised_induction"] == pytest.approx(expected, abs=1e-4)
        assert means[f"denoising_{part}", "normalised_induction"] == pytest.approx(1 - expected, abs=1e-4)
    assert all(row["n"] == 4 and row["low"] <= row["mean"] <= row["high"] for row in causes["tests"])
    pointer = analyzed(succeed, *options, model="handbuilt-q")["causes"]
    assert pointer == {"previous_token": [], "induction": ["1.0"], "tests": []}


@pytest.mark.parametrize(
    ("model", "mechanism"),
    [("handbuilt-k", "k-composition"), ("handbuilt-q", "q-composition"), ("handbuilt-v", "none")],
)
def test_that_the_verdict_is_among_the_usual_parts_and_as_agreed(succeed: Run, model: str, mechanism: str) -> None:
    for options, scope in ((("--repeat", "5"), "model"), (("--prompt", "A B C D A B"), "prompt")):
        document = analyzed(succeed, *options, model=model)
        verdict = document["verdict"]
        assert list(verdict) == ["scope", "mechanism", "heads", "criteria", "against"]
        assert (verdict["scope"], verdict["mechanism"]) == (scope, mechanism)
        assert set(verdict["heads"]) == {"previous_token", "induction", "duplicate_token"}
        assert verdict["criteria"] and all(
            list(one) == ["name", "value", "threshold", "passed"] for one in verdict["criteria"]
        )
        assert all((one["value"] is None) == (one["passed"] is None) for one in verdict["criteria"])
        assert all(isinstance(line, str) for line in verdict["against"])
        details = {one["name"]: one for one in document["verdict_details"]}
        assert list(details) == [one["name"] for one in verdict["criteria"]]
        assert {one["state"] for one in details.values()} <= {"passed", "failed", "undecided", "not measured"}
    assert "verdict" not in analyzed(succeed, "--repeat", "5", "--ablate", "0.0", model=model)


def test_that_the_walk_is_a_part_with_a_sentence_a_step(succeed: Run) -> None:
    for options in (("--prompt", "A B C D A B"), ("--repeat", "5")):
        walk = analyzed(succeed, *options, "--parts", "walkthrough")["walkthrough"]
        assert list(walk) == ["query", "copy", "copies", "route", "steps"]
        assert [step["holds"] for step in walk["steps"]].count(False) == 0
        assert walk["steps"][-1]["name"] == "output" and walk["steps"][-1]["evidence"]
    nothing = analyzed(succeed, "--prompt", "A B C", "--parts", "walkthrough")["walkthrough"]
    assert (nothing["copy"], len(nothing["steps"]), nothing["steps"][0]["offer"]) == (None, 1, "A B C B")


def test_that_a_comparison_finds_the_head_that_looks_elsewhere(succeed: Run) -> None:
    command = ("--parts", "comparison", "--prompt", "A B C D A B", "--corrupt", "A B C D A D")
    found = analyzed(succeed, *command)["comparison"]
    moved = {(head["layer"], head["head"]): head["moved"] for head in found["heads"]}
    assert moved[1, 0] > 0.9 > 0.1 > moved[0, 0]
    best = max(found["chances"], key=lambda row: row["first"])
    assert best["text"] == "C" and best["second"] < best["first"]


def test_that_patching_finds_the_note_and_its_reader(succeed: Run) -> None:
    """In A B C A the note at B says A; in D B C A it says D, so nothing matches the second A."""
    command = ("--parts", "patching", "--prompt", "A B C E F E A", "--corrupt", "D B C E F E A")
    document = analyzed(succeed, *command)["patching"]
    assert document["differs"] == [1]
    assert document["right"]["text"] == "B"
    found = {(row["kind"], row["layer"], row["head"], row["position"]): row for row in document["activations"]}
    for what in (("resid_pre", 1, None, 2), ("z", 1, 0, None), ("k", 1, 0, None), ("pattern", 1, 0, None)):
        assert (found[what]["denoising"], found[what]["noising"]) == pytest.approx((1, 1), abs=1e-4), what
    for what in (("q", 1, 0, None), ("v", 1, 0, None), ("resid_pre", 1, None, 3)):
        assert (found[what]["denoising"], found[what]["noising"]) == pytest.approx((0, 0), abs=1e-4), what
    direct = {row["from"]: (row["denoising"], row["noising"]) for row in document["direct_paths"]}
    assert direct["1.0"] == pytest.approx((1, 1), abs=1e-4)
    assert direct["0.0"] == pytest.approx((0, 0), abs=1e-4)


def test_that_interventions_change_the_run(succeed: Run) -> None:
    command = ("--prompt", "A B C D A", "--parts", "heads")
    moved = analyzed(succeed, *command, "--intervene", "force 0.0 offset 2")
    assert moved["predictions"][0]["text"] == "C"
    silent = analyzed(succeed, *command, "--intervene", "force 0.0 offset 2", "--intervene", "zero 1.0")
    assert silent["loss"][1:] == pytest.approx([math.log(12)] * 5, abs=1e-4)
    resampled = analyzed(succeed, *command, "--intervene", "resample 1.0")
    assert resampled["predictions"][0]["text"] != "B"


def test_that_a_one_layer_model_has_no_pairs_and_says_so_when_asked(succeed: Run, fail: Run) -> None:
    command = ("--prompt", "the cat", "--model", "instant-1-layer", "--json", "-")
    assert json.loads(succeed("analyze", *command))["composition"] == []
    assert "composition needs two layers" in fail("analyze", *command, "--parts", "composition")


@pytest.fixture(scope="module")
def with_mlps(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder, tokenizer = tmp_path_factory.mktemp("mlps"), bytes_tokenizer()
    native.save(folder / "model.safetensors", random_model("gpt2-like", vocabulary=tokenizer.size).float(), tokenizer)
    return str(folder)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--prompt", "a", "--parts", "paths"], "this one has MLPs: use logit attribution"),
        (["--prompt", "a", "--parts", "causes"], "give --repeat"),
        (["--prompt", "a", "--parts", "patching"], "give --prompt and --corrupt"),
        (["--repeat", "3", "--parts", "comparison"], "give --prompt and --corrupt"),
        (["--prompt", "ab", "--corrupt", "abc", "--parts", "patching"], "3 and 4 tokens: patching needs as many"),
        (["--prompt", "ab", "--corrupt", "ab", "--parts", "patching"], "the two prompts are the same"),
        (["--prompt", "a", "--corrupt", "b", "--parts", "patching", "--ablate", "0.0"], "leave --ablate"),
        (["--prompt", "a", "--parts", "attention", "--attention", "9.9", "1", "0"], "there is no head 9.9"),
        (["--prompt", "a", "--parts", "attention", "--attention", "1.0", "0", "1"], "choose 0 <= key <= query < 2"),
        (["--prompt", "a", "--parts", "attention", "--attention", "1.0", "x", "1"], "a position is a whole number"),
        (["--prompt", "a", "--intervene", "explode 1.0"], "there is no intervention"),
        (["--prompt", "a", "--intervene", "zero 7.0"], "there is no head 7.0"),
        (["--prompt", "a", "--intervene", "zero 0.0 @5"], "position 5"),
        (["--prompt", "a", "--memory", "3"], "whole number from 16"),
        (["--repeat", "16", "--parts", "causes"], "1 to 15 do"),
        (["--prompt", "a", "--parts", "verdict", "--ablate", "0.0"], "leave --ablate"),
    ],
)
def test_that_what_is_not_defined_is_one_line(
    fail: Run, with_mlps: str, options: list[str], line: str, tmp_path: Path
) -> None:
    assert line in fail("analyze", "--model", with_mlps, *options, "--json", str(tmp_path / "out.json"))
    assert list(tmp_path.iterdir()) == []


def test_that_experiments_give_json_or_a_page(succeed: Run, fail: Run, tmp_path: Path) -> None:
    command = ("experiments", "--model", "handbuilt-k", "handbuilt-q", "--only", "recency", "--samples", "4")
    found = json.loads(succeed(*command, "--json", "-"))
    assert [one["model"]["name"] for one in found] == ["handbuilt-k", "handbuilt-q"]
    experiment = found[0]["experiments"][0]
    assert (experiment["name"], experiment["held"], experiment["heads"]) == ("recency", True, ["1.0"])
    assert list(experiment["measures"][0]) == ["condition", "what", "mean", "low", "high", "n", "control"]
    succeed(*command, "--markdown", str(tmp_path / "page.md"))
    assert "### handbuilt-q" in (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "there is no experiment" in fail("experiments", "--only", "magic", "--json", "-")
    assert "one of the arguments" in fail("experiments", "--only", "recency")
