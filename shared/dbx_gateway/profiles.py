"""The former home of :mod:`dbx_gateway.models.profile` and ``.profiles``: pickles of a profile name it."""

from dbx_gateway.models.profile import Profile
from dbx_gateway.models.profiles import known_models, profile_of

__all__ = ["Profile", "known_models", "profile_of"]
