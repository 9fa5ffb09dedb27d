"""Malformed requests get problem details; the documentation loads nothing from other hosts."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest

from api.auth.request_guard import MAX_BODY_BYTES
from sandbox.aws import SandboxAws
from settings import Settings
from storage.plans import PlanTable
from tests.api.conftest import api_client
from tests.recovery.plans import diamond

EXECUTION = "/executions/crm-0f3b52a1c7d9"
PLAN = diamond().model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/plans/%00"),
        ("GET", "/plans/%ED%A0%80"),
        ("GET", "/plans/crm%0A"),
        ("GET", f"/plans/{'x' * 65}"),
        ("GET", "/plans/crm?version=0"),
        ("GET", f"/plans/crm?version={'9' * 5000}"),
        ("GET", "/plans/crm?version=1e3"),
        ("GET", "/executions/crm"),
        ("GET", "/executions/crm-0F3B52A1C7D9"),
        ("GET", "/executions/crm-0f3b52a1c7d9%0A/events"),
        ("GET", f"{EXECUTION}/waves/%F0%9F%92%A9/jobs"),
        ("GET", "/executions?limit=0"),
        ("GET", f"/executions?limit={10**30}"),
        ("GET", "/executions?state=DONE"),
        ("GET", "/executions?plan_id=a'%20OR%20'1'='1"),
    ],
)
async def test_a_malformed_path_gets_422_with_its_problems(
    isolated_environment: None, method: str, path: str
) -> None:
    async with api_client(Settings()) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["problems"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"Wave": null}',
        b'{"Wave": "db", "Reason": "\\ud800"}',
        b'{"Wave": "db", "Reason": "\\u0000"}',
        b'{"Wave": "db", "\\ud800": 1}',
        b'{"Wave": "db", "Reason": "' + b"x" * 501 + b'"}',
        b'{"Wave": "db", "ExpiresInSeconds": NaN}',
        b'{"Wave": "db", "ExpiresInSeconds": 1e400}',
        b'{"Wave": "db", "ExpiresInSeconds": -1}',
        b'{"Wave": "db", "ExpiresInSeconds": ' + b"9" * 5000 + b"}",
        b'{"Wave": "db", "Approve": "yes"}',
        b'{"Wave": "db", "Actor": "root"}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
async def test_a_malformed_message_is_refused_before_it_is_sent(
    isolated_environment: None, body: bytes
) -> None:
    async with api_client(Settings()) as client:
        answer = await client.post(
            f"{EXECUTION}/approve_wave", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    # The response is valid UTF-8 JSON.
    json.loads(answer.content.decode())


@pytest.mark.parametrize(
    "body",
    [
        {"Version": True},
        {"Version": 10**30},
        {"Relaunch": ["s-1"]},
        {"Relaunch": ["s-00000000000000001"] * 4001},
        {"CleanupAfterSeconds": "60"},
        {"FromExecution": "crm"},
        {"ExecutionType": "drill"},
        {"executiontype": "DRILL"},
        {"ExecutionType": "RECOVERY"},
        {"ReplaceDrill": True},
        {"Confirmation": "other"},
    ],
)
async def test_an_invalid_start_request_starts_nothing(
    isolated_environment: None, body: dict[str, Any]
) -> None:
    async with api_client(Settings()) as client:
        answer = await client.post("/plans/crm/executions", json=body)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 201])
async def test_an_idempotency_key_must_be_short_ascii(isolated_environment: None, key: str) -> None:
    async with api_client(Settings()) as client:
        headers = [(b"Idempotency-Key", key.encode())]
        answer = await client.post("/plans/crm/executions", json={}, headers=headers)
    assert answer.status_code == 422, answer.text


async def test_a_body_above_the_limit_is_not_read(isolated_environment: None) -> None:
    async with api_client(Settings()) as client:
        for path in ("/plans/validate", "/forecast"):
            answer = await client.post(
                path,
                content=b" " * (MAX_BODY_BYTES + 1),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 413
            assert answer.json()["detail"] == "the request is larger than 6 MB"
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_content_type_gets_415_with_the_right_ones(
    isolated_environment: None,
) -> None:
    async with api_client(Settings()) as client:
        form = await client.post("/plans/validate", data={"PlanId": "crm"})
        assert form.status_code == 415
        assert "application/yaml" in form.json()["detail"]
        latin = "PlanId: caf\xe9".encode("latin-1")
        text = await client.post(
            "/plans/validate", content=latin, headers={"Content-Type": "text/plain"}
        )
        assert text.status_code == 422
        assert "UTF-8" in text.json()["problems"][0]["detail"]


async def test_a_plan_is_registered_once_with_its_author_and_read_back(
    plans: PlanTable,
) -> None:
    async with api_client(Settings()) as client:
        first = await client.post("/plans/crm/versions", json=PLAN)
        again = await client.post("/plans/crm/versions", json=PLAN)
        other = await client.post("/plans/other/versions", json=PLAN)
        assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
        assert first.headers["location"] == "/api/plans/crm?version=1"
        assert again.json() == first.json()
        me = (await client.get("/me")).json()["Subject"]
        assert first.json()["Author"] == me
        read = await client.get("/plans/crm")
        assert read.json()["Version"] == first.json()
        assert [wave["WaveId"] for wave in read.json()["Plan"]["Waves"]] == [
            "db", "app1", "app2", "web",
        ]  # fmt: skip
        assert (await client.get("/plans/crm?version=2")).status_code == 404
        listed = (await client.get("/plans/crm/versions")).json()["Versions"]
        assert listed == [first.json()]


async def test_without_a_plan_table_the_response_says_how_to_create_it(
    plans: PlanTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api_client(Settings(plan_table="another-table")) as client:
        answer = await client.get("/plans/crm")
    assert answer.status_code == 503
    assert answer.json()["detail"].endswith("The table does not exist. Create it first.")
    assert answer.headers["retry-after"]


async def test_the_documentation_page_loads_nothing_from_another_host(
    isolated_environment: None,
) -> None:
    async with api_client(Settings()) as client:
        page = (await client.get("/docs")).text
        assert re.findall(r"https?://", page) == []
        for path in re.findall(r"""(?:src|href|url)[=:] ?["']([^"']+)["']""", page):
            answer = await client.get(f"/{path}")
            assert answer.status_code == 200, path
        assert "validatorUrl: null" in (await client.get("/docs/start.js")).text


async def test_every_endpoint_documents_its_summary_response_and_problems(
    isolated_environment: None,
) -> None:
    async with api_client(Settings()) as client:
        document = (await client.get("/openapi.json")).json()
    names = set()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            names.add(operation["operationId"])
            assert operation["summary"], path
            assert operation["description"], path
            successes = [a for code, a in operation["responses"].items() if code.startswith("2")]
            assert all(answer["content"] for answer in successes), path
            if path not in ("/health", "/sign-in"):
                assert {"401", "403"} <= operation["responses"].keys(), path
                assert operation["security"] == [{"HTTPBearer": []}]
    assert len(names) == sum(len(methods) for methods in document["paths"].values())


async def problem_of(path: str, body: bytes) -> dict[str, Any]:
    """The only problem of a request with a body."""
    async with api_client(Settings()) as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post(path, content=body, headers=headers)
    assert answer.status_code == 422, answer.text
    (problem,) = answer.json()["problems"]
    return dict(problem)


@pytest.mark.parametrize(
    ("path", "body", "pointer", "detail"),
    [
        (
            "/plans/crm/executions",
            b'{"ExecutionTyp": "RECOVERY"}',
            "#/ExecutionTyp",
            "unknown key; did you mean ExecutionType?",
        ),
        (
            f"{EXECUTION}/skip_wave",
            b'{"Wave": "db", "Cascde": true}',
            "#/Cascde",
            "unknown key; did you mean Cascade?",
        ),
        (f"{EXECUTION}/pause", b'{"a/b~c d": 1}', "#/a~1b~0c%20d", "unknown key; there is Reason"),
        (f"{EXECUTION}/retry_wave", b"{}", "#", "Wave is missing"),
        (f"{EXECUTION}/retry_wave", b'{"Wav": "db"}', "#/Wav", "unknown key; did you mean Wave?"),
        (f"{EXECUTION}/skip_wave", b'{"Wave": "db", "Cascade": "y"}', "#/Cascade", "must be true"),
        (f"{EXECUTION}/cancel", b"[]", "#", "the body must be a JSON object"),
        ("/forecast", b'{"PlanIds": []}', "#/PlanIds", "must have at least 1 element"),
        (
            "/plans/crm/executions",
            b'{"ExecutionType": "recovery"}',
            "#/ExecutionType",
            "'recovery' is none of DRILL, RECOVERY; did you mean RECOVERY?",
        ),
        (
            "/plans/crm/executions",
            b'{"ExecutionType": "RECOVERY", "Confirmation": "crn"}',
            "#/Confirmation",
            "nothing was started: 'crn' is not the PlanId",
        ),
        (
            "/plans/crm/executions",
            b'{"ExecutionType": "RECOVERY"}',
            "#",
            "nothing was started: a real RECOVERY needs the PlanId 'crm' as its confirmation; "
            'send "Confirmation": "crm"',
        ),
        (f"{EXECUTION}/retry_wave", b"{", "#", "the body is not JSON"),
        (
            "/plans/crm/executions",
            b'{"Relaunch": ["s-0123456789abcdef0", "s-12"]}',
            "#/Relaunch/1",
            "'s-12' does not match ^s-[0-9a-f]{17}$ "
            '(it has 2 characters after "s-", it needs 17)',
        ),
    ],
)
async def test_a_wrong_body_is_pointed_at_with_what_was_meant(
    isolated_environment: None, path: str, body: bytes, pointer: str, detail: str
) -> None:
    problem = await problem_of(path, body)
    assert problem["pointer"] == pointer
    assert problem["detail"].startswith(detail)
    # It resolves in the body that was sent.
    found = json.loads(body) if body != b"{" else {}
    for token in pointer.split("/")[1:]:
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        found = found[int(key)] if isinstance(found, list) else found[key]


async def test_a_problem_of_a_json_plan_points_to_its_wave(isolated_environment: None) -> None:
    plan = json.loads(json.dumps(PLAN))
    plan["Waves"][2]["Dependencies"] = [{"DependsOnWaveId": "dbx"}]
    problem = await problem_of("/plans/validate", json.dumps(plan).encode())
    assert (problem["pointer"], problem["wave"]) == ("#/Waves/2", plan["Waves"][2]["WaveId"])


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/plan", 404, "there is no /plan; did you mean /plans?"),
        ("POST", f"{EXECUTION}/retry-wave", 404, f"did you mean {EXECUTION}/retry_wave?"),
        ("GET", "/nothing/like/it", 404, "/openapi.json lists the paths"),
        ("DELETE", EXECUTION, 405, "DELETE is not possible here; GET is"),
        ("GET", "/executions?plan=crm", 422, "plan: unknown parameter; did you mean plan_id?"),
        ("GET", f"{EXECUTION}?wave=db", 422, "wave: unknown parameter; this request takes none"),
        ("GET", f"{EXECUTION}/actions?wave=db", 503, "check TEMPORAL_ADDRESS of this server"),
        ("GET", f"{EXECUTION}/actions?wav=db", 422, "wav: unknown parameter; did you mean wave?"),
        ("GET", "/executions?state=completed", 422, "did you mean COMPLETED?"),
        ("GET", "/executions/crm", 422, "its PlanId, `-` and 12 hexadecimal digits"),
        ("GET", EXECUTION, 503, "check TEMPORAL_ADDRESS of this server"),
    ],
)
async def test_a_refusal_says_in_the_words_of_the_api_what_to_do(
    aws: SandboxAws, method: str, path: str, status: int, detail: str
) -> None:
    async with api_client(Settings()) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert detail in answer.json()["detail"]
    assert "drs-waves " not in answer.json()["detail"].replace("table drs-waves", "")
    assert "--" not in answer.text


async def test_the_version_of_the_api_is_in_each_response_and_may_be_asked_for(
    isolated_environment: None,
) -> None:
    async with api_client(Settings()) as client:
        for version, status in ((None, 200), ("1", 200), ("2", 422)):
            headers = {"API-Version": version} if version else {}
            answer = await client.get("/me", headers=headers)
            assert (answer.status_code, answer.headers["api-version"]) == (status, "1")
        assert (await client.get("/openapi.json")).json()["info"]["version"] == "1"


async def test_a_wrong_parameter_is_named(isolated_environment: None) -> None:
    async with api_client(Settings()) as client:
        answer = await client.get("/executions?limit=0")
    (problem,) = answer.json()["problems"]
    assert problem["parameter"] == "limit"
    assert "pointer" not in problem
