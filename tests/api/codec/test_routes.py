"""The codec endpoint decrypts for every caller, and lets no other site's pages call it."""

from pathlib import Path

import pytest

from security.encryption import EncryptionKeys
from settings import Settings, get_settings
from tests.api.conftest import page_client
from tests.static_tokens import token_of, token_settings

pytestmark = pytest.mark.usefixtures("isolated_environment")
UI = "https://temporal.example.com"
PAYLOAD = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "InMtMTIzNCI="}


async def test_it_encrypts_for_operators_and_decrypts_for_all_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys.json"
    EncryptionKeys(keys=[]).with_new_key().write(path)
    monkeypatch.setenv("DRS_WAVES_ENCRYPTION_KEYS", str(path))
    get_settings.cache_clear()
    settings = Settings(
        api_tokens=token_settings(vic=["viewer"], ops=["operator"]), temporal_ui=f"{UI}/ui"
    )
    async with page_client(settings) as client:
        body = {"payloads": [PAYLOAD]}
        by = {who: {"Authorization": f"Bearer {token_of(who)}"} for who in ("vic", "ops")}
        made = await client.post("/api/codec/encode", json=body, headers=by["ops"])
        assert made.json()["payloads"] != [PAYLOAD], made.text
        refused = await client.post("/api/codec/encode", json=body, headers=by["vic"])
        assert refused.status_code == 403
        read = await client.post(
            "/api/codec/decode", json=made.json(), headers={**by["vic"], "Origin": UI}
        )
        assert read.json() == body
        assert read.headers["access-control-allow-origin"] == UI
        EncryptionKeys(keys=[]).with_new_key().write(path)
        lost = await client.post("/api/codec/decode", json=made.json(), headers=by["vic"])
        assert (lost.status_code, "is encrypted with key" in lost.text) == (503, True)
        ask = {"Access-Control-Request-Method": "POST"}
        for origin, allowed in ((UI, True), ("https://evil.example.com", False)):
            asked = await client.options("/api/codec/decode", headers={**ask, "Origin": origin})
            assert ("access-control-allow-origin" in asked.headers) is allowed
        elsewhere = await client.options("/api/me", headers={**ask, "Origin": UI})
        assert "access-control-allow-origin" not in elsewhere.headers
