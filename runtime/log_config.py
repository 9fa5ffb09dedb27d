"""The logging configuration of a worker and of a server."""

import logging
import sys

import structlog

from recovery.access.redaction import redacted


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats a record, with its traceback, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def configure_logging(*, as_json: bool) -> None:
    """Log to standard error with structlog, including the SDK's and boto3's messages."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            # structlog's own shows local variables, of which one may be a token.
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # Below that they say every call, with URLs whose parts are secrets.
    for name in ("botocore", "httpcore", "httpx", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
