"""Contains all the data models used in inputs/outputs"""

from .get_configuration_response_200 import GetConfigurationResponse200

__all__ = ("GetConfigurationResponse200",)
