"""Answer exams that are sent to this machine by DICOM, and send the results on. For research use.

    python -m mammo_steps.by_hand.serve_dicom --bundle results/paper/bundle --queue /secure/queue --config node.yaml
    python -m mammo_steps.by_hand.serve_dicom --status /secure/queue
    python -m mammo_steps.by_hand.serve_dicom --retry /secure/queue
    python -m mammo_steps.by_hand.serve_dicom --drop old_pacs --queue /secure/queue

Mammograms come in by C-STORE, wait in the queue until their exam seems whole, are scored with the bundle's networks
(`core.new_exams`), and each exam's DICOM objects go to every destination. The queue survives a kill and a power cut:
what was acknowledged is answered, once. It holds patients' images: its folder is for its owner alone. SIGTERM and
Ctrl-C end the node in good order. docs/node.md tells how to set it up.
"""

import argparse
import functools
import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mammo_steps.core.dicom_node import Node
from mammo_steps.core.dicom_node_ledger import Counts, Ledger, told
from mammo_steps.core.dicom_node_outbox import Outbox, Patience
from mammo_steps.core.dicom_node_queue import NodeQueue
from mammo_steps.core.dicom_node_settings import is_loopback, node_settings, read_node_config
from mammo_steps.core.dicom_node_waits import Waits
from mammo_steps.core.dicom_node_worker import Answer, MakeAnswer
from mammo_steps.core.interruption import interruptions
from mammo_steps.core.printing import print_lines
from mammo_steps.core.steps import start_logging
from mammo_steps.core.study import StudyError

log = logging.getLogger("serve_dicom")

SCHEMA = Path(__file__).resolve().parents[2] / "workflow/schemas/node.schema.yaml"


def make_scores(bundle: Path, key: Path, device: str, drift: Mapping[str, str]) -> Answer:
    """What answers exams: made in the worker's process, which alone loads the networks."""
    from mammo_steps.core.dicom_node_answer import answering

    return answering(bundle, key, device, drift)


def serve(config_file: Path, queue: Path, make_answer: MakeAnswer) -> int:
    """Until asked to end; the exit code."""
    config = read_node_config(config_file, SCHEMA)
    if not is_loopback(config["address"]) and config["tls"] is None:
        log.warning(
            "%s is reached by other machines, and nothing is encrypted: images with names and dates cross the network "
            "in the clear, and whoever knows an AE title may send",
            config["address"],
        )
    with interruptions() as interruption:
        node = Node(queue, node_settings(config), make_answer)
        try:
            node.start()
            while not interruption.asked and node.tend():
                time.sleep(0.5)
        finally:
            node.stop()
        if not interruption.asked:
            return 1
    log.info("ended as asked")
    return 0


def lines_of(counts: Counts, folder: Path) -> Iterator[str]:
    """Lines about a queue."""
    for what, n in (
        ("received, wait for more images", counts.received),
        ("ready to be scored", counts.ready),
        ("being scored", counts.scoring),
        ("answered, wait to be sent", counts.unsent),
        ("answered and sent", counts.sent),
        ("failed", counts.failed),
    ):
        yield f"{n:8,} exams {what}"
    for reason, n in counts.reasons.items():
        yield f"{n:16,} failed: {reason}"
    yield f"{counts.images:8,} images"
    for destination, states in counts.deliveries.items():
        words = ", ".join(f"{n:,} {state.replace('_', ' ')}" for state, n in states.items())
        yield f"         objects to {destination}: {words}"
    yield f"{shutil.disk_usage(folder).free / 1e9:8,.1f} GB are free on its disk"


def _outbox(folder: Path) -> Outbox:
    """Of a queue on which no node works; what is no queue is not made one."""
    Ledger(folder, read_only=True).close()
    return Outbox(NodeQueue(folder, Waits(0, 0), [], most_tries=sys.maxsize), Patience(0, 0, 0))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, help="results/<study>/bundle")
    parser.add_argument("--queue", type=Path, help="folder of the queue, on a local disk; made if need be")
    parser.add_argument("--config", type=Path, help="a copy of config/node.yaml")
    parser.add_argument("--status", type=Path, metavar="QUEUE", help="print what is in a queue, and end")
    parser.add_argument(
        "--retry",
        type=Path,
        metavar="QUEUE",
        help="put failed exams and given-up results in line again, and end",
    )
    parser.add_argument(
        "--drop",
        metavar="DESTINATION",
        help="send nothing of --queue to a destination that the config does not name any more, and end",
    )
    args = parser.parse_args(argv)

    try:
        if args.status:
            ledger = Ledger(args.status, read_only=True)
            with told(ledger.file):
                print_lines(lines_of(ledger.counts(time.time()), args.status))
        elif args.retry:
            n_exams, n_objects = _outbox(args.retry).retry()
            print(
                f"{n_exams} exams will be scored again, {n_objects} objects sent again, at the node's next start"
            )
        elif args.drop and args.queue:
            print(f"{_outbox(args.queue).drop(args.drop)} objects will not be sent to {args.drop}")
        elif args.bundle and args.queue and args.config:
            start_logging()
            scoring = read_node_config(args.config, SCHEMA)["scoring"]
            key = args.queue / "id_key"
            make_answer = functools.partial(
                make_scores, args.bundle, key, scoring["device"], scoring["drift"]
            )
            sys.exit(serve(args.config, args.queue, make_answer))
        else:
            parser.error(
                "wanted --bundle, --queue and --config; or --status; or --retry; or --drop and --queue"
            )
    except (ValueError, StudyError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
