"""Pages that are printed from elsewhere are not stale."""

from __future__ import annotations

import pytest

from tests.docs import api_reference


@pytest.mark.parametrize("domain", api_reference.documents())
def test_an_api_page_is_what_the_openapi_document_says(domain: str):
    found = (api_reference.FOLDER / f"{domain}.md").read_text(encoding="utf-8")
    assert found == api_reference.page(domain), "python -m tests.docs.api_reference"
