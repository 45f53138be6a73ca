"""Is it a CustomResourceDefinition? ``apis/apiextensions/validation`` of k8s.io/apiextensions-apiserver."""

from __future__ import annotations

from typing import Any

from labkit.embedded.api.kinds.common import names
from labkit.embedded.api.kinds.common.causes import Causes
from labkit.embedded.api.kinds.crds import conversion, naming, schemas, structural
from labkit.embedded.api.kinds.custom import formats, without_effect
from labkit.embedded.api.types import golang
from labkit.embedded.api.types.schemas import SHIPPED, is_shipped, unpacked
from labkit.embedded.objects import Obj, mutable

_APPROVED = "api-approved.kubernetes.io"
_COMMUNITY = (".k8s.io", ".kubernetes.io")
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = (
    "byte", "date", "date-time", "double", "float", "int32", "int64", "password",
)  # fmt: skip
_MOST_SELECTABLE = 8
_SHARED = {"schema": "validation", "subresources": "", "additionalPrinterColumns": "", "selectableFields": ""}
"""Fields of a version that stand in the spec itself, in the real server, where all versions agree."""
_AT_ROOT = (
    "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
    "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required",
    "items", "properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
)  # fmt: skip


def validate(causes: Causes, obj: Obj, old: Obj | None) -> None:
    """All of a complete definition but its metadata."""
    spec = obj["spec"]
    _check_name(causes, obj)
    _check_group(causes, spec)
    if not spec.get("scope"):
        causes.required("spec.scope")
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        causes.unsupported("spec.scope", spec["scope"], ("Cluster", "Namespaced"))
    versions = spec.get("versions") or []
    _check_versions(causes, versions)
    _check_own_names(causes, spec["names"])
    for path, version in _places(versions):
        _check_parts(causes, path, version, old)
    conversion.validate(causes, spec, old)
    if old is not None:
        _check_fixed(causes, spec, old)
    _check_status(causes, obj)
    _check_approval(causes, obj, old)
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true "
            "in spec.versions[*].schema instead"
        )
        causes.invalid("spec.preserveUnknownFields", True, detail)


def _check_name(causes: Causes, obj: Obj) -> None:
    name, spec = obj["metadata"].get("name", ""), obj["spec"]
    if name != f"{spec['names'].get('plural', '')}.{spec.get('group', '')}":
        causes.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')


def _check_group(causes: Causes, spec: Obj) -> None:
    group = spec.get("group") or ""
    if not group:
        causes.required("spec.group")
    elif wrong := names.dns_subdomain(group):
        causes.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        causes.invalid("spec.group", group, "should be a domain with at least one dot")


