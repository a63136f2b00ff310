"""What `analyze` does once torch may be loaded: requests to the jobs, answers to documents."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from engine import output
from engine.circuits.interventions.values import Ablate, Intervention
from engine.parts import USUAL_PARTS, Parts
from engine.work import documents
from engine.work.experiments.catalogue import BY_NAME, Report
from engine.work.experiments.page import page
from engine.work.jobs.analyze import analyze as run_prompt
from engine.work.jobs.causes import find_causes
from engine.work.jobs.compare import compare
from engine.work.jobs.copying import copying_scores, with_copying
from engine.work.jobs.experiment import run_experiment
from engine.work.jobs.judge import judge_model
from engine.work.jobs.judge_prompt import judge_prompt
from engine.work.jobs.load import load_model
from engine.work.jobs.observe_behaviour import observe_behaviour
from engine.work.jobs.patching import patch_prompts
from engine.work.jobs.score_heads import score_heads
from engine.work.jobs.walk_through import walk_through
from engine.work.recent import RecentRuns
from engine.work.requests import (
    Analyze,
    Compare,
    LoadModel,
    ObserveBehaviour,
    Prompt,
    Repeat,
    RunExperiment,
    ScoreHeads,
    WalkThrough,
)
from engine.work.results import Analysis, RoleScores, Verdict
from engine.work.state import EngineState
from engine.work.task import Task

Document = dict[str, Any]


class SomePromptsFailed(ValueError):
    """The other prompts of the file were analysed and written."""


class Analyst:
    """The open model and the options of one `analyze` command."""

    def __init__(self, arguments: Namespace) -> None:
        self.arguments, self.state, self.task = arguments, EngineState(None, RecentRuns()), Task()
        self.interventions = interventions(arguments)
        load_model(LoadModel(arguments.model), self.state, self.task)
        opened = self.state.require()
        if arguments.bos and opened.tokenizer.bos is None:
            raise ValueError("this model has no BOS token: leave --bos out")
        self.parts = arguments.parts or USUAL_PARTS
        if "causes" in self.parts and arguments.repeat is None:
            raise ValueError("the part causes is measured on random repeats: give --repeat")
        self.judged = "verdict" in self.parts and not self.interventions
        for part in {"verdict", "walkthrough"}.intersection(arguments.parts or ()):
            if self.interventions:
                raise ValueError(f"the part {part} is on the model as it is: leave --ablate and --intervene out")
        for part in ("comparison", "patching"):
            if part in self.parts and (arguments.corrupt is None or arguments.prompt is None):
                raise ValueError(f"the part {part} compares two prompts: give --prompt and --corrupt")
        if "patching" in self.parts and self.interventions:
            raise ValueError("the part patching compares two plain runs: leave --ablate and --intervene out")

    def prompt(self, text: str) -> Document:
        """One typed prompt: head scores are of its own eligible rows."""
        prompt = Prompt(text, bos=self.arguments.bos, truncate=self.arguments.truncate)
        request = Analyze(prompt, self.interventions)
        analysis = run_prompt(request, self.state, self.task)
        return {
            **self._model(),
            "probe": {"kind": "prompt", "L": None, "samples": None, "seed": None, "bos": self._begins(analysis)},
            **documents.run(analysis),
            "copy_loss": {"first": None, "second": None},
            "icl": documents.in_context(analysis.losses),
            **({"heads": self._heads_of(prompt)} if "heads" in self.parts else {}),
            **Parts(self.parts, self.arguments.attention, request, self.state, self.task).document(),
            **(self._verdict(judge_prompt(prompt, None, self.state, self.task)) if self.judged else {}),
            **({"walkthrough": self._walk(prompt)} if "walkthrough" in self.parts else {}),
            **({"comparison": self._comparison(prompt)} if "comparison" in self.parts else {}),
            **({"patching": self._patching(prompt)} if "patching" in self.parts else {}),
        }

    def repeat(self) -> Document:
        """A random repeat: the run is that of sample 0, scores and mean losses are over all samples."""
        arguments = self.arguments
        repeat = Repeat(arguments.repeat, arguments.seed)
        request = Analyze(Prompt(repeat=repeat, bos=arguments.bos), self.interventions)
        analysis = run_prompt(request, self.state, self.task)
        scores = score_heads(
            ScoreHeads(
                repeat.length, arguments.samples, repeat.seed, arguments.bos, arguments.removals, self.interventions
            ),
            self.state,
            self.task,
        )
        probe = {"kind": "repeat", "L": repeat.length, "samples": arguments.samples, "seed": repeat.seed}
        return {
            **self._model(),
            "probe": {**probe, "bos": self._begins(analysis)},
            **documents.run(analysis),
            "copy_loss": {"first": scores.copy_loss_first, "second": scores.copy_loss_second},
            "icl": documents.in_context(scores.losses),
            **({"heads": documents.heads(scores.heads)} if "heads" in self.parts else {}),
            **Parts(self.parts, arguments.attention, request, self.state, self.task).document(),
            **(self._verdict(judge_model(scores, arguments.bos, self.state, self.task)) if self.judged else {}),
            **({"walkthrough": self._walk(request.prompt)} if "walkthrough" in self.parts else {}),
            **({"causes": self._causes(scores)} if "causes" in self.parts else {}),
        }

    def _heads_of(self, prompt: Prompt) -> list[Document]:
        request = ObserveBehaviour(prompt, None, self.interventions)
        observed = observe_behaviour(request, self.state, self.task)
        return documents.heads(with_copying(observed.scores, copying_scores(self.state, self.task)))

    def _comparison(self, prompt: Prompt) -> Document:
        other = replace(prompt, text=self.arguments.corrupt)
        return documents.comparison(compare(Compare(prompt, other, self.interventions), self.state, self.task))

    def _patching(self, prompt: Prompt) -> Document:
        found = patch_prompts(prompt, self.arguments.corrupt, self.state, self.task)
        return documents.patching(found, self.state.require().tokenizer)

    def _causes(self, scores: RoleScores) -> Document:
        return documents.causes(find_causes(scores, self.arguments.bos, self.state, self.task))

    def _walk(self, prompt: Prompt) -> Document:
        return documents.walk(walk_through(WalkThrough(prompt), self.state, self.task))

    def _verdict(self, found: Verdict) -> Document:
        return {"verdict": documents.verdict(found), "verdict_details": documents.verdict_details(found)}

    def _model(self) -> Document:
        opened = self.state.require()
        return {"model": documents.model(opened.info, opened.model.config)}

    def _begins(self, analysis: Analysis) -> bool:
        return analysis.tokens[0].id == self.state.require().tokenizer.bos


def interventions(arguments: Namespace) -> tuple[Intervention, ...]:
    """Heads to ablate, then whatever else was asked for, in its order."""
    ablated = (Ablate(tuple(arguments.ablate), kind=arguments.ablate_kind),) if arguments.ablate else ()
    return (*ablated, *arguments.intervene)


@torch.inference_mode()
def analyze(arguments: Namespace) -> int:
    """Raises ValueError, in one line, for what cannot be analysed."""
    analyst = Analyst(arguments)
    if arguments.prompts is not None:
        return _analyze_file(analyst, arguments)
    document = analyst.repeat() if arguments.prompt is None else analyst.prompt(arguments.prompt)
    output.write(arguments.json, output.json_text(document))
    return 0


@torch.inference_mode()
def experiments(arguments: Namespace) -> int:
    """The gallery, or the experiments named. Raises ValueError in one line for a name or a model that is not there."""
    names = arguments.only or list(BY_NAME)
    unknown = next((name for name in names if name not in BY_NAME), None)
    if unknown is not None:
        raise ValueError(f"there is no experiment {unknown[:40]!r}; there are {', '.join(BY_NAME)}")
    documented, reports = list[Document](), list[Report]()
    for model in arguments.model:
        state, task = EngineState(None, RecentRuns()), Task()
        load_model(LoadModel(model), state, task)
        requests = [RunExperiment(name, arguments.samples, arguments.seed) for name in names]
        found = [run_experiment(request, state, task) for request in requests]
        opened = state.require()
        described = documents.model(opened.info, opened.model.config)
        documented.append({"model": described, "experiments": [documents.report(one) for one in found]})
        reports += found
    if arguments.markdown is not None:
        output.write(arguments.markdown, page(reports, arguments.samples))
    else:
        output.write(arguments.json, output.json_text(documented))
    return 0


def _analyze_file(analyst: Analyst, arguments: Namespace) -> int:
    """One JSON object a line; a line that cannot be analysed says why, and the rest goes on."""
    prompts, lines, failed = _prompts_of(arguments.prompts), [], 0
    for prompt in prompts:
        try:
            document = analyst.prompt(prompt)
        except ValueError as error:
            document, failed = {"error": str(error)}, failed + 1
        lines.append(output.json_text(document, indent=None))
    output.write(arguments.json, "".join(lines))
    if failed:
        raise SomePromptsFailed(f"{failed} of {len(prompts)} prompts could not be analysed: their lines say why")
    return 0


def _prompts_of(file: str) -> list[str]:
    """The lines of a UTF-8 file; only a newline ends a line."""
    name = output.shown(file)
    try:
        text = Path(file).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8 text: save it as UTF-8") from None
    except (OSError, ValueError) as error:  # ValueError: a name that holds NUL
        reason = (isinstance(error, OSError) and error.strerror) or "this is no file name"
        raise ValueError(f"the prompts cannot be read from {name!r}: {reason}") from None
    prompts = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    if not any(prompts):
        raise ValueError(f"{name} holds no prompt: write one on each line")
    return prompts
