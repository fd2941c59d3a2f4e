"""Adobe Pass, where the documentation names it."""

from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.adobe.enhanced_error import EnhancedError, enhanced_error
from dcrauth.providers.adobe.environments import ENVIRONMENTS, Environment

__all__ = ["ENVIRONMENTS", "AdobePass", "EnhancedError", "Environment", "enhanced_error"]
