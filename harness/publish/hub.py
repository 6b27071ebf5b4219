"""Sending a run to the Hub, by huggingface_hub's own client; every failure is one line.

Covers: one commit, or pull request, to the model's repository; the samples as a data set. Does not cover:
what the files hold (`harness.publish.hub_cards`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.publish.hub_cards import (
    model_index,
    sample_rows,
    samples_card,
    with_results,
    yaml_path,
    yaml_text,
)
from harness.publish.results import hub_dataset, publishable
from harness.run_store.finished_run import Run
from harness.text import one_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_CARD = "README.md"
_ADVICE = {
    401: "log in with `hf auth login`, or set HF_TOKEN to a token that may write",
    403: "the token may not write there: use one that may, or pass --pr",
    404: "there is no such repository, or the token may not see it",
    409: "somebody else has changed it meanwhile: run the command again",
    429: "the Hub asks to come more slowly: run the command again later",
}


@dataclass(frozen=True)
class Parcel:
    """What goes to one repository."""

    repo: str
    kind: str
    """`model` or `dataset`."""
    files: Mapping[str, bytes | Path] = field(repr=False)
    message: str


@contextmanager
def parcels(
    api: HfApi, run: Run, to: str, samples: str | None, task_id: str | None
) -> Iterator[list[Parcel]]:
    """What pushing a run sends; files that they name exist until the block ends.

    Args:
        api: Asked for the model card that there is.
        run: Finished.
        to: The model's repository.
        samples: Repository of the data set of samples; `None` sends none.
        task_id: As the benchmark's data set names the task; `None` for its configuration.

    Raises:
        InputError: If the run can't be published, or the Hub does not answer.
    """
    publishable(run)
    if samples is not None:
        _check_name(samples)  # of the repository that is sent to last
    with tempfile.TemporaryDirectory(prefix="rltf-push-") as folder:
        card = with_results(_card_of(api, to, folder), to.rpartition("/")[2], model_index(run))
        files: dict[str, bytes | Path] = {_CARD: str(card.content).encode(errors="backslashreplace")}
        if hub_dataset(run.benchmark) is not None:
            files[yaml_path(run)] = yaml_text(run, task_id).encode()
        message = f"Results on {run.benchmark} ({run.metrics['benchmark']['split']}), by rltf-harness"
        found = [Parcel(to, "model", files, message)]
        if samples is not None:
            rows = Path(folder, "samples.jsonl")
            with rows.open("wb") as stream:
                stream.writelines(sample_rows(run))
            text = samples_card(run, to).encode(errors="backslashreplace")
            found.append(
                Parcel(samples, "dataset", {_CARD: text, "samples.jsonl": rows}, f"Samples for {to}")
            )
        yield found


def send(api: HfApi, parcel: Parcel, *, pull_request: bool) -> str:
    """Send a parcel in one commit; the address of the commit or pull request.

    Raises:
        InputError: If the Hub refuses it or does not answer.
    """
    from huggingface_hub import CommitOperationAdd  # noqa: PLC0415 - only to publish

    with answering(parcel.repo):
        if parcel.kind == "dataset":
            api.create_repo(parcel.repo, repo_type="dataset", private=True, exist_ok=True)
        done = api.create_commit(
            parcel.repo,
            [CommitOperationAdd(path, content) for path, content in parcel.files.items()],
            commit_message=one_line(parcel.message),
            repo_type=parcel.kind,
            create_pr=pull_request and parcel.kind == "model",
        )
    return str(done.pr_url or done.commit_url)


@contextmanager
def answering(repo: str) -> Iterator[None]:
    """Turn what the Hub refuses, and its silence, into one line for the user."""
    from huggingface_hub.errors import (  # type: ignore[attr-defined]  # noqa: PLC0415 - HTTPError: of its client
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalTokenNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = one_line(error.server_message or "")
        advice = _ADVICE.get(status, "run the command again later")
        raise InputError(
            f"{repo}: the Hub answered {status}{f' ({said})' if said else ''}; {advice}"
        ) from None
    except HFValidationError as error:
        raise InputError(f"{repo!r} can't be a repository's name: {one_line(str(error))}") from None
    except LocalTokenNotFoundError:
        raise InputError(f"{repo}: no token; {_ADVICE[401]}") from None
    except OfflineModeIsEnabled:
        raise InputError(f"{repo}: HF_HUB_OFFLINE is set; unset it to publish") from None
    except (HTTPError, ConnectionError, TimeoutError) as error:
        raise InputError(
            f"{repo}: the Hub can't be reached ({one_line(str(error))}); run the command again"
        ) from None


def _check_name(repo: str) -> None:
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # noqa: PLC0415 - only to publish
        validate_repo_id,
    )

    with answering(repo):
        validate_repo_id(repo)


def _card_of(api: HfApi, repo: str, folder: str) -> str | None:
    """The model card that there is; `None` where there is none."""
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError  # noqa: PLC0415

    with answering(repo):
        try:
            path: Any = api.hf_hub_download(repo, _CARD, local_dir=folder)
        except RemoteEntryNotFoundError:
            return None
        except LocalEntryNotFoundError as error:  # the client's word for a Hub that does not answer
            raise ConnectionError(str(error.__cause__ or error)) from None
    return Path(path).read_text(encoding="utf-8", errors="replace")
