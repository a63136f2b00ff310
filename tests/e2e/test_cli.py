"""The headless twin as it is typed: documents and one line for every bad input."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.model import handbuilt
from engine.model.loaders import native
from engine.training import produce
from tests.e2e.commands import Run
from tests.protocol.tiny_models import bytes_tokenizer, save_in

ROOT = Path(__file__).parents[2]
HEAD_FIELDS = (
    "layer head previous_token duplicate_token induction induction_se induction_control chance n_rows rank "
    "olsson_prefix olsson_copying tl_diagonal tl_mul first_token entropy copying_eigenvalue ov_top1 ov_top5 "
    "ablation_delta_loss"
).split()


@pytest.fixture(scope="module")
def reads_bytes(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a random model that reads bytes; context 32."""
    return str(save_in(tmp_path_factory.mktemp("bytes"), bytes_tokenizer()))


@pytest.fixture(scope="module")
def handbuilt_k(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("handbuilt-k")
    native.save(folder / "model.safetensors", *handbuilt.build("handbuilt-k"))
    return str(folder)


def test_that_a_repeat_gives_the_document_of_the_contract(succeed: Run, handbuilt_k: str) -> None:
    text = succeed("analyze", "--model", handbuilt_k, "--repeat", "11", "--samples", "3", "--json", "-")
    document = json.loads(text)
    assert list(document) == (
        "model probe tokens predictions loss copy_loss icl heads composition composition_ends attribution "
        "attribution_by_source verdict verdict_details".split()
    )
    assert list(document["model"]) == (
        "name architecture layers heads d_model d_head vocabulary positions hash".split()
    )
    assert document["probe"] == {"kind": "repeat", "L": 11, "samples": 3, "seed": 0, "bos": True}
    assert [list(token) for token in document["tokens"]] == [["position", "id", "text"]] * 23
    assert [list(guess) for guess in document["predictions"]] == [["id", "text", "probability", "logit"]] * 10
    assert document["loss"][0] is None
    assert len(document["loss"]) == 23
    assert list(document["icl"]) == ["early", "late", "late_minus_early"]
    assert [list(head) for head in document["heads"]] == [HEAD_FIELDS] * 2
    induction = document["heads"][1]
    assert induction["induction"] == pytest.approx(0.9999977, abs=1e-6)
    assert induction["tl_diagonal"] == pytest.approx(12 / 13, abs=1e-5)
    assert induction["n_rows"] == 33
    assert document["copy_loss"]["second"] < document["copy_loss"]["first"] / 4
    assert document["icl"]["late_minus_early"] < -5


def test_that_the_same_seed_gives_the_same_document(succeed: Run, reads_bytes: str) -> None:
    command = ("analyze", "--model", reads_bytes, "--repeat", "9", "--json", "-", "--seed")
    first, again, other = (json.loads(succeed(*command, seed)) for seed in ("4", "4", "5"))
    assert first == again
    assert first["tokens"] != other["tokens"]


def test_that_a_prompt_gives_its_own_rows_and_null_where_there_is_none(succeed: Run, handbuilt_k: str) -> None:
    command = ("analyze", "--model", handbuilt_k, "--json", "-", "--prompt")
    document = json.loads(succeed(*command, "A B C A"))
    assert document["probe"] == {"kind": "prompt", "L": None, "samples": None, "seed": None, "bos": True}
    assert document["copy_loss"] == {"first": None, "second": None}
    assert document["predictions"][0]["text"] == "B"
    assert document["heads"][1]["induction"] == pytest.approx(1.0, abs=1e-4)
    assert document["heads"][1]["n_rows"] == 1
    assert document["heads"][1]["copying_eigenvalue"] == pytest.approx(1.0)
    nothing = json.loads(succeed(*command, "A B C"))["heads"][1]
    assert (nothing["induction"], nothing["rank"], nothing["n_rows"]) == (None, None, 0)


def test_that_removing_heads_changes_the_run(succeed: Run, handbuilt_k: str) -> None:
    command = ("analyze", "--model", handbuilt_k, "--prompt", "A B C A", "--json", "-")
    for kind in ("zero", "mean"):
        removed = json.loads(succeed(*command, "--ablate", "0.0", "1.0", "--ablate-kind", kind))
        assert removed["predictions"][0]["text"] != "B"
    zeroed = json.loads(succeed(*command, "--ablate", "1.0"))
    assert zeroed["loss"][1:] == pytest.approx([math.log(12)] * 4, abs=1e-4)


def test_that_bos_and_truncation_do_as_they_are_told(succeed: Run, reads_bytes: str) -> None:
    command = ("analyze", "--model", reads_bytes, "--json", "-", "--prompt", "x" * 40 + "end", "--truncate")
    tokens = json.loads(succeed(*command))["tokens"]
    assert (len(tokens), tokens[0]["id"], tokens[-1]["text"]) == (32, 0, "d")
    bare = json.loads(succeed(*command, "--no-bos"))
    assert (len(bare["tokens"]), bare["tokens"][0]["text"], bare["probe"]["bos"]) == (32, "x", False)


def test_that_prompts_of_a_file_give_one_object_a_line_and_bad_ones_say_why(
    fail: Run, reads_bytes: str, tmp_path: Path
) -> None:
    file, out = tmp_path / "prompts.txt", tmp_path / "out.jsonl"
    file.write_bytes("a b a\n\nc\u2028d\r\n\x00e\n".encode() + b"x" * 99 + b"\n")
    line = fail("analyze", "--model", reads_bytes, "--prompts", str(file), "--json", str(out))
    assert "2 of 5 prompts" in line
    documents = [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]
    assert ["error" in document for document in documents] == [False, True, False, False, True]
    assert list(documents[1]) == ["error"]
    assert "".join(token["text"] for token in documents[2]["tokens"][1:]) == "c\u2028d"


def test_that_bad_prompts_are_refused(fail: Run, handbuilt_k: str, reads_bytes: str) -> None:
    for model, text in ((reads_bytes, ""), (reads_bytes, "   "), (handbuilt_k, "A B x"), (reads_bytes, "y" * 32)):
        fail("analyze", "--model", model, "--prompt", text, "--json", "-")


@pytest.mark.parametrize("text", ["a", "😀 שלום", "\x01\x7f", "<bos>"])
def test_that_strange_prompts_are_read(succeed: Run, reads_bytes: str, text: str) -> None:
    document = json.loads(succeed("analyze", "--model", reads_bytes, "--prompt", text, "--json", "-"))
    assert "".join(token["text"] for token in document["tokens"][1:]) == text


BAD_OPTIONS: list[list[str]] = [
    [],
    ["--prompt", "a"],
    ["--json", "-"],
    ["--prompt", "a", "--repeat", "3", "--json", "-"],
    ["--repeat", "abc", "--json", "-"],
    ["--repeat", "0", "--json", "-"],
    ["--repeat", "99", "--json", "-"],
    ["--repeat", "3", "--samples", "0", "--json", "-"],
    ["--repeat", "3", "--seed", "-1", "--json", "-"],
    ["--repeat", "3", "--ablate", "9.9", "--json", "-"],
    ["--repeat", "3", "--ablate", "one", "--json", "-"],
    ["--repeat", "3", "--ablate-kind", "resample", "--json", "-"],
    ["--repeat", "3", "--parts", "heads,opinion", "--json", "-"],
    ["--repeat", "3", "--strange", "--json", "-"],
    ["--prompts", "no such file", "--json", "-"],
]


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=" ".join)
def test_that_bad_options_are_refused(fail: Run, reads_bytes: str, options: list[str]) -> None:
    fail("analyze", "--model", reads_bytes, *options)


