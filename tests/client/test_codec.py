"""The codec of a process, by its settings."""

from client.connection import configured_codec
from settings import Settings


def test_each_process_has_one_codec_whatever_else_its_settings_have() -> None:
    token = {"Hash": f"sha256:{'0' * 64}", "Roles": ["viewer"]}
    settings = Settings.model_validate({"api_tokens": {"ann": token}})
    codec = configured_codec(settings, "default")
    assert codec is configured_codec(settings.model_copy(), "default")
    assert codec is not configured_codec(settings, "other")
