"""From Swagger 2.0 schemas to JSON Schema 2020-12, in two readings: what a client may send, and what Azure may answer.

Swagger 2.0 and AutoRest's extensions ("AutoRest extensions for OpenAPI 2.0") say more than JSON Schema alone does, and it is
written out here: inheritance (allOf) is flattened and every object closed; `readOnly` members are not sent; `x-ms-secret`
members and those without `read` in x-ms-mutability are not answered; null is a value only with x-nullable; enums are closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import jsonschema_rs

from tests.contracts import version_gap
from tests.contracts.specifications import Place, content, follow

Schema = dict[str, Any]


class Reading(Enum):
    """Whose JSON it is, and for a client's which kind of request."""

    SENT_TO_CREATE = "create"
    SENT_TO_UPDATE = "update"
    ANSWERED = "read"


# Members that are set and never shown, though nothing marks them: customData ("Custom data and cloud-init on Azure Virtual
# Machines"), protectedSettings ("Azure virtual machine extensions and features": encrypted, decrypted inside the VM alone).
_NEVER_ANSWERED = {
    "computeRPCommon.OSProfile": {"customData"},
    "virtualMachine.OSProfileProvisioningData": {"customData"},
    "virtualMachineScaleSet.VirtualMachineScaleSetOSProfile": {"customData"},
    "virtualMachine.VirtualMachineExtensionProperties": {"protectedSettings"},
    "virtualMachineScaleSet.VirtualMachineScaleSetExtensionProperties": {"protectedSettings"},
}

_COPIED = ("pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minimum", "maximum", "multipleOf")
_BOUNDS = {"int32": 2**31, "int64": 2**63}
_ADDED = version_gap.additions()


@dataclass
class _Members:
    """What an object has, all it inherits included."""

    schemas: dict[str, Place] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    others: Place | None = None


@dataclass
class Translation:
    """Translates schemas for one reading; definitions that are referred to are translated once, on their first use."""

    reading: Reading
    definitions: dict[str, Schema] = field(default_factory=dict)
    _waiting: list[Place] = field(default_factory=list)

    def document(self, place: Place) -> Schema:
        """A self-contained JSON Schema of what stands at `place`."""
        schema = self._schema(place)
        while self._waiting:
            definition = self._waiting.pop()
            self.definitions[definition.key] = self._object_or_other(definition)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": self.definitions}

    def _schema(self, place: Place) -> Schema:
        target = follow(place)
        if not target.name:
            schema = self._object_or_other(place)
        else:
            if target.key not in self.definitions:
                self.definitions[target.key] = {}
                self._waiting.append(target)
            schema = {"$ref": f"#/$defs/{target.key}"}
        nullable = place.value.get("x-nullable", target.value.get("x-nullable", False))
        return {"anyOf": [schema, {"type": "null"}]} if nullable else schema

    def _object_or_other(self, place: Place) -> Schema:
        value = place.value
        if "discriminator" in value and place.name:
            return {"oneOf": [self._kind(place, kind) for kind in _kinds(place)]}
        if value.get("type", "object") == "object" and not {"enum", "items"} & set(value):
            return self._object(place)
        if value["type"] == "array":
            return _kept(value) | {"type": "array", "items": self._schema(place.at(value["items"]))}
        return scalar(value)

    def _kind(self, base: Place, kind: Place) -> Schema:
        schema = self._object(kind)
        schema["properties"][base.value["discriminator"]] = {"const": kind.value.get("x-ms-discriminator-value", kind.name)}
        return schema

    def _object(self, place: Place) -> Schema:
        members = _Members()
        _collect(place, members)
        if not members.schemas and members.others is None:
            # An object of no known shape is any JSON ("AutoRest and swagger: type object without properties").
            return {} if "type" not in place.value or place.value.get("type") == "object" else scalar(place.value)
        added = {member.name: member for member in _ADDED.members.get(place.key if place.name else "", ())}
        properties = {name: self._member(members, name) for name in members.schemas}
        properties |= {name: self._added(member) for name, member in added.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": sorted(name for name in members.required if properties.get(name) is not False),
            "additionalProperties": False if members.others is None else self._schema(members.others),
        }

    def _member(self, members: _Members, name: str) -> Schema | bool:
        place = members.schemas[name]
        hidden = name in _NEVER_ANSWERED.get(members.owners[name], ())
        return False if self._is_out_of_place(place, hidden) else self._schema(place)

    def _added(self, member: version_gap.Member) -> Schema | bool:
        return False if member.read_only and self.reading is not Reading.ANSWERED else member.schema

    def _is_out_of_place(self, place: Place, hidden: bool) -> bool:
        marks = follow(place).value | place.value
        if self.reading is Reading.ANSWERED:
            return hidden or marks.get("x-ms-secret", False) or "read" not in marks.get("x-ms-mutability", ("read",))
        if marks.get("readOnly"):
            return True
        mutability = marks.get("x-ms-mutability", ("create", "update"))
        wanted = ("create", "update") if self.reading is Reading.SENT_TO_CREATE else ("update",)
        return not set(wanted) & set(mutability)


def _collect(place: Place, members: _Members) -> None:
    value = place.value
    for parent in value.get("allOf", ()):
        _collect(follow(place.at(parent)), members)
    for name, schema in value.get("properties", {}).items():
        members.schemas[name] = place.at(schema)
        members.owners[name] = place.key if place.name else ""
    members.required |= set(value.get("required", ()))
    others = value.get("additionalProperties")
    if isinstance(others, dict):
        members.others = place.at(others)
    elif others is True:
        members.others = place.at({"type": "object"})


def _kinds(base: Place) -> Iterator[Place]:
    for name, definition in content(base.file)["definitions"].items():
        kind = Place(definition, base.file, name)
        if any(follow(kind.at(parent)).key == base.key for parent in definition.get("allOf", ())):
            yield kind


def scalar(value: Schema) -> Schema:
    """A string, number or boolean, of a body or of a parameter."""
    schema = _kept(value) | {"type": value["type"]}
    name = value.get("x-ms-enum", {}).get("name", "")
    if "enum" in value and name not in version_gap.OPEN_ENUMS:
        schema["enum"] = [*value["enum"], *_ADDED.values.get(name, ())]
    bound = _BOUNDS.get(value.get("format", ""))
    if bound is not None:
        schema = {"minimum": -bound, "maximum": bound - 1} | schema
    elif value["type"] == "string" and "format" in value:
        schema["format"] = value["format"]
    return schema


def _kept(value: Schema) -> Schema:
    kept = {key: value[key] for key in _COPIED if key in value}
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if value.get(exclusive) is True and bound in kept:
            kept[exclusive] = kept.pop(bound)  # Swagger 2.0 has JSON Schema draft 4's booleans here
    return kept


def compiled(document: Schema) -> jsonschema_rs.Draft202012Validator:
    """A validator that knows formats; made once for each operation, since that takes longer than hundreds of its uses."""
    return jsonschema_rs.Draft202012Validator(document, validate_formats=True)