def test_that_a_model_that_cannot_be_opened_is_refused(fail: Run, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"0123456789abcdef")
    for model in ("no such model", str(damaged), str(tmp_path)):
        fail("analyze", "--model", model, "--prompt", "a", "--json", "-")
    assert "no such model" in fail("--model", "no such model")


def test_that_a_path_that_cannot_be_written_is_refused_and_nothing_is_left(
    fail: Run, reads_bytes: str, tmp_path: Path
) -> None:
    command = ("analyze", "--model", reads_bytes, "--prompt", "a", "--json")
    for target in (str(tmp_path), str(tmp_path / "no" / "out.json"), str(tmp_path / ("x" * 300))):
        fail(*command, target)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["", "a\0b", "\ud800.json", "\udcff/x.json"], ids=ascii)
def test_that_a_name_that_no_file_can_have_is_refused_in_words(fail: Run, handbuilt_k: str, target: str) -> None:
    analyze = ("analyze", "--model", handbuilt_k)
    for line in (
        fail(*analyze, "--prompt", "A", "--json", target),
        fail(*analyze, "--prompts", target, "--json", "-"),
        fail("render", "--model", handbuilt_k, "--out", target + ".png" if target else target),
    ):
        assert "codec" not in line and "embedded" not in line
    if target != "\udcff/x.json":
        fail("train", "--recipe", "handbuilt-k", "--out", target)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a folder that even root cannot write into")
