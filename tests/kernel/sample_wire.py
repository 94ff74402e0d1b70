"""The sample's messages, compiled from sample.proto when first asked for."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import grpc_tools
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_tools import protoc

HERE = Path(__file__).parent


@cache
def pool() -> DescriptorPool:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sample.binpb"
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        arguments = ["protoc", f"--proto_path={HERE}", f"--proto_path={well_known}", "--include_imports"]
        assert protoc.main([*arguments, f"--descriptor_set_out={out}", "sample.proto"]) == 0
        files = FileDescriptorSet.FromString(out.read_bytes())
    made = DescriptorPool()
    for file in files.file:
        made.Add(file)
    return made


def message(name: str) -> Any:
    """The class of a message."""
    return GetMessageClass(pool().FindMessageTypeByName(f"sample.v1.{name}"))


def service(name: str) -> ServiceDescriptor:
    return pool().FindServiceByName(f"sample.v1.{name}")
