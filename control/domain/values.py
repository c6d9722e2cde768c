"""Values and attributes between their document form and the domain: types are checked against the feature."""

from __future__ import annotations

import re
from typing import Final, cast

from control.domain.catalogue import CatalogueFeature
from control.domain.fields import INT_MAX, Fields, Findings
from entitlements.policy.condition_json import parse_instant, render_instant
from entitlements.policy.model import UNLIMITED, Attribute, FeatureKind, Instant, Unlimited, Value, ValueType

_ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_MAX_ATTRIBUTES: Final = 64
_MAX_ELEMENTS: Final = 256
_MAX_TEXT: Final = 1_024
_REMEDIES: Final = {
    ValueType.BOOL: "Write true or false",
    ValueType.INT: "Write a whole number from 0 on, or unlimited",
    ValueType.STRING: f"Write a text of at most {_MAX_TEXT} characters",
    ValueType.LIST: f"Write a list of at most {_MAX_ELEMENTS} texts",
}


def read_value(findings: Findings, value: object, path: str, value_type: ValueType) -> Value | None:
    """Return a config value of a type; None after noting what is wrong. Lists become sorted sets."""
    match value_type:
        case ValueType.BOOL if isinstance(value, bool):
            return value
        case ValueType.INT if value == UNLIMITED.value:
            return UNLIMITED
        case ValueType.INT if isinstance(value, int) and not isinstance(value, bool):
            if 0 <= value <= INT_MAX:
                return value
            problem = "is negative" if value < 0 else "is larger than 64 bits hold"
            findings.refuse(path, problem, _REMEDIES[value_type])
            return None
        case ValueType.STRING if isinstance(value, str) and value != UNLIMITED.value and _is_text(value):
            return value
        case ValueType.LIST if isinstance(value, list | tuple) and len(value) <= _MAX_ELEMENTS:
            texts = [element for element in value if isinstance(element, str) and _is_text(element)]
            if len(texts) == len(value):
                return tuple(sorted(set(texts)))
        case _:
            pass
    if value == UNLIMITED.value:
        findings.refuse(
            path, f"is unlimited, but the feature is of type {value_type.name.lower()}", _REMEDIES[value_type]
        )
    else:
        findings.refuse(path, f"is not a value of type {value_type.name.lower()}", _REMEDIES[value_type])
    return None


def read_grant_value(
    findings: Findings, value: object, path: str, feature: CatalogueFeature, *, required: bool
) -> Value | None:
    """Return the value that a source grants for a feature; switches take ``true`` or nothing and have no value."""
    if feature.kind is FeatureKind.SWITCH:
        if value is not None and value is not True:
            findings.refuse(path, "is not true, but the feature is a switch", "Write true, or leave the feature out")
        return None
    if value is None or feature.value_type is None:
        if required:
            findings.refuse(path, "is missing", f"The feature {feature.key} is a config feature; give its value")
        return None
    return read_value(findings, value, path, feature.value_type)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return len(value) <= _MAX_TEXT and "\x00" not in value


def read_attributes(fields: Fields, name: str) -> dict[str, Attribute]:
    """Return a customer's attributes."""
    attributes: dict[str, Attribute] = {}
    for key, value, path in fields.entries(name):
        if not _ATTRIBUTE_NAME.fullmatch(key) or key.startswith("customer."):
            remedy = "Use letters, digits, _ . - and at most 64 characters, without the prefix customer."
            fields.findings.refuse(path, "is not a name for an attribute", remedy)
            continue
        attribute = _attribute(value)
        if attribute is None:
            remedy = 'Use a text, a whole number, true, false, a list of texts or {"timestamp": "2027-01-31T00:00:00Z"}'
            fields.findings.refuse(path, "is not a value for an attribute", remedy)
        else:
            attributes[key] = attribute
    if len(attributes) > _MAX_ATTRIBUTES:
        fields.refuse(name, f"has {len(attributes)} attributes", f"Keep at most {_MAX_ATTRIBUTES}")
    return attributes


def _attribute(value: object) -> Attribute | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -INT_MAX <= value <= INT_MAX else None
    if isinstance(value, str):
        return value if _is_text(value) else None
    if isinstance(value, list | tuple) and len(value) <= _MAX_ELEMENTS:
        texts = [element for element in value if isinstance(element, str) and _is_text(element)]
        return tuple(sorted(set(texts))) if len(texts) == len(value) else None
    if isinstance(value, dict) and set(value) == {"timestamp"} and isinstance(value["timestamp"], str):
        try:
            return parse_instant(value["timestamp"])
        except ValueError:
            return None
    return None


def restore_value(form: object) -> Value:
    """Return the value of a stored form; no text value is the word `unlimited`, so the form alone tells its type."""
    if form == UNLIMITED.value:
        return UNLIMITED
    return tuple(form) if isinstance(form, list) else cast("Value", form)


def restore_attribute(form: object) -> Attribute:
    """Return the attribute of a stored form."""
    if isinstance(form, dict):
        return parse_instant(form["timestamp"])
    return tuple(form) if isinstance(form, list) else cast("Attribute", form)


def render_value(value: Value) -> object:
    """Return the document form of a value."""
    if isinstance(value, Unlimited):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def render_attribute(attribute: Attribute) -> object:
    """Return the document form of an attribute."""
    if isinstance(attribute, Instant):
        return {"timestamp": render_instant(attribute)}
    return list(attribute) if isinstance(attribute, tuple) else attribute