def test_that_an_unwritable_place_is_refused_before_any_work(fail: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.model.library.resolve", lambda name: pytest.fail("the work had begun"))
    for target in ("/proc/x.json", "/proc/1/x.json", "/sys/x.json"):
        assert "choose another place" in fail("evaluate", "--json", target)
        assert "choose another place" in fail("render", "--out", target.replace("json", "png"))


def test_that_training_does_not_begin_where_its_answer_cannot_lie(fail: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    for out in (file, file / "below"):
        assert "is a file" in fail("train", "--recipe", "instant", "--steps", "1", "--out", str(out))
    assert file.read_text(encoding="utf-8") == "mine"


def test_that_weights_that_overflow_are_refused(fail: Run, tmp_path: Path) -> None:
    model, tokenizer = handbuilt.build("handbuilt-k")
    with torch.no_grad():
        model.W_E.mul_(1e30)
    native.save(tmp_path / "model.safetensors", model, tokenizer)
    assert "overflow" in fail("analyze", "--model", str(tmp_path), "--prompt", "A B A", "--json", "-")


def test_that_a_value_that_begins_with_a_dash_is_explained(fail: Run, reads_bytes: str) -> None:
    assert "--option=-value" in fail("analyze", "--model", reads_bytes, "--prompt", "-x", "--json", "-")


def test_that_a_file_is_replaced_only_by_a_whole_answer(
    succeed: Run, fail: Run, reads_bytes: str, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"
    target.write_text("old", encoding="utf-8")
    fail("analyze", "--model", reads_bytes, "--prompt", "", "--json", str(target))
    assert target.read_text(encoding="utf-8") == "old"
    succeed("analyze", "--model", reads_bytes, "--prompt", "a", "--json", str(target))
    assert json.loads(target.read_text(encoding="utf-8"))["loss"][0] is None
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_that_what_cannot_be_trained_is_refused(fail: Run, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    fail("train", "--recipe", "no such recipe", "--out", out)
    fail("train", "--recipe", "instant", "--steps", "0", "--out", out)
    fail("train", "--recipe", "instant", "--layers", "3", "--out", out)
    fail("train", "--recipe", "instant")
    assert not Path(out).exists()


def test_that_training_a_hand_built_model_makes_a_folder_that_opens(succeed: Run, tmp_path: Path) -> None:
    name = next(name for name in produce.NAMES if name.startswith("handbuilt"))
    succeed("train", "--recipe", name, "--out", str(tmp_path / "made"))
    document = json.loads(succeed("analyze", "--model", str(tmp_path / "made"), "--prompt", "A B A", "--json", "-"))
    assert document["model"]["name"] == name


def test_that_evaluation_gives_the_figures_of_a_card(succeed: Run, handbuilt_k: str) -> None:
    document = json.loads(succeed("evaluate", "--model", handbuilt_k, "--seed", "1", "--json", "-"))
    assert next(iter(document["model"])) == "name"
    assert document["seed"] == 1
    assert {"name", "n", "top1", "top1_unique", "n_unique", "ceiling"} == set(document["cases"][0])


def test_that_models_are_listed_with_what_the_contract_names(succeed: Run, headscope_home: Path) -> None:
    mine = headscope_home / "models" / "mine"
    mine.mkdir(parents=True)
    save_in(mine, bytes_tokenizer())
    rows: list[dict[str, Any]] = json.loads(succeed("models", "--json", "-"))
    row = next(row for row in rows if row["name"] == "mine")
    assert list(row) == ["name", "kind", "layers", "heads", "parameters", "context", "path", "licence"]
    assert "mine" in succeed("models")


def shell(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "main.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False, **options)


def test_that_standard_output_is_utf_8_whatever_the_system_says(reads_bytes: str) -> None:
    done = shell("analyze", "--model", reads_bytes, "--prompt", "😀", "--json", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "😀" in done.stdout.decode("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="file names are text there")
def test_that_a_file_name_of_odd_bytes_and_closed_streams_give_no_traceback(reads_bytes: str) -> None:
    command = ("analyze", "--model", reads_bytes, "--prompt", "a", "--json")
    odd = shell(*command, "\udcff/x.json")
    assert (odd.returncode, odd.stderr.count(b"\n")) == (2, 1)
    assert b"Traceback" not in odd.stderr
    closed = shell("models", preexec_fn=lambda: os.close(1))
    assert (closed.returncode, closed.stderr) == (2, b"headscope: cannot write standard output: it is closed\n")


def test_that_listing_models_needs_neither_torch_nor_qt() -> None:
    code = (
        "import sys, main; status = main.main(['models']); "
        "sys.exit(status or any(name in sys.modules for name in ('torch', 'PySide6')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
