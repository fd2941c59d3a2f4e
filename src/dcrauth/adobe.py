"""Adobe Pass, where the documentation names it."""

from dcrauth.providers.adobe.adobe_pass import ENVIRONMENTS, AdobePass, Environment
from dcrauth.providers.adobe.enhanced_error import EnhancedError, enhanced_error

__all__ = ["ENVIRONMENTS", "AdobePass", "EnhancedError", "Environment", "enhanced_error"]
