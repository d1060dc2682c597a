"""The Kubernetes manifests are what a cluster would accept, and as careful as the page says."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import jsonschema
import pytest

from tests.docs.manifests import SCHEMA, documents, key

WHOLE: dict[str, Any] = json.loads(SCHEMA.read_text())


def problems(document: dict[str, Any]) -> list[str]:
    schema = {**WHOLE["kinds"][key(document)], "definitions": WHOLE["definitions"]}
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)]


def pods() -> list[dict[str, Any]]:
    return [one["spec"]["template"]["spec"] for one in documents() if "template" in one.get("spec", {})]


@pytest.mark.parametrize("document", documents(), ids=key)
def test_a_manifest_is_what_kubernetes_schema_says(document: dict[str, Any]):
    assert problems(document) == []


def test_a_key_that_is_misspelt_is_found():
    document = deepcopy(next(one for one in documents() if one["kind"] == "StatefulSet"))
    document["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    assert problems(document)


def test_nobody_is_root_and_everybody_is_limited():
    assert pods()
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        for container in [*pod["containers"], *pod["initContainers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"], container["name"]
            assert not container["securityContext"]["allowPrivilegeEscalation"], container["name"]
            assert container["resources"]["limits"]["memory"], container["name"]
