"""The walk along the links: back to the site that something comes from, and on to what was made of it."""

from dataclasses import replace

from flows.champion.champions import Decision
from flows.lineage.archive import Archive, Checkpoint, CrawlAt, ModelFacts, RunFacts, SourceNamed, Subject, read_run
from flows.lineage.graph import Graph, Link, Thing
from flows.lineage.links import Proof, Weights, crawl_proof, release_of, rules_of, rules_proof, run_proof
from flows.lineage.things import (
    checkpoint_thing,
    crawl_thing,
    decision_thing,
    model_thing,
    release_thing,
    run_thing,
    short,
    source_thing,
)
from pipeline.crawl.raw import RawStore
from pipeline.records import DatasetVersion
from pipeline.release import Release

MOST = 2_000  # things made of one thing that are followed


def trace(subject: Subject, archive: Archive) -> Graph:
    """Return everything that a thing comes from and that was made of it, as far as a data root knows."""
    walk = _Walk(archive)
    walk.graph.subject = walk.back(subject)
    walk.on(subject)
    walk.graph.damaged = list(dict.fromkeys(archive.damaged))
    return walk.graph


class _Walk:
    """One walk; each thing is looked at once in each direction."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.graph, self.weights = archive, Graph(), Weights(archive)
        self._went_back: dict[str, None] = {}
        self._went_on: set[str] = set()
        self._seen: dict[object, Thing] = {}
        self._kept: list[Subject] = []  # so that no other gets the id of one that was seen

    def back(self, subject: Subject) -> str:
        """Add a thing and all that it was made of; return its key."""
        thing = self.graph.add(self._thing(subject))
        if thing.key in self._went_back:
            return thing.key
        self._went_back[thing.key] = None
        if isinstance(subject, Release):
            self._back_release(subject, thing)
        elif isinstance(subject, Checkpoint):
            self._back_checkpoint(subject.facts, thing)
        elif isinstance(subject, RunFacts):
            self._trained_on(subject, thing)
        elif isinstance(subject, ModelFacts):
            self._back_model(subject, thing)
        elif isinstance(subject, Decision):
            self._back_decision(subject, thing)
        elif isinstance(subject, CrawlAt):
            self._back_crawl(subject, thing)
        return thing.key

    def on(self, subject: Subject) -> None:
        """Add all that was made of a thing; what each of those was made of besides is not followed."""
        thing = self._thing(subject)
        if thing.key in self._went_on:
            return
        self._went_on.add(thing.key)
        made = self._made_of(subject)
        for older, newer, how, proof in made[:MOST]:
            child = self.graph.add(self._thing(newer))
            self.graph.link(Link(older=older, newer=child.key, how=how, state=proof.state, why=proof.why))
            self.on(newer)
        if len(made) > MOST:
            self.graph.left_out[thing.key] = len(made) - MOST

    def _thing(self, subject: Subject) -> Thing:
        known_by = subject if isinstance(subject, CrawlAt | SourceNamed) else id(subject)
        if known_by not in self._seen:
            self._kept.append(subject)
            self._seen[known_by] = self._looked_at(subject)
        return self._seen[known_by]

    def _looked_at(self, subject: Subject) -> Thing:
        match subject:
            case Release():
                thing = release_thing(subject, self.archive.name_of(subject))
            case RunFacts():
                thing = run_thing(subject)
            case Checkpoint():
                thing = checkpoint_thing(subject.facts)
            case ModelFacts():
                thing = model_thing(subject)
            case Decision():
                thing = decision_thing(subject)
            case CrawlAt():
                thing = crawl_thing(self._store(subject.source), subject.name)
            case SourceNamed():
                thing = source_thing(subject.name)
        return thing

    def _store(self, source: str) -> RawStore:
        return RawStore(self.archive.root.raw(source))

    def _link(self, newer: Thing, older: Thing | str, how: str, proof: Proof, *, whole: bool = True) -> None:
        key = older if isinstance(older, str) else self.graph.add(older).key
        self.graph.link(Link(older=key, newer=newer.key, how=how, state=proof.state, why=proof.why, whole=whole))

    def _back_release(self, release: Release, thing: Thing) -> None:
        manifest = release.manifest
        store = self._store(manifest.source)
        proof = crawl_proof(manifest, store)
        if proof.state == "missing":
            gone = Thing(kind="crawl", name=f"{manifest.source}/{manifest.crawl}")
            self._link(thing, gone, "built from", proof)
        else:
            self._link(thing, self.back(CrawlAt(manifest.source, manifest.crawl)), "built from", proof)
        rules = manifest.transform["parameters"].get("rules", "")
        told, body = rules_proof(rules if isinstance(rules, str) else "", store)
        self._link(thing, source_thing(manifest.source, body), "read by the rules of", told)
        if manifest.previous:
            self._follows(release, thing)

    def _follows(self, release: Release, thing: Thing) -> None:
        """Name the version before this one; what that was made of is its own story."""
        manifest = release.manifest
        name = f"{manifest.name}@{manifest.previous}"
        before = next((one for one in self.archive.known if one.version.ref == name), None)
        older = self._thing(before) if before else Thing(kind="release", name=name)
        why = "the manifest names its version" if before else f"{name} is not in this data root"
        self._link(thing, older, "follows", Proof(state="stated" if before else "missing", why=why), whole=False)

    def _back_crawl(self, crawl: CrawlAt, thing: Thing) -> None:
        store = self._store(crawl.source)
        sha256 = rules_of(store, crawl.name)
        proof, body = rules_proof(sha256, store)
        self._link(thing, source_thing(crawl.source, body), "asked of", proof)

    def _back_checkpoint(self, checkpoint: RunFacts, thing: Thing) -> None:
        folder = checkpoint.folder.resolve().parent.parent
        try:
            run = read_run(folder)
        except (ValueError, OSError):
            self._trained_on(checkpoint, thing)
            return
        self._link(thing, self.back(run), "saved by", run_proof(checkpoint, run))

    def _trained_on(self, run: RunFacts, thing: Thing) -> None:
        release, proof = release_of(run.dataset, self.archive)
        key: Thing | str = self.back(release) if release else self._absent(run.dataset)
        self._link(thing, key, "trained on", proof)

    def _absent(self, dataset: DatasetVersion) -> Thing:
        """Return a release that is named and not here; by its digest too where another one has its name."""
        taken = any(one.version.ref == dataset.ref for one in self.archive.known)
        return Thing(kind="release", name=f"{dataset.ref} ({short(dataset.digest)})" if taken else dataset.ref)

    def _back_model(self, model: ModelFacts, thing: Thing) -> None:
        for decision in self._decisions_for(model):
            self._link(thing, self.back(decision), "promoted by", _promoted(decision))
        runs, others = self.weights.runs_of(model)
        for run in runs:
            same = Proof(state="verified", why=f"the weights' digest {short(model.lineage.weights)} is the same")
            self._link(thing, self.back(run), "is the best checkpoint of", same)
        if not runs:
            also = f"; {others} of this recipe have other weights" if others else ""
            why = f"no run with the weights {short(model.lineage.weights)} is in this data root{also}"
            missing = Thing(kind="run", name=f"with training digest {short(model.lineage.training_digest)}")
            self._link(thing, missing, "is the best checkpoint of", Proof(state="missing", why=why))
        self._trained_on(_as_run(model), thing)

    def _back_decision(self, decision: Decision, thing: Thing) -> None:
        release, proof = release_of(decision.dataset, self.archive)
        older: Thing | str = self.back(release) if release else self._absent(decision.dataset)
        self._link(thing, older, "on", proof)
        if decision.challenger is None:
            return
        run = self.archive.run(decision.challenger.run)
        if run is None:
            gone = Thing(kind="run", name=decision.challenger.run)
            self._link(thing, gone, "about", Proof(state="missing", why="this run is not in this data root"))
        else:
            self._link(thing, self.back(run), "about", self._challenged(decision, run))

    def _challenged(self, decision: Decision, run: RunFacts) -> Proof:
        """Say whether a run is still the one that a decision was about."""
        if run.dataset.digest != decision.dataset.digest:
            return Proof(state="broken", why=f"that run was trained on {short(run.dataset.digest)}")
        model = self.archive.model(decision)
        if model is None:
            return Proof(state="stated", why="the decision names it; no weights were kept to compare")
        if self.weights.are(run, model):
            return Proof(state="verified", why=f"its weights are those of {model.ref}")
        return Proof(state="broken", why=f"its weights are not those of {model.ref} any more")

    def _decisions_for(self, model: ModelFacts) -> list[Decision]:
        return [one for one in self.archive.decisions if one.model is not None and one.model.ref == model.ref]

    def _made_of(self, subject: Subject) -> list[tuple[str, Subject, str, Proof]]:
        """Return what was made of a thing: its key, what was made, how, and what proves it."""
        key, found = self._thing(subject).key, list[tuple[str, Subject, str, Proof]]()
        archive = self.archive
        if isinstance(subject, SourceNamed):
            names = self._store(subject.name).crawl_names()[::-1]
            crawls = [CrawlAt(subject.name, name) for name in names[:MOST]]
            found += [(key, crawl, "asked of", self._asked(crawl)) for crawl in crawls]
        elif isinstance(subject, CrawlAt):
            store = self._store(subject.source)
            of_it = archive.made_from(subject.source, subject.name)
            found += [(key, one, "built from", crawl_proof(one.manifest, store)) for one in of_it]
        elif isinstance(subject, Release):
            found += self._made_of_release(subject, key)
        elif isinstance(subject, RunFacts):
            same = Proof(state="verified", why="the weights are the same")
            found += [(key, one, "is the best checkpoint of", same) for one in self.weights.models_of(subject)]
            about = [one for one in archive.decisions if one.challenger and one.challenger.run == subject.folder.name]
            found += [(key, one, "about", self._challenged(one, subject)) for one in about]
        elif isinstance(subject, Checkpoint) and subject.facts.folder.name == "best":
            run = archive.run(subject.facts.folder.resolve().parent.parent.name)
            found += self._made_of(run) if run else []
        elif isinstance(subject, Decision):
            model = archive.model(subject)
            found += [(key, model, "promoted by", _promoted(subject))] if model else []
        elif isinstance(subject, ModelFacts):
            mine = self._decisions_for(subject)
            self._titles(mine, key)
        return found

    def _asked(self, crawl: CrawlAt) -> Proof:
        store = self._store(crawl.source)
        return rules_proof(rules_of(store, crawl.name), store)[0]

    def _made_of_release(self, release: Release, key: str) -> list[tuple[str, Subject, str, Proof]]:
        found = list[tuple[str, Subject, str, Proof]]()
        for run in self.archive.known_runs:
            if run.dataset.ref == release.version.ref:
                where, proof = release_of(run.dataset, self.archive)
                found += [(key, run, "trained on", proof)] if _same(where, release) else []
        for decision in self.archive.decisions:
            if decision.dataset.ref == release.version.ref:
                where, proof = release_of(decision.dataset, self.archive)
                found += [(key, decision, "on", proof)] if _same(where, release) else []
        return found

    def _titles(self, decisions: list[Decision], key: str) -> None:
        """Note the titles that a model won, and whether it reigns."""
        thing = self.graph.things[key]
        reigns = [repo for repo, one in self.archive.reigning.items() if one.ref == thing.name]
        facts = [("title", f"won on {one.dataset.ref}, {one.time}") for one in decisions if one.outcome == "promoted"]
        facts += [("reigns over", repo) for repo in reigns]
        self.graph.things[key] = _with_facts(thing, facts)


def _same(found: Release | None, release: Release) -> bool:
    return found is not None and found.manifest.digest == release.manifest.digest


def _with_facts(thing: Thing, facts: list[tuple[str, str]]) -> Thing:
    return replace(thing, facts=(*thing.facts, *(fact for fact in facts if fact not in thing.facts)))


def _promoted(decision: Decision) -> Proof:
    return Proof(state="stated", why=decision.why)


def _as_run(model: ModelFacts) -> RunFacts:
    data = model.lineage.dataset
    version = DatasetVersion(
        repo_id=data.repo_id, tag=data.tag, revision=data.commit or data.digest, digest=data.digest
    )
    return RunFacts(folder=model.folder, dataset=version)
