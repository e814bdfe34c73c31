"""Settings are closed: what is no setting is refused by name, and no value is repeated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clinical_ner.core.errors import UserError
from clinical_ner.serving.settings import PREFIX, Settings, from_environment

PAGE = Path(__file__).parents[3] / "docs/service.md"


def test_what_is_not_stated_is_the_default_and_other_variables_do_not_matter() -> None:
    assert from_environment({"PATH": "/bin", "CLINICAL": "x"}) == Settings()


def test_a_variable_sets_its_setting() -> None:
    found = from_environment(
        {"CLINICAL_NER_MAX_NOTES": "7", "CLINICAL_NER_LOCAL": "true", "CLINICAL_NER_KEYS": "k.json"}
    )

    assert (found.max_notes, found.local, found.keys) == (7, True, Path("k.json"))


def test_a_misspelt_variable_is_refused_and_the_right_one_suggested() -> None:
    with pytest.raises(UserError, match="did you mean 'CLINICAL_NER_MAX_NOTES'"):
        from_environment({"CLINICAL_NER_MAX_NOTE": "7"})


@pytest.mark.parametrize(
    "name",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_3000_TCP", "PORT_3000_TCP_ADDR"],
)
def test_what_kubernetes_says_of_a_service_of_our_name_is_no_setting(name: str) -> None:
    assert from_environment({f"CLINICAL_NER_{name}": "tcp://10.0.0.1:3000"}) == Settings()


@pytest.mark.parametrize("name", ["SERVICE_HOSTS", "PORTS", "PORT_3000", "SERVICE"])
def test_what_only_looks_like_it_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"CLINICAL_NER_{name}: unknown setting"):
        from_environment({f"CLINICAL_NER_{name}": "x"})


@pytest.mark.parametrize("name", ["MAX_NOTES", "TIMEOUT_SECONDS", "LOCAL", "WORKERS", "LOG_LEVEL"])
def test_a_value_out_of_range_is_named_and_not_repeated(name: str) -> None:
    with pytest.raises(UserError, match=f"^CLINICAL_NER_{name}: ") as caught:
        from_environment({f"CLINICAL_NER_{name}": "-hunter2"})

    assert "hunter2" not in str(caught.value)


def test_the_page_lists_every_setting_with_its_default() -> None:
    listed = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (\S*) ?\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    defaults = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    assert listed == {
        name: "" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
        for name, value in defaults.items()
    }
