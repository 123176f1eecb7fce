"""The listings and metadata of a simulated workspace's models: the discovery calls of docs/wire/discovery.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dbx_gateway.testing.apis.wire import Refused
from dbx_gateway.testing.model.behaviour import BEHAVIOURS
from dbx_gateway.testing.service.catalog import Catalog, Served

__all__ = [
    "anthropic_models",
    "foundation_models",
    "gateway_endpoint",
    "gateway_endpoints",
    "model_services",
    "serving_endpoint",
    "serving_endpoints",
]

_API_TYPES = {
    "chat-completions": "mlflow/v1/chat/completions",
    "responses": "openai/v1/responses",
    "messages": "anthropic/v1/messages",
    "generate-content": "gemini/v1/generateContent",
}
_BIGGEST_PAGE = 100


def _api_types(model: Served) -> list[str]:
    if model.profile.kind == "embedding":
        return ["mlflow/v1/embeddings"]
    return [_API_TYPES[api] for api in sorted(model.apis)]


def _served_entity(model: Served) -> dict[str, Any]:
    entity: dict[str, Any] = {"name": model.entity or model.name, "entity_version": "1"}
    match model.origin:
        case "foundation":
            entity["entity_name"] = model.entity
            entity["foundation_model"] = {
                "name": model.entity,
                "display_name": model.profile.model.removeprefix("databricks-"),
                "description": f"{model.family} model",
                "ai_gateway_v2_supported": bool(model.gateway_names),
                "api_types": _api_types(model),
            }
        case "external":
            provider = BEHAVIOURS[model.family].provider
            entity["external_model"] = {"name": model.entity, "provider": provider, "task": model.task}
        case "provisioned" | "custom":
            entity["entity_name"] = model.entity
    return entity


def _endpoint(model: Served) -> dict[str, Any]:
    return {
        "name": model.name,
        "task": model.task,
        "state": {"ready": "READY", "config_update": "NOT_UPDATING"},
        "creator": "someone@example.com",
        "config": {"served_entities": [_served_entity(model)]},
    }


def serving_endpoints(catalog: Catalog) -> dict[str, Any]:
    """List the endpoints of model serving."""
    return {"endpoints": [_endpoint(model) for model in catalog.models if model.name is not None]}


def serving_endpoint(catalog: Catalog, name: str, origin: str) -> dict[str, Any]:
    """Describe one endpoint; ``origin`` is the workspace's own address.

    Raises:
        Refused: there is none of that name.
    """
    model = catalog.find("model-serving", name)
    if model is None:
        raise Refused(404, f"Endpoint with name '{name}' does not exist.", code="RESOURCE_DOES_NOT_EXIST")
    detailed = _endpoint(model) | {
        "capabilities": {"function_calling": model.profile.tools and model.profile.kind == "chat"},
        "route_optimized": model.route_optimized,
        "permission_level": "CAN_QUERY",
    }
    if model.route_optimized:
        detailed["endpoint_url"] = f"{origin}/optimized/{name}/invocations"
    return detailed


def foundation_models(catalog: Catalog) -> dict[str, Any]:
    """List the endpoints that serve Databricks' own foundation models."""
    found = [model for model in catalog.models if model.origin == "foundation" and model.name is not None]
    entities = [(model.name, _served_entity(model)) for model in found]
    return {"endpoints": [{"name": name, "config": {"served_entities": [entity]}} for name, entity in entities]}


def anthropic_models(catalog: Catalog) -> dict[str, Any]:
    """List the Claude models of the gateway in Anthropic's format.

    The first is listed a second time with the ending ``-anthropic``, which clients leave out (row
    disc-anthropic-suffix).
    """
    names = [model.gateway_names[0] for model in catalog.models if "messages" in model.apis and model.gateway_names]
    names += [f"{name}-anthropic" for name in names[:1]]
    data = [{"type": "model", "id": name, "display_name": name, "created_at": "2026-01-02T03:04:05Z"} for name in names]
    ends = {"first_id": names[0], "last_id": names[-1]} if names else {"first_id": None, "last_id": None}
    return {"data": data, "has_more": False, **ends}


def model_services(catalog: Catalog, query: Mapping[str, str]) -> dict[str, Any]:
    """List the model services of a Unity Catalog schema.

    Raises:
        Refused: 499 with an empty body when ``page_size`` is missing or too big; 404 when there is no such schema.
    """
    size = int(query.get("page_size") or 0)
    if not 0 < size <= _BIGGEST_PAGE:
        raise Refused(499, "", body={})
    names = {name: model for model in catalog.models for name in model.gateway_names if name.count(".") >= 2}
    parent = query.get("parent", "").removeprefix("schemas/")
    inside = [name for name in names if not parent or name.startswith(f"{parent}.")]
    if not inside:
        raise Refused(404, f"Schema '{parent}' does not exist.", code="SCHEMA_DOES_NOT_EXIST")
    page, rest = _page(inside, size, query.get("page_token"))
    full = query.get("view") == "FULL"
    services = [_service(name, names[name], full=full) for name in page]
    return {"model_services": services, **rest}


def _service(name: str, model: Served, *, full: bool) -> dict[str, Any]:
    service: dict[str, Any] = {"name": f"model-services/{name}"}
    if full:
        target = {"native_api_types": _api_types(model)}
        destination = {"external_model_config": {"name": model.entity, "target": target}}
        service["config"] = {"routing": {"destinations": [destination]}}
    return service


def gateway_endpoints(catalog: Catalog, query: Mapping[str, str]) -> dict[str, Any]:
    """List the endpoints of the gateway."""
    names = {model.gateway_names[0]: model for model in catalog.models if model.gateway_names}
    size = int(query.get("page_size") or _BIGGEST_PAGE)
    page, rest = _page(list(names), size, query.get("page_token"))
    return {"endpoints": [_gateway_endpoint(name, names[name]) for name in page], **rest}


def gateway_endpoint(catalog: Catalog, name: str) -> dict[str, Any]:
    """Describe one endpoint of the gateway.

    Raises:
        Refused: there is none of that name.
    """
    model = catalog.find("ai-gateway", name)
    if model is None:
        raise Refused(404, f"Endpoint '{name}' does not exist.", code="RESOURCE_DOES_NOT_EXIST")
    return _gateway_endpoint(name, model)


def _gateway_endpoint(name: str, model: Served) -> dict[str, Any]:
    kind = "EXTERNAL_FOUNDATION_MODEL" if model.origin == "external" else "PAY_PER_TOKEN_FOUNDATION_MODEL"
    destination = {"name": model.entity, "type": f"DESTINATION_TYPE_{kind}", "traffic_percentage": 100}
    return {"name": name, "config": {"destinations": [destination]}, "supported_api_types": _api_types(model)}


def _page(names: Iterable[str], size: int, token: str | None) -> tuple[list[str], dict[str, str]]:
    ordered = list(names)
    start = int(token or 0)
    end = start + size
    return ordered[start:end], {"next_page_token": str(end)} if end < len(ordered) else {}
