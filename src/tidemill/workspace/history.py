"""Look up versions, predictions, their causes and their lineage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tidemill.adapters.hydra import read_defaults
from tidemill.domain.errors import StorageFailed, TidemillError
from tidemill.domain.ledger import UnitOfWork
from tidemill.domain.types import AliasName, ModelVersion, Prediction, Run
from tidemill.experiment import read_experiment
from tidemill.loop.champion_history import ChampionAt, champion_at
from tidemill.loop.lineage import Lineage, find_prediction, trace
from tidemill.loop.why import ALIASES, find_causes
from tidemill.provenance import package_digest
from tidemill.recipes.recipe import open_recipe
from tidemill.workspace.moment import read_moment
from tidemill.workspace.parts import WorkspaceParts
from tidemill.workspace.run_settings import RunSettings, compare_settings
from tidemill.workspace.versions import VersionRecord, Versions


@dataclass(frozen=True, slots=True)
class Card:
    """A bundle's description of its model: Markdown, and the files of its figures."""

    text: str
    images: tuple[Path, ...]


class HistoryPart(WorkspaceParts):
    """The methods of a workspace that look things up."""

    def versions(self, *, at: datetime | str | None = None, limit: int = 100) -> Versions:
        """Return the registered versions, newest first.

        With `at`, the champion and the previous champion of that time, each with its alias then.
        Raises what `champion_at` raises.
        """
        then = self.champion_at(at) if at else None
        with self.ledger.begin(write=False) as unit:
            if then is None:
                return Versions(
                    _record(unit, version, _aliases(unit, version.id))
                    for version in unit.latest(ModelVersion, limit=limit)
                )
            names: list[tuple[str | None, AliasName]] = [
                (then.champion, "champion"),
                (then.previous, "previous"),
            ]
            return Versions(
                _record(unit, unit.get(ModelVersion, name), (alias,))
                for name, alias in names
                if name
            )

    def version(self, version: str) -> VersionRecord:
        """Return one registered version. Raises NotFound."""
        with self.ledger.begin(write=False) as unit:
            return _record(unit, unit.get(ModelVersion, version), _aliases(unit, version))

    def champion_at(self, at: datetime | str) -> ChampionAt:
        """Return the champion of that time, an ISO date or date-time in UTC, and its promotion.

        A date means its end. Raises UsageError for an invalid or future time, and NotFound when
        there was no champion yet.
        """
        moment = read_moment(at, now=self.clock.now()) if isinstance(at, str) else at
        with self.ledger.begin(write=False) as unit:
            return champion_at(unit.events(subject="champion", limit=None), moment)

    def card(self, version: str) -> Card:
        """Return the card of a version. Raises NotFound, Corrupt, and StorageFailed."""
        with self.ledger.begin(write=False) as unit:
            bundle = self.bundles.open(unit.get(ModelVersion, version).bundle)
        try:
            text = (bundle.path / "card.md").read_text(encoding="utf-8")
        except OSError as error:
            raise StorageFailed(f"The card cannot be read: {error.strerror}.") from error
        return Card(text, tuple(sorted(bundle.path.glob("*.png"))))

    def aliases(self) -> dict[AliasName, str]:
        """Return the version of each alias; an alias without a version is missing."""
        with self.ledger.begin(write=False) as unit:
            return {name: alias.version for name in ALIASES if (alias := unit.alias(name))}

    def prediction(self, id: str) -> Prediction:
        """Return a prediction, from the ledger or from a server's log.

        Raises NotFound, StorageFailed.
        """
        with self.ledger.begin(write=False) as unit:
            return find_prediction(unit, self.traffic, id)[0]

    def lineage(self, prediction: Prediction | str) -> Lineage:
        """Return the origin of a prediction. Raises NotFound, and Corrupt for a damaged ledger."""
        id = prediction.require_id() if isinstance(prediction, Prediction) else prediction
        with self.ledger.begin(write=False) as unit:
            return trace(unit, find_prediction(unit, self.traffic, id)[0])

    def run_settings(self, run: Run) -> RunSettings:
        """The settings of a run beside the defaults of its recipe as it is installed now.

        A recipe that cannot be read leaves the defaults unknown, and the note says why.
        """
        own = self._recipe if not isinstance(self._recipe, str) else None
        try:
            recipe = own if own and own.name == run.recipe else open_recipe(run.recipe)
            defaults = read_experiment(read_defaults(recipe.conf)).tree()
        except (TidemillError, ImportError, OSError) as error:
            note = f"The defaults of the recipe {run.recipe} cannot be read: {error}"
            return RunSettings(compare_settings(run.config, None), has_defaults=False, note=note)
        same = run.code.get("package") == package_digest()
        note = "The run used another version of Tidemill; the defaults are those of this one."
        settings = compare_settings(run.config, defaults)
        return RunSettings(settings, has_defaults=True, note="" if same else note)

    def why(self, subject: Prediction | VersionRecord | str | None = None) -> tuple[str, ...]:
        """Return the chain of causes of a version, a cycle or a prediction, or of its id.

        Without a subject, that of the champion. Raises NotFound.
        """
        if isinstance(subject, Prediction):
            subject = subject.require_id()
        id = subject.id if isinstance(subject, VersionRecord) else subject
        with self.ledger.begin(write=False) as unit:
            return find_causes(unit, self.traffic, self.champion().id if id is None else id)


def _record(
    unit: UnitOfWork, version: ModelVersion, aliases: tuple[AliasName, ...]
) -> VersionRecord:
    return VersionRecord(
        version=version,
        run=unit.get(Run, version.run),
        aliases=aliases,
        verdicts=tuple(unit.verdicts(version.id)),
    )


def _aliases(unit: UnitOfWork, version: str) -> tuple[AliasName, ...]:
    aliases = {name: unit.alias(name) for name in ALIASES}
    return tuple(name for name, alias in aliases.items() if alias and alias.version == version)