def _check_versions(causes: Causes, versions: list[Obj]) -> None:
    for index, each in enumerate(versions):
        if wrong := names.dns_1035_label(each.get("name", "")):
            causes.invalid(f"spec.versions[{index}].name", each.get("name", ""), ",".join(wrong))
    known = [each.get("name") for each in versions]
    if known and (wrong := names.dns_1035_label(known[0] or "")):
        causes.invalid(
            "spec.version", known[0] or "", ",".join(wrong)
        )  # the field of old, which it still has
    if len(set(known)) < len(known):
        causes.invalid("spec.versions", versions, "must contain unique version names")
    if sum(bool(each.get("storage")) for each in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        causes.invalid("spec.versions", versions, detail)


def _check_own_names(causes: Causes, given: Obj) -> None:
    for key in ("plural", "singular", "kind", "listKind"):
        if not given.get(key):
            causes.required(f"spec.names.{key}")
    for key in ("plural", "singular"):
        _check_label(causes, f"spec.names.{key}", given.get(key) or "")
    for key in ("kind", "listKind"):
        text = given.get(key) or ""
        if text and (wrong := names.dns_1035_label(text.lower())):
            detail = "may have mixed case, but should otherwise match: " + ",".join(wrong)
            causes.invalid(f"spec.names.{key}", text, detail)
    for index, each in enumerate(given.get("shortNames") or ()):
        _check_label(causes, f"spec.names.shortNames[{index}]", each)
    if given.get("kind") and given["kind"] == given.get("listKind"):
        causes.invalid("spec.names.listKind", given["listKind"], "kind and listKind may not be the same")
    for index, each in enumerate(given.get("categories") or ()):
        _check_label(causes, f"spec.names.categories[{index}]", each)


def _check_label(causes: Causes, path: str, text: str) -> None:
    if text and (wrong := names.dns_1035_label(text)):
        causes.invalid(path, text, ",".join(wrong))


def _places(versions: list[Obj]) -> list[tuple[dict[str, str], Obj]]:
    """What is checked, each part once, with its path: what all versions have alike stands above them."""
    shared = {
        key
        for key in _SHARED
        if versions and all(each.get(key) and each[key] == versions[0].get(key) for each in versions)
    }
    above = {key: f"spec.{_SHARED[key] or key}" for key in shared}
    places: list[tuple[dict[str, str], Obj]] = []
    for index, each in enumerate(versions):
        here = {key: f"spec.versions[{index}].{key}" for key in _SHARED if key not in shared}
        own = here | {"": f"spec.versions[{index}]"} | (above if index == len(versions) - 1 else {})
        places.append((own, each))
    return places


def _check_parts(causes: Causes, path: dict[str, str], version: Obj, old: Obj | None) -> None:
    _check_deprecation(causes, path[""], version)
    stored = (version.get("schema") or {}).get("openAPIV3Schema")
    if stored is not None and SHIPPED in stored and not is_shipped(stored[SHIPPED]):
        causes.not_found(f"{path['']}.schema.openAPIV3Schema.{SHIPPED}", stored[SHIPPED])
        return
    schema = None if stored is None else unpacked(stored)
    if "schema" in path and schema is None:
        causes.required(
            f"{path[''] if path['schema'].startswith('spec.v') else 'spec'}.schema.openAPIV3Schema"
        )
    if (
        "schema" in path
        and schema is not None
        and stored is not None
        and SHIPPED not in stored
        and not _was(old, version, stored)
    ):
        _check_schema(causes, path["schema"], schema, "status" in (version.get("subresources") or {}))
    if "subresources" in path:
        _check_subresources(causes, path["subresources"], version.get("subresources") or {})
    for index, each in enumerate(version.get("additionalPrinterColumns") or ()):
        if "additionalPrinterColumns" in path:
            _check_column(causes, f"{path['additionalPrinterColumns']}[{index}]", each)
    if "selectableFields" in path:
        _check_selectable(causes, path["selectableFields"], version, schema or {})


def _was(old: Obj | None, version: Obj, schema: Obj) -> bool:
    """Whether the version had this very schema before: it is sound."""
    return any(
        each["name"] == version["name"] and (each.get("schema") or {}).get("openAPIV3Schema") == schema
        for each in (old or {"spec": {"versions": []}})["spec"]["versions"]
    )


def _check_schema(causes: Causes, path: str, schema: Obj, has_status: bool) -> None:
    at = f"{path}.openAPIV3Schema"
    if has_status:
        _check_root(causes, at, schema)
    if schema.get("nullable"):
        causes.forbidden(f"{at}.nullable", "nullable cannot be true at the root")
    schema = mutable(schema)  # what is found out about it is noted in it
    found = Causes()
    structural.check(found, at, schema)
    if not found:
        schemas.check_defaults(found, at, schema)
    causes.extend(found)
    schemas.check_schema(causes, at, schema)


def _check_root(causes: Causes, at: str, schema: Obj) -> None:
    """What may stand at the root of a kind whose status is written by itself."""
    suffix = "if the status subresource is enabled"
    if schema.get("type") not in (None, "", "object"):
        detail = f'only "object" is allowed as the type at the root of the schema {suffix}'
        causes.invalid(f"{at}.type", schema["type"], detail)
    elif any(value not in (None, "", [], {}, False) for key, value in schema.items() if key not in _AT_ROOT):
        allowed = " ".join(_go_name(each) for each in _AT_ROOT)
        detail = f"only [{allowed}] fields are allowed at the root of the schema {suffix}"
        causes.invalid(at, schema, detail)


def _go_name(key: str) -> str:
    special = {"x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields"}
    special["x-kubernetes-validations"] = "XValidations"
    return special.get(key) or key[0].upper() + key[1:]


def _check_deprecation(causes: Causes, path: str, version: Obj) -> None:
    text = version.get("deprecationWarning")
    if text is None:
        return
    at = f"{path}.deprecationWarning"
    if not version.get("deprecated"):
        causes.invalid(at, text, "can only be set for deprecated versions")
        return
    if len(text.encode()) > 256:
        causes.invalid(at, text, "must be <= 256 characters long")
    if not text:
        causes.invalid(at, text, "must not be an empty string")
    odd = next((index for index, each in enumerate(text) if not each.isprintable()), None)
    if odd is not None:
        words = "must only contain printable UTF-8 characters; non-printable character found at index"
        causes.invalid(at, text, f"{words} {odd}")


def _check_subresources(causes: Causes, path: str, given: Obj) -> None:
    scale = given.get("scale")
    if scale is None:
        return
    _check_path(causes, f"{path}.scale.specReplicasPath", scale.get("specReplicasPath"), (".spec.",))
    _check_path(causes, f"{path}.scale.statusReplicasPath", scale.get("statusReplicasPath"), (".status.",))
    if scale.get("labelSelectorPath"):
        at = f"{path}.scale.labelSelectorPath"
        _check_path(causes, at, scale["labelSelectorPath"], (".spec.", ".status."))


def _check_path(causes: Causes, path: str, text: Any, below: tuple[str, ...]) -> None:
    if not text:
        causes.required(path)
    elif not text.startswith("."):
        causes.invalid(path, text, "must be a simple json path starting with .")
    elif not text.startswith(below):
        places = " or ".join(each.rstrip(".") for each in below)
        detail = f"should be a json path under {'either ' if len(below) > 1 else ''}{places}"
        causes.invalid(path, text, detail)


def _check_column(causes: Causes, path: str, column: Obj) -> None:
    if not column.get("name"):
        causes.required(f"{path}.name")
    detail = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not column.get("type"):
        causes.required(f"{path}.type", detail)
    elif column["type"] not in _COLUMN_TYPES:
        causes.invalid(f"{path}.type", column["type"], detail)
    if column.get("format") and column["format"] not in _COLUMN_FORMATS:
        causes.invalid(f"{path}.format", column["format"], f"must be one of {','.join(_COLUMN_FORMATS)}")
    text = column.get("jsonPath") or ""
    if not text:
        causes.required(f"{path}.JSONPath")
    elif not text.startswith("."):
        causes.invalid(f"{path}.JSONPath", text, "must be a simple json path starting with .")


def _check_selectable(causes: Causes, path: str, version: Obj, schema: Obj) -> None:
    seen: list[str] = []
    for index, each in enumerate(version.get("selectableFields") or ()):
        at, text = f"{path}[{index}].jsonPath", each.get("jsonPath") or ""
        if not text:
            causes.required(at)
            continue
        found, why = _selected(schema, text)
        if found is None:
            causes.invalid(at, text, f"is an invalid path: {why}")
            continue
        if text.startswith(".metadata"):
            causes.invalid(at, text, "must not point to fields in metadata")
        if found.get("type") not in ("string", "boolean", "integer"):
            detail = (
                "must point to a field of type string, boolean or integer. "
                "Enum string fields and strings with formats are allowed."
            )
            causes.invalid(at, text, detail)
        if text in seen:
            causes.duplicate(at, text)
        seen.append(text)
    if len(set(seen)) > _MOST_SELECTABLE:
        causes.too_many(path, len(set(seen)), _MOST_SELECTABLE)


def _selected(schema: Obj, text: str) -> tuple[Obj | None, str]:
    if "[" in text:
        return None, "array notation is not allowed"
    if not text.startswith("."):
        return None, f"expected [ or . but got: {text.partition('.')[0]}"
    return schemas.schema_at(schema, text), "does not refer to a valid field"


def _check_fixed(causes: Causes, spec: Obj, old: Obj) -> None:
    before = old["spec"]
    if naming.is_served(old):
        causes.immutable("spec.scope", spec.get("scope"), before["scope"])
        causes.immutable("spec.names.kind", spec["names"].get("kind"), before["names"]["kind"])
    causes.immutable("spec.group", spec.get("group"), before["group"])
    causes.immutable("spec.names.plural", spec["names"].get("plural"), before["names"]["plural"])


def _check_status(causes: Causes, obj: Obj) -> None:
    at, stored = "status.storedVersions", (obj.get("status") or {}).get("storedVersions") or []
    if not stored:
        causes.invalid(at, stored or None, "must have at least one stored version")
        return
    known = [each.get("name") for each in obj["spec"].get("versions") or ()]
    for index, each in enumerate(stored):
        if each not in known:
            detail = (
                f"missing from spec.versions; {each} was previously a storage version, and must remain in "
                "spec.versions until a storage migration ensures no data remains persisted in "
                f"{each} and removes {each} from status.storedVersions"
            )
            causes.invalid(f"{at}[{index}]", each, detail)


def _check_approval(causes: Causes, obj: Obj, old: Obj | None) -> None:
    """Groups of the Kubernetes community need to be approved there."""
    group = obj["spec"].get("group") or ""
    if group not in ("k8s.io", "kubernetes.io") and not group.endswith(_COMMUNITY):
        return
    given = (obj["metadata"].get("annotations") or {}).get(_APPROVED, "")
    before = ((old or {}).get("metadata", {}).get("annotations") or {}).get(_APPROVED, "")
    if old is not None and bool(given) == bool(before):
        return
    at = f"metadata.annotations[{_APPROVED}]"
    if not given:
        detail = (
            f'protected groups must have approval annotation "{_APPROVED}", '
            "see https://github.com/kubernetes/enhancements/pull/1111"
        )
        causes.required(at, detail)
    elif not given.startswith(("https://", "http://", "unapproved")):
        words = "protected groups must have approval annotation"
        detail = f'{words} "{_APPROVED}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
        causes.invalid(at, given, detail)


def warnings(obj: Obj, old: Obj | None) -> list[str]:
    """Formats that nobody checks, where they are new; kinds that this lab's mesh does not act on."""
    known = _formats(old) if old is not None else []
    unknown = [f"unrecognized format {golang.quoted(each)}" for each in _formats(obj) if each not in known]
    return [*unknown, *([] if old else without_effect(obj["spec"]["group"]))]


def _formats(definition: Obj) -> list[str]:
    found: list[str] = []
    versions = definition["spec"].get("versions") or ()
    schemas = [(each.get("schema") or {}).get("openAPIV3Schema") or {} for each in versions]
    todo: list[Any] = [unpacked(each) for each in schemas if SHIPPED not in each]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            format_ = node.get("format")
            if node.get("type") == "string" and isinstance(format_, str) and not formats.is_known(format_):
                found.append(format_)
            todo += node.values()
    return found
