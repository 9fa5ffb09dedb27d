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
        # As the Web UI asks.
        decode = "/api/codec/decode?preserveStorageRefs=true"
        read = await client.post(decode, json=made.json(), headers={**by["vic"], "Origin": UI})
        assert read.json() == body
        assert read.headers["access-control-allow-origin"] == UI
        EncryptionKeys(keys=[]).with_new_key().write(path)
        lost = await client.post("/api/codec/decode", json=made.json(), headers=by["vic"])
        assert (lost.status_code, "is encrypted with key" in lost.text) == (503, True)
        sent = "authorization,authorization-extras,content-type,x-namespace"
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": sent}
        for origin, allowed in ((UI, True), ("https://evil.example.com", False)):
            asked = await client.options("/api/codec/decode", headers={**ask, "Origin": origin})
            assert ("access-control-allow-origin" in asked.headers) is allowed
        elsewhere = await client.options("/api/me", headers={**ask, "Origin": UI})
        assert "access-control-allow-origin" not in elsewhere.headers


async def test_a_sign_in_to_the_pages_counts_for_the_web_ui_and_for_no_other_site() -> None:
    settings = Settings(api_tokens=token_settings(vic=["viewer"]), temporal_ui=UI)
    async with page_client(settings) as client:
        client.cookies.set("drs_waves_token", token_of("vic"))
        for origin, status in ((UI, 200), ("https://evil.example.com", 401), (None, 401)):
            headers = {"Origin": origin} if origin else {}
            asked = await client.post("/api/codec/decode", json={"payloads": []}, headers=headers)
            assert asked.status_code == status, origin
        for path in ("/api/me", "/api/codec/../me"):
            asked = await client.get(path, headers={"Origin": UI})
            assert asked.status_code == 401


async def test_without_authentication_the_web_ui_may_decode_and_no_other_page() -> None:
    async with page_client(Settings(temporal_ui=UI)) as client:
        for origin, status in ((UI, 200), ("https://evil.example.com", 403)):
            asked = await client.post(
                "/api/codec/decode",
                json={"payloads": []},
                headers={"Origin": origin, "Host": "127.0.0.1:8080"},
            )
            assert asked.status_code == status, origin
