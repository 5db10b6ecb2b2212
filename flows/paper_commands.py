"""The command `reproduce`: the paper's table again, on any release."""

from typing import Annotated

from cyclopts import Parameter

from flows.app import Data, Json, ReleaseName, app
from flows.settings import data_root

Epochs = Annotated[int, Parameter(help="of each variant; 200, as in the paper, take days on a CPU: see --dry-run")]
Only = Annotated[
    tuple[str, ...],
    Parameter(negative="", consume_multiple=True, help="variants to train, such as rnn or ssm-2; by default all 15"),
]


@app.command
def reproduce(  # noqa: PLR0913 - a command's options
    dataset: ReleaseName,
    *,
    epochs: Epochs = 200,
    only: Only = (),
    seed: Annotated[int, Parameter(help="of the networks' first weights and the order of sequences")] = 0,
    dry_run: Annotated[bool, Parameter(negative="", help="measure some steps of each variant, train nothing")] = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Train the 15 networks of the paper's table by its own protocol, and print the table beside the published one.

    Each variant's last checkpoint, which the paper judged, and its best on validation are measured on the test split,
    with the count models beside them. Table, page, figures and reproduction.json lie in reproductions/ of the data
    root. Interrupt it whenever you like: the same command goes on, and what is finished is not trained again.

    Example: pixelbytes reproduce pixelbytes/sample@v1.0.0 --epochs 5 --only rnn ssm-uni

    Example: pixelbytes reproduce pixelbytes/sample@v1.0.0 --dry-run
    """
    from flows import paper_verbs

    how = paper_verbs.ReproduceOptions(epochs=epochs, only=only, seed=seed, dry_run=dry_run)
    return paper_verbs.reproduce(data_root(data), dataset, how, as_json=json)
