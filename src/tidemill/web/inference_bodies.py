"""The bodies of the Open Inference Protocol, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class ServerMetadata(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class LiveServer(BaseModel):
    """The process is alive."""

    live: bool


class ReadyServer(BaseModel):
    """A model is served."""

    ready: bool


class ReadyModel(BaseModel):
    """The served version of the model."""

    name: str
    version: str
    ready: bool


class TensorMetadata(BaseModel):
    """A tensor. A side of -1 has any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """The model. `versions` holds the one that is served."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ResponseTensor(BaseModel):
    """An output. In binary, `parameters.binary_data_size` takes the place of `data`."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] = []


class InferenceResponse(BaseModel):
    """The outputs of a request."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: list[ResponseTensor]


REQUEST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "parameters": {"type": "object"},
                        "inputs": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                "type": "object",
                                "required": ["name", "shape", "datatype", "data"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "shape": {"type": "array", "items": {"type": "integer"}},
                                    "datatype": {"type": "string"},
                                    "parameters": {"type": "object"},
                                    "data": {"type": "array", "items": {}},
                                },
                            },
                        },
                        "outputs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"name": {"type": "string"}},
                            },
                        },
                    },
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
