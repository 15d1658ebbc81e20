"""Score a file or a folder with the champion: each input once, also after `kill -9`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tidemill.adapters.processors import available_processors
from tidemill.data.payload_files import PayloadFiles
from tidemill.data.result_files import (
    ExtraTypes,
    Result,
    ResultColumns,
    WriteResults,
    result_writer,
)
from tidemill.domain.drift import RequestKind
from tidemill.domain.errors import (
    Conflict,
    DataError,
    NotFound,
    StorageFailed,
    TidemillError,
    UsageError,
)
from tidemill.domain.types import Answer, Prediction
from tidemill.learn.progress import SILENT, Progress
from tidemill.loop.prediction_log import LoadedVersion
from tidemill.workspace.batch_chunk import CHUNK, BatchChunk
from tidemill.workspace.batch_journal import BatchJournal, remove_journal, to_json
from tidemill.workspace.predictions import PredictionPart

ErrorPolicy = Literal["stop", "write"]


ERROR_FIELDS = ("input", "code", "message", "hint")
"""The fields of a line in the file with the errors, besides the repeated columns."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The end of a batch: `rows` inputs became `predictions` and `refused` errors.

    `resumed` inputs were done by an earlier process. `errors` is the file with the errors, or None.
    """

    output: Path
    errors: Path | None
    version: str
    kind: RequestKind
    rows: int
    predictions: int
    refused: int
    resumed: int


class BatchPart(PredictionPart):
    """The method of a workspace that scores files."""

    def batch(
        self,
        inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        output: str | os.PathLike[str],
        *,
        column: str = "",
        keep: Sequence[str] = (),
        lines: bool = False,
        errors: ErrorPolicy = "stop",
        live: bool = False,
        restart: bool = False,
        progress: Progress = SILENT,
    ) -> BatchReport:
        """Predict every payload of files, and write the results to `output`.

        `inputs` are files, folders and globs: payloads, CSV, TSV, JSON Lines, Parquet, a JSON list,
        and with `lines` text files with a payload in each line. `column` names the column with the
        payload, `keep` columns that the results repeat. The suffix of `output` decides the format.

        Predictions are in the traffic log, of the kind `batch`, which drift checks leave out;
        `live=True` counts them as traffic. An input that cannot be read stops the batch. With
        `errors="write"` it becomes a line of `OUTPUT.errors.jsonl`. A batch that ended early goes
        on when it is called again; `restart` begins anew. Raises Conflict when the output exists,
        when the inputs have changed, and when another process writes it; UsageError when the output
        is an input; what `predict` raises.
        """
        path = Path(output)
        write, journal_path = result_writer(path), path.with_name(f".{path.name}.journal")
        if not path.absolute().parent.is_dir():
            raise UsageError(f"There is no folder {path.absolute().parent}.", hint="Create it.")
        if errors not in ("stop", "write"):
            raise UsageError(f"{errors!r} is no policy of errors.", hint="Use stop or write.")
        if errors == "write" and (taken := [name for name in keep if name in ERROR_FIELDS]):
            raise UsageError(
                f"The column {taken[0]!r} cannot be repeated: the errors have this field.",
                hint=f"The errors have the fields {', '.join(ERROR_FIELDS)}.",
            )
        named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
        outputs = (path, path.with_name(f"{path.name}.errors.jsonl"))
        champion = self._load_champion()
        files = PayloadFiles(
            champion.predictor.codec.payload,
            named,
            column=column,
            extras=keep,
            lines=lines,
            outputs=outputs,
        )
        if restart:
            with closing(BatchJournal(journal_path)):
                pass  # Nobody else has it.
            remove_journal(journal_path)
        elif not journal_path.exists():
            for each in outputs:
                if each.exists():
                    raise Conflict(
                        f"{each} exists already.",
                        hint="Choose another name; --restart replaces it.",
                    )
        plan = {
            "inputs": files.digest(),
            "version": champion.version.id,
            "kind": "live" if live else "batch",
        }
        journal = BatchJournal(journal_path)
        try:
            loaded = self._begin(journal, plan)
            resumed = len(journal)
            columns = _columns(loaded, files.extras)
            columns.require_distinct()
            kind: RequestKind = "live" if live else "batch"
            self._score(loaded, files, journal, kind, errors, progress)
            progress.stage("write the results")
            _write_results(path, journal, columns, loaded.version.id, write)
            rows, refused = len(journal), journal.refused()
            errors_file = _write_errors(outputs[1], journal)
            journal.remove()
        except TidemillError:
            if not len(journal) and not self._logged(journal):
                journal.remove()
            raise
        finally:
            journal.close()
        return BatchReport(
            path, errors_file, loaded.version.id, kind, rows, rows - refused, refused, resumed
        )

    def _begin(self, journal: BatchJournal, plan: Mapping[str, str]) -> LoadedVersion:
        """Begin a batch, or go on with one; return the version that it was begun with."""
        begun = journal.plan()
        if not len(journal):
            journal.begin(plan)
            return self._load_champion()
        for name, what in (("inputs", "with other inputs"), ("kind", "as another kind")):
            if begun[name] != plan[name]:
                raise Conflict(
                    f"The batch was begun {what}, and {len(journal)} rows are done.",
                    hint="Call it as before, choose another output, or begin anew with --restart.",
                )
        try:
            loaded = self._find_loaded(begun["version"])
        except NotFound:
            loaded = None
        if loaded is None:
            raise NotFound(
                f"The batch was begun with {begun['version']}, which cannot be loaded any more.",
                hint="Begin anew with --restart.",
            )
        return loaded

    def _score(
        self,
        loaded: LoadedVersion,
        files: PayloadFiles,
        journal: BatchJournal,
        kind: RequestKind,
        errors: ErrorPolicy,
        progress: Progress,
    ) -> None:
        """Predict what the journal lacks; a chunk is in the log before it is in the journal."""
        done = len(journal)
        total = max(files.count(), done)
        logged: dict[str, list[Prediction]] = defaultdict(list)
        for prediction in self._logged(journal):
            if (prediction.version, prediction.kind) == (loaded.version.id, kind):
                logged[prediction.example].append(prediction)
        recorder = self._open_recorder()
        # Pillow and the tokenizers let other threads run.
        pool = ThreadPoolExecutor(available_processors(), thread_name_prefix="tidemill-batch")
        try:
            journal.add_server(recorder.server)
            chunk = BatchChunk(loaded, kind, logged, pool, stop=errors == "stop")
            for row in files.rows(done):
                chunk.add(row)
                if chunk.is_full:
                    done += chunk.finish(recorder, journal)
                    progress.step(done, max(total, done))
            done += chunk.finish(recorder, journal)
            progress.step(done, done)
        finally:
            pool.shutdown(cancel_futures=True)
            recorder.close()

    def _logged(self, journal: BatchJournal) -> list[Prediction]:
        """Return what was logged just before a kill and is not in the journal: a chunk at most."""
        return [
            prediction
            for server, sequence in journal.servers()
            for prediction in self.traffic.after(server, sequence, limit=CHUNK)
        ]


def _columns(loaded: LoadedVersion, extras: tuple[str, ...]) -> ResultColumns:
    predictor = loaded.predictor
    return ResultColumns(extras, tuple(predictor.classes), predictor.many is not None)


def _write_results(
    path: Path, journal: BatchJournal, columns: ResultColumns, version: str, write: WriteResults
) -> None:
    """Write the output under a temporary name first, so that it appears as a whole."""
    types = ExtraTypes(columns.extras)
    if columns.extras:
        for body in journal.rows(refused=False):
            types.add(body["extras"])

    def rows() -> Iterator[Result]:
        for body in journal.rows(refused=False):
            answers = [Answer(**answer) for answer in body["answers"]]
            yield from columns.rows(
                body["source"], body["extras"], body["id"], version, answers, body["remarks"]
            )

    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial, rows(), columns, types.types())
        partial.replace(path)
    except DataError:
        partial.unlink(missing_ok=True)
        raise
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _unwritable(path, error) from error


def _write_errors(errors: Path, journal: BatchJournal) -> Path | None:
    """Write the errors beside the output, or remove the file when there are none.

    The file is of this journal, or of the batch that a restart replaces: no batch begins with it.
    """
    partial = errors.with_name(f".{errors.name}.partial")
    try:
        if not journal.refused():
            errors.unlink(missing_ok=True)
            return None
        with partial.open("wb") as file:
            for body in journal.rows(refused=True):
                row = {"input": body["source"], **body["extras"], **body["error"]}
                file.write(to_json(row) + b"\n")
        partial.replace(errors)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _unwritable(errors, error) from error
    return errors


def _unwritable(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"{path} cannot be written: {error.strerror}.",
        hint="The predictions are recorded; call the batch again when there is space.",
    )
