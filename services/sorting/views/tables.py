"""Where sorting's views declare their tables."""

from sqlalchemy.orm import registry
from sqlmodel import SQLModel


class Tables(SQLModel, registry=registry()):
    """The tables of sorting's views."""
