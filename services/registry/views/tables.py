"""Where the registry's views declare their tables."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Tables(SQLModel, registry=registry()):
    """The tables of the registry's views."""
