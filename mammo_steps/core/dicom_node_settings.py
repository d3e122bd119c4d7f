"""A DICOM node's settings from its config, a YAML file that is as workflow/schemas/node.schema.yaml says."""

import ipaddress
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mammo_steps.core.config_schema import check_schema
from mammo_steps.core.dicom_node import NodeSettings
from mammo_steps.core.dicom_node_outbox import Patience
from mammo_steps.core.dicom_node_receiving import Door, Limits
from mammo_steps.core.dicom_node_sending import Destination
from mammo_steps.core.dicom_node_waits import Waits
from mammo_steps.core.study import StudyError

_DAY_S = 86400.0
_MB = 1_000_000


def read_node_config(file: Path, schema: Path) -> dict[str, Any]:
    """StudyError where it cannot be read, is not as the schema says, or contradicts itself."""
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise StudyError(f"{file} is no YAML: {error}") from error
    if not isinstance(config, dict):
        raise StudyError(f"{file} holds no config keys: start from a copy of config/node.yaml")
    check_schema(config, schema)
    if not is_loopback(config["address"]) and not config["remote"]:
        raise StudyError(
            f"config key `address`: {config['address']} is reached by other machines. If that is wanted, set "
            "`remote: true`, and consider `tls`: without it nothing is encrypted, and AE titles are no passwords"
        )
    names = [destination["name"] for destination in config["destinations"]]
    if len(set(names)) != len(names):
        raise StudyError("config key `destinations`: two have the same name")
    return config


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:  # a host name may mean anything
        return False


def node_settings(config: Mapping[str, Any]) -> NodeSettings:
    """Of a config that was checked; StudyError if the TLS files cannot be used."""
    limits, wait, sending, tls = (config[name] for name in ("limits", "wait", "sending", "tls"))
    return NodeSettings(
        door=Door(
            config["ae_title"],
            config["address"],
            config["port"],
            tuple(config["callers"]),
            _tls(tls, server=True) if tls else None,
        ),
        limits=Limits(
            associations=limits["associations"],
            object_bytes=round(limits["object_mb"] * _MB),
            pdu_bytes=limits["pdu_bytes"],
            idle_s=limits["idle_s"],
            start_s=limits["start_s"],
            free_bytes=round(limits["free_disk_mb"] * _MB),
            waiting_exams=limits["waiting_exams"],
        ),
        waits=Waits(wait["complete_s"], wait["incomplete_s"]),
        destinations=tuple(Destination(**destination) for destination in config["destinations"]),
        patience=Patience(
            sending["first_wait_s"], sending["longest_wait_s"], sending["give_up_days"] * _DAY_S
        ),
        sending_tls=_tls(tls, server=False) if tls else None,
        most_tries=config["scoring"]["tries"],
        exam_s=config["scoring"]["exam_s"],
        keep_s=config["keep_days"] * _DAY_S,
    )


class _LateHandshake(ssl.SSLContext):
    """Shakes hands when the first bytes are read, in the connection's own thread.

    pynetdicom 3.0.4 accepts connections in one thread, which a peer that says nothing would hold up in its handshake.
    """

    def wrap_socket(self, sock: socket.socket, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *arguments, **(options | {"do_handshake_on_connect": False}))


def _tls(files: Mapping[str, str], server: bool) -> ssl.SSLContext:
    """Both sides show a certificate that the authorities signed; TLS 1.2 or later."""
    context: ssl.SSLContext
    if server:
        context = _LateHandshake(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # wants a certificate of the host's name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(files["authorities"])
        context.load_cert_chain(files["certificate"], files["key"])
    except OSError as error:  # (SSLError is one)
        raise StudyError(f"config key `tls`: its files cannot be used: {error}") from error
    return context
