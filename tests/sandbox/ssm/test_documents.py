"""The scenario's documents of Systems Manager."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from sandbox.scenario import ScenarioError, read_scenario
from tests.sandbox.local_aws import LocalAws, error_of


def test_a_document_of_the_scenario_is_described() -> None:
    keys = "Name: Promote-Db, ParameterNames: [InstanceId]"
    with LocalAws(f"Documents: [{{{keys}}}]") as aws:
        ssm = aws.client("ssm")
        document = ssm.describe_document(Name="Promote-Db")["Document"]
        assert (document["DocumentType"], document["Status"]) == ("Automation", "Active")
        assert [each["Name"] for each in document["Parameters"]] == ["InstanceId"]
        content = json.loads(ssm.get_document(Name="Promote-Db")["Content"])
        assert content["schemaVersion"] == "0.3"
        shell = ssm.describe_document(Name="AWS-RunShellScript")["Document"]
        assert shell["DocumentType"] == "Command"


def test_an_unknown_document_is_refused() -> None:
    with LocalAws("Documents: [{Name: Promote-Db, Region: us-east-1}]") as aws:
        aws.client("ssm", "us-east-1").describe_document(Name="Promote-Db")
        for call in (aws.client("ssm").describe_document, aws.client("ssm").get_document):
            with pytest.raises(ClientError) as refusal:
                call(Name="Promote-Db")
            assert error_of(refusal.value)["error"] == "InvalidDocument"


def test_a_document_that_a_client_creates_runs_too() -> None:
    with LocalAws("") as aws:
        ssm = aws.client("ssm")
        content = json.dumps({"schemaVersion": "0.3", "mainSteps": []})
        ssm.create_document(Content=content, Name="Own", DocumentType="Automation")
        assert ssm.start_automation_execution(DocumentName="Own")["AutomationExecutionId"]


def test_a_later_scenario_changes_what_runs_do_from_then_on() -> None:
    with LocalAws("Documents: [{Name: Own, Outcome: failed}]") as aws:
        ssm = aws.client("ssm")
        runs = [ssm.start_automation_execution(DocumentName="Own")["AutomationExecutionId"]]
        aws.control("POST", "scenario", "Documents: [{Name: Own}]")
        runs.append(ssm.start_automation_execution(DocumentName="Own")["AutomationExecutionId"])
        aws.pass_time(60)
        assert [
            ssm.get_automation_execution(AutomationExecutionId=each)["AutomationExecution"][
                "AutomationExecutionStatus"
            ]
            for each in runs
        ] == ["Failed", "Success"]


def test_all_mistakes_of_documents_are_listed_with_their_places() -> None:
    with pytest.raises(ScenarioError) as refusal:
        read_scenario(
            "Documents: [{Name: A-1, Output: x}, {Name: A-2, Outcome: not-delivered},"
            " {Name: A-3, Type: Command, Outputs: {a: b}}, {Name: A-4, Outcom: failed}]"
        )
    assert str(refusal.value).splitlines() == [
        "Documents.0: a document of Type Automation does not support Output",
        "Documents.1: only a document of Type Command can be not-delivered",
        "Documents.2: a document of Type Command does not support Outputs",
        "Documents.3.Outcom: unknown key, did you mean Outcome?",
    ]
